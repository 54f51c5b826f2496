// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/clients/locking.h"

#include <utility>

namespace ctdb {
namespace {

class NativeLocking : public Locking {
 public:
  NativeLocking(const std::string& setup, const std::string& database, uint32_t copies)
      : connection_(setup, database, CTDB_ATTACH_COPIES(copies)) {}

  std::string open() override { return connection_.open(); }

  std::string lock(const std::string& key) override {
    return outcome(ctdb_fetch_lock(connection_.db(), {key.data(), key.size()}, kCallTimeoutMs, &record_));
  }
  ByteView data() const override {
    const ctdb_blob data = ctdb_record_data(record_);
    return {static_cast<const uint8_t*>(data.data), data.size};
  }
  bool may_be_older() const override { return ctdb_record_may_be_older(record_) == 1; }
  std::string store(ByteView data) override {
    return outcome(ctdb_store(record_, {data.data(), data.size()}));
  }
  std::string remove() override { return outcome(ctdb_delete(record_)); }
  std::string unlock() override { return outcome(ctdb_unlock(std::exchange(record_, nullptr))); }

 private:
  std::string outcome(int error) const { return error == 0 ? "" : connection_.text(error); }

  NativeConnection connection_;
  ctdb_record* record_ = nullptr;
};

class ClassicLocking : public Locking {
 public:
  ClassicLocking(std::string socket, std::string database)
      : connection_(std::move(socket), std::move(database)) {}

  std::string open() override { return connection_.open(); }

  std::string lock(const std::string& key) override { return connection_.fetch_lock(key); }
  ByteView data() const override { return ByteView(connection_.db().value).subspan(CTDB_RECORD_HEADER_SIZE); }
  bool may_be_older() const override {
    return (read_record_header(connection_.db().value)->flags & CTDB_RECORD_MAY_BE_OLDER) != 0;
  }
  std::string store(ByteView data) override {
    return outcome(connection_.client().store(connection_.db(), data));
  }
  std::string remove() override { return outcome(connection_.client().remove(connection_.db())); }
  std::string unlock() override {
    connection_.client().unlock(connection_.db());
    return "";
  }

 private:
  static std::string outcome(const Result<void>& done) { return done ? "" : done.error().text(); }

  ClassicConnection connection_;
};

}  // namespace

std::unique_ptr<Locking> Locking::make(const CountingArguments& given, uint32_t copies) {
  if (given.socket.empty()) return std::make_unique<NativeLocking>(given.setup, given.database, copies);
  return std::make_unique<ClassicLocking>(given.socket, given.database);
}

}  // namespace ctdb
