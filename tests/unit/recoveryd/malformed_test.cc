// SPDX-License-Identifier: GPL-3.0-or-later
// What a broken or hostile peer can say: counted, and the cluster stays as it is.
#include <gtest/gtest.h>

#include <algorithm>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "libctdbipc/wire/operations.h"
#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

class Malformed : public ::testing::Test {
 protected:
  Malformed() : world(3) {
    world.start_all();
    EXPECT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
    world.run(300 * kMillisecond);
    leader = world.leader();
    victim = leader == 0 ? 1 : 0;
    generation = world.generation(0);
    term = world.state(0).term;
  }
  // It was refused, and nothing came of it.
  void expect_refused(uint32_t to, uint32_t from, Operation operation, const Bytes& payload) {
    const uint64_t before = world.node(to).counts().refused;
    world.forge(to, from, operation, payload);
    EXPECT_EQ(world.node(to).counts().refused, before + 1) << static_cast<uint32_t>(operation);
  }
  // And the log of that node says who, what and why: the first time at once.
  void expect_logged(uint32_t by, uint32_t from, const std::string& what_and_why) const {
    const std::string node = " node " + std::to_string(by) + ": refused ";
    const size_t colon = what_and_why.find(": ");
    const std::string line = node + what_and_why.substr(0, colon) + " from node " + std::to_string(from) +
                             what_and_why.substr(colon);
    EXPECT_EQ(std::count_if(world.log.begin(), world.log.end(),
                            [&](const std::string& one) { return one.find(line) != std::string::npos; }),
              1)
        << line;
  }
  void TearDown() override {
    world.run(2 * kSecond);
    EXPECT_TRUE(world.open_all());
    EXPECT_EQ(world.generation(0), generation);
    EXPECT_EQ(world.leader(), leader);
  }
  Heartbeat heartbeat() const {
    Heartbeat beat;
    beat.term = term;
    beat.sequence = (term << 32) + 1000000;
    beat.state.leader = leader;
    beat.state.generation = generation;
    beat.state.members = {0, 1, 2};
    beat.state.voters = {0, 1, 2};
    beat.state.node_flags = {0, 0, 0};
    return beat;
  }
  RecoveryBegin begin() const {
    return {term, make_generation(term, 9), generation, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}};
  }

  World world;
  uint32_t leader = 0, victim = 0, generation = 0;
  uint64_t term = 0;
};

TEST_F(Malformed, EveryOperationCutAnywhere) {
  const std::vector<std::pair<Operation, Bytes>> packets = {
      {Operation::VOTE_REQUEST, VoteRequest{term, generation, true}.encode()},
      {Operation::VOTE_REPLY, VoteReply{term, true, false}.encode()},
      {Operation::HEARTBEAT, heartbeat().encode()},
      {Operation::HEARTBEAT_REPLY, HeartbeatReply{}.encode()},
      {Operation::RECOVERY_BEGIN, begin().encode()},
      {Operation::NODE_LIST,
       NodeListMessage{true, true, 257, "majority", {"10.0.0.1", "10.0.0.2", "10.0.0.3"}}.encode()},
      {Operation::RECOVERY_REPORT, RecoveryReport{}.encode()},
      {Operation::RECOVERY_COMMIT, RecoveryCommit{term, generation}.encode()},
  };
  for (const auto& [operation, payload] : packets) {
    for (size_t size = 0; size + 8 <= payload.size();
         size += 8) {  // a builder pads to 8: less would be whole again
      expect_refused(victim, leader, operation, to_bytes(ByteView(payload).first(size)));
    }
  }
  const Bytes link = LinkState{leader, false, 1, false}.encode();
  expect_refused(victim, victim, Operation::LINK_STATE, to_bytes(ByteView(link).first(link.size() - 8)));
}

