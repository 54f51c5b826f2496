// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/shrink.h"

#include <algorithm>
#include <utility>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

constexpr uint64_t kWorlds = 8;

class Shrinker {
 public:
  Shrinker(const Scenario& scenario, std::string checker, uint64_t runs_max)
      : best_{scenario, "", 0}, checker_(std::move(checker)), runs_max_(runs_max) {}

  Shrunk run() {
    if (!try_it(best_.scenario)) return best_;  // it does not fail alone
    for (bool smaller = true; smaller && left();) {
      smaller = drop_faults();
      smaller = reduce_workload() || smaller;
      smaller = simplify_faults() || smaller;
    }
    return best_;
  }

 private:
  bool left() const { return best_.runs < runs_max_; }

  // What is left out changes the course of everything after it, so a smaller scenario gets several worlds to fail in.
  bool try_it(const Scenario& scenario) {
    Scenario candidate = scenario;
    for (uint64_t world = 0; world < kWorlds && left(); ++world) {
      candidate.world.seed =
          world == 0 ? scenario.world.seed : Random::mix(scenario.world.seed + world) >> 40;
      ++best_.runs;
      const RunResult result = run_scenario(candidate);
      if (result.ok || result.checker() != checker_) continue;
      best_.scenario = candidate;
      best_.failure = result.failure;
      return true;
    }
    return false;
  }

  static bool is_fault(const Statement& statement) {
    return statement.kind == Statement::Kind::kAt || statement.kind == Statement::Kind::kDo;
  }

  size_t fault_count() const {
    return static_cast<size_t>(
        std::count_if(best_.scenario.statements.begin(), best_.scenario.statements.end(), is_fault));
  }

  // Without the faults [begin, begin + count), counted among faults.
  Scenario without(size_t begin, size_t count) const {
    Scenario smaller = best_.scenario;
    smaller.statements.clear();
    size_t number = 0;
    for (const Statement& statement : best_.scenario.statements) {
      const bool drop = is_fault(statement) && number >= begin && number < begin + count;
      if (is_fault(statement)) ++number;
      if (!drop) smaller.statements.push_back(statement);
    }
    return smaller;
  }

  bool drop_faults() {
    bool smaller = false;
    for (size_t chunk = std::max<size_t>(1, fault_count() / 2); left(); chunk /= 2) {
      for (size_t begin = 0; begin < fault_count() && left();) {
        if (try_it(without(begin, chunk))) {
          smaller = true;
        } else {
          begin += chunk;
        }
      }
      if (chunk <= 1) break;
    }
    return smaller;
  }

  bool try_world(const std::function<void(WorldOptions&)>& change) {
    Scenario smaller = best_.scenario;
    change(smaller.world);
    return try_it(smaller);
  }

  bool reduce_workload() {
    bool smaller = false;
    const WorldOptions& world = best_.scenario.world;
    if (world.keys > 1) smaller = try_world([](WorldOptions& w) { w.keys /= 2; });
    if (world.clients_per_node > 1)
      smaller = try_world([](WorldOptions& w) { --w.clients_per_node; }) || smaller;
    for (size_t i = 0; i < best_.scenario.statements.size() && left(); ++i) {
      if (best_.scenario.statements[i].kind != Statement::Kind::kRun) continue;
      Scenario shorter = best_.scenario;
      Statement& run = shorter.statements[i];
      if (run.time < 20 * kMillisecond) continue;
      run.time = run.time / 2 / kMillisecond * kMillisecond;
      smaller = try_it(shorter) || smaller;
    }
    return smaller;
  }

  // Aimed faults: at once instead of a little later, any time instead of the k-th.
  bool simplify_faults() {
    bool simpler = false;
    for (size_t i = 0; i < best_.scenario.statements.size() && left(); ++i) {
      const Statement& statement = best_.scenario.statements[i];
      if (!is_fault(statement) || !statement.event.at) continue;
      if (statement.event.after != 0) {
        Scenario changed = best_.scenario;
        changed.statements[i].event.after = 0;
        simpler = try_it(changed) || simpler;
      }
      if (best_.scenario.statements[i].event.at->number > 1) {
        Scenario changed = best_.scenario;
        changed.statements[i].event.at->number = 1;
        simpler = try_it(changed) || simpler;
      }
    }
    return simpler;
  }

  Shrunk best_;
  const std::string checker_;
  const uint64_t runs_max_;
};

}  // namespace

Shrunk shrink(const Scenario& scenario, const std::string& checker, uint64_t runs_max) {
  return Shrinker(scenario, checker, runs_max).run();
}

}  // namespace ctdb::sim
