// SPDX-License-Identifier: GPL-3.0-or-later
// Whose fault it is that an attempt does not succeed, and that nobody else is left out for it.
#include "ctdb-recoveryd/core/complaints.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

RecoveryReport waits(Set about, bool all_claimed = false) {
  RecoveryReport report;
  report.ok = false;
  report.about = std::move(about);
  report.all_claimed = all_claimed;
  return report;
}

RecoveryReport wrong(Set about) {
  RecoveryReport report = waits(std::move(about));
  report.error = "too few batches";
  return report;
}

Set blamed(const Complaints& complaints, const Set& members, const Set& prepared = {}, uint32_t leader = 0) {
  Set out;
  for (const auto& [node, why] : complaints.culprits(members, prepared, leader)) out.push_back(node);
  return out;
}

const Set kFour = {0, 1, 2, 3};

TEST(Complaints, WhoAllOthersWaitForIsLeftOutAlone) {
  Complaints c;
  for (uint32_t by : {0u, 1u, 3u}) c.take(by, waits({2}));
  EXPECT_EQ(blamed(c, kFour), Set{2}) << "it says nothing itself";
  c.take(2, waits({2}));
  EXPECT_EQ(blamed(c, kFour), Set{2});
  EXPECT_EQ(c.culprits(kFour, {}, 0).at(2), "its store did not recover in time: nodes 0, 1, 3 wait for it");
}

TEST(Complaints, TheLeadersStoreIsNoBetterThanAnother) {
  Complaints c;
  for (uint32_t by : {1u, 2u, 3u}) c.take(by, waits({0}));
  EXPECT_EQ(blamed(c, kFour, {}, 0), Set{0});
}

TEST(Complaints, TwoThatStandStillAreBothLeftOut) {
  Complaints c;
  for (uint32_t by : kFour) c.take(by, waits({1, 2}));
  EXPECT_EQ(blamed(c, kFour), (Set{1, 2}));
}

// Node 1 lacks claims of node 3 only, so it has no assignments for anybody.
TEST(Complaints, WhoWaitsForClaimsExplainsThatItsAssignmentsAreMissing) {
  Complaints c;
  c.take(1, waits({3}));
  for (uint32_t by : {0u, 2u, 3u}) c.take(by, waits({1}, true));
  EXPECT_EQ(blamed(c, kFour).size(), 1u) << "one of the two that do not get on";
  EXPECT_EQ(blamed(c, kFour, {}, 1), Set{3});
  EXPECT_EQ(blamed(c, kFour, {}, 3), Set{1});
  c.take(2, waits({3}));
  EXPECT_EQ(blamed(c, kFour), Set{3}) << "two lack what it sent";
}

TEST(Complaints, TwoThatWaitForEachOtherCostOneOfThem) {
  Complaints c;
  c.take(0, waits({1}));
  c.take(1, waits({0}));
  EXPECT_EQ(blamed(c, {0, 1}, {}, 0), Set{1});
  EXPECT_EQ(blamed(c, {0, 1}, {}, 1), Set{0});
}

TEST(Complaints, WhoIsNotPreparedAndSaysNothingIsLeftOut) {
  Complaints c;
  EXPECT_EQ(blamed(c, kFour), Set{}) << "nobody says anything: nobody is to blame";
  EXPECT_EQ(blamed(c, kFour, {0, 1, 2}), Set{3});
  for (uint32_t by : kFour) c.take(by, waits({by}));
  EXPECT_EQ(blamed(c, kFour), Set{}) << "all stand still: nobody would be left";
}

TEST(Complaints, WrongPacketsAreBlamedOnTheirSender) {
  Complaints c;
  c.take(0, wrong({3}));
  EXPECT_TRUE(c.failed());
  EXPECT_FALSE(c.agreed(kFour));
  EXPECT_TRUE(c.agreed({0, 3}));
  c.take(1, wrong({3}));
  c.take(2, waits({1}));
  EXPECT_TRUE(c.agreed(kFour));
  EXPECT_EQ(blamed(c, kFour), Set{3});
  EXPECT_EQ(c.culprits(kFour, {}, 0).at(3), "nodes 0, 1 say: too few batches");
}

TEST(Complaints, OneAloneThatComplainsOfAllGoes) {
  Complaints c;
  c.take(2, wrong({3}));
  EXPECT_EQ(blamed(c, kFour, {}, 3), Set{2});
  EXPECT_EQ(c.culprits(kFour, {}, 3).at(2),
            "its store could not recover: too few batches, which no other store says");
}

