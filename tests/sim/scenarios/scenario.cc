// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/scenarios/scenario.h"

namespace ctdb::sim {

uint32_t Scenario::run_until_sent(Operation operation, TimeNs bound) {
  uint32_t sender = ~0u;
  world.set_observer([&](uint32_t node, ByteView packet) {
    if (sender == ~0u && read_header(packet).operation == static_cast<uint32_t>(operation)) sender = node;
  });
  world.run(world.now() + bound, [&] { return sender != ~0u; });
  world.set_observer({});
  if (sender == ~0u) world.checkers.verdict.violation("scenario", "the step to wait for did not come");
  return sender == ~0u ? 0 : sender;
}

void Scenario::run_until_recovered(uint32_t pnn, uint32_t generation, TimeNs bound) {
  const auto recovered = [&] {
    const Store* store = world.node(pnn).store.core();
    return store != nullptr && store->phase() == StorePhase::kOpen && store->generation() > generation;
  };
  world.run(world.now() + bound, recovered);
  if (!recovered()) world.checkers.verdict.violation("scenario", "no new generation opened");
}

uint32_t Scenario::leader() {
  for (uint32_t pnn = 0; pnn < world.node_count(); ++pnn) {
    const ClusterNode* recoveryd = world.node(pnn).recoveryd.core();
    if (recoveryd != nullptr && recoveryd->is_leader()) return pnn;
  }
  return 0;
}

void Scenario::isolate(uint32_t pnn) {
  for (uint32_t other = 0; other < world.node_count(); ++other) {
    world.network.block(pnn, other);
    world.network.block(other, pnn);
  }
}

std::string Scenario::finish() {
  if (ok()) world.heal();
  demand_progress(world);
  demand_rest(world);
  return ok() ? "" : failure() + "\n" + world.trace.last(200);
}

}  // namespace ctdb::sim
