// SPDX-License-Identifier: GPL-3.0-or-later
// One run: form a cluster, let clients work while things go wrong (safety), heal everything and demand progress
// (liveness), let it come to rest and look at what is left. docs/simulator.md tells how to read a failure.
#ifndef CTDB_TESTS_SIM_SIMULATION_H_
#define CTDB_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <string>

#include "tests/sim/world.h"

namespace ctdb::sim {

struct RunOptions {
  uint64_t seed = 1;
  bool print_trace = false;
  Mutation mutation = Mutation::kNone;
};

struct RunResult {
  bool ok = false;
  std::string failure;  // checker and what it found
  std::string last_events;
  uint64_t trace_hash = 0;
  uint64_t steps = 0;
  TimeNs virtual_time = 0;
  uint64_t operations = 0;  // client operations completed
  uint64_t versions = 0;    // changes made
  uint64_t faults = 0;
  uint64_t fallbacks = 0;  // records that fell back to an older version, legally
  uint64_t lives_ended = 0;
  uint64_t stale_packets = 0;  // packets of older generations that reached a store
  uint32_t generation = 0;
};

// The size of the cluster and of the workload that a seed stands for.
WorldOptions draw_world(const RunOptions& options);
RunResult run_simulation(const RunOptions& options);

// Phases, for scenarios that break things in their own order. Each returns when its condition holds or the verdict is
// not ok.
void form_cluster(World& world);
void demand_progress(World& world);
void demand_rest(World& world);
RunResult result_of(World& world);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SIMULATION_H_