TEST_F(Malformed, FromNodesThatAreNotConfiguredOrOnesself) {
  for (const uint32_t from : {3u, 1023u, CTDB_UNKNOWN_PNN, CTDB_BROADCAST_ALL}) {
    expect_refused(victim, from, Operation::HEARTBEAT, heartbeat().encode());
    expect_refused(victim, from, Operation::VOTE_REQUEST, VoteRequest{term + 1, generation, false}.encode());
  }
  expect_refused(victim, victim, Operation::HEARTBEAT, heartbeat().encode());
  expect_refused(victim, leader, Operation::STORE_HELLO, StoreHello{}.encode());
  expect_refused(victim, leader, Operation::LINK_STATE, LinkState{leader, false, 1, true}.encode());
  expect_refused(victim, leader, Operation::DAEMON_STATE, DaemonState{DaemonRole::kStore, false, 1}.encode());
}

TEST_F(Malformed, LinksOfNodesThatDoNotExist) {
  for (const uint32_t pnn : {victim, 3u, CTDB_UNKNOWN_PNN}) {
    expect_refused(victim, victim, Operation::LINK_STATE, LinkState{pnn, true, 1, false}.encode());
  }
}

TEST_F(Malformed, HeartbeatsThatClaimTheImpossible) {
  const auto refuse = [&](auto change) {
    Heartbeat beat = heartbeat();
    change(beat);
    expect_refused(victim, leader, Operation::HEARTBEAT, beat.encode());
  };
  refuse([](Heartbeat& b) { b.state.members = {0, 1, 7}; });
  refuse([](Heartbeat& b) { b.state.members = {1, 0}; });
  refuse([](Heartbeat& b) { b.state.members = {1, 1}; });
  refuse([](Heartbeat& b) { b.state.node_flags.assign(1025, 0); });
  refuse([](Heartbeat& b) { b.state.voters = {0, 1}; });
  refuse([](Heartbeat& b) { b.state.voters.clear(); });
  refuse([](Heartbeat& b) { b.state.voters = {2, 1, 0}; });
  refuse([](Heartbeat& b) { b.state.voters = {0, 1, 2, CTDB_UNKNOWN_PNN}; });
  refuse([this](Heartbeat& b) { b.state.leader = victim; });
  refuse([this](Heartbeat& b) { b.state.generation = make_generation(term + 1, 1); });
  refuse([](Heartbeat& b) { b.term = kTermMax + 1; });
  refuse([](Heartbeat& b) { b.term = 0, b.state.generation = CTDB_INVALID_GENERATION; });
}

TEST_F(Malformed, TermsThatNobodyHasReached) {
  const uint32_t other = 3 - leader - victim;
  for (const uint64_t absurd : {kTermMax, term + kTermsAheadMax + 1}) {
    Heartbeat beat = heartbeat();
    beat.term = absurd;
    beat.state.leader = other;
    expect_refused(victim, other, Operation::HEARTBEAT, beat.encode());
    HeartbeatReply reply;
    reply.term = absurd;
    expect_refused(leader, victim, Operation::HEARTBEAT_REPLY, reply.encode());
    expect_refused(victim, other, Operation::VOTE_REQUEST, VoteRequest{absurd, generation, false}.encode());
    expect_refused(victim, other, Operation::VOTE_REPLY, VoteReply{absurd, false, false}.encode());
  }
  EXPECT_EQ(world.state(leader).term, term);
  expect_logged(victim, other, "HEARTBEAT: a term that nobody can have reached");
}

TEST_F(Malformed, HeartbeatsThatCameBefore) {
  Heartbeat beat = heartbeat();
  beat.sequence = (term << 32) + 1;
  beat.wanted = false;
  beat.state.reason = "of the past";
  expect_refused(victim, leader, Operation::HEARTBEAT, beat.encode());
  expect_logged(victim, leader, "HEARTBEAT: it came before, or a newer one did");
  EXPECT_EQ(world.store(victim).reason, "");
}

TEST_F(Malformed, HeartbeatsOfWhoHasNoVoteByItsOwnWord) {
  const uint32_t other = 3 - leader - victim;
  Heartbeat beat = heartbeat();
  beat.term = term + 1;
  beat.state.leader = other;
  beat.state.members = beat.state.voters = {std::min(leader, victim), std::max(leader, victim)};
  expect_refused(victim, other, Operation::HEARTBEAT, beat.encode());
  EXPECT_EQ(world.state(victim).term, term);
}

