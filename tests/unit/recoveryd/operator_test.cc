// SPDX-License-Identifier: GPL-3.0-or-later
// Controls and messages as tools send them, and what they do to the cluster: stop, continue, ban, disable, recover.
#include <gtest/gtest.h>

#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/reader.h"
#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

Bytes words(std::initializer_list<uint32_t> values) {
  Bytes out;
  Writer w(out);
  for (uint32_t value : values) w.u32(value);
  return out;
}

class Operator : public ::testing::Test {
 protected:
  Operator() : world(3, 1, [](RecoverydOptions& o) { o.cluster_lock = "/shared/lock"; }) {
    world.start_all();
    EXPECT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
    world.run(300 * kMillisecond);
  }
  Set all_but(uint32_t pnn) const { return pnn == 0 ? Set{1, 2} : pnn == 1 ? Set{0, 2} : Set{0, 1}; }
  World world;
};

TEST_F(Operator, EveryControlThatTheTableGivesToRecoverydIsAnswered) {
#define CTDB_CONTROL(number, name, request, reply, server, reach) \
  if (Server::server == Server::recoveryd) {                      \
    world.control(0, Control::name);                              \
    world.control(0, Control::name, Bytes(1000, 0xff));           \
  }
#include "libctdbipc/wire/messages.def"
  EXPECT_EQ(world.control(0, static_cast<Control>(3)), -1) << "not ours";
}

TEST_F(Operator, SizesMustFitExactly) {
  EXPECT_EQ(world.control(0, Control::STOP_NODE, Bytes(1)), -1);
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes(8)), -1);
  EXPECT_EQ(world.control(0, Control::SET_BAN_STATE, Bytes(7)), -1);
  EXPECT_EQ(world.control(0, Control::MODIFY_FLAGS, Bytes(12)), 0);
  world.run(kSecond);
  EXPECT_TRUE(world.open_all());
}

TEST_F(Operator, StopTakesTheNodeOutAndContinueBringsItBack) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    ASSERT_EQ(world.control(victim, Control::STOP_NODE), 0);
    EXPECT_EQ(world.state(victim).node_flags[victim], CTDB_NODE_STOPPED) << "shown at once where it was said";
    ASSERT_TRUE(world.until([&] { return world.open_together(all_but(victim)); }, kSecond));
    EXPECT_TRUE(world.store(victim).suspended);
    EXPECT_TRUE(world.store(victim).discarded);
    EXPECT_EQ(world.state(victim).generation, CTDB_INVALID_GENERATION);
    EXPECT_NE(world.state(victim).reason.find("stopped"), std::string::npos);
    EXPECT_NE(world.leader(), victim);
    world.run(300 * kMillisecond);
    for (uint32_t pnn : all_but(victim)) EXPECT_EQ(world.state(pnn).node_flags[victim], CTDB_NODE_STOPPED);
    ASSERT_EQ(world.control(victim, Control::CONTINUE_NODE), 0);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
    world.run(300 * kMillisecond);
    EXPECT_EQ(world.state(0).node_flags, (Set{0, 0, 0}));
  }
}

TEST_F(Operator, WhatWasStoppedOrDisabledStaysSoWhenItsRecoverydIsStartedAnew) {
  ASSERT_EQ(world.control(1, Control::STOP_NODE), 0);
  ASSERT_EQ(world.control(2, Control::DISABLE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 2}); }, kSecond));
  const uint32_t generation = world.generation(0);
  for (const uint32_t pnn : {1u, 2u}) {
    world.kill_recoveryd(pnn);
    world.start_recoveryd(pnn);
    world.run(500 * kMillisecond);
  }
  EXPECT_EQ(world.state(0).node_flags[1] & CTDB_NODE_STOPPED, CTDB_NODE_STOPPED);
  EXPECT_EQ(world.state(0).node_flags[2], CTDB_NODE_DISABLED);
  EXPECT_TRUE(world.open_together({0, 2}));
  EXPECT_EQ(world.generation(0), generation);
  ASSERT_EQ(world.control(1, Control::CONTINUE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  world.kill(2);
  world.start(2);
  ASSERT_TRUE(world.until([&] { return world.open_all() && world.state(0).node_flags[2] == 0; }, 5 * kSecond))
      << "a node that is started anew as a whole is as its configuration says";
}

TEST_F(Operator, StoppedNodesGoOnVoting) {
  const uint32_t leader = world.leader();
  const Set others = all_but(leader);
  ASSERT_EQ(world.control(others[0], Control::STOP_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(others[0])); }, kSecond));
  world.kill(leader);
  ASSERT_TRUE(world.until([&] { return world.open_together({others[1]}); }, 2 * kSecond));
  EXPECT_EQ(world.leader(), others[1]);
}

