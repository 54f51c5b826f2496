// SPDX-License-Identifier: GPL-3.0-or-later
// Recoveryds that are killed and started anew beside stores that stay open: when the generation goes on, and what is a reason for
// another one.
#include <gtest/gtest.h>

#include "world.h"

namespace ctdb::test {
namespace {

class Restarted : public ::testing::Test {
 protected:
  Restarted() : world(3) {
    world.start_all();
    EXPECT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
    world.run(500 * kMillisecond);
    generation = world.generation(0);
    leader = world.leader();
  }
  void restart(uint32_t pnn, TimeNs after = 50 * kMillisecond) {
    world.kill_recoveryd(pnn);
    world.run(after);
    world.start_recoveryd(pnn);
  }
  // All is as it was, and stays so.
  void expect_no_recovery() {
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
    world.run(2 * kSecond);
    EXPECT_TRUE(world.open_all());
    EXPECT_EQ(world.opened().size(), 1u);
    EXPECT_FALSE(world.recovering(generation));
  }
  void expect_recovery() {
    ASSERT_TRUE(
        world.until([&] { return world.open_all() && world.generation(0) > generation; }, 4 * kSecond));
    for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_GE(world.store(pnn).base, generation);
  }
  uint32_t a_follower() const { return leader == 0 ? 1 : 0; }

  World world;
  uint32_t generation = 0, leader = 0;
};

TEST_F(Restarted, TheLeadersIsElectedAgainAndKeepsTheGeneration) {
  restart(leader);
  expect_no_recovery();
  EXPECT_EQ(world.state(leader).members, (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_EQ(world.state(leader).runstate, CTDB_RUNSTATE_RUNNING);
  EXPECT_EQ(world.state(leader).node_flags, (std::vector<uint32_t>{0, 0, 0}));
}

TEST_F(Restarted, AnotherLeadsByThenAndKeepsTheGenerationToo) {
  restart(leader, 850 * kMillisecond);
  expect_no_recovery();
  EXPECT_NE(world.leader(), leader);
}

TEST_F(Restarted, AFollowers) {
  restart(a_follower());
  expect_no_recovery();
  EXPECT_EQ(world.leader(), leader);
}

TEST_F(Restarted, AgainAndAgain) {
  for (uint32_t round = 0; round < 12; ++round) {
    restart(round % 3, (1 + round * 17 % 60) * kMillisecond);
    world.run((round % 4) * 40 * kMillisecond);
  }
  expect_no_recovery();
}

TEST_F(Restarted, ClientsHearOfNothingButTheLeader) {
  const size_t before = world.states(leader).size();
  restart(leader);
  expect_no_recovery();
  const std::vector<ClusterState> states = world.states(leader);
  for (size_t i = before; i < states.size(); ++i) {
    EXPECT_EQ(states[i].generation, generation);
    EXPECT_EQ(states[i].recovery_mode, CTDB_RECOVERY_NORMAL);
    EXPECT_EQ(states[i].members.size(), 3u);
  }
}

TEST_F(Restarted, AResetMeanwhileIsRecoveredFromAlthoughNobodySawIt) {
  const uint32_t other = a_follower();
  world.kill_recoveryd(leader);
  world.kill_recoveryd(other);
  world.run(20 * kMillisecond);
  world.reset(leader, other);
  world.run(20 * kMillisecond);
  world.start_recoveryd(leader);
  world.start_recoveryd(other);
  expect_recovery();
}

TEST_F(Restarted, ALinkThatIsStillDownAndComesBackIsAReset) {
  const uint32_t other = a_follower();
  world.kill_recoveryd(leader);
  world.kill_recoveryd(other);
  world.cut(leader, other);
  world.start_recoveryd(leader);
  world.start_recoveryd(other);
  world.run(5 * kMillisecond);
  world.join(leader, other);
  expect_recovery();
}

TEST_F(Restarted, AStoreThatWasRestartedMeanwhileIsNotTheOneThatWasOpen) {
  world.kill_recoveryd(leader);
  world.kill_store(leader);
  world.run(20 * kMillisecond);
  world.start_store(leader);
  world.start_recoveryd(leader);
  expect_recovery();
}

// It died when its store had been told to begin, and nobody else had: its store is not open any more.
TEST_F(Restarted, InARecoveryThatNobodyElseHasHeardOf) {
  world.on_wire = [](uint32_t, uint32_t, Operation operation) {
    return operation != Operation::RECOVERY_BEGIN;
  };
  const uint8_t active[4] = {1};
  EXPECT_EQ(world.control(leader, Control::SET_RECMODE, active), 0);
  ASSERT_TRUE(world.until([&] { return world.recovering(generation); }));
  world.kill_recoveryd(leader);
  world.on_wire = nullptr;
  world.start_recoveryd(leader);
  expect_recovery();
}

// An answer that was on its way to the last life says what was so before its last order.
TEST_F(Restarted, AnAnswerToTheLastLifeIsNotBelieved) {
  StoreHello hello{generation, generation, 0, 1, world.store(leader).note};
  ASSERT_FALSE(hello.note.members.empty());
  world.kill_recoveryd(leader);
  world.store(leader).deaf = true;
  world.start_recoveryd(leader);
  world.run(kMillisecond);
  world.forge(leader, leader, Operation::STORE_HELLO, hello.encode());
  expect_recovery();
}

TEST_F(Restarted, ADecisionOfOthersMeanwhileCounts) {
  const uint32_t victim = a_follower();
  world.kill_recoveryd(victim);
  ASSERT_TRUE(world.until([&] { return world.generation(leader) > generation; }, 5 * kSecond))
      << "it is left out when its lease is over";
  EXPECT_GE(world.now(), world.lease(victim));
  world.start_recoveryd(victim);
  expect_recovery();
}

// The next one is another store, whatever the last one was prepared for.
TEST_F(Restarted, ACommitThatFindsAnotherStoreIsRefused) {
  const uint32_t victim = a_follower();
  world.on_wire = [this, victim](uint32_t, uint32_t to, Operation operation) {
    if (operation != Operation::RECOVERY_COMMIT || to != victim || world.store(victim).instance > 1)
      return true;
    world.soon([this, victim] {
      const uint32_t prepared = world.store(victim).prepared;
      world.kill_store(victim);
      world.store(victim).left_prepared = prepared;
      world.start_store(victim);
    });
    return true;
  };
  const uint8_t active[4] = {1};
  EXPECT_EQ(world.control(leader, Control::SET_RECMODE, active), 0);
  ASSERT_TRUE(world.until([&] { return world.store(victim).instance > 1; }));
  const uint32_t decided = world.generation(leader);
  ASSERT_TRUE(world.until([&] { return world.open_all() && world.generation(victim) > decided; }));
  EXPECT_GE(world.store(victim).base, decided);
}

// ---- the lease ----

// Router and keeper were dead at once, others may have seen that; recoveryd lived, or was stopped, and has an acknowledgement to read
// of what it had answered before.
TEST_F(Restarted, ALeaseThatTheKeeperTookBackComesWithTheNextGenerationOnly) {
  for (const uint32_t victim : {a_follower(), leader}) {
    const uint32_t before = world.generation(victim);
    world.take_lease_back(victim);
    ASSERT_TRUE(world.until([&] { return world.lease(victim) != 0; }));
    EXPECT_GT(world.store(victim).entered, before);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  }
}

TEST_F(Restarted, WithoutItsStateFileNothingIsTakenOver) {
  world.kill_recoveryd(leader);
  world.forget(leader);
  world.start_recoveryd(leader);
  expect_recovery();
}

}  // namespace
}  // namespace ctdb::test