TEST_F(Malformed, VotesThatNobodyAskedFor) {
  for (const bool trial : {false, true}) {
    expect_refused(victim, leader, Operation::VOTE_REPLY, VoteReply{term, true, trial}.encode());
    expect_refused(victim, leader, Operation::VOTE_REPLY, VoteReply{term + 1, false, trial}.encode());
  }
}

TEST_F(Malformed, HeartbeatsOfANodeThatDoesNotLead) {
  const uint32_t other = 3 - leader - victim;
  Heartbeat beat = heartbeat();
  beat.state.leader = other;
  expect_refused(victim, other, Operation::HEARTBEAT, beat.encode());
}

TEST_F(Malformed, WhatIsRefusedIsLoggedOnceAMinuteWithItsNumber) {
  const uint32_t other = 3 - leader - victim;
  for (int i = 0; i < 20; ++i) {
    expect_refused(victim, other, Operation::RECOVERY_COMMIT, RecoveryCommit{term, generation}.encode());
    world.run(kSecond);
  }
  const std::string line = "RECOVERY_COMMIT: it is not from the leader, or for nothing that was prepared";
  expect_logged(victim, other, line);
  world.run(60 * kSecond);
  expect_refused(victim, other, Operation::RECOVERY_COMMIT, RecoveryCommit{term, generation}.encode());
  EXPECT_NE(world.log.back().find("(20 since the last such line)"), std::string::npos) << world.log.back();
  expect_refused(victim, other, Operation::RECOVERY_BEGIN, begin().encode());
  expect_logged(victim, other, "RECOVERY_BEGIN: it is not from the leader, or cannot be");
  expect_refused(victim, other, Operation::RECOVERY_BEGIN, Bytes(8));
  expect_logged(victim, other, "RECOVERY_BEGIN: malformed");
}

TEST_F(Malformed, RecoveriesThatCannotBe) {
  const auto refuse = [&](uint32_t from, auto change) {
    RecoveryBegin order = begin();
    change(order);
    expect_refused(victim, from, Operation::RECOVERY_BEGIN, order.encode());
  };
  const uint32_t other = 3 - leader - victim;
  refuse(other, [](RecoveryBegin&) {});
  refuse(leader, [](RecoveryBegin& b) { ++b.term; });
  refuse(leader, [](RecoveryBegin& b) { --b.term; });
  refuse(leader, [this](RecoveryBegin& b) { b.generation = make_generation(term + 1, 1); });
  refuse(leader, [this](RecoveryBegin& b) { b.generation = generation; });
  refuse(leader, [this](RecoveryBegin& b) { b.generation = generation - 1; });
  refuse(leader, [](RecoveryBegin& b) { b.base_generation = b.generation; });
  refuse(leader, [&](RecoveryBegin& b) { b.members = {leader, 5}; });
  refuse(leader, [&](RecoveryBegin& b) { b.members = {leader}; });
  refuse(leader, [](RecoveryBegin& b) { b.members = {2, 1, 0}; });
  refuse(leader, [](RecoveryBegin& b) { b.voters = {0, 1}; });
  refuse(leader, [](RecoveryBegin& b) { b.voters = {2, 1, 0}; });
  refuse(leader, [](RecoveryBegin& b) { b.base_members = {2, 1, 0}; });
  refuse(leader, [](RecoveryBegin& b) { b.members = b.voters = {0, 1, 2, 3}; });
  refuse(leader, [](RecoveryBegin& b) { b.members.assign(5000, 0); });
}

TEST_F(Malformed, CommitsOfWhatWasNotPrepared) {
  expect_refused(victim, leader, Operation::RECOVERY_COMMIT,
                 RecoveryCommit{term, make_generation(term, 9)}.encode());
  expect_refused(victim, leader, Operation::RECOVERY_COMMIT, RecoveryCommit{term, generation}.encode());
  expect_refused(victim, leader, Operation::RECOVERY_COMMIT, RecoveryCommit{term - 1, generation}.encode());
}

