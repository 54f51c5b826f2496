// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-increment: adds one to a counter record under fetch-lock, as often as told, and prints the final value.
//   ctdb-increment --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--hold 1] [--history FILE] [--copies K]
// --setup takes the C API, --socket the classic socket. The counter is 8 bytes, host order; a record that is empty or does
// not exist counts as 0. Restarts of daemons are ridden out: when the connection is lost, or a daemon refuses, it connects
// again and goes on; an increment is made under the local lock, so it is known whether it happened. Gives up when
// nothing succeeds for two minutes. --hold 1: with the record locked it prints "locked" and goes on when its standard input
// ends. --history FILE: increments until its standard input ends, a thousand a second at most, and adds a line "VALUE BEGUN
// ENDED" for each: the value written, and between which times (ns, CLOCK_MONOTONIC) the record was surely locked. --copies K
// (with --setup): the database has K copies, and each increment is told on standard output: + it is on K nodes, ? it is made
// and nobody knows whether it lasts.
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "tests/clients/counting.h"

namespace ctdb {
namespace {

// One way to reach the record. Every function returns "" or what went wrong; all can be tried again after open().
class Counter {
 public:
  virtual ~Counter() = default;
  virtual std::string open() = 0;
  virtual std::string add(uint64_t by, uint64_t* value) = 0;

  void hold() { hold_.wanted(); }
  int64_t begun() const { return begun_; }
  int64_t ended() const { return ended_; }

 protected:
  static int64_t now() {
    timespec at{};
    clock_gettime(CLOCK_MONOTONIC, &at);
    return int64_t{at.tv_sec} * 1000000000 + at.tv_nsec;
  }
  // Called right before the record is unlocked.
  void unlocking() { ended_ = now(); }
  // Called with the record locked.
  void locked() {
    begun_ = now();
    hold_.here("locked");
  }

 private:
  HoldOnce hold_;
  int64_t begun_ = 0, ended_ = 0;
};

uint64_t number_in(ByteView data) {
  return data.size() < 8 ? 0 : load<uint64_t>(data.data());
}

class NativeCounter : public Counter {
 public:
  NativeCounter(const std::string& setup, const std::string& database, std::string key, uint32_t copies)
      : connection_(setup, database, CTDB_ATTACH_COPIES(copies)), key_(std::move(key)), copies_(copies) {}

  std::string open() override { return connection_.open(); }

  std::string add(uint64_t by, uint64_t* value) override {
    ctdb_record* record = nullptr;
    int error = ctdb_fetch_lock(connection_.db(), {key_.data(), key_.size()}, kCallTimeoutMs, &record);
    if (error != 0) return connection_.text(error);
    locked();
    const ctdb_blob old = ctdb_record_data(record);
    *value = number_in({static_cast<const uint8_t*>(old.data), old.size}) + by;
    error = by == 0 ? 0 : ctdb_store(record, {value, sizeof *value});
    if (error != 0) {
      const std::string failure = connection_.text(error);
      ctdb_unlock(record);
      return failure;
    }
    unlocking();
    error = ctdb_unlock(record);
    if (copies_ > 0 && by != 0) tell(error == 0 ? "+\n" : "?\n");
    return error == 0 ? "" : connection_.text(error);
  }

 private:
  // At once: this process may be killed.
  static void tell(const char* what) {
    std::fputs(what, stdout);
    std::fflush(stdout);
  }

  NativeConnection connection_;
  const std::string key_;
  const uint32_t copies_;
};

class ClassicCounter : public Counter {
 public:
  ClassicCounter(std::string socket, std::string database, std::string key)
      : connection_(std::move(socket), std::move(database)), key_(std::move(key)) {}

  std::string open() override { return connection_.open(); }

  std::string add(uint64_t by, uint64_t* value) override {
    std::string failure = connection_.fetch_lock(key_);
    if (!failure.empty()) return failure;
    locked();
    *value = number_in(ByteView(connection_.db().value).subspan(CTDB_RECORD_HEADER_SIZE)) + by;
    if (by != 0) {
      uint8_t bytes[8];
      store(bytes, *value);
      if (Result<void> stored = connection_.client().store(connection_.db(), bytes); !stored)
        failure = stored.error().text();
    }
    unlocking();
    connection_.client().unlock(connection_.db());
    return failure;
  }

 private:
  ClassicConnection connection_;
  const std::string key_;
};

// Until standard input ends.
int write_history(Counter& counter, const std::string& file) {
  std::FILE* const out = std::fopen(file.c_str(), "a");
  if (out == nullptr) {
    std::perror(file.c_str());
    return 1;
  }
  bool opened = false;
  while (!input_ended()) {
    uint64_t value = 0;
    opened = (opened || counter.open().empty()) && counter.add(1, &value).empty();
    if (opened) {
      std::fprintf(out, "%llu %lld %lld\n", static_cast<unsigned long long>(value),
                   static_cast<long long>(counter.begun()), static_cast<long long>(counter.ended()));
      std::fflush(out);
    }
    // Others shall have the record too; a daemon that is gone needs time to come back.
    usleep(opened ? 1000 : 20000);
  }
  return std::fclose(out) == 0 ? 0 : 1;
}

// Runs until `count` increments have been made; one more visit of 0 reads the value.
int run(Counter& counter, uint64_t count) {
  Patience patience;
  uint64_t value = 0;
  bool opened = false;
  for (uint64_t done = 0; done <= count;) {
    std::string failure = opened ? "" : counter.open();
    if (failure.empty()) failure = counter.add(done < count ? 1 : 0, &value);
    opened = failure.empty();
    if (opened) {
      patience.succeeded();
      ++done;
    } else if (!patience.try_again()) {
      std::fprintf(stderr, "ctdb-increment: after %llu of %llu: %s\n", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(count), failure.c_str());
      return 1;
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(value));
  return 0;
}

int main_of(int argc, char** argv) {
  std::optional<CountingArguments> given = counting_arguments(argc, argv, {"--history", "--copies"});
  if (!given) {
    std::fprintf(
        stderr,
        "usage: ctdb-increment --setup PATH | --socket PATH  --db NAME --key KEY [--count N] [--hold 1] "
        "[--history FILE] [--copies K]\n");
    return 2;
  }
  const std::string& history = given->more["--history"];
  std::unique_ptr<Counter> counter;
  if (given->socket.empty()) {
    const auto copies = static_cast<uint32_t>(std::strtoul(given->more["--copies"].c_str(), nullptr, 10));
    counter = std::make_unique<NativeCounter>(given->setup, given->database, given->key, copies);
  } else {
    counter = std::make_unique<ClassicCounter>(given->socket, given->database, given->key);
  }
  if (given->hold) counter->hold();
  return history.empty() ? run(*counter, given->count) : write_history(*counter, history);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
