// SPDX-License-Identifier: GPL-3.0-or-later
// What a cluster goes through, told as stories: start, deaths, cuts, operators. Deaths at the worst moment: deaths_in_recovery_test.cc.
#include <gtest/gtest.h>

#include "libctdbipc/wire/reader.h"
#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

TEST(Start, ThreeNodesOpenWellUnderASecond) {
  World world(3);
  world.start_all();
  const TimeNs began = world.now();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  EXPECT_LT(world.now() - began, 400 * kMillisecond);
  world.run(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(world.state(pnn).runstate, CTDB_RUNSTATE_RUNNING);
    EXPECT_EQ(world.state(pnn).node_flags, (Set{0, 0, 0}));
  }
  EXPECT_EQ(world.opened().size(), 1u) << "one recovery is enough";
}

TEST(Start, OneNodeAloneIsItsOwnMajority) {
  World world(1);
  world.start(0);
  const TimeNs began = world.now();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  EXPECT_LT(world.now() - began, 50 * kMillisecond);
  EXPECT_EQ(world.leader(), 0u);
}

TEST(Start, TwoOfThreeAreEnoughAndTheThirdJoinsLater) {
  World world(3);
  world.start(0);
  world.start(1);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, kSecond));
  const uint32_t before = world.generation(0);
  world.start(2);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_GT(world.generation(0), before);
  EXPECT_EQ(world.store(2).base, before) << "what the newcomer may still have is older than that";
}

TEST(Start, OneOfThreeWaitsAndSaysWhy) {
  World world(3);
  world.start(1);
  world.run(5 * kSecond);
  EXPECT_EQ(world.leader(), CTDB_UNKNOWN_PNN);
  EXPECT_EQ(world.state(1).recovery_mode, CTDB_RECOVERY_ACTIVE);
  EXPECT_EQ(world.state(1).reason, "no quorum: 1 of 3 nodes reachable");
  EXPECT_EQ(world.state(1).runstate, CTDB_RUNSTATE_FIRST_RECOVERY);
  EXPECT_TRUE(world.opened().empty());
}

TEST(Start, WithoutQuorumRuleOneNodeIsEnough) {
  World world(3, 1, [](RecoverydOptions& o) { o.majority_quorum = false; });
  world.start(1);
  ASSERT_TRUE(world.until([&] { return world.open_together({1}); }, kSecond));
}

TEST(Start, ClusterFormsWithManyNodesAndManySeeds) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world(static_cast<uint32_t>(seed % 5) + 1, seed);
    world.start_all();
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond)) << "seed " << seed;
  }
}

TEST(Idle, OnlyTenHeartbeatsASecond) {
  World world(3);
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  world.run(kSecond);
  const uint64_t before = world.packets_between_recoveryds();
  const uint32_t generation = world.generation(0);
  world.run(10 * kSecond);
  EXPECT_LE(world.packets_between_recoveryds() - before, 410u) << "two followers, one packet each way";
  EXPECT_EQ(world.generation(0), generation);
}

// ---- deaths ----

class Opened : public ::testing::Test {
 protected:
  void open(World& world) {
    world.start_all();
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
    world.run(500 * kMillisecond);
  }
  static uint32_t follower(const World& world) { return world.leader() == 0 ? 1 : 0; }
  static Set all_but(uint32_t nodes, uint32_t pnn) {
    Set set;
    for (uint32_t node = 0; node < nodes; ++node) {
      if (node != pnn) set.push_back(node);
    }
    return set;
  }
};

TEST_F(Opened, DeathOfAFollowerCostsAMomentAndItsReturnToo) {
  World world(3);
  open(world);
  const uint32_t dead = follower(world);
  const uint32_t before = world.generation(2);
  const TimeNs began = world.now();
  world.kill(dead);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, dead)); }));
  EXPECT_LT(world.now() - began, 200 * kMillisecond);
  world.start(dead);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_GT(world.generation(dead), before);
}

