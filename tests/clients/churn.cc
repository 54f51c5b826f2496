// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-churn: writes, deletes or looks at many records, one after the other: --key and the numbers 0 to --count less one are the keys.
//   ctdb-churn --setup PATH | --socket PATH  --db NAME --key PREFIX --count N --do write|delete|look
// --setup takes the C API, --socket the classic socket. Prints how many records had data before. Restarts of daemons are ridden out, as
// ctdb-increment does; gives up when nothing succeeds for two minutes.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "tests/clients/counting.h"

namespace ctdb {
namespace {

constexpr char kValue[] = "a value of forty bytes, as many have it";

enum class Work : uint8_t { kWrite, kDelete, kLook };

// One way to reach the records. Both functions return "" or what went wrong; they can be tried again.
class Records {
 public:
  virtual ~Records() = default;
  virtual std::string open() = 0;
  // *had_data: before.
  virtual std::string visit(const std::string& key, Work work, bool* had_data) = 0;
};

class NativeRecords : public Records {
 public:
  NativeRecords(const std::string& setup, const std::string& database) : connection_(setup, database, 0) {}
  std::string open() override { return connection_.open(); }
  std::string visit(const std::string& key, Work work, bool* had_data) override {
    ctdb_record* record = nullptr;
    int error = ctdb_fetch_lock(connection_.db(), {key.data(), key.size()}, kCallTimeoutMs, &record);
    if (error != 0) return connection_.text(error);
    *had_data = ctdb_record_data(record).size > 0;
    if (work == Work::kWrite) error = ctdb_store(record, {kValue, sizeof kValue});
    if (work == Work::kDelete && *had_data) error = ctdb_delete(record);
    const std::string failure = error == 0 ? "" : connection_.text(error);
    ctdb_unlock(record);
    return failure;
  }

 private:
  NativeConnection connection_;
};

class ClassicRecords : public Records {
 public:
  ClassicRecords(std::string socket, std::string database)
      : connection_(std::move(socket), std::move(database)) {}
  std::string open() override { return connection_.open(); }
  std::string visit(const std::string& key, Work work, bool* had_data) override {
    if (const std::string failure = connection_.fetch_lock(key); !failure.empty()) return failure;
    ClassicClient& client = connection_.client();
    ClassicClient::Database& db = connection_.db();
    *had_data = db.value.size() > CTDB_RECORD_HEADER_SIZE;
    Result<void> done;
    if (work == Work::kWrite) done = client.store(db, as_bytes(std::string_view(kValue, sizeof kValue)));
    if (work == Work::kDelete && *had_data) done = client.remove(db);
    client.unlock(db);
    return done ? "" : done.error().text();
  }

 private:
  ClassicConnection connection_;
};

int run(Records& records, const CountingArguments& given, Work work) {
  Patience patience;
  bool opened = false;
  uint64_t with_data = 0;
  for (uint64_t done = 0; done < given.count;) {
    bool had_data = false;
    std::string failure = opened ? "" : records.open();
    if (failure.empty()) failure = records.visit(given.key + std::to_string(done), work, &had_data);
    opened = failure.empty();
    if (opened) {
      patience.succeeded();
      with_data += had_data ? 1 : 0;
      ++done;
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-churn: after %llu of %llu: %s\n", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(given.count), failure.c_str());
      return 1;
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(with_data));
  return 0;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--do"});
  const std::string what = given ? given->more["--do"] : "";
  if (what != "write" && what != "delete" && what != "look") {
    std::fprintf(stderr,
                 "usage: ctdb-churn --setup PATH | --socket PATH  --db NAME --key PREFIX --count N --do "
                 "write|delete|look\n");
    return 2;
  }
  std::unique_ptr<Records> records;
  if (given->socket.empty()) {
    records = std::make_unique<NativeRecords>(given->setup, given->database);
  } else {
    records = std::make_unique<ClassicRecords>(given->socket, given->database);
  }
  const Work work = what == "write" ? Work::kWrite : what == "delete" ? Work::kDelete : Work::kLook;
  return run(*records, *given, work);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
