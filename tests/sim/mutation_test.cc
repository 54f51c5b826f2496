// SPDX-License-Identifier: GPL-3.0-or-later
// Does the simulator see anything at all? Each rule that is taken away must be missed by a checker within a few hundred
// seeds; a checker that never complains proves nothing.
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

class BrokenRule : public testing::TestWithParam<Mutation> {};

std::string name_of(const testing::TestParamInfo<Mutation>& info) {
  std::string name(mutation_name(info.param));
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Is, BrokenRule,
                         testing::Values(Mutation::kRestampGenerations, Mutation::kKeepOldRecords,
                                         Mutation::kIgnoreSuspend, Mutation::kHideShortResets,
                                         Mutation::kReorderLane, Mutation::kDuplicatePackets,
                                         Mutation::kPromoteLoser, Mutation::kForgetClaims,
                                         Mutation::kLoseVotes),
                         name_of);

TEST_P(BrokenRule, MissedByAChecker) {
  constexpr uint64_t kSeedsMax = 600;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const RunResult result = run_simulation({seed, false, GetParam()});
    if (result.ok) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("violation", result.failure);
    SUCCEED() << "seed " << seed << ": " << result.failure;
    return;
  }
  ADD_FAILURE() << kSeedsMax << " seeds passed in a world without this rule";
}

TEST(Simulation, SameSeedGivesTheSameRun) {
  for (uint64_t seed : {1u, 2u, 3u}) {
    EXPECT_EQ(run_simulation({seed}).trace_hash, run_simulation({seed}).trace_hash) << seed;
  }
}

TEST(Simulation, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(run_simulation({1}).trace_hash, run_simulation({2}).trace_hash);
}

}  // namespace
}  // namespace ctdb::sim