TEST_F(Opened, TheLeaderKeepsARecordOfTheLastRecovery) {
  World world(3);
  open(world);
  const uint32_t leader = world.leader(), dead = follower(world);
  const auto record = [&] {
    EXPECT_EQ(world.control(leader, Control::GET_LAST_RECOVERY), 0);
    return RecoveryRecord::decode(world.reply_data).value_or(RecoveryRecord());
  };
  EXPECT_EQ(record().generation, world.generation(leader));
  world.kill(dead);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, dead)); }));
  const RecoveryRecord left = record();
  EXPECT_EQ(left.generation, world.generation(leader));
  EXPECT_EQ(left.reason.rfind("node " + std::to_string(dead) + " left", 0), 0u) << left.reason;
  ASSERT_EQ(left.members.size(), 2u);
  EXPECT_EQ(left.left, std::vector<uint32_t>{dead});
  EXPECT_GE(left.opened_ns, left.decided_ns);
  EXPECT_GE(left.decided_ns, left.members[1].reported_ns);
  EXPECT_EQ(world.control(leader, Control::GET_LAST_RECOVERY, Bytes(4)), -1) << "it takes no data";
  world.start(dead);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_NE(record().reason.find("node " + std::to_string(dead) + " came"), std::string::npos)
      << record().reason;
}

TEST_F(Opened, DeathOfTheLeaderCostsAnElectionMore) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(3, seed);
    open(world);
    const uint32_t dead = world.leader();
    const TimeNs began = world.now();
    world.kill(dead);
    ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, dead)); }));
    EXPECT_LT(world.now() - began, 300 * kMillisecond) << "seed " << seed;
    world.start(dead);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  }
}

TEST_F(Opened, AChangeOfLeaderAloneCausesNoRecovery) {
  World world(3);
  open(world);
  const uint32_t old_leader = world.leader();
  const uint32_t generation = world.generation(0);
  const uint8_t no[4] = {};
  EXPECT_EQ(world.control(old_leader, Control::SET_RECMASTERROLE, no), 0);
  ASSERT_TRUE(
      world.until([&] { return world.leader() != CTDB_UNKNOWN_PNN && world.leader() != old_leader; }));
  world.run(2 * kSecond);
  EXPECT_TRUE(world.open_all());
  EXPECT_EQ(world.generation(0), generation);
}

TEST_F(Opened, KilledRecoverydComesBackWithoutAnyStoreBeingStopped) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    World world(3);
    open(world);
    world.kill_recoveryd(victim);
    world.run(700 * kMillisecond);
    world.start_recoveryd(victim);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond)) << victim;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) {
      EXPECT_FALSE(world.store(pnn).suspended);
      EXPECT_EQ(world.store(pnn).reason, "") << "nobody was suspended meanwhile";
      EXPECT_GE(world.store(pnn).opened, world.store(pnn).base);
    }
  }
}

TEST_F(Opened, AllRecoverydsKilledAtOnceForgetNothing) {
  World world(3);
  open(world);
  const uint32_t generation = world.generation(0);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) world.kill_recoveryd(pnn);
  world.run(100 * kMillisecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) world.start_recoveryd(pnn);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(world.generation(pnn), generation) << "the stores are open in it: nobody begins anew";
    EXPECT_EQ(world.store(pnn).reason, "");
  }
}

TEST_F(Opened, RecoverydOfALoneNodeIsKilledAndItsStoreKeepsItsRecords) {
  World world(1);
  open(world);
  const uint32_t generation = world.generation(0);
  world.kill_recoveryd(0);
  world.run(50 * kMillisecond);
  world.start_recoveryd(0);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_EQ(world.generation(0), generation);
  EXPECT_EQ(world.store(0).reason, "");
}

TEST_F(Opened, AStoreThatComesBackSoonKeepsItsMembershipAndItsRecords) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    World world(3);
    open(world);
    const uint32_t generation = world.generation(0);
    world.kill_store(victim);
    world.run(400 * kMillisecond);
    world.start_store(victim);
    ASSERT_TRUE(world.until([&] { return world.generation(0) > generation && world.open_all(); }, kSecond))
        << victim;
    EXPECT_EQ(world.opened().size(), 2u);
    EXPECT_EQ(world.store(victim).base, generation);
  }
}

TEST_F(Opened, AStoreThatDoesNotComeBackIsLeftOut) {
  World world(3);
  open(world);
  const uint32_t victim = world.leader();  // it may lead without being a member
  world.kill_store(victim);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 5 * kSecond));
  EXPECT_EQ(world.state(victim).reason, "ctdb-store is not running");
  world.start_store(victim);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

