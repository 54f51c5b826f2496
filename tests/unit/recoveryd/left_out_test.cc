// SPDX-License-Identifier: GPL-3.0-or-later
// Who is left out of a generation, what it says of that, and who must not be.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

bool open(World& world) {
  world.start_all();
  return world.until([&] { return world.open_all(); }, 2 * kSecond);
}

std::vector<uint32_t> all_but(uint32_t node) {
  std::vector<uint32_t> others;
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    if (pnn != node) others.push_back(pnn);
  }
  return others;
}

// Its lease ended for another reason before the leader could say that it does not want it.
TEST(LeftOut, ANodeSaysWhatKeepsItOutNowAndNotWhyItWasSuspended) {
  World world(3);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> followers = all_but(leader);
  world.silence(leader, followers[1], true);
  ASSERT_TRUE(world.until([&] { return world.store(followers[1]).suspended; }, 5 * kSecond));
  world.cut(followers[0], followers[1]);
  world.silence(leader, followers[1], false);
  const auto says = [&](const char* text) {
    return world.state(followers[1]).reason.find(text) != std::string::npos;
  };
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(followers[1])); }, 5 * kSecond));
  EXPECT_TRUE(world.until([&] { return says("cannot reach each other"); }, 5 * kSecond))
      << world.state(followers[1]).reason;
}

// As after the restart of a router, when its recoveryd comes later than its links.
TEST(LeftOut, ALinkThatIsBackBeforeItsRecoverydCostsNobodyItsRecords) {
  World world(3);
  ASSERT_TRUE(open(world));
  const uint32_t slow = all_but(world.leader())[0];
  const uint32_t generation = world.generation(slow);
  world.kill_recoveryd(slow);
  world.reset(slow, world.leader());
  world.run(400 * kMillisecond);
  world.start_recoveryd(slow);
  ASSERT_TRUE(world.until([&] { return world.open_all() && world.generation(slow) > generation; }, kSecond));
  EXPECT_EQ(world.store(slow).reason, "") << "it was never told to stop";
}

