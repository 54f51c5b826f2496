// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-load-client: the clients of `run-bench recovery` and `run-bench databases`, one process a client. Keys are
// "record-<number>"; values are 100 bytes, a counter first.
//   ctdb-load-client --classic SOCKET|--native SETUP fill FIRST COUNT      makes records here
//   ctdb-load-client --classic SOCKET|--native SETUP delete FIRST COUNT    deletes them
//   ctdb-load-client --classic SOCKET|--native SETUP watch FIRST COUNT     increments random ones of them until its standard
//       input ends; every operation that took at least 5 ms is a line {"begun": s, "ended": s} (CLOCK_MONOTONIC)
//   ctdb-load-client --classic SOCKET|--native SETUP traverse TIMES 0      {"records": n, "seconds": s} a traverse
//   ctdb-load-client --classic SOCKET|--native SETUP vacuum NODES 0        asks every node to vacuum
//   ctdb-load-client wait-empty FILE…                                      until none of these tdb files holds a record
#include <fcntl.h>
#include <poll.h>
#include <tdb.h>
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
constexpr useconds_t kLookAgainUs = 20000;
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

void remove(BenchClient& client, uint64_t first, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) client.remove(key_of(first + i));
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

void traverse(BenchClient& client, uint64_t times) {
  for (uint64_t i = 0; i < times; ++i) {
    const double begun = now();
    const uint64_t records = client.traverse();
    std::printf("{\"records\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(records),
                now() - begun);
  }
}

bool is_empty(const std::string& path) {
  tdb_context* file = tdb_open(path.c_str(), 0, TDB_DEFAULT, O_RDONLY, 0);
  if (file == nullptr) {
    // While a classic daemon repacks a file it cannot be opened for reading only.
    if (::access(path.c_str(), R_OK) != 0) give_up(path + " cannot be opened");
    return false;
  }
  const auto stop = [](tdb_context*, TDB_DATA, TDB_DATA, void*) { return 1; };
  const bool empty = tdb_traverse_read(file, stop, nullptr) == 0;
  tdb_close(file);
  return empty;
}

void vacuum(BenchClient& client, uint32_t nodes) {
  for (uint32_t node = 0; node < nodes; ++node) client.vacuum(node);
}

int wait_empty(int count, char** files) {
  for (int i = 0; i < count; ++i) {
    while (!is_empty(files[i])) usleep(kLookAgainUs);  // a file cannot be waited for
  }
  return 0;
}

int run(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "wait-empty") == 0) return wait_empty(argc - 2, argv + 2);
  if (argc != 6) {
    std::fprintf(stderr,
                 "usage: ctdb-load-client --classic SOCKET|--native SETUP fill|delete|watch|traverse|vacuum "
                 "NUMBER NUMBER\n       ctdb-load-client wait-empty FILE…\n");
    return 2;
  }
  const std::string way = argv[1], what = argv[3];
  const std::unique_ptr<BenchClient> client =
      way == "--native" ? open_native(argv[2]) : open_classic(argv[2]);
  client->attach(kDatabase);
  const uint64_t first = std::strtoull(argv[4], nullptr, 10), count = std::strtoull(argv[5], nullptr, 10);
  if (what == "fill") fill(*client, first, count);
  if (what == "delete") remove(*client, first, count);
  if (what == "watch") watch(*client, first, count);
  if (what == "traverse") traverse(*client, first);
  if (what == "vacuum") vacuum(*client, static_cast<uint32_t>(first));
  return 0;
}

}  // namespace
}  // namespace ctdb::bench

int main(int argc, char** argv) {
  return ctdb::bench::run(argc, argv);
}