// The world complains of a generation without the node before its clients are cut off.
TEST_F(Opened, WhereNobodyTakesTheRecordsAwayClientsAreCutOffBeforeOthersGoOn) {
  for (const bool killed : {true, false}) {
    World world(3);
    open(world);
    const uint32_t victim = follower(world);
    world.store(victim).unkept = true;
    if (killed) {
      world.kill_store(victim);
    } else {
      world.store(victim).hangs = true;
    }
    ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 5 * kSecond));
    EXPECT_EQ(world.store(victim).clients_cut, 1);
    world.run(2 * kSecond);
    EXPECT_EQ(world.store(victim).clients_cut, 1) << "once is enough";
  }
}

TEST_F(Opened, WhereTheKeeperTakesTheRecordsAwayNobodyIsCutOff) {
  World world(3);
  open(world);
  const uint32_t victim = follower(world);
  world.store(victim).hangs = true;
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 5 * kSecond));
  world.run(kSecond);
  EXPECT_EQ(world.store(victim).clients_cut, 0);
}

TEST_F(Opened, TheWholeClusterIsSwitchedOffAndOnAndNumbersGoOnGrowing) {
  World world(3);
  open(world);
  const uint32_t generation = world.generation(0);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) world.kill(pnn);
  world.run(10 * kSecond);
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_GT(world.generation(0), generation);
  EXPECT_EQ(world.store(0).base, generation)
      << "a store that slept through anything older would have to discard";
}

TEST_F(Opened, ANodeWhoseStateFileIsLostGoesOnWithWhatItsStoreKnows) {
  World world(1);
  open(world);
  const uint32_t generation = world.generation(0);
  world.kill_recoveryd(0);
  world.forget(0);
  world.start_recoveryd(0);
  ASSERT_TRUE(world.until([&] { return world.generation(0) > generation; }, kSecond));
  EXPECT_EQ(world.store(0).base, generation);
}

// The third node hears nobody and serves on until its lease ends. (The world complains of a generation without it.)
TEST_F(Opened, WhoKnowsOnlyThatAGenerationExistsLeavesNobodyOutBeforeItsLeaseIsOver) {
  World world(3);
  open(world);
  const uint32_t generation = world.generation(0);
  for (uint32_t pnn = 0; pnn < 2; ++pnn) {
    world.kill_recoveryd(pnn);
    world.forget(pnn);
    world.silence(2, pnn, true);
    world.silence(pnn, 2, true);
  }
  for (uint32_t pnn = 0; pnn < 2; ++pnn) world.start_recoveryd(pnn);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 5 * kSecond));
  EXPECT_EQ(world.store(0).base, generation);
  EXPECT_GE(world.now(), world.lease(2));
}

// ---- links ----

TEST_F(Opened, ALinkThatIsResetCausesOneRecoveryAndCostsNobodyItsMembership) {
  for (uint32_t a = 0; a < 3; ++a) {
    World world(3);
    open(world);
    const uint32_t generation = world.generation(0);
    world.reset(a, (a + 1) % 3);
    ASSERT_TRUE(world.until([&] { return world.open_all() && world.generation(0) > generation; }, kSecond));
    world.run(kSecond);
    EXPECT_LE(world.opened().size(), 3u);
    for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(world.store(pnn).reason, "");
    for (const auto& [number, members] : world.opened()) EXPECT_EQ(members.size(), 3u) << number;
  }
}

TEST_F(Opened, AnIsolatedNodeStopsServingAndComesBackByItself) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    World world(3);
    open(world);
    world.isolate(victim);
    ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 2 * kSecond));
    EXPECT_TRUE(world.store(victim).suspended);
    EXPECT_FALSE(world.store(victim).discarded);
    EXPECT_EQ(world.state(victim).reason, "no quorum: 1 of 3 nodes reachable");
    EXPECT_EQ(world.state(victim).generation, CTDB_INVALID_GENERATION);
    const uint32_t generation = world.generation(all_but(3, victim)[0]);
    world.rejoin(victim);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
    EXPECT_EQ(world.store(victim).base, generation);
    EXPECT_LT(world.store(victim).opened, world.generation(victim) + 1);
  }
}

TEST_F(Opened, ANodeThatStaysOutSendsItsClientsAwayAndOneThatComesBackDoesNot) {
  const TimeNs grace = RecoverydTiming{}.client_grace;
  World world(3);
  open(world);
  const uint32_t victim = follower(world);
  world.isolate(victim);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 2 * kSecond));
  world.run(grace / 2);
  world.rejoin(victim);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  world.run(grace);
  EXPECT_EQ(world.store(victim).clients_cut, 0);
  world.isolate(victim);
  ASSERT_TRUE(world.until([&] { return world.store(victim).clients_cut == 1; }, grace + 2 * kSecond));
  // Those that have connected meanwhile.
  ASSERT_TRUE(world.until([&] { return world.store(victim).clients_cut == 2; }, grace + kSecond));
  for (const uint32_t other : all_but(3, victim)) EXPECT_EQ(world.store(other).clients_cut, 0);
}