bool logged(const World& world, const std::string& text) {
  return std::any_of(world.log.begin(), world.log.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

std::vector<uint32_t> others_of_five(uint32_t node) {
  std::vector<uint32_t> others;
  for (uint32_t pnn = 0; pnn < 5; ++pnn) {
    if (pnn != node) others.push_back(pnn);
  }
  return others;
}

// It reaches only two of the four others, which all reach each other.
TEST(LeftOut, ALeaderInTheWayOfTheLargestSetLeadsNoMoreAndSaysWhy) {
  World world(5);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> others = others_of_five(leader);
  world.cut(leader, others[0]);
  world.cut(leader, others[1]);
  ASSERT_TRUE(world.until([&] { return world.open_together(others); }, 3 * kSecond));
  EXPECT_TRUE(logged(world, "this node leads no more: nodes "));
  EXPECT_NE(world.leader(), leader);
  for (uint32_t pnn : others) EXPECT_EQ(world.store(pnn).reason, "") << "node " << pnn << " had to stop";
  EXPECT_TRUE(world.until(
      [&] { return world.state(leader).reason.find("cannot reach each other") != std::string::npos; },
      3 * kSecond))
      << world.state(leader).reason;
  const uint32_t next = world.leader();
  world.run(40 * kSecond);
  EXPECT_TRUE(world.open_together(others)) << "it stays so";
  EXPECT_EQ(world.leader(), next);
  world.rejoin(leader);
  EXPECT_TRUE(world.until([&] { return world.open_all(); }, 3 * kSecond));
}

// A link less, and a set as large with the leader: nothing changes but for the node at its other end.
TEST(LeftOut, ALeaderGoesOnWhereNoSetIsLarger) {
  World world(5);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> others = others_of_five(leader);
  world.cut(leader, others[0]);
  ASSERT_TRUE(world.until([&] { return world.open_together(others_of_five(others[0])); }, 3 * kSecond));
  EXPECT_EQ(world.leader(), leader);
  EXPECT_FALSE(logged(world, "leads no more"));
}

// What it supposed of those it does not reach was wrong: they do not reach each other either. Whoever leads then sees it, and
// the cluster comes to rest.
TEST(LeftOut, ALeaderThatSupposedTooMuchChangesTheLeaderOnce) {
  World world(5);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> others = others_of_five(leader);
  world.cut(others[0], others[1]);
  world.cut(leader, others[0]);
  world.cut(leader, others[1]);
  world.run(5 * kSecond);
  const uint32_t generation = world.generation(others[2]);
  ASSERT_NE(generation, CTDB_INVALID_GENERATION);
  EXPECT_EQ(world.state(others[2]).members.size(), 3u);
  const uint64_t term = world.state(others[2]).term;
  world.run(60 * kSecond);
  EXPECT_EQ(world.generation(others[2]), generation);
  EXPECT_EQ(world.state(others[2]).term, term);
}

// All links stay up, nothing comes over them: as when all its daemons are stopped by SIGSTOP.
void hang(World& world, uint32_t pnn, uint32_t nodes) {
  for (uint32_t other = 0; other < nodes; ++other) {
    if (other == pnn) continue;
    world.silence(pnn, other, true);
    world.silence(other, pnn, true);
  }
}

// Two seconds are promised with the timing as it is set by default. Those who vote say how long they have followed nobody, so its
// lease is not waited for twice.
TEST(LeftOut, AHungNodeIsReplacedInTwoSecondsAlsoWhenItLeads) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    World world(3, seed);
    ASSERT_TRUE(open(world));
    world.run(static_cast<TimeNs>(seed) * 37 * kMillisecond);
    const uint32_t hung = seed % 2 == 0 ? world.leader() : all_but(world.leader())[0];
    hang(world, hung, 3);
    EXPECT_TRUE(world.until([&] { return world.open_together(all_but(hung)); }, 2 * kSecond))
        << "seed " << seed;
  }
}

TEST(LeftOut, ALinkThatClosesIsNoticedIn50Milliseconds) {
  World world(3);
  ASSERT_TRUE(open(world));
  const std::vector<uint32_t> followers = all_but(world.leader());
  world.cut(followers[0], followers[1]);
  EXPECT_TRUE(world.until([&] { return world.store(followers[1]).suspended; }, 50 * kMillisecond));
}

// One voter followed the leader to the last moment: its lease is waited for from there.
TEST(LeftOut, WhoWasFollowedTillNowIsWaitedForTillItsLeaseIsOver) {
  World world(3);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> followers = all_but(leader);
  world.cut(leader, followers[0]);
  world.run(20 * kMillisecond);
  world.join(leader, followers[0]);
  world.silence(leader, followers[0], true);
  world.run(650 * kMillisecond);
  world.cut(leader, followers[1]);
  world.cut(leader, followers[0]);
  world.store(leader).unkept = true;
  EXPECT_TRUE(world.until([&] { return world.open_together(followers); }, 3 * kSecond));
}

// A node's router and keeper die and are back. The leader lets it go on; another node has only seen the death when the leader
// itself dies and it is elected.
TEST(LeftOut, AProofOfDeathSaysNothingOfALeaseThatTheLeaderBeforeGaveAfterwards) {
  World world(5, 1, [](RecoverydOptions& options) { options.leader_capability = options.pnn < 2; });
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader(), next = 1 - leader, back = 4;
  world.kill(leader);
  world.cut(next, back);
  world.run(kMillisecond);
  world.forge(next, next, Operation::LINK_STATE, LinkState{back, false, 0, true}.encode());
  ASSERT_TRUE(world.until([&] { return world.open_together({next, 2, 3}); }, 5 * kSecond));
  EXPECT_TRUE(world.store(back).suspended) << "its lease lasts, and its store serves";
}

}  // namespace
}  // namespace ctdb::test
