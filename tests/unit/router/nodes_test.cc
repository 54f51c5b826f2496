// SPDX-License-Identifier: GPL-3.0-or-later
// Controls to other nodes and what may come from them (wire-protocol §3, §4.7, §4.8; ARCHITECTURE.md §3).
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

class Nodes : public CoreTest {
 protected:
  static Bytes reply(uint32_t reqid, int32_t status, std::string_view text = {}) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReplyControl{status, as_bytes(text), {}});
    return packet;
  }
};

TEST_F(Nodes, AnswersFindTheirWayBack) {
  cluster_state(healthy());
  link_up(2);
  from_client(control(Control::PING, 2));
  const Sent sent = only();
  ASSERT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_EQ(sent.header().destnode, 2u);
  EXPECT_EQ(sent.header().generation, 900u);
  EXPECT_EQ(parse_req_control(sent.packet)->client_id, kClient);
  EXPECT_NE(sent.header().reqid, 42u);
  EXPECT_TRUE(from_link(2, reply(sent.header().reqid, 17, "data")));
  const ReplyControl got = answer();
  EXPECT_EQ(got.status, 17);
  EXPECT_EQ(as_text(got.data), "data");
  EXPECT_EQ(router.requests_in_flight(), 0u);
  EXPECT_TRUE(from_link(2, reply(sent.header().reqid, 17)));
  EXPECT_TRUE(out.take().empty()) << "a second answer finds nobody";
}

TEST_F(Nodes, ToUnreachableOnesAreAnsweredAtOnce) {
  for (uint32_t pnn : {2u, 3u, 1000u, CTDB_MULTICAST, CTDB_UNKNOWN_PNN}) {
    from_client(control(Control::PING, pnn));
    const ReplyControl got = answer();
    EXPECT_EQ(got.status, -1);
    EXPECT_EQ(got.error, "ctdb_control to disconnected node") << pnn;
    EXPECT_TRUE(got.data.empty());
  }
  from_client(control(Control::PING, 2, {}, CTDB_CONTROL_NOREPLY));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().undeliverable, 1u);
}

TEST_F(Nodes, PendingOnesAreAnsweredWhenTheLinkGoes) {
  link_up(0);
  link_up(2);
  from_client(control(Control::PING, 2));
  from_client(control(Control::PING, 0), kOther);
  out.take();
  link_down(2);
  const ReplyControl got = answer();
  EXPECT_EQ(got.status, -1);
  EXPECT_EQ(got.error, "node is disconnected");
  EXPECT_EQ(router.requests_in_flight(), 1u);
}

TEST_F(Nodes, PendingOnesTimeOut) {
  link_up(2);
  from_client(control(Control::PING, 2));
  out.take();
  EXPECT_EQ(router.next_deadline(), now + 60 * kSecond);
  now += 60 * kSecond;
  router.tick(now);
  const ReplyControl got = answer();
  EXPECT_EQ(got.status, -1);
  EXPECT_EQ(got.error, "ctdb_control timed out");
  EXPECT_EQ(router.counts().control_timeouts, 1u);
  EXPECT_EQ(router.next_deadline(), kNever);
}

TEST_F(Nodes, NobodyElseMayAnswer) {
  link_up(0);
  link_up(2);
  daemons_up();
  from_client(control(Control::PING, 2));
  const uint32_t reqid = only().header().reqid;
  from_link(0, reply(reqid, 1));
  from_daemon(Server::store, kClient, reply(reqid, 1));
  from_daemon(Server::recoveryd, kClient, reply(reqid, 1));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.requests_in_flight(), 1u);
}

TEST_F(Nodes, AnswersForAClientThatIsGoneAreForgotten) {
  link_up(2);
  from_client(control(Control::PING, 2));
  const uint32_t reqid = only().header().reqid;
  router.on_client_gone(kClient, now);
  EXPECT_EQ(router.requests_in_flight(), 0u);
  EXPECT_TRUE(from_link(2, reply(reqid, 1)));
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Nodes, BroadcastControlsMustNotWantAnAnswer) {
  link_up(0);
  from_client(control(Control::PING, CTDB_BROADCAST_ALL));
  EXPECT_EQ(answer().status, -1);
  from_client(control(Control::SET_DEBUG, CTDB_BROADCAST_CONNECTED, numbers(7), CTDB_CONTROL_NOREPLY));
  EXPECT_EQ(only().to, 0u);
  EXPECT_EQ(out.level, 7) << "this node is one of them";
}

TEST_F(Nodes, TheirControlsAreServedAndAnsweredOverTheLink) {
  link_up(2);
  EXPECT_TRUE(from_link(2, control(Control::GET_PNN)));
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_EQ(sent.to, 2u);
  EXPECT_EQ(sent.header().reqid, 42u);
  EXPECT_EQ(sent.header().destnode, 2u);
  EXPECT_EQ(parse_reply_control(sent.packet)->status, 1);
  daemons_up();
  EXPECT_TRUE(from_link(2, control(Control::GET_DBMAP)));
  sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  EXPECT_EQ(sent.to, 0u);
  EXPECT_EQ(sent.header().srcnode, 2u);
  from_daemon(Server::store, 0, reply(sent.header().reqid, 0, "map"));
  sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_EQ(sent.header().reqid, 42u);
}