TEST_F(Opened, AStoppedNodeKeepsItsClients) {
  World world(3);
  open(world);
  const uint32_t victim = follower(world);
  ASSERT_EQ(world.control(victim, Control::STOP_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, victim)); }, 2 * kSecond));
  world.run(3 * RecoverydTiming{}.client_grace);
  EXPECT_EQ(world.store(victim).clients_cut, 0);
}

TEST_F(Opened, ANodeThatIsStoppedWhileItIsOutKeepsItsClients) {
  const TimeNs grace = RecoverydTiming{}.client_grace;
  World world(3);
  open(world);
  const uint32_t victim = follower(world);
  world.isolate(victim);
  world.run(grace / 2);
  ASSERT_EQ(world.control(victim, Control::STOP_NODE), 0);
  world.run(2 * grace);
  EXPECT_EQ(world.store(victim).clients_cut, 0);
  ASSERT_EQ(world.control(victim, Control::CONTINUE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.store(victim).clients_cut == 1; }, grace + kSecond));
}

TEST_F(Opened, WhenTheMajorityIsGoneTheRestStopsAndComesBackByItself) {
  World world(5);
  open(world);
  const uint32_t generation = world.generation(0);
  for (uint32_t pnn : {2u, 3u, 4u}) {
    for (uint32_t rest : {0u, 1u}) world.cut(rest, pnn);
  }
  ASSERT_TRUE(world.until([&] { return world.open_together({2, 3, 4}); }, 2 * kSecond));
  EXPECT_TRUE(world.store(0).suspended);
  EXPECT_EQ(world.state(1).reason, "no quorum: 2 of 5 nodes reachable");
  for (uint32_t pnn : {2u, 3u, 4u}) world.rejoin(pnn);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_GT(world.generation(0), generation);
}

// The fault the classic daemon never notices (cluster-semantics §20.1).
TEST_F(Opened, TwoFollowersThatCannotReachEachOtherAreNotMembersTogether) {
  World world(3);
  open(world);
  const Set followers = all_but(3, world.leader());
  world.cut(followers[0], followers[1]);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(3, followers[1])); }, 2 * kSecond));
  EXPECT_TRUE(world.store(followers[1]).suspended) << "it was told before the others went on without it";
  EXPECT_NE(world.state(followers[1]).reason.find("cannot reach each other"), std::string::npos);
  world.run(3 * kSecond);
  const uint32_t quiet = world.generation(world.leader());
  world.run(3 * kSecond);
  EXPECT_EQ(world.generation(world.leader()), quiet) << "no recovery after recovery";
  world.join(followers[0], followers[1]);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

TEST_F(Opened, AFollowerCutOffFromTheLeaderOnlyIsWaitedForThenLeftOutAndDeposesNobody) {
  World world(3);
  open(world);
  const uint32_t leader = world.leader();
  const uint32_t lost = follower(world);
  const uint64_t term = world.state(leader).term;
  world.cut(leader, lost);
  bool served_too_long = false;
  ASSERT_TRUE(world.until(
      [&] {
        const bool without = world.generation(leader) > world.store(lost).opened;
        if (without && !world.store(lost).suspended) served_too_long = true;
        return world.open_together(all_but(3, lost));
      },
      5 * kSecond));
  EXPECT_FALSE(served_too_long);
  world.run(5 * kSecond);
  EXPECT_EQ(world.leader(), leader);
  EXPECT_EQ(world.state(leader).term, term);
  world.join(leader, lost);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  EXPECT_EQ(world.leader(), leader);
}

