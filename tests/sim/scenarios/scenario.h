// SPDX-License-Identifier: GPL-3.0-or-later
// What a scenario needs: a cluster of a size, steps of the protocol to wait for, and the same demands at the end as every
// random run. Each file of scenarios/ tells one kind of story; a bug the simulator found becomes one of them.
#ifndef CTDB_TESTS_SIM_SCENARIOS_SCENARIO_H_
#define CTDB_TESTS_SIM_SCENARIOS_SCENARIO_H_

#include <gtest/gtest.h>

#include "libctdbipc/wire/operations.h"
#include "tests/sim/node.h"
#include "tests/sim/simulation.h"

namespace ctdb::sim {

class Scenario {
 public:
  explicit Scenario(WorldOptions options) : world(options) { form_cluster(world); }

  // A small busy cluster: every client wants the same few records.
  static WorldOptions busy(uint32_t nodes, uint32_t keys = 2) {
    WorldOptions options;
    options.nodes = nodes;
    options.keys = keys;
    options.think_time = 1 * kMillisecond;
    return options;
  }

  void run_for(TimeNs time) { world.run(world.now() + time); }
  // Runs until a daemon sends a packet of this operation; returns its node. ok() is false if none came.
  uint32_t run_until_sent(Operation operation, TimeNs bound = 20 * kSecond);
  // Runs until this node's store is open in a generation newer than `generation`.
  void run_until_recovered(uint32_t pnn, uint32_t generation, TimeNs bound = 20 * kSecond);
  uint32_t generation(uint32_t pnn) { return world.node(pnn).store.core()->open_generation(); }
  uint32_t leader();
  void isolate(uint32_t pnn);

  bool ok() const { return world.checkers.verdict.ok(); }
  std::string failure() const { return world.checkers.verdict.text(); }
  // Heals, demands progress and rest. To be wrapped in EXPECT_EQ(..., "").
  std::string finish();

  World world;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SCENARIOS_SCENARIO_H_
