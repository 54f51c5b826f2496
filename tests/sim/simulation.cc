// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/simulation.h"

#include <algorithm>
#include <iterator>

#include "tests/sim/checkers/quiescence.h"
#include "tests/sim/faults.h"
#include "tests/sim/node.h"
#include "tests/sim/random_faults.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kFormBound = 15 * kSecond;
constexpr TimeNs kRestBound = 20 * kSecond;
constexpr TimeNs kStepBound = 20 * kSecond;  // a step that a scenario waits for
constexpr uint64_t kProgressOperations = 3;
constexpr size_t kEventsInReport = 300;

WorldOptions draw_world(uint64_t seed) {
  Random random(seed * 2 + 1);
  WorldOptions options;
  options.seed = seed;
  constexpr uint32_t kSizes[] = {3, 3, 3, 3, 4, 5, 5, 2, 3, 1};
  const auto whole_us = [](TimeNs time) { return time / kMicrosecond * kMicrosecond; };
  options.nodes = kSizes[random.below(std::size(kSizes))];
  options.clients_per_node = 1 + static_cast<uint32_t>(random.below(3));
  options.keys = 1 + static_cast<uint32_t>(random.below(8));
  options.chains = 1 + static_cast<uint32_t>(random.below(8));
  options.think_time = whole_us(2 * kMillisecond + static_cast<TimeNs>(random.below(20 * kMillisecond)));
  const uint64_t choice = random.below(3);
  options.clients_pinned = choice == 0;
  options.clients_local = choice == 1;
  if (is_lonely(seed)) {
    options.nodes = 3 + static_cast<uint32_t>(random.below(3));
    options.keys = 4 * options.nodes;
    options.clients_pinned = false;
    options.clients_local = true;
  }
  // Dice of their own: seeds without copies are what they were before there were any.
  Random copies(seed ^ 0xC0B1E5);
  if (options.nodes > 1 && copies.one_in(4)) options.copies = 2 + static_cast<uint32_t>(copies.below(2));
  // These as well.
  Random lock(seed ^ 0x10C4);
  options.lock = options.nodes > 1 && lock.one_in(5);
  Random witness(seed ^ 0x317E55);
  options.witness = options.nodes > 2 && !options.lock && witness.one_in(5);
  // So for transactions.
  Random transactions(seed ^ 0x7A25AC7);
  options.transactions = transactions.one_in(3);
  Random functions(seed ^ 0xF0C7105);
  options.functions = functions.one_in(3);
  Random delegations(seed ^ 0xDE1E6A7);
  options.delegations = options.nodes > 1 && delegations.one_in(3);
  constexpr TimeNs kRests[] = {5, 10, 10, 20, 20, 50, 150, 500};
  options.vacuum = kRests[Random(seed ^ 0x7ACC).below(std::size(kRests))] * kMillisecond;
  options.network.latency =
      whole_us(20 * kMicrosecond + static_cast<TimeNs>(random.below(300 * kMicrosecond)));
  options.network.tail = 20 + random.below(1000);
  options.network.reconnect_delay_max = random.one_in(2) ? 2 * kMillisecond : 200 * kMillisecond;
  return options;
}

// A scenario under way.
class Run {
 public:
  Run(const Scenario& scenario, WorldOptions options)
      : scenario_(scenario), world_(options), faults_(world_) {}

  RunResult run(bool keep_history) {
    form_cluster();
    mark();
    statements(0, scenario_.statements.size());
    if (ok()) heal();
    demand_progress();
    demand_rest();
    if (ok()) world_.checkers.linearizability.check();
    RunResult all = result();
    if (keep_history) all.history = world_.checkers.linearizability.json_lines();
    return all;
  }

 private:
  using Kind = Statement::Kind;
  bool ok() const { return world_.checkers.verdict.ok(); }
  void violation(const std::string& text) { world_.checkers.verdict.violation("scenario", text); }

  // ---- phases ----

  void form_cluster() {
    world_.start();
    Progress& progress = world_.checkers.progress;
    progress.begin_phase();
    world_.run(kFormBound, [&] { return progress.all_completed(1); });
    if (ok()) progress.demand(1, all_clients);
  }

  void heal(uint32_t spared = CTDB_UNKNOWN_PNN) {
    faults_.end();
    world_.heal(spared);
    faults_.continue_nodes(spared);
    // A recoveryd that has just been started is not connected yet.
    for (TimeNs when : {500 * kMillisecond, 1500 * kMillisecond}) {
      world_.queue.after(when, [this, spared] { faults_.continue_nodes(spared); });
    }
  }

  static bool all_clients(uint32_t) { return true; }

  // Of the clients of nodes that count.
  void demand_progress(const std::function<bool(uint32_t node)>& counts = all_clients) {
    if (!ok()) return;
    Progress& progress = world_.checkers.progress;
    progress.begin_phase();
    world_.run(world_.now() + scenario_.progress_bound,
               [&] { return progress.all_completed(kProgressOperations, counts); });
    if (ok()) progress.demand(kProgressOperations, counts);
  }