TEST_F(Opened, ASilentlyCutNodeStopsServingBeforeOthersGoOnWithoutIt) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    for (const bool both_ways : {true, false}) {
      World world(3);
      open(world);
      for (uint32_t pnn : all_but(3, victim)) {
        world.silence(victim, pnn, true);
        world.silence(pnn, victim, both_ways);
      }
      const uint32_t generation = world.store(victim).opened;
      bool served_too_long = false;
      const uint32_t other = all_but(3, victim)[0];
      ASSERT_TRUE(world.until(
          [&] {
            const bool without = world.generation(other) > generation;
            if (without && !world.store(victim).suspended) served_too_long = true;
            return without && world.open_together(all_but(3, victim));
          },
          10 * kSecond))
          << victim << both_ways;
      EXPECT_FALSE(served_too_long) << victim << both_ways;
      for (uint32_t pnn : all_but(3, victim)) {
        world.silence(victim, pnn, false);
        world.silence(pnn, victim, false);
      }
      ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond)) << victim << both_ways;
    }
  }
}

TEST_F(Opened, ALeaderThatSaysNothingIsReplacedWithoutARecovery) {
  World world(3);
  open(world);
  const uint32_t old_leader = world.leader();
  const uint32_t generation = world.generation(0);
  world.kill_recoveryd(old_leader);
  ASSERT_TRUE(world.until([&] { return world.leader() != CTDB_UNKNOWN_PNN; }, 3 * kSecond));
  EXPECT_EQ(world.generation(world.leader()), generation);
}

// Its heartbeats take longer and longer; the answers come at once, so that its followers are heard all the time.
TEST_F(Opened, ALeaderWhoseLeaseIsOverBeginsNothingUntilItsHeartbeatsAreAnsweredInTime) {
  World world(3);
  open(world);
  const uint32_t leader = world.leader();
  const uint64_t term = world.state(leader).term;
  const auto delay = [&](TimeNs by) {
    for (uint32_t pnn : all_but(3, leader)) world.delay(leader, pnn, by);
  };
  for (TimeNs by = 0; by < 1500 * kMillisecond; by += 20 * kMillisecond) {
    delay(by);
    world.run(50 * kMillisecond);
  }
  world.run(2 * kSecond);
  ASSERT_TRUE(world.store(leader).suspended) << "its lease is over";
  ASSERT_EQ(world.leader(), leader);
  int orders = 0;
  world.on_wire = [&](uint32_t, uint32_t, Operation operation) {
    if (operation == Operation::RECOVERY_BEGIN) ++orders;
    return true;
  };
  world.run(3 * kSecond);
  EXPECT_EQ(orders, 0) << "no attempt could succeed";
  delay(kWireDelay);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond));
  EXPECT_EQ(world.state(leader).term, term) << "the attempts of its term were not used up";
}

// ---- stores that fail ----

TEST_F(Opened, ABrokenStoreIsLeftOutAndTriedAgainLater) {
  World world(3);
  open(world);
  world.store(1).broken = true;
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 2}); }, 2 * kSecond));
  EXPECT_NE(world.state(1).reason.find("the disk is on fire"), std::string::npos) << world.state(1).reason;
  world.store(1).broken = false;
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 12 * kSecond));
}

TEST_F(Opened, ABrokenStoreIsTriedLessAndLessOften) {
  World world(3);
  open(world);
  world.store(1).broken = true;
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 2}); }, 2 * kSecond));
  EXPECT_NE(world.state(1).reason.find("left out for 10 seconds"), std::string::npos)
      << world.state(1).reason;
  const uint32_t generation = world.generation(0);
  world.run(145 * kSecond);  // tried after 10, 30, 70 and 150 seconds
  EXPECT_EQ(world.generation(0), generation + 2 * 3) << "each time one attempt with it and one without";
  EXPECT_NE(world.state(1).reason.find("left out for 80 seconds"), std::string::npos)
      << world.state(1).reason;
  world.store(1).broken = false;
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 12 * kSecond));
}

TEST_F(Opened, AStoreThatNeverGetsReadyIsLeftOutInTime) {
  World world(3);
  open(world);
  world.store(2).slow = true;
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 33 * kSecond));
  EXPECT_NE(world.state(2).reason.find("did not recover in time: nodes 0, 1 wait for it"), std::string::npos)
      << world.state(2).reason;
  EXPECT_EQ(world.store(0).reason + world.store(1).reason, "") << "they had no part in it";
  world.store(2).slow = false;
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 12 * kSecond));
}

TEST(StoreAtStart, IsAskedAgainUntilItAnswers) {
  World world(1);
  world.store(0).deaf = true;
  world.start(0);
  world.run(3 * kSecond);
  EXPECT_EQ(world.state(0).reason, "ctdb-store has not answered yet");
  world.store(0).deaf = false;
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

}  // namespace
}  // namespace ctdb::test