TEST_F(Operator, AllStoppedAndOneContinued) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) ASSERT_EQ(world.control(pnn, Control::STOP_NODE), 0);
  world.run(3 * kSecond);
  EXPECT_EQ(world.leader(), CTDB_UNKNOWN_PNN);
  ASSERT_EQ(world.control(1, Control::CONTINUE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({1}); }, 2 * kSecond));
}

TEST_F(Operator, ABanIsOverByItself) {
  ASSERT_EQ(world.control(1, Control::SET_BAN_STATE, words({0, 5})), -1) << "meant for another node";
  ASSERT_EQ(world.control(1, Control::SET_BAN_STATE, words({1, 5})), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 2}); }, kSecond));
  EXPECT_EQ(world.state(1).reason, "banned for 5 seconds, until 22:30:05 UTC");
  for (uint32_t pnn : {0u, 2u}) {
    EXPECT_TRUE(world.until([&] { return world.state(pnn).reason == "node 1: banned"; }, kSecond))
        << world.state(pnn).reason;
  }
  ASSERT_EQ(world.control(1, Control::GET_BAN_STATE), 0);
  EXPECT_EQ(world.reply_data, words({1, 5}));
  world.run(2 * kSecond);
  ASSERT_EQ(world.control(1, Control::GET_BAN_STATE), 0);
  EXPECT_EQ(world.reply_data, words({1, 3})) << "what is left of it";
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 6 * kSecond));
  ASSERT_EQ(world.control(1, Control::GET_BAN_STATE), 0);
  EXPECT_EQ(world.reply_data, words({1, 0}));
}

TEST_F(Operator, UnbanEndsABan) {
  ASSERT_EQ(world.control(2, Control::SET_BAN_STATE, words({2, 5000})), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, kSecond));
  ASSERT_EQ(world.control(2, Control::SET_BAN_STATE, words({2, 0})), 0);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

TEST_F(Operator, DisableChangesAFlagAndNothingElse) {
  const uint32_t generation = world.generation(0);
  ASSERT_EQ(world.control(1, Control::DISABLE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.state(2).node_flags[1] == CTDB_NODE_DISABLED; }, kSecond));
  ASSERT_EQ(world.control(1, Control::ENABLE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.state(2).node_flags[1] == 0; }, kSecond));
  EXPECT_EQ(world.generation(0), generation);
}

TEST_F(Operator, RecoverOnAnyNodeMakesOneNewGeneration) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    const uint32_t generation = world.generation(0);
    const size_t opened = world.opened().size();
    ASSERT_EQ(world.control(pnn, Control::SET_RECMODE, words({1})), 0);
    ASSERT_TRUE(world.until([&] { return world.generation(0) > generation && world.open_all(); }, kSecond));
    world.run(kSecond);
    EXPECT_EQ(world.opened().size(), opened + 1);
    for (uint32_t node = 0; node < 3; ++node)
      EXPECT_EQ(world.store(node).reason, "") << "nobody was suspended for it";
  }
  const uint32_t generation = world.generation(0);
  ASSERT_EQ(world.control(0, Control::SET_RECMODE, words({0})), 0);
  world.run(kSecond);
  EXPECT_EQ(world.generation(0), generation);
}

TEST_F(Operator, UptimeTellsStartAndLastRecovery) {
  ASSERT_EQ(world.control(0, Control::UPTIME), 0);
  Reader r(world.reply_data);
  const int64_t now = r.i64(), now_us = r.i64(), start = r.i64();
  r.skip(8);
  const int64_t began = r.i64(), began_us = r.i64(), ended = r.i64(), ended_us = r.i64();
  ASSERT_TRUE(r.done());
  EXPECT_GE(now, start);
  EXPECT_GT(began, 1000);
  EXPECT_GE(ended * 1000000 + ended_us, began * 1000000 + began_us);
  EXPECT_LE(ended * 1000000 + ended_us, now * 1000000 + now_us);
}

