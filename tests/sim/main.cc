// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-sim: runs seeds of the simulator. docs/simulator.md describes its use.
//
//   ctdb-sim --seed S [--trace]       one seed
//   ctdb-sim --seeds A..B             all of them; stops at --failures N failing ones (default 1)
//   ctdb-sim --mutation NAME ...      in a broken world: the runs are expected to fail
//   ctdb-sim --twice ...              every seed twice, the traces must be equal
//   ctdb-sim --scenario NAME          the scenarios whose name contains NAME
//
// Exit code: 0 all seeds passed, 1 a seed failed, 2 wrong usage.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

struct CommandLine {
  uint64_t first = 1, last = 0;
  uint64_t failures = 1;
  bool trace = false;
  bool twice = false;
  Mutation mutation = Mutation::kNone;
  std::string scenario;
};

struct Totals {
  uint64_t seeds = 0, failed = 0, steps = 0, operations = 0, versions = 0, faults = 0, fallbacks = 0,
           lives = 0, stale = 0;
  TimeNs time = 0;
};

int usage() {
  std::fprintf(
      stderr,
      "usage: ctdb-sim --seed S | --seeds A..B [--trace] [--twice] [--failures N] [--mutation NAME]\n"
      "       ctdb-sim --scenario NAME\n");
  return 2;
}

bool parse(int argc, char** argv, CommandLine& line) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--trace") {
      line.trace = true;
    } else if (option == "--twice") {
      line.twice = true;
    } else if (option == "--scenario" && i + 1 < argc) {
      line.scenario = "*" + std::string(value) + "*";
      return true;
    } else if (option == "--seed") {
      line.first = line.last = std::strtoull(value, nullptr, 10);
      ++i;
    } else if (option == "--seeds") {
      const char* dots = std::strstr(value, "..");
      if (dots == nullptr) return false;
      line.first = std::strtoull(value, nullptr, 10);
      line.last = std::strtoull(dots + 2, nullptr, 10);
      ++i;
    } else if (option == "--failures") {
      line.failures = std::strtoull(value, nullptr, 10);
      ++i;
    } else if (option == "--mutation" && mutation_by_name(value)) {
      line.mutation = *mutation_by_name(value);
      ++i;
    } else {
      return false;
    }
  }
  return line.last >= line.first;
}

void report(uint64_t seed, const RunResult& result, bool events) {
  std::printf("seed %llu FAILED at %.6f s: %s\n", static_cast<unsigned long long>(seed),
              static_cast<double>(result.virtual_time) * 1e-9, result.failure.c_str());
  if (events) std::printf("last events:\n%s", result.last_events.c_str());
}

void count(Totals& totals, const RunResult& result) {
  ++totals.seeds;
  totals.failed += result.ok ? 0 : 1;
  totals.steps += result.steps;
  totals.operations += result.operations;
  totals.versions += result.versions;
  totals.faults += result.faults;
  totals.fallbacks += result.fallbacks;
  totals.lives += result.lives_ended;
  totals.stale += result.stale_packets;
  totals.time += result.virtual_time;
}

void print_totals(const Totals& t) {
  const auto n = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu seeds, %llu failed: %.0f virtual seconds, %llu events, %llu operations, %llu changes, %llu "
      "faults, "
      "%llu lives ended, %llu fall-backs, %llu stale packets\n",
      n(t.seeds), n(t.failed), static_cast<double>(t.time) * 1e-9, n(t.steps), n(t.operations), n(t.versions),
      n(t.faults), n(t.lives), n(t.fallbacks), n(t.stale));
}

int run(const CommandLine& line) {
  Totals totals;
  for (uint64_t seed = line.first; seed <= line.last && totals.failed < line.failures; ++seed) {
    if (line.first == line.last) std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    RunOptions options{seed, line.trace, line.mutation};
    const RunResult result = run_simulation(options);
    count(totals, result);
    if (!result.ok) report(seed, result, line.first == line.last || line.failures == 1);
    if (line.twice && run_simulation(options).trace_hash != result.trace_hash) {
      std::printf("seed %llu: two runs differ\n", static_cast<unsigned long long>(seed));
      ++totals.failed;
    }
    if (line.first == line.last) {
      std::printf("trace hash %016llx\n", static_cast<unsigned long long>(result.trace_hash));
    }
  }
  print_totals(totals);
  return totals.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ctdb::sim

int main(int argc, char** argv) {
  ctdb::sim::CommandLine line;
  if (!ctdb::sim::parse(argc, argv, line)) return ctdb::sim::usage();
  if (line.scenario.empty()) return ctdb::sim::run(line);
  testing::InitGoogleTest();
  testing::GTEST_FLAG(filter) = line.scenario;
  return RUN_ALL_TESTS();
}
