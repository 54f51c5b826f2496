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
    const RunResult result = run_seed(seed, GetParam());
    if (result.ok) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("violation", result.failure);
    SUCCEED() << "seed " << seed << ": " << result.failure;
    return;
  }
  ADD_FAILURE() << kSeedsMax << " seeds passed in a world without this rule";
}

}  // namespace
}  // namespace ctdb::sim
