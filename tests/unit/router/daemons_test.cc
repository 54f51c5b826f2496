// SPDX-License-Identifier: GPL-3.0-or-later
// The router between local clients, store, recoveryd and links (ARCHITECTURE.md §2).
#include "libctdbipc/wire/commit_messages.h"
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

class DaemonsTest : public CoreTest {
 protected:
  static Bytes call(uint32_t reqid) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
    return packet;
  }
  static Bytes reply_call(uint32_t reqid) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReplyCall{0, as_bytes("value")});
    return packet;
  }
  static Bytes own(Operation operation, uint32_t destnode) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), destnode, kSelf, 0}, Bytes(40));
    return packet;
  }
  void from_store(const Bytes& packet, uint32_t endpoint = 0) {
    from_daemon(Server::store, endpoint, packet);
  }
  void from_recoveryd(const Bytes& packet) { from_daemon(Server::recoveryd, 0, packet); }
};

TEST_F(DaemonsTest, AClassicCallGoesToTheStoreAndBack) {
  daemons_up();
  from_client(call(42));
  const Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  EXPECT_EQ(sent.to, kClient);
  from_store(reply_call(sent.header().reqid), kClient);
  const Sent back = only();
  EXPECT_EQ(back.to, kClient);
  EXPECT_EQ(back.header().reqid, 42u);
  EXPECT_EQ(back.header().srcnode, kSelf);
  EXPECT_EQ(as_text(parse_reply_call(back.packet)->data), "value");
  EXPECT_EQ(router.requests_in_flight(), 0u);
}

// What a store gets when it connects, behind the tunables.
std::vector<Sent> behind_tunables(std::vector<Sent> sent) {
  EXPECT_FALSE(sent.empty());
  if (sent.empty()) return sent;
  EXPECT_TRUE(sent[0].is(Operation::TUNABLES));
  sent.erase(sent.begin());
  return sent;
}

TEST_F(DaemonsTest, CallsWaitForAStoreAndAreSentAgainToTheNextOne) {
  from_client(call(42));
  EXPECT_TRUE(out.take().empty());
  router.on_daemon(Server::store, true, 1, now);
  const std::vector<Sent> first = behind_tunables(out.take());
  ASSERT_EQ(first.size(), 1u);
  router.on_daemon(Server::store, false, 1, now);
  EXPECT_TRUE(out.take().empty()) << "not answered: the next store will";
  router.on_daemon(Server::store, true, 2, now);
  const std::vector<Sent> second = behind_tunables(out.take());
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(first[0].packet, second[0].packet);
  from_store(reply_call(second[0].header().reqid), kClient);
  EXPECT_EQ(only().header().reqid, 42u);
}

TEST_F(DaemonsTest, CallsThatWaitForAStoreAreBoundedByTheirBytesToo) {
  const auto large = [] {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, 42}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), Bytes(15u << 20)});
    return packet;
  };
  for (int i = 0; i < 4; ++i) from_client(large());
  EXPECT_TRUE(out.take().empty());
  from_client(large());
  EXPECT_EQ(parse_reply_call(only().packet)->status, -1);
  from_client(large(), kOther);
  EXPECT_TRUE(out.take().empty()) << "others are not concerned";
  router.on_daemon(Server::store, true, 1, now);
  for (const Sent& sent : behind_tunables(out.take())) from_store(reply_call(sent.header().reqid), sent.to);
  EXPECT_EQ(router.requests_in_flight(), 0u);
  out.take();
  from_client(large());
  EXPECT_EQ(only().where, Sent::Where::kStore) << "there is room again";
}

TEST_F(DaemonsTest, CallsOfAClientThatIsGoneAreNotSentAgain) {
  from_client(call(42));
  router.on_client_gone(kClient, now);
  router.on_daemon(Server::store, true, 1, now);
  EXPECT_TRUE(behind_tunables(out.take()).empty());
}

