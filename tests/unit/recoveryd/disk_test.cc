// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes whose disks take nothing: they neither vote nor lead, and keep nobody waiting who can do without them.
#include <gtest/gtest.h>

#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

TEST(Disk, WithoutItANodeNeitherVotesNorLeads) {
  World world(3);
  world.full_disks = {0, 1, 2};
  world.start_all();
  world.run(5 * kSecond);
  EXPECT_EQ(world.leader(), CTDB_UNKNOWN_PNN);
  EXPECT_TRUE(world.opened().empty());
  const std::string said = "the state of recoveryd cannot be written";
  EXPECT_EQ(world.state(0).reason.rfind(said, 0), 0u) << world.state(0).reason;
  world.full_disks.clear();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 20 * kSecond));
  EXPECT_EQ(world.state(0).reason, "");
}

TEST(Disk, ALeaderThatLosesItMakesRoomForOthers) {
  World world(3);
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  const uint32_t leader = world.leader(), one = (leader + 1) % 3, other = (leader + 2) % 3;
  world.full_disks = {leader};
  world.reset(one, other);
  const Set others = {std::min(one, other), std::max(one, other)};
  ASSERT_TRUE(world.until([&] { return world.open_together(others); }, 4 * kSecond));
  EXPECT_NE(world.state(leader).reason.find("this node neither votes nor leads"), std::string::npos);
  world.full_disks.clear();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
}

// The other has no quorum without it.
uint32_t leader_of_two_without_a_disk(World& world) {
  world.start_all();
  EXPECT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  const uint32_t leader = world.leader();
  world.full_disks = {leader};
  world.reset(0, 1);
  return leader;
}

TEST(Disk, ALeaderThatNobodyCanReplaceTriesAgain) {
  World world(2);
  const uint32_t leader = leader_of_two_without_a_disk(world);
  world.run(5 * kSecond);
  EXPECT_EQ(world.leader(), leader) << "while it leads, clients keep the records they have";
  EXPECT_FALSE(world.store(0).suspended || world.store(1).suspended);
  world.full_disks.clear();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
}

// Longer than the attempts of a term would last.
TEST(Disk, ALeaderThatNobodyCanReplaceLeadsForAsLongAsThatTakes) {
  World world(2);
  const uint32_t leader = leader_of_two_without_a_disk(world);
  for (int i = 0; i < 300; ++i) {
    world.run(2 * kSecond);
    ASSERT_EQ(world.leader(), leader) << i;
    ASSERT_FALSE(world.store(0).suspended || world.store(1).suspended) << i;
  }
  world.full_disks.clear();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
}

}  // namespace
}  // namespace ctdb::test