TEST_F(Operator, RolesCapabilitiesAndTheLock) {
  ASSERT_EQ(world.control(0, Control::GET_CAPABILITIES), 0);
  EXPECT_EQ(world.reply_data, words({CTDB_CAPABILITIES_DEFAULT}));
  ASSERT_EQ(world.control(0, Control::SET_LMASTERROLE, words({0})), 0);
  ASSERT_EQ(world.control(0, Control::GET_CAPABILITIES), 0);
  EXPECT_EQ(world.reply_data, words({CTDB_CAPABILITIES_DEFAULT & ~CTDB_CAPABILITY_LMASTER}));
  ASSERT_EQ(world.control(0, Control::GET_RECLOCK_FILE), 0);
  EXPECT_EQ(as_text(world.reply_data), std::string_view("/shared/lock\0", 13));
  EXPECT_EQ(world.control(0, Control::SETVNNMAP, words({5, 1, 0})), -1);
}

TEST(OperatorOfOneNode, StopAndContinue) {
  World world(1, 1, [](RecoverydOptions& o) { o.start_as_stopped = true; });
  world.start(0);
  world.run(2 * kSecond);
  EXPECT_TRUE(world.opened().empty());
  ASSERT_EQ(world.control(0, Control::CONTINUE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  ASSERT_EQ(world.control(0, Control::GET_RECLOCK_FILE), 0);
  EXPECT_TRUE(world.reply_data.empty());
  ASSERT_EQ(world.control(0, Control::STOP_NODE), 0);
  EXPECT_TRUE(world.store(0).suspended);
  ASSERT_EQ(world.control(0, Control::CONTINUE_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
}

// ---- messages ----

class Messages : public Operator {
 protected:
  void message(uint32_t to, uint64_t srvid, uint32_t answer_pnn, uint64_t answer_srvid) {
    Bytes data;
    Writer w(data);
    w.u32(answer_pnn);
    w.u32(0);
    w.u64(answer_srvid);
    w.u64(20);
    Bytes packet;
    build(packet, {0, 0, 0, to, answer_pnn, 0}, ReqMessage{srvid, data});
    world.told.clear();
    world.packet(to, RecoverydLane::kData, 0, packet);
  }
};

TEST_F(Messages, OnlyTheLeaderAnswersATakeoverRun) {
  const uint32_t leader = world.leader();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    message(pnn, CTDB_SRVID_TAKEOVER_RUN, 2, 0xCE01000000000007);
    ASSERT_EQ(world.told.size(), pnn == leader ? 1u : 0u);
    if (pnn != leader) continue;
    EXPECT_EQ(world.told[0].to, 2u);
    EXPECT_EQ(world.told[0].srvid, 0xCE01000000000007u);
    EXPECT_EQ(world.told[0].data, words({leader}));
  }
}

TEST_F(Messages, EveryNodeAnswersTheDisableMessages) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    for (const uint64_t srvid : {CTDB_SRVID_DISABLE_RECOVERIES, CTDB_SRVID_DISABLE_TAKEOVER_RUNS}) {
      message(pnn, srvid, 1, 99);
      ASSERT_EQ(world.told.size(), 1u);
      EXPECT_EQ(world.told[0].data, words({pnn}));
    }
  }
}

TEST_F(Messages, EveryNodeAnswersARequestForItsMemoryWithText) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    message(pnn, CTDB_SRVID_MEM_DUMP, 1, 99);
    ASSERT_EQ(world.told.size(), 1u);
    EXPECT_TRUE(as_text(world.told[0].data).starts_with("term "));
    EXPECT_EQ(world.told[0].data.back(), 0);
  }
}

TEST_F(Messages, NoAnswerWhenNoneIsWantedOrNobodyIsThere) {
  message(0, CTDB_SRVID_DISABLE_RECOVERIES, 1, 0);
  EXPECT_TRUE(world.told.empty());
  message(0, CTDB_SRVID_DISABLE_RECOVERIES, 7, 99);
  EXPECT_TRUE(world.told.empty());
  message(0, CTDB_SRVID_RECONFIGURE, 1, 99);
  EXPECT_TRUE(world.told.empty());
}

TEST(Reconfigure, IsToldByTheLeaderAfterARecovery) {
  World world(3);
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
  ASSERT_EQ(world.told.size(), 1u);
  EXPECT_EQ(world.told[0].from, world.leader());
  EXPECT_EQ(world.told[0].to, CTDB_BROADCAST_CONNECTED);
  EXPECT_EQ(world.told[0].srvid, CTDB_SRVID_RECONFIGURE);
  EXPECT_TRUE(world.told[0].data.empty());
}

}  // namespace
}  // namespace ctdb::test
