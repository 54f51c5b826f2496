// SPDX-License-Identifier: GPL-3.0-or-later
// Deaths at the worst moment: at each step of a recovery.
#include <gtest/gtest.h>

#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

// Kills `victim` when the first packet of that kind is on its way in the recovery that node 4's return causes.
void die_during(Operation moment, bool leader_dies) {
  World world(5);
  for (uint32_t pnn = 0; pnn < 4; ++pnn) world.start(pnn);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1, 2, 3}); }, kSecond));
  const uint32_t victim = leader_dies ? world.leader() : (world.leader() == 0 ? 1 : 0);
  const uint32_t generation = world.generation(victim);
  bool dead = false;
  world.on_wire = [&](uint32_t, uint32_t, Operation operation) {
    if (dead || operation != moment || (moment == Operation::HEARTBEAT && !world.recovering(generation)))
      return true;
    dead = true;
    world.soon([&world, victim] { world.kill(victim); });
    return true;
  };
  world.start(4);
  Set rest;
  for (uint32_t pnn = 0; pnn < 5; ++pnn) {
    if (pnn != victim) rest.push_back(pnn);
  }
  ASSERT_TRUE(world.until([&] { return dead && world.open_together(rest); }, 2 * kSecond));
  world.on_wire = nullptr;
  world.start(victim);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

TEST(DeathInRecovery, LeaderWhenItBegins) {
  die_during(Operation::RECOVERY_BEGIN, true);
}
TEST(DeathInRecovery, LeaderWhenReportsArrive) {
  die_during(Operation::RECOVERY_REPORT, true);
}
TEST(DeathInRecovery, LeaderWhenItCommits) {
  die_during(Operation::RECOVERY_COMMIT, true);
}
TEST(DeathInRecovery, LeaderBetweenHeartbeats) {
  die_during(Operation::HEARTBEAT, true);
}
TEST(DeathInRecovery, MemberWhenTheLeaderBegins) {
  die_during(Operation::RECOVERY_BEGIN, false);
}
TEST(DeathInRecovery, MemberWhenItReports) {
  die_during(Operation::RECOVERY_REPORT, false);
}
TEST(DeathInRecovery, MemberWhenTheLeaderCommits) {
  die_during(Operation::RECOVERY_COMMIT, false);
}

TEST(DeathInRecovery, StoreOfAMemberWhilePreparing) {
  World world(3);
  world.store(1).slow = true;
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.store(1).entered != CTDB_INVALID_GENERATION; }, kSecond));
  world.kill_store(1);
  world.run(100 * kMillisecond);
  world.store(1).slow = false;
  world.start_store(1);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 3 * kSecond));
}

TEST(DeathInRecovery, AGenerationOnlyItsLeaderCommittedIsNotOpenedAgain) {
  World world(3);
  world.on_wire = [](uint32_t, uint32_t, Operation operation) {
    return operation != Operation::RECOVERY_COMMIT;
  };
  world.start_all();
  ASSERT_TRUE(world.until([&] { return !world.opened().empty(); }, kSecond));
  const uint32_t first = world.opened().begin()->first;
  const uint32_t leader = world.leader();
  world.kill(leader);
  world.on_wire = nullptr;
  const Set rest = leader == 0 ? Set{1, 2} : leader == 1 ? Set{0, 2} : Set{0, 1};
  ASSERT_TRUE(world.until([&] { return world.open_together(rest); }, kSecond));
  EXPECT_GT(world.generation(rest[0]), first);
  EXPECT_EQ(world.store(rest[0]).base, first) << "it was decided, and who prepared for it is valid";
}

}  // namespace
}  // namespace ctdb::test