TEST_F(DaemonsTest, TheStoreIsToldOfClientsThatGo) {
  daemons_up();
  router.on_client_gone(kClient, now);
  const Sent sent = only();
  EXPECT_TRUE(sent.is(Operation::CLIENT_GONE));
  EXPECT_EQ(ClientGone::decode(own_payload(sent.packet))->endpoint, kClient);
}

TEST_F(DaemonsTest, MalformedCallsAreDroppedAndCounted) {
  daemons_up();
  Bytes packet = call(42);
  store(packet.data() + 48, 0xfffffff0u);
  from_client(packet);
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().bad_packets, 1u);
}

TEST_F(DaemonsTest, ClientsMaySendFourOperationsOnly) {
  daemons_up();
  for (const Operation operation :
       {Operation::REPLY_CALL, Operation::REQ_DMASTER, Operation::REPLY_DMASTER, Operation::REPLY_CONTROL,
        Operation::CLUSTER_STATE, Operation::CUT_CLIENTS, Operation::STORE_OPEN, Operation::HELLO,
        Operation::HEARTBEAT}) {
    from_client(own(operation, kSelf));
  }
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().bad_packets, 9u);
  EXPECT_EQ(out.classic_closed, 0);
}

TEST_F(DaemonsTest, RecoverydAloneHasClassicClientsCutOff) {
  daemons_up();
  from_store(own(Operation::CUT_CLIENTS, kSelf));
  EXPECT_EQ(out.classic_closed, 0);
  from_recoveryd(own(Operation::CUT_CLIENTS, kSelf));
  EXPECT_EQ(out.classic_closed, 1);
}

TEST_F(DaemonsTest, ControlsOfADaemonThatIsAwayAreAnswered) {
  EXPECT_EQ(ask(Control::GET_DBMAP).error, "ctdb-store is not running");
  EXPECT_EQ(ask(Control::UPTIME).error, "ctdb-recoveryd is not running");
  daemons_up();
  from_client(control(Control::GET_DBMAP));
  out.take();
  router.on_daemon(Server::store, false, 1, now);
  std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(parse_reply_control(sent[0].packet)->status, -1);
  EXPECT_TRUE(sent[1].is(Operation::DAEMON_STATE));
}

// "Failed" would say that nothing was kept.
TEST_F(DaemonsTest, ATransactionOfAStoreThatDiesIsUnknown) {
  daemons_up();
  from_client(control(Control::TRANS3_COMMIT));
  out.take();
  router.on_daemon(Server::store, false, 1, now);
  EXPECT_EQ(parse_reply_control(out.take()[0].packet)->status, kCommitUnknown);
}

TEST_F(DaemonsTest, AnswersGoToTheEndpointThatAskedOnly) {
  daemons_up();
  from_client(control(Control::GET_DBMAP));
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, only().header().reqid}, ReplyControl{0, {}, {}});
  from_store(reply, kOther);
  EXPECT_TRUE(out.take().empty());
  from_store(reply, kClient);
  EXPECT_EQ(answer().status, 0);
}

TEST_F(DaemonsTest, RecordPacketsTakeTheDataLane) {
  daemons_up();
  link_up(2);
  out.take();
  Bytes packet;
  build(packet, {900, 900, 0, 2, 0, 8}, ReqCall{0, 1, CTDB_FUNC_NULL, 1, as_bytes("key"), {}});
  from_store(packet);
  Sent sent = only();
  EXPECT_EQ(sent.to, 2u);
  EXPECT_EQ(sent.lane, Lane::kData);
  EXPECT_EQ(sent.header().srcnode, 0u) << "a redirected call keeps its source";
  EXPECT_EQ(sent.header().generation, 900u) << "the store stamps its own";
  from_store(own(Operation::RECORD_CLAIMS, 2));
  EXPECT_EQ(only().lane, Lane::kData);
  from_recoveryd(own(Operation::HEARTBEAT, 2));
  EXPECT_EQ(only().lane, Lane::kControl);
}

