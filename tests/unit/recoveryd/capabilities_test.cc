// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes that may not lead, or that a classic cluster would not make lmaster: where the classic daemon lost updates, found no leader
// or recovered without end (cluster-semantics §20, rows 3, 17, 18). And who may say who leads (row 11).
#include <gtest/gtest.h>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

// Records are placed on all members: one without the capability gets every update as the others do.
TEST(Capabilities, NodesWithoutLmasterCapabilityAreMembersLikeOthers) {
  World world(3, 1, [](RecoverydOptions& options) { options.lmaster_capability = options.pnn != 1; });
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(world.store(pnn).members, (Set{0, 1, 2}));
}

TEST(Capabilities, WithoutAnyLmasterTheClusterOpensOnceAndRests) {
  World world(3, 1, [](RecoverydOptions& options) { options.lmaster_capability = false; });
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  const uint32_t generation = world.generation(0);
  world.run(60 * kSecond);
  EXPECT_TRUE(world.open_all());
  EXPECT_EQ(world.generation(0), generation);
}

TEST(Capabilities, TheOnlyOneThatMayLeadIsElectedInTwoSeconds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (uint32_t able = 0; able < 4; ++able) {
      World world(4, seed,
                  [able](RecoverydOptions& options) { options.leader_capability = options.pnn == able; });
      world.start_all();
      ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond)) << "seed " << seed;
      EXPECT_EQ(world.leader(), able);
    }
  }
}

TEST(Capabilities, TheNextOfThoseThatMayLeadFollowsWithoutDelay) {
  World world(5, 3, [](RecoverydOptions& options) { options.leader_capability = options.pnn >= 3; });
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  const uint32_t first = world.leader();
  world.kill(first);
  EXPECT_TRUE(world.until([&] { return world.leader() == 7 - first; }, kSecond));
  EXPECT_TRUE(world.until([&] { return world.open_together({0, 1, 2, 7 - first}); }, 2 * kSecond));
}

TEST(Capabilities, WhereNobodyMayLeadNothingIsTriedAndItIsSaid) {
  World world(3, 1, [](RecoverydOptions& options) { options.leader_capability = false; });
  world.start_all();
  world.run(10 * kSecond);
  EXPECT_TRUE(world.opened().empty());
  EXPECT_EQ(world.node(0).counts().elections, 0u);
  EXPECT_NE(world.state(0).reason.find("no leader"), std::string::npos) << world.state(0).reason;
}

// To the classic daemon any client, and any node, could say so.
TEST(Capabilities, NoMessageSaysWhoLeads) {
  World world(3);
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  const uint32_t leader = world.leader(), generation = world.generation(0);
  const uint64_t term = world.state(0).term;
  for (const uint64_t srvid : std::vector<uint64_t>{CTDB_SRVID_LEADER, CTDB_SRVID_RECONFIGURE,
                                                    CTDB_SRVID_TAKEOVER_RUN, 0xF000000000000000}) {
    for (uint32_t to = 0; to < 3; ++to) {
      for (uint32_t claimed = 0; claimed < 4; ++claimed) {
        Bytes data(4), packet;
        ctdb::store(data.data(), claimed);
        build(packet, {0, 0, 0, to, (to + 1) % 3, 0}, ReqMessage{srvid, data});
        world.packet(to, RecoverydLane::kData, 0, packet);
        world.packet(to, RecoverydLane::kData, 7, packet);
        world.packet(to, RecoverydLane::kControl, 0, packet);
      }
    }
  }
  world.run(5 * kSecond);
  EXPECT_TRUE(world.open_all());
  EXPECT_EQ(world.leader(), leader);
  EXPECT_EQ(world.generation(0), generation);
  EXPECT_EQ(world.state(0).term, term);
}

}  // namespace
}  // namespace ctdb::test
