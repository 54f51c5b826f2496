// SPDX-License-Identifier: GPL-3.0-or-later
// One run: form a cluster, let clients work while things go wrong (safety), heal everything and demand progress
// (liveness), let it come to rest and look at what is left. docs/simulator.md tells how to read a failure.
#ifndef CTDB_TESTS_SIM_SIMULATION_H_
#define CTDB_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <string>

#include "tests/sim/figures.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

struct RunResult {
  bool ok = false;
  std::string failure;  // checker and what it found
  std::string last_events;
  std::string history;  // as JSON lines, if asked for
  uint64_t trace_hash = 0;
  TimeNs virtual_time = 0;
  Figures figures;

  // The checker that failed.
  std::string checker() const { return failure.substr(0, failure.find(':')); }
};

// What a seed stands for: the size of the cluster, its workload, its faults.
Scenario scenario_of_seed(uint64_t seed, Mutation mutation = Mutation::kNone);

RunResult run_scenario(const Scenario& scenario, bool print_trace = false, bool keep_history = false);
inline RunResult run_seed(uint64_t seed, Mutation mutation = Mutation::kNone) {
  return run_scenario(scenario_of_seed(seed, mutation));
}

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SIMULATION_H_
