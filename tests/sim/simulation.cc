// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/simulation.h"

#include <algorithm>
#include <iterator>

#include "tests/sim/checkers/quiescence.h"
#include "tests/sim/faults.h"
#include "tests/sim/node.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kFormBound = 15 * kSecond;
constexpr TimeNs kProgressBound = 25 * kSecond;  // reliability L2: 15 s; a benched store comes on top
constexpr TimeNs kRestBound = 20 * kSecond;
constexpr uint64_t kProgressOperations = 3;
constexpr size_t kEventsInReport = 300;

}  // namespace

WorldOptions draw_world(const RunOptions& run) {
  Random random(run.seed * 2 + 1);
  WorldOptions options;
  options.seed = run.seed;
  options.print_trace = run.print_trace;
  options.mutation = run.mutation;
  constexpr uint32_t kSizes[] = {3, 3, 3, 3, 4, 5, 5, 2, 3, 1};
  options.nodes = kSizes[random.below(std::size(kSizes))];
  options.clients_per_node = 1 + static_cast<uint32_t>(random.below(3));
  options.keys = 1 + static_cast<uint32_t>(random.below(8));
  options.chains = 1 + static_cast<uint32_t>(random.below(8));
  options.think_time = 2 * kMillisecond + static_cast<TimeNs>(random.below(20 * kMillisecond));
  options.clients_pinned = random.one_in(3);
  options.network.latency = 20 * kMicrosecond + static_cast<TimeNs>(random.below(300 * kMicrosecond));
  options.network.tail = 20 + random.below(1000);
  options.network.reconnect_delay_max = random.one_in(2) ? 2 * kMillisecond : 200 * kMillisecond;
  if (run.mutation == Mutation::kHideShortResets)
    options.network.hide_resets_shorter_than = 300 * kMillisecond;
  options.network.reorder = run.mutation == Mutation::kReorderLane;
  options.network.duplicate = run.mutation == Mutation::kDuplicatePackets;
  return options;
}

void form_cluster(World& world) {
  world.start();
  Progress& progress = world.checkers.progress;
  progress.begin_phase();
  world.run(kFormBound, [&] { return progress.all_completed(1); });
  if (world.checkers.verdict.ok()) progress.demand(1);
}

void demand_progress(World& world) {
  if (!world.checkers.verdict.ok()) return;
  Progress& progress = world.checkers.progress;
  progress.begin_phase();
  world.run(world.now() + kProgressBound, [&] { return progress.all_completed(kProgressOperations); });
  if (world.checkers.verdict.ok()) progress.demand(kProgressOperations);
}

// The cluster has come to rest when what the last clients asked for has been done.
void demand_rest(World& world) {
  if (!world.checkers.verdict.ok()) return;
  world.stop_clients();
  world.run(world.now() + kRestBound, [&] { return world.clients_idle(); });
  world.run(world.now() + 3 * kSecond);
  if (!world.checkers.verdict.ok()) return;
  if (!world.clients_idle())
    world.checkers.verdict.violation("progress", "a client's last operation does not end");
  check_quiescence(world);
}

RunResult result_of(World& world) {
  RunResult result;
  result.ok = world.checkers.verdict.ok();
  result.failure = world.checkers.verdict.text();
  if (!result.ok) result.last_events = world.trace.last(kEventsInReport);
  result.trace_hash = world.trace.hash();
  result.steps = world.queue.steps();
  result.virtual_time = world.now();
  result.operations = world.checkers.progress.total();
  result.versions = world.checkers.history.size();
  result.fallbacks = world.checkers.history.fallbacks();
  result.lives_ended = world.checkers.lives.lives_ended();
  result.stale_packets = world.checkers.old_generations.seen();
  if (const Store* store = world.node(0).store.core(); store != nullptr)
    result.generation = store->generation();
  return result;
}

RunResult run_simulation(const RunOptions& options) {
  World world(draw_world(options));
  form_cluster(world);
  Faults faults(world);
  if (world.checkers.verdict.ok()) {
    faults.begin();
    world.run(world.now() + 3 * kSecond + static_cast<TimeNs>(world.random.below(6 * kSecond)));
    faults.end();
    world.heal();
    faults.continue_nodes();
    // A recoveryd that has just been started is not connected yet.
    for (TimeNs when : {500 * kMillisecond, 1500 * kMillisecond}) {
      world.queue.after(when, [&faults] { faults.continue_nodes(); });
    }
    demand_progress(world);
    demand_rest(world);
  }
  RunResult result = result_of(world);
  result.faults = faults.injected();
  return result;
}

}  // namespace ctdb::sim
