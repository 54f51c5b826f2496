// SPDX-License-Identifier: GPL-3.0-or-later
// Daemons and clients that die, are stopped, or keep a lock for long.
#include "tests/sim/scenarios/scenario.h"

namespace ctdb::sim {
namespace {

TEST(Processes, AStoreRestartedDuringMigrationsKeepsItsRecords) {
  Scenario s(Scenario::busy(3));
  const uint64_t ended = s.world.checkers.lives.lives_ended();
  for (int i = 0; i < 10 && s.ok(); ++i) {
    const uint32_t sender = s.run_until_sent(i % 2 == 0 ? Operation::REQ_DMASTER : Operation::REPLY_DMASTER);
    s.world.node(sender).kill_store();
    s.run_for(20 * kMillisecond);
    s.world.node(sender).start_store();
    s.run_for(500 * kMillisecond);
  }
  EXPECT_EQ(s.world.checkers.lives.lives_ended(), ended);
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, EachDaemonOfEachNodeIsRestartedInTurn) {
  Scenario s(Scenario::busy(3));
  for (uint32_t pnn = 0; pnn < 3 && s.ok(); ++pnn) {
    Node& node = s.world.node(pnn);
    node.kill_recoveryd();
    s.run_for(100 * kMillisecond);
    node.start_recoveryd();
    s.run_for(1 * kSecond);
    node.kill_store();
    s.run_for(100 * kMillisecond);
    node.start_store();
    s.run_for(1 * kSecond);
    node.kill_router();
    s.run_for(100 * kMillisecond);
    node.start_router();
    s.run_for(2 * kSecond);
  }
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, TheWholeClusterLosesPowerAndReturns) {
  Scenario s(Scenario::busy(3));
  for (uint32_t pnn = 0; pnn < 3; ++pnn) s.world.node(pnn).kill_all();
  s.run_for(1 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, AClientKilledWithAChainLockLetsTheOthersIn) {
  Scenario s(Scenario::busy(3, 1));
  for (int i = 0; i < 30 && s.ok(); ++i) {
    Client& client = *s.world.node(static_cast<uint32_t>(i) % 3).clients[0];
    s.world.run(s.world.now() + kSecond, [&] { return client.holds_lock(); });
    client.kill();
    s.run_for(5 * kMillisecond);
    client.start();
  }
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, AClientThatKeepsItsLockForSecondsStopsOnlyThatRecord) {
  Scenario s(Scenario::busy(3, 6));
  s.world.node(1).clients[0]->hold_next(3 * kSecond);
  s.run_for(4 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, AStoppedLockHolderDoesNotStopARecovery) {
  Scenario s(Scenario::busy(3));
  Client& client = *s.world.node(1).clients[0];
  s.world.run(s.world.now() + kSecond, [&] { return client.holds_lock(); });
  client.stop();
  s.world.node(2).kill_all();
  s.run_for(4 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST(Processes, AQuietNodeIsMissedAndComesBack) {
  Scenario s(Scenario::busy(3));
  const uint32_t before = s.generation(0);
  s.world.network.set_quiet(1, true);
  s.run_until_recovered(0, before);
  s.world.network.set_quiet(1, false);
  s.run_until_recovered(1, before);
  EXPECT_EQ(s.finish(), "");
}

}  // namespace
}  // namespace ctdb::sim