TEST_F(DaemonsTest, CallsToANodeWithoutALinkComeBackAsErrors) {
  daemons_up();
  Bytes packet;
  build(packet, {0, 900, 0, 2, kSelf, 8}, ReqCall{0, 1, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  from_store(packet);
  const Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  EXPECT_TRUE(sent.is(Operation::REPLY_ERROR));
  EXPECT_EQ(sent.header().reqid, 8u);
  EXPECT_EQ(sent.header().srcnode, 2u);
  set_srcnode(packet, 0);
  store(packet.data() + 44, uint32_t{1});
  from_store(packet);
  EXPECT_TRUE(out.take().empty()) << "a call of another node is not this store's";
  EXPECT_EQ(router.counts().undeliverable, 2u);
}

TEST_F(DaemonsTest, DaemonsOfOneNodeTalkThroughTheRouter) {
  daemons_up();
  from_store(own(Operation::STORE_HELLO, kSelf));
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kRecoveryd);
  EXPECT_EQ(sent.lane, Lane::kControl);
  from_recoveryd(own(Operation::STORE_OPEN, kSelf));
  EXPECT_EQ(only().where, Sent::Where::kStore);
  from_store(own(Operation::RECORD_CLAIMS, kSelf));
  EXPECT_EQ(only().where, Sent::Where::kStore) << "its own share";
}

TEST_F(DaemonsTest, OnlyRecoverydSaysWhatTheClusterLooksLike) {
  daemons_up();
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::CLUSTER_STATE), kSelf, kSelf, 0},
            healthy().encode());
  from_store(packet);
  EXPECT_EQ(router.state().generation, CTDB_INVALID_GENERATION);
  from_recoveryd(packet);
  EXPECT_EQ(router.state().generation, 900u);
}

TEST_F(DaemonsTest, TheOpenGenerationIsRememberedForAStoreThatComesBack) {
  ClusterState state = healthy();
  cluster_state(state);
  EXPECT_EQ(router.open_generation(), 900u);
  state.generation = 901;
  state.recovery_mode = CTDB_RECOVERY_ACTIVE;
  cluster_state(state);
  EXPECT_EQ(router.open_generation(), 900u) << "901 is not open yet";
  state.recovery_mode = CTDB_RECOVERY_NORMAL;
  state.members = {0, 2};
  cluster_state(state);
  EXPECT_EQ(router.open_generation(), 900u) << "opened without this node";
}

TEST_F(DaemonsTest, RecoverydLearnsAllStatesWhenItConnects) {
  link_up(2, 55);
  router.on_daemon(Server::store, true, 6, now);
  EXPECT_TRUE(behind_tunables(out.take()).empty());
  router.on_daemon(Server::recoveryd, true, 7, now);
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_TRUE(sent[0].is(Operation::NODE_LIST));
  const std::optional<LinkState> down = LinkState::decode(own_payload(sent[1].packet));
  EXPECT_EQ(down->pnn, 0u);
  EXPECT_FALSE(down->up);
  const std::optional<LinkState> up = LinkState::decode(own_payload(sent[2].packet));
  EXPECT_EQ(up->pnn, 2u);
  EXPECT_TRUE(up->up);
  EXPECT_EQ(up->session, 55u);
  const std::optional<DaemonState> store_state = DaemonState::decode(own_payload(sent[3].packet));
  EXPECT_TRUE(store_state->up);
  EXPECT_EQ(store_state->instance, 6u);
  link_down(2);
  EXPECT_TRUE(only().is(Operation::LINK_STATE));
}

