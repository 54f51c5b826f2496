// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-recovery-client: the clients of `run-bench recovery`, one process a client. Keys are "record-<number>"; values are
// 100 bytes, a counter first.
//   ctdb-recovery-client --classic SOCKET|--native SETUP fill FIRST COUNT      makes records here
//   ctdb-recovery-client --classic SOCKET|--native SETUP watch FIRST COUNT     increments random ones of them until its standard
//       input ends; every operation that took at least 5 ms is a line {"begun": s, "ended": s} (CLOCK_MONOTONIC)
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "libctdbipc/base/random.h"
#include "tests/bench/bench_client.h"

namespace ctdb::bench {
namespace {

constexpr double kWorthTelling = 0.005;
constexpr const char* kDatabase = "recovery_bench.tdb";
constexpr size_t kValueBytes = 100;

double now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

Bytes key_of(uint64_t number) {
  const std::string text = "record-" + std::to_string(number);
  return Bytes(text.begin(), text.end());
}

void fill(BenchClient& client, uint64_t first, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) client.increment(key_of(first + i), kValueBytes);
}

bool asked_to_end() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) > 0;
}

void watch(BenchClient& client, uint64_t first, uint64_t count) {
  Random random(static_cast<uint64_t>(::getpid()));
  std::printf("{\"ready\": %.6f}\n", now());
  std::fflush(stdout);
  uint64_t operations = 0;
  while (operations % 64 != 0 || !asked_to_end()) {
    const double begun = now();
    client.increment(key_of(first + random.below(count)), kValueBytes);
    const double ended = now();
    ++operations;
    if (ended - begun >= kWorthTelling) {
      std::printf("{\"begun\": %.6f, \"ended\": %.6f}\n", begun, ended);
      std::fflush(stdout);
    }
  }
  std::printf("{\"operations\": %llu}\n", static_cast<unsigned long long>(operations));
}

int run(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr,
                 "usage: ctdb-recovery-client --classic SOCKET|--native SETUP fill|watch FIRST COUNT\n");
    return 2;
  }
  const bool native = std::strcmp(argv[1], "--native") == 0;
  const std::unique_ptr<BenchClient> client = native ? open_native(argv[2]) : open_classic(argv[2]);
  client->attach(kDatabase);
  const uint64_t first = std::strtoull(argv[4], nullptr, 10), count = std::strtoull(argv[5], nullptr, 10);
  if (std::strcmp(argv[3], "fill") == 0) {
    fill(*client, first, count);
  } else {
    watch(*client, first, count);
  }
  return 0;
}

}  // namespace
}  // namespace ctdb::bench

int main(int argc, char** argv) {
  return ctdb::bench::run(argc, argv);
}