  // What one node does must not stop the others for good, whatever it is: a part of it may work, and the rest not.
  void heal_but(uint32_t spared) {
    heal(spared);
    demand_progress([spared](uint32_t node) { return node != spared; });
  }

  // The cluster has come to rest when what the last clients asked for has been done.
  void demand_rest() {
    if (!ok()) return;
    if (world_.options().lock) world_.run(std::max(world_.now(), world_.cluster_lock.accesses_over()));
    world_.stop_clients();
    world_.run(world_.now() + kRestBound, [&] { return world_.clients_idle(); });
    world_.run(world_.now() + 3 * kSecond);
    if (!ok()) return;
    if (!world_.clients_idle()) {
      world_.checkers.verdict.violation("progress", "a client's last operation does not end");
    }
    check_quiescence(world_);
  }

  // ---- statements ----

  size_t end_of(size_t repeat) const {
    size_t depth = 0;
    for (size_t i = repeat; i < scenario_.statements.size(); ++i) {
      if (scenario_.statements[i].kind == Kind::kRepeat) ++depth;
      if (scenario_.statements[i].kind == Kind::kEnd && --depth == 0) return i;
    }
    return scenario_.statements.size();
  }

  void statements(size_t begin, size_t end) {
    for (size_t i = begin; i < end && ok(); ++i) {
      const Statement& statement = scenario_.statements[i];
      if (statement.kind != Kind::kRepeat) {
        step(statement);
        continue;
      }
      const size_t last = end_of(i);
      for (uint32_t round = 0; round < statement.number && ok(); ++round) {
        round_ = round;
        faults_.set_turn(round % world_.node_count());
        statements(i + 1, last);
      }
      i = last;
    }
  }

  void step(const Statement& statement) {
    const uint32_t node = faults_.resolve(statement.node, sender_);
    switch (statement.kind) {
      case Kind::kAt:
        return faults_.arm(statement.event);
      case Kind::kDo: {
        FaultEvent event = statement.event;
        event.node = faults_.resolve(event.node, sender_);
        event.peer = faults_.resolve(event.peer, sender_);
        return faults_.inject(event);
      }
      case Kind::kRun:
        return world_.run(world_.now() + statement.time + statement.growing * round_);
      case Kind::kUntilPoint:
        return until_point(statement.moment);
      case Kind::kUntilRecovered:
        return until_recovered(node, statement.within);
      case Kind::kUntilServed:
        return until_served(statement.within);
      case Kind::kHealBut:
        return heal_but(node);
      case Kind::kMark:
        return mark();
      case Kind::kExpectLivesEnded:
        if (const uint64_t ended = world_.checkers.lives.lives_ended() - lives_ended_;
            ended != statement.number) {
          violation(std::to_string(ended) + " lives ended, not " + std::to_string(statement.number));
        }
        return;
      case Kind::kExpectOut:
        if (world_.checkers.lives.valid(node))
          violation("node " + std::to_string(node) + " was not left out");
        return;
      case Kind::kExpectSuspended:
        if (const Store* store = world_.node(node).store.core();
            store != nullptr && store->phase() != StorePhase::kSuspended) {
          violation("the store of node " + std::to_string(node) + " is not suspended");
        }
        return;
      case Kind::kExpectSameGeneration:
        return expect_same_generation();
      case Kind::kRepeat:
      case Kind::kEnd:
        return;
    }
  }