TEST_F(Nodes, ControlsAboutTheCallingClientWorkOnItsOwnNodeOnly) {
  link_up(2);
  EXPECT_TRUE(from_link(2, control(Control::REGISTER_SRVID)));
  EXPECT_EQ(parse_reply_control(only().packet)->status, -1);
}

TEST_F(Nodes, WaitingControlsOfAPeerAreForgottenWithItsLink) {
  link_up(2);
  daemons_up();
  EXPECT_TRUE(from_link(2, control(Control::GET_DBMAP)));
  const uint32_t reqid = only().header().reqid;
  link_down(2);
  EXPECT_EQ(only().where, Sent::Where::kRecoveryd) << "LINK_STATE";
  EXPECT_EQ(router.requests_in_flight(), 0u);
  from_daemon(Server::store, 0, reply(reqid, 0));
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Nodes, ForgedSourcesCutTheLink) {
  link_up(2);
  Bytes packet = message(5, kSelf);
  set_srcnode(packet, 0);
  EXPECT_FALSE(router.on_link_packet(2, packet, now));
  set_srcnode(packet, 2);
  set_destnode(packet, 0);
  EXPECT_FALSE(router.on_link_packet(2, packet, now)) << "not for this node";
  set_destnode(packet, CTDB_BROADCAST_ALL);
  EXPECT_FALSE(router.on_link_packet(2, packet, now)) << "broadcasts never travel as such";
  EXPECT_EQ(router.counts().bad_packets, 3u);
}

TEST_F(Nodes, OnlyARedirectedCallMayHaveAnotherSource) {
  link_up(2);
  daemons_up();
  const auto call = [&](uint32_t hops, uint32_t source) {
    Bytes packet;
    build(packet, {0, 0, 0, kSelf, source, 8}, ReqCall{0, 1, CTDB_FUNC_NULL, hops, as_bytes("key"), {}});
    return router.on_link_packet(2, packet, now);
  };
  EXPECT_TRUE(call(1, 0));
  EXPECT_EQ(only().header().srcnode, 0u);
  EXPECT_TRUE(call(2, kSelf)) << "our own call may come back";
  out.take();
  EXPECT_FALSE(call(0, 0)) << "not redirected";
  EXPECT_FALSE(call(1, 3)) << "a deleted node";
  EXPECT_FALSE(call(1, 1000)) << "no node";
  EXPECT_TRUE(call(0, 2));
}

TEST_F(Nodes, OperationsOfOtherPairsCutTheLink) {
  link_up(2);
  daemons_up();
  for (const Operation operation : {Operation::CLUSTER_STATE, Operation::LINK_STATE, Operation::DAEMON_STATE,
                                    Operation::CLIENT_GONE, Operation::STORE_OPEN, Operation::STORE_RECOVER,
                                    Operation::STORE_HELLO, Operation::HELLO, Operation::REQ_KEEPALIVE}) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), kSelf, 2, 0}, Bytes(64));
    EXPECT_FALSE(router.on_link_packet(2, packet, now)) << static_cast<uint32_t>(operation);
  }
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Nodes, OperationsOfALaterReleaseArePassedOver) {
  link_up(2);
  daemons_up();
  const uint64_t bad = router.counts().bad_packets;
  Bytes packet;
  build_own(packet, {0, 0, 0x1FFF, kSelf, 2, 0}, Bytes(64));
  EXPECT_TRUE(router.on_link_packet(2, packet, now));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().bad_packets, bad + 1);
  build_own(packet, {0, 0, 12, kSelf, 2, 0}, Bytes(64));
  EXPECT_FALSE(router.on_link_packet(2, packet, now)) << "the classic protocol will have no others";
}

TEST_F(Nodes, MalformedPacketsCutTheLink) {
  link_up(2);
  daemons_up();
  for (const Operation operation :
       {Operation::REQ_CONTROL, Operation::REPLY_CONTROL, Operation::REQ_MESSAGE, Operation::REQ_TUNNEL}) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), kSelf, 2, 0}, Bytes(40, 0xff));
    EXPECT_FALSE(router.on_link_packet(2, packet, now)) << static_cast<uint32_t>(operation);
  }
}

TEST_F(Nodes, VotesAndRecordsReachTheirDaemonsOnTheirLanes) {
  link_up(2);
  daemons_up();
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::HEARTBEAT), kSelf, 2, 0}, Bytes(64));
  EXPECT_TRUE(router.on_link_packet(2, packet, now));
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kRecoveryd);
  EXPECT_EQ(sent.lane, Lane::kControl);
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::RECORD_CLAIMS), kSelf, 2, 0}, Bytes(64));
  EXPECT_TRUE(router.on_link_packet(2, packet, now));
  EXPECT_EQ(only().where, Sent::Where::kStore);
  router.on_daemon(Server::store, false, 1, now);
  out.take();
  EXPECT_TRUE(router.on_link_packet(2, packet, now));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().undeliverable, 1u);
}

}  // namespace
}  // namespace ctdb::test