TEST_F(Malformed, ReportsNobodyAskedFor) {
  expect_refused(leader, victim, Operation::RECOVERY_REPORT,
                 RecoveryReport{generation, true, {}, ""}.encode());
  expect_refused(leader, victim, Operation::RECOVERY_REPORT,
                 RecoveryReport{generation, false, {}, "no"}.encode());
  expect_refused(victim, leader, Operation::RECOVERY_REPORT,
                 RecoveryReport{generation, true, {}, ""}.encode());
  expect_refused(victim, victim, Operation::STORE_RECOVERED,
                 StoreRecovered{generation, true, {}, ""}.encode());
}

TEST_F(Malformed, WordOfAnEarlierAttemptIsNoFault) {
  const Bytes prepared = StoreRecovered{generation - 1, true, {}, ""}.encode();
  const Bytes equal = StoreRecovered{generation - 1, true, {}, "", {0, 1}}.encode();
  const uint64_t before = world.node(leader).counts().refused + world.node(victim).counts().refused;
  for (const Bytes& report : {prepared, equal}) {
    world.forge(victim, victim, Operation::STORE_RECOVERED, report);
    world.forge(leader, victim, Operation::RECOVERY_REPORT, report);
  }
  EXPECT_EQ(world.node(leader).counts().refused + world.node(victim).counts().refused, before);
}

TEST_F(Malformed, RepliesFromTheFutureOrAboutNodesThatAreNot) {
  HeartbeatReply reply;
  reply.term = term;
  reply.sequence = ~uint64_t{0};
  expect_refused(leader, victim, Operation::HEARTBEAT_REPLY, reply.encode());
  reply.sequence = 0;
  expect_refused(leader, victim, Operation::HEARTBEAT_REPLY, reply.encode());
  reply.sequence = term << 32;
  reply.reachable = {0, 1024};
  reply.sessions = {1, 1};
  expect_refused(leader, victim, Operation::HEARTBEAT_REPLY, reply.encode());
}

TEST_F(Malformed, PacketsThatAreNone) {
  const uint64_t before = world.node(0).counts().refused;
  for (size_t size = 0; size < 64; ++size) {
    world.packet(0, RecoverydLane::kControl, 0, Bytes(size, 0xff));
    world.packet(0, RecoverydLane::kData, 3, Bytes(size, 0x00));
  }
  EXPECT_EQ(world.node(0).counts().refused, before + 128);
  Bytes packet;
  build_own(packet, {0, 0, 0x1042, 0, leader, 0}, Bytes(16));
  world.packet(0, RecoverydLane::kControl, 0, packet);
  world.packet(0, RecoverydLane::kData, 0, packet);
  EXPECT_EQ(world.node(0).counts().refused, before + 130);
}

TEST_F(Malformed, ControlsAndMessagesCutAnywhere) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 1}, ReqControl{static_cast<uint32_t>(Control::UPTIME), 0, 0, 0, {}});
  packet.resize(CTDB_HEADER_SIZE + 8);
  store(packet.data() + CTDB_OFF_LENGTH, static_cast<uint32_t>(packet.size()));
  const uint64_t before = world.node(0).counts().refused;
  world.packet(0, RecoverydLane::kData, 3, packet);
  build(packet, {0, 0, 0, 0, 0, 1}, ReqMessage{CTDB_SRVID_DISABLE_RECOVERIES, Bytes(15)});
  world.packet(0, RecoverydLane::kData, 0, packet);
  EXPECT_EQ(world.node(0).counts().refused, before + 2);
}

// Random bytes in every field of every operation; the world's own checks watch.
TEST(MalformedAtRandom, NothingBreaksTheRules) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(3, seed);
    Random dice(seed);
    world.start_all();
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, kSecond));
    for (int i = 0; i < 2000; ++i) {
      Bytes payload(dice.below(120));
      for (uint8_t& byte : payload) byte = static_cast<uint8_t>(dice.one_in(3) ? dice.next() : dice.below(4));
      const auto operation = static_cast<Operation>(0x1020 + dice.below(7));
      const auto to = static_cast<uint32_t>(dice.below(3));
      world.forge(to, (to + 1) % 3, operation, payload);
      if (dice.one_in(50)) world.run(kMillisecond);
    }
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 60 * kSecond)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ctdb::test