// ---- in a cluster ----

class StuckStore : public ::testing::Test {
 protected:
  void open(World& world) {
    world.start_all();
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  }
  static bool logged(const World& world, const std::string& text) {
    return std::any_of(world.log.begin(), world.log.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }
  static Set all_but(uint32_t node, uint32_t nodes) {
    Set others;
    for (uint32_t pnn = 0; pnn < nodes; ++pnn) {
      if (pnn != node) others.push_back(pnn);
    }
    return others;
  }
  static void expect_blameless(World& world, const Set& nodes) {
    for (uint32_t pnn : nodes) {
      EXPECT_EQ(world.store(pnn).reason, "");
      EXPECT_FALSE(logged(world, "node " + std::to_string(pnn) + " is left out"));
    }
  }
};

TEST_F(StuckStore, ThatSaysNothingIsLeftOutAndNobodyElse) {
  for (uint32_t stuck = 0; stuck < 4; ++stuck) {
    World world(4);
    open(world);
    world.store(stuck).slow = world.store(stuck).mute = true;
    EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
    EXPECT_TRUE(world.until([&] { return world.open_together(all_but(stuck, 4)); }, 33 * kSecond));
    expect_blameless(world, all_but(stuck, 4));
  }
}

TEST_F(StuckStore, ThatSendsWrongCountsIsLeftOutAndNotThoseThatGetThem) {
  World world(4);
  open(world);
  world.store(2).miscounts_to = {0, 1, 3};
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  EXPECT_TRUE(world.until([&] { return world.open_together({0, 1, 3}); }, 3 * kSecond));
  expect_blameless(world, {0, 1, 3});
  EXPECT_TRUE(logged(world, "say: node 2 has sent 3 batches, 2 have arrived"));
}

// As when a packet comes twice.
TEST_F(StuckStore, AWrongCountAtOneNodeOnceCostsNobodyAnything) {
  World world(4);
  open(world);
  world.store(2).miscounts_to = {1};
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  ASSERT_TRUE(world.until([&] { return logged(world, "is given up"); }, 3 * kSecond));
  world.store(2).miscounts_to.clear();
  EXPECT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  expect_blameless(world, {0, 1, 2, 3});
}

TEST_F(StuckStore, AWrongCountAtOneNodeAgainAndAgainCostsOneOfTheTwo) {
  World world(4);
  open(world);
  world.store(2).miscounts_to = {1};
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  EXPECT_TRUE(world.until(
      [&] {
        return world.open_together({0, 2, 3}) || world.open_together({0, 1, 3});
      },
      3 * kSecond));
  expect_blameless(world, {0, 3});
}

// The next leader knows how long, why, and that it was not the first time; so does every node.
TEST_F(StuckStore, ItsTimesOutsideAreDoubledByTheNextLeaderToo) {
  World world(5);
  open(world);
  const uint32_t broken = world.leader() == 4 ? 3 : 4;
  const auto fail_again = [&] {
    world.store(broken).broken = true;
    EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
    ASSERT_TRUE(world.until([&] { return world.open_together(all_but(broken, 5)); }, 3 * kSecond));
    world.store(broken).broken = false;
  };
  const auto all_say = [&](const std::string& text) {
    world.run(kSecond);
    for (uint32_t pnn = 0; pnn < 5; ++pnn) {
      EXPECT_NE(world.state(pnn).reason.find(text), std::string::npos)
          << pnn << ": " << world.state(pnn).reason;
    }
  };
  const auto change_leader = [&] {
    const uint32_t old = world.leader();
    world.kill_recoveryd(old);
    ASSERT_TRUE(world.until([&] { return world.leader() != CTDB_UNKNOWN_PNN; }, 3 * kSecond));
    EXPECT_NE(world.leader(), old);
    world.start_recoveryd(old);
    world.run(kSecond);
  };
  fail_again();
  all_say("left out for 10 seconds");
  change_leader();
  all_say("left out for 10 seconds");
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 12 * kSecond));
  fail_again();
  all_say("left out for 20 seconds");
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 22 * kSecond));
  change_leader();
  fail_again();
  all_say("left out for 40 seconds");
}

}  // namespace
}  // namespace ctdb::test
