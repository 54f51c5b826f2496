// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes that do not see each other.
#include "tests/sim/scenarios/scenario.h"

namespace ctdb::sim {
namespace {

TEST(Partition, AnIsolatedNodeIsFencedBeforeTheOthersTakeItsRecords) {
  Scenario s(Scenario::busy(3));
  const uint32_t before = s.generation(0);
  s.isolate(2);
  s.run_until_recovered(0, before);
  EXPECT_FALSE(s.world.checkers.lives.valid(2));
  s.run_for(3 * kSecond);  // the majority works on; every use on node 2 would be reported
  EXPECT_EQ(s.finish(), "");
}

TEST(Partition, TheReturnOfAnIsolatedNodeLosesNothingTheMajorityWrote) {
  Scenario s(Scenario::busy(3, 4));
  s.isolate(0);
  s.run_for(4 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Partition, AShortSilenceCostsNobodyItsRecords) {
  Scenario s(Scenario::busy(3));
  const uint64_t ended = s.world.checkers.lives.lives_ended();
  s.isolate(1);
  s.run_for(500 * kMillisecond);
  s.world.network.heal();
  s.run_for(5 * kSecond);
  EXPECT_EQ(s.world.checkers.lives.lives_ended(), ended);
  EXPECT_EQ(s.finish(), "");
}

TEST(Partition, TwoNodesThatDoNotSeeEachOtherButBothSeeTheThird) {
  Scenario s(Scenario::busy(3));
  const uint32_t before = s.generation(2);
  s.world.network.block(0, 1);
  s.world.network.block(1, 0);
  s.run_until_recovered(2, before);
  s.run_for(5 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Partition, ANodeThatHearsButIsNotHeard) {
  Scenario s(Scenario::busy(3));
  const uint32_t before = s.generation(0);
  for (uint32_t other : {0u, 1u}) s.world.network.block(2, other);
  s.run_until_recovered(0, before);
  s.run_for(2 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Partition, NobodyServesWithoutAMajority) {
  Scenario s(Scenario::busy(5));
  for (uint32_t pnn = 0; pnn < 5; ++pnn) s.isolate(pnn);
  s.run_for(5 * kSecond);
  for (uint32_t pnn = 0; pnn < 5; ++pnn) {
    EXPECT_EQ(s.world.node(pnn).store.core()->phase(), StorePhase::kSuspended) << pnn;
  }
  EXPECT_EQ(s.finish(), "");
}

}  // namespace
}  // namespace ctdb::sim
