// SPDX-License-Identifier: GPL-3.0-or-later
// Does the simulator see anything at all? Each rule that is taken away must be missed by a checker within a few hundred
// seeds; a checker that never complains proves nothing.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

class BrokenRule : public testing::TestWithParam<size_t> {};

std::string name_of(const testing::TestParamInfo<size_t>& info) {
  std::string name(mutation_name(static_cast<Mutation>(info.param)));
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Is, BrokenRule, testing::Range<size_t>(1, static_cast<size_t>(Mutation::kCount)),
                         name_of);

// Some rules matter in one course of events only, which seeds meet seldom: a scenario of broken/ tells it.
std::optional<Scenario> aimed_at(Mutation mutation) {
  const std::string name(mutation_name(mutation));
  std::ifstream in(std::string(CTDB_SIM_BROKEN) + "/" + name + ".scenario");
  if (!in) return std::nullopt;
  std::stringstream text;
  text << in.rdbuf();
  const Result<std::vector<Scenario>> scenarios = parse_scenarios(name, text.str());
  EXPECT_TRUE(scenarios.has_value()) << scenarios.error().text();
  return scenarios->front();
}

Scenario scenario_of(std::optional<Scenario> aimed, uint64_t seed, Mutation mutation) {
  if (!aimed) return scenario_of_seed(seed, mutation);
  aimed->world.seed = seed;
  aimed->world.mutation = mutation;
  return *aimed;
}

// Some rules have no part in most worlds.
bool may_show(const WorldOptions& world, Mutation mutation) {
  switch (mutation) {
    case Mutation::kSyncsLost:
      return world.transactions;
    case Mutation::kFunctionAgain:
      return world.functions;
    case Mutation::kRegisterNotRead:
    case Mutation::kRegisterNotWritten:
    case Mutation::kLockIsEnough:
      return world.lock;
    case Mutation::kCopyNotAwaited:
    case Mutation::kOldCopies:
      return world.copies > 1;
    case Mutation::kRevokeNotAwaited:
    case Mutation::kRevokeIgnored:
    case Mutation::kDelegationsForgotten:
      return world.delegations;
    default:
      return true;
  }
}

TEST_P(BrokenRule, MissedByAChecker) {
  constexpr uint64_t kSeedsMax = 3000;
  const Mutation mutation = static_cast<Mutation>(GetParam());
  const std::optional<Scenario> aimed = aimed_at(mutation);
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Scenario scenario = scenario_of(aimed, seed, mutation);
    if (!may_show(scenario.world, mutation)) continue;
    const RunResult result = run_scenario(scenario);
    // A run that fails anyway shows nothing.
    if (result.ok || !run_scenario(scenario_of(aimed, seed, Mutation::kNone)).ok) continue;
    std::cout << "seed " << seed << ": " << result.failure << "\n";
    return;
  }
  ADD_FAILURE() << kSeedsMax << " seeds passed in a world without this rule";
}

}  // namespace
}  // namespace ctdb::sim