TEST_F(DaemonsTest, AnotherRecoverydLearnsWhatTheLastOneSaid) {
  router.on_daemon(Server::recoveryd, true, 7, now);
  ClusterState state = healthy();
  state.node_flags[1] = CTDB_NODE_STOPPED;
  cluster_state(state);
  router.on_daemon(Server::recoveryd, false, 7, now);
  out.take();
  router.on_daemon(Server::recoveryd, true, 8, now);
  const std::vector<Sent> sent = out.take();
  ASSERT_GT(sent.size(), 1u);
  ASSERT_TRUE(sent[1].is(Operation::CLUSTER_STATE));
  EXPECT_EQ(ClusterState::decode(own_payload(sent[1].packet))->node_flags, state.node_flags);
}

// As the classic daemon's bans outlive its recovery daemon.
TEST_F(DaemonsTest, AnotherRecoverydLearnsWhatIsLeftOfABan) {
  daemons_up();
  ClusterState state = healthy();
  const auto banned_again = [&]() -> std::vector<uint32_t> {
    router.on_daemon(Server::recoveryd, false, 2, now);
    out.take();
    router.on_daemon(Server::recoveryd, true, 3, now);
    for (const Sent& sent : out.take()) {
      if (!sent.is(Operation::REQ_CONTROL)) continue;
      const std::optional<ReqControl> control = parse_req_control(sent.packet);
      EXPECT_EQ(control->opcode, static_cast<uint32_t>(Control::SET_BAN_STATE));
      EXPECT_EQ(control->flags, CTDB_CONTROL_NOREPLY);
      return {load<uint32_t>(control->data.data()), load<uint32_t>(control->data.data() + 4)};
    }
    return {};
  };
  const auto ban = [&](uint32_t seconds) {
    Bytes data(8);
    store(data.data(), kSelf);
    store(data.data() + 4, seconds);
    from_link(2, control(Control::SET_BAN_STATE, kSelf, data));
  };
  link_up(2);
  ban(300);
  EXPECT_TRUE(banned_again().empty()) << "it never said that it is banned";
  ban(300);
  state.node_flags[kSelf] = CTDB_NODE_BANNED;
  cluster_state(state);
  now += 100 * kSecond + 1;
  EXPECT_EQ(banned_again(), (std::vector<uint32_t>{kSelf, 200}));
  now += 150 * kSecond;
  EXPECT_EQ(banned_again(), (std::vector<uint32_t>{kSelf, 50}));
  ban(0);
  EXPECT_TRUE(banned_again().empty());
  ban(10);
  now += 10 * kSecond;
  EXPECT_TRUE(banned_again().empty()) << "it is over";
}

TEST_F(DaemonsTest, BroadcastControlsOfTheStoreReachAllIncludingItself) {
  daemons_up();
  link_up(0);
  link_up(2);
  out.take();
  from_store(control(Control::DB_ATTACH, CTDB_BROADCAST_CONNECTED, as_bytes("x.tdb"), CTDB_CONTROL_NOREPLY));
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[2].where, Sent::Where::kStore);
  EXPECT_EQ(sent[2].header().destnode, kSelf);
  from_store(control(Control::DB_ATTACH, CTDB_CURRENT_NODE, as_bytes("x.tdb"), CTDB_CONTROL_NOREPLY));
  EXPECT_EQ(only().where, Sent::Where::kStore);
  from_store(control(Control::DB_ATTACH, 2, as_bytes("x.tdb"), CTDB_CONTROL_NOREPLY));
  EXPECT_EQ(only().to, 2u);
  const uint64_t bad = router.counts().bad_packets;
  from_store(control(Control::DB_ATTACH, 2, as_bytes("x.tdb")));
  EXPECT_EQ(router.counts().bad_packets, bad + 1) << "daemons never wait for answers";
}

TEST_F(DaemonsTest, WhatIsNoPacketIsCounted) {
  daemons_up();
  from_store(Bytes(10));
  Bytes wrong = own(Operation::STORE_HELLO, kSelf);
  wrong[4] ^= 1;
  from_store(wrong);
  from_store(own(Operation::STORE_HELLO, kSelf), kClient);
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().bad_packets, 3u);
}

}  // namespace
}  // namespace ctdb::test
