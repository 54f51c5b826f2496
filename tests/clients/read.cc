// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-read: reads and writes one record as it is told, line by line on standard input, and says what that cost.
//   ctdb-read --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--read-copies 1]
// --setup takes the C API, --socket the classic socket. --read-copies 1 (with --setup): the database has them. A line is "read" (N
// times, as --count says) or "write TEXT". Each is answered by a line "VALUE CALLS": the value that was read last or written, and how many
// calls this client has put to its store so far: reads of what is here cost none. Ends with its standard input; 1 when anything fails.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "tests/clients/counting.h"

namespace ctdb {
namespace {

// One way to the record. Functions return "" or what went wrong.
class Record {
 public:
  virtual ~Record() = default;
  virtual std::string open() = 0;
  virtual std::string read(std::string* value) = 0;
  virtual std::string write(const std::string& value) = 0;
  virtual uint64_t calls() const = 0;
};

class NativeRecord : public Record {
 public:
  NativeRecord(const std::string& setup, const std::string& database, std::string key, uint32_t flags)
      : connection_(setup, database, flags), key_(std::move(key)) {}

  std::string open() override { return connection_.open(); }

  std::string read(std::string* value) override {
    ctdb_blob found{};
    const int error = ctdb_read(connection_.db(), blob(), kCallTimeoutMs, &found);
    if (error == 0) value->assign(static_cast<const char*>(found.data), found.size);
    return error == 0 ? "" : connection_.text(error);
  }

  std::string write(const std::string& value) override {
    ctdb_record* record = nullptr;
    int error = ctdb_fetch_lock(connection_.db(), blob(), kCallTimeoutMs, &record);
    if (error != 0) return connection_.text(error);
    error = ctdb_store(record, {value.data(), value.size()});
    const int unlocked = ctdb_unlock(record);
    if (error == 0) error = unlocked;
    return error == 0 ? "" : connection_.text(error);
  }

  uint64_t calls() const override {
    ctdb_stats stats{};
    ctdb_get_stats(connection_.client(), &stats, sizeof stats);
    return stats.calls;
  }

 private:
  ctdb_blob blob() const { return {key_.data(), key_.size()}; }

  NativeConnection connection_;
  const std::string key_;
};

class ClassicRecord : public Record {
 public:
  ClassicRecord(std::string socket, std::string database, std::string key)
      : connection_(std::move(socket), std::move(database)), key_(std::move(key)) {}

  std::string open() override { return connection_.open(); }

  std::string read(std::string* value) override {
    const Result<Bytes> found = connection_.client().read(connection_.db(), as_bytes(key_));
    if (!found) return found.error().text();
    value->assign(as_text(*found));
    return "";
  }

  std::string write(const std::string& value) override {
    std::string failure = connection_.fetch_lock(key_);
    if (!failure.empty()) return failure;
    if (Result<void> stored = connection_.client().store(connection_.db(), as_bytes(value)); !stored)
      failure = stored.error().text();
    connection_.client().unlock(connection_.db());
    return failure;
  }

  uint64_t calls() const override { return connection_.client().calls(); }

 private:
  ClassicConnection connection_;
  const std::string key_;
};

std::string obey(Record& record, const std::string& line, uint64_t count, std::string* value) {
  const std::string write = "write ";
  if (line.starts_with(write)) {
    *value = line.substr(write.size());
    return record.write(*value);
  }
  if (line != "read") return "'" + line + "' is neither \"read\" nor \"write TEXT\"";
  std::string failure;
  for (uint64_t i = 0; i < count && failure.empty(); ++i) failure = record.read(value);
  return failure;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--read-copies"});
  if (!given) {
    std::fprintf(
        stderr,
        "usage: ctdb-read --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--read-copies 1]\n");
    return 2;
  }
  std::unique_ptr<Record> record;
  if (given->socket.empty()) {
    const uint32_t flags = given->more["--read-copies"] == "1" ? CTDB_ATTACH_READ_COPIES : 0;
    record = std::make_unique<NativeRecord>(given->setup, given->database, given->key, flags);
  } else {
    record = std::make_unique<ClassicRecord>(given->socket, given->database, given->key);
  }
  std::string failure = record->open();
  for (std::string line; failure.empty() && std::getline(std::cin, line);) {
    std::string value;
    failure = obey(*record, line, given->count, &value);
    if (!failure.empty()) break;
    std::printf("%s %llu\n", value.c_str(), static_cast<unsigned long long>(record->calls()));
    std::fflush(stdout);
  }
  if (failure.empty()) return 0;
  std::fprintf(stderr, "ctdb-read: %s\n", failure.c_str());
  return 1;
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