  void mark() {
    marked_at_ = world_.now();
    world_.checkers.progress.begin_phase();
    lives_ended_ = world_.checkers.lives.lives_ended();
    generation_ = 0;
    for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
      if (const Store* store = world_.node(pnn).store.core(); store != nullptr) {
        generation_ = std::max(generation_, store->open_generation());
      }
    }
  }

  void expect_same_generation() {
    for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
      const Store* store = world_.node(pnn).store.core();
      if (store == nullptr || store->generation() == generation_) continue;
      violation("the store of node " + std::to_string(pnn) + " is in generation " +
                std::to_string(store->generation()) + ", not " + std::to_string(generation_));
    }
  }

  void until_point(const Moment& moment) {
    const uint64_t wanted = world_.points.count(moment.point, moment.k) + moment.number;
    const auto reached = [&] { return world_.points.count(moment.point, moment.k) >= wanted; };
    world_.run(world_.now() + kStepBound, reached);
    if (!reached()) return violation("the point " + moment.text() + " was not reached");
    sender_ = world_.points.last_node(moment.point);
  }

  // Since the mark, when a bound is given. false, and a violation, when that was not enough.
  bool until(const std::function<bool()>& done, TimeNs within, const std::string& otherwise) {
    const TimeNs end = within == 0 ? world_.now() + kStepBound : marked_at_ + within;
    world_.run(end, done);
    if (done()) return true;
    violation(otherwise + (within == 0 ? "" : " within " + std::to_string(within / kMillisecond) + " ms"));
    return false;
  }

  void until_served(TimeNs within) {
    const Progress& progress = world_.checkers.progress;
    until(
        [&] {
          return progress.all_completed(1, [&](uint32_t pnn) { return world_.checkers.lives.valid(pnn); });
        },
        within, "a client of a node that takes part has done nothing");
  }

  void until_recovered(uint32_t node, TimeNs within) {
    const auto recovered = [&] {
      const Store* store = world_.node(node).store.core();
      return store != nullptr && store->phase() == StorePhase::kOpen && store->generation() > generation_;
    };
    until(recovered, within, "no new generation opened on node " + std::to_string(node));
  }

  // ---- result ----

  RunResult result() {
    RunResult result;
    result.ok = ok();
    result.failure = world_.checkers.verdict.text();
    if (!result.ok) result.last_events = world_.trace.last(kEventsInReport);
    result.trace_hash = world_.trace.hash();
    result.virtual_time = world_.now();
    Figures& figures = result.figures;
    figures.add("seeds", 1);
    figures.add("failed", result.ok ? 0 : 1);
    figures.add("milliseconds", static_cast<uint64_t>(result.virtual_time / kMillisecond));
    figures.add("steps", world_.queue.steps());
    figures.add("operations", world_.checkers.progress.total());
    figures.add("changes", world_.checkers.history.size());
    figures.add("faults", faults_.injected());
    figures.add("acknowledged copies", world_.checkers.copies.acknowledgements());
    figures.add("forgotten records", forgotten());
    figures.add("reads of copies", world_.checkers.linearizability.copies_read());
    figures.add("fall-backs", world_.checkers.history.fallbacks());
    figures.add("lives ended", world_.checkers.lives.lives_ended());
    figures.add("stale packets", world_.checkers.old_generations.seen());
    figures.add("excused holders", world_.checkers.single_owner.holders());
    figures.add("excused on paused nodes", world_.checkers.single_owner.of_paused_nodes());
    figures.add("excused on dead nodes", world_.checkers.single_owner.of_dead_nodes());
    add_coverage(figures);
    return result;
  }

  // By the stores that live.
  uint64_t forgotten() {
    uint64_t records = 0;
    for (uint32_t pnn = 0; pnn < world_.record_nodes(); ++pnn) {
      const Store* store = world_.node(pnn).store.core();
      if (store != nullptr) records += store->counts().records_forgotten;
    }
    return records;
  }

  void add_coverage(Figures& figures) {
    for (size_t f = 0; f < kFaultCount; ++f) {
      const Fault fault = static_cast<Fault>(f);
      figures.add("fault " + std::string(fault_row(fault).name), faults_.injected(fault));
      for (size_t p = 0; p < kPointCount; ++p) {
        const Point point = static_cast<Point>(p);
        const uint64_t hits = faults_.hits(point, fault);
        if (hits == 0) continue;
        figures.add("hit " + std::string(point_row(point).name) + " " + std::string(fault_row(fault).name),
                    hits);
      }
    }
    for (size_t p = 0; p < kPointCount; ++p) {
      const Point point = static_cast<Point>(p);
      figures.add("point " + std::string(point_row(point).name), world_.points.count(point));
    }
  }

  const Scenario& scenario_;
  World world_;
  Faults faults_;
  uint32_t sender_ = 0;  // where the last point was reached
  uint32_t round_ = 0;
  uint64_t lives_ended_ = 0;  // at the mark
  uint32_t generation_ = 0;
  TimeNs marked_at_ = 0;
};

}  // namespace

Scenario scenario_of_seed(uint64_t seed, Mutation mutation) {
  Scenario scenario;
  scenario.name = "seed " + std::to_string(seed);
  scenario.world = draw_world(seed);
  scenario.world.mutation = mutation;
  const FaultPlan plan =
      draw_faults(seed, scenario.world.nodes, scenario.world.copies > 1, scenario.world.lock);
  for (const FaultEvent& event : plan.events) {
    Statement statement;
    statement.kind = Statement::Kind::kAt;
    statement.event = event;
    scenario.statements.push_back(statement);
  }
  Statement run;
  run.kind = Statement::Kind::kRun;
  run.time = plan.length;
  scenario.statements.push_back(run);
  // Dice of their own. Where a lock decides, the one that is left broken may hold it; and a node that was removed gets its vote back only
  // when the newest transactions are known to be on enough of the others.
  Random spared(seed ^ 0x5BA4ED);
  const bool removed = std::ranges::any_of(
      plan.events, [](const FaultEvent& event) { return event.fault == Fault::kRemoveNode; });
  if (scenario.world.nodes > 2 && !scenario.world.lock && !removed && spared.one_in(3)) {
    Statement heal;
    heal.kind = Statement::Kind::kHealBut;
    heal.node = static_cast<NodeRef>(spared.below(scenario.world.nodes));
    scenario.statements.push_back(heal);
  }
  return scenario;
}

RunResult run_scenario(const Scenario& scenario, bool print_trace, bool keep_history) {
  WorldOptions options = scenario.world;
  options.print_trace = print_trace;
  mutate_world(options.mutation, options.network);
  return Run(scenario, options).run(keep_history);
}

}  // namespace ctdb::sim
