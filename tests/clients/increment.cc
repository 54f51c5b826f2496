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
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "tests/clients/counting.h"
#include "tests/clients/locking.h"

namespace ctdb {
namespace {

uint64_t number_in(ByteView data) {
  return data.size() < 8 ? 0 : load<uint64_t>(data.data());
}

// Every function returns "" or what went wrong; all can be tried again after open().
class Counter {
 public:
  // `copies` > 0: what became of each increment is told.
  Counter(std::unique_ptr<Locking> locking, std::string key, uint32_t copies)
      : locking_(std::move(locking)), key_(std::move(key)), copies_(copies) {}

  void hold() { hold_.wanted(); }
  std::string open() { return locking_->open(); }

  std::string add(uint64_t by, uint64_t* value) {
    if (std::string failure = locking_->lock(key_); !failure.empty()) return failure;
    begun_ = monotonic_ns();
    hold_.here("locked");
    *value = number_in(locking_->data()) + by;
    uint8_t bytes[8];
    store(bytes, *value);
    // Until here: when the node dies, or its lease ends, somebody else may have the record before this process reads the clock again.
    ended_ = monotonic_ns();
    const std::string failure = by == 0 ? "" : locking_->store(bytes);
    const std::string unlocked = locking_->unlock();
    if (!failure.empty()) return failure;
    if (copies_ > 0 && by != 0) tell(unlocked.empty() ? "+\n" : "?\n");
    return unlocked;
  }

  // Of the last visit: between these times the record was surely locked.
  int64_t begun() const { return begun_; }
  int64_t ended() const { return ended_; }

 private:
  // At once: this process may be killed.
  static void tell(const char* what) {
    std::fputs(what, stdout);
    std::fflush(stdout);
  }

  const std::unique_ptr<Locking> locking_;
  const std::string key_;
  const uint32_t copies_;
  HoldOnce hold_;
  int64_t begun_ = 0, ended_ = 0;
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
  const auto copies = static_cast<uint32_t>(std::strtoul(given->more["--copies"].c_str(), nullptr, 10));
  Counter counter(Locking::make(*given, copies), given->key, copies);
  if (given->hold) counter.hold();
  return history.empty() ? run(counter, given->count) : write_history(counter, history);
}

}  // namespace
}  // namespace ctdb

int main(int argc, char** argv) {
  return ctdb::main_of(argc, argv);
}
