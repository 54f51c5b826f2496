// SPDX-License-Identifier: GPL-3.0-or-later
// Messages, notifications, tunnels and leader messages (wire-protocol §4.6, §4.10, §10).
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

class Messages : public CoreTest {};

TEST_F(Messages, ReachEveryRegistrationTwiceIfTwiceRegistered) {
  listen(5);
  listen(5);
  listen(5, kOther);
  from_client(message(5, kSelf), kOther);
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].to, kClient);
  EXPECT_EQ(sent[1].to, kClient);
  EXPECT_EQ(sent[2].to, kOther);
  EXPECT_EQ(sent[0].header().srcnode, kSelf);
  EXPECT_EQ(sent[0].header().destnode, 0u);
  EXPECT_EQ(as_text(parse_req_message(sent[0].packet)->data), "hello");
}

TEST_F(Messages, CatchAllGetsEveryMessageOnce) {
  listen(CTDB_SRVID_ALL);
  from_client(message(5, CTDB_CURRENT_NODE), kOther);
  EXPECT_EQ(only().to, kClient);
  from_client(message(CTDB_SRVID_ALL, CTDB_CURRENT_NODE), kOther);
  EXPECT_EQ(only().to, kClient);
}

TEST_F(Messages, OriginIsNotVisible) {
  link_up(0);
  listen(5);
  EXPECT_TRUE(from_link(0, message(5, kSelf)));
  const Sent sent = only();
  EXPECT_EQ(sent.header().srcnode, kSelf);
  EXPECT_EQ(sent.header().reqid, 0u);
}

TEST_F(Messages, ExactLengthsArePaddedOnTheWay) {
  listen(5);
  link_up(0);
  Bytes exact(CTDB_REQ_MESSAGE_FIXED + 3, 0);
  Bytes model = message(5, 0, "abc");
  std::copy_n(model.begin(), exact.size(), exact.begin());
  store(exact.data(), static_cast<uint32_t>(exact.size()));
  from_client(exact);
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_EQ(sent.packet.size(), 48u);
  set_destnode(exact, kSelf);
  from_client(exact);
  sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kClient);
  EXPECT_EQ(sent.packet.size(), 48u);
  EXPECT_EQ(as_text(parse_req_message(sent.packet)->data), "abc");
}

TEST_F(Messages, ToANodeTravelWithItsNumberAndTheGeneration) {
  cluster_state(healthy());
  link_up(2);
  from_client(message(5, 2));
  const Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_EQ(sent.to, 2u);
  EXPECT_EQ(sent.lane, Lane::kData);
  EXPECT_EQ(sent.header().destnode, 2u);
  EXPECT_EQ(sent.header().srcnode, kSelf);
  EXPECT_EQ(sent.header().generation, 900u);
}

TEST_F(Messages, ToANodeThatCannotBeReachedAreCounted) {
  from_client(message(5, 2));
  from_client(message(5, 3));
  from_client(message(5, 1000));
  from_client(message(5, CTDB_MULTICAST));
  from_client(message(5, CTDB_UNKNOWN_PNN));
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.counts().undeliverable, 5u);
}

// A message of the native client with a tag.
Bytes tagged(uint32_t destnode, uint32_t tag) {
  Bytes packet;
  build(packet, {0, 0, 0, destnode, 0, tag}, ReqMessage{5, as_bytes("hello")});
  return packet;
}

MessageFailed failure(const Sent& sent, uint32_t tag) {
  EXPECT_TRUE(sent.is(Operation::MESSAGE_FAILED));
  EXPECT_EQ(sent.header().reqid, tag);
  return MessageFailed::decode(own_payload(sent.packet)).value_or(MessageFailed{});
}

TEST_F(Messages, TheirNativeSenderIsToldOnceThatTheyFailed) {
  out.native = kClient;
  const auto expect_failed = [&](uint32_t destnode, MessageFault reason) {
    from_client(tagged(destnode, 70 + destnode % 8));
    const Sent sent = only();
    EXPECT_EQ(sent.to, kClient);
    const MessageFailed told = failure(sent, 70 + destnode % 8);
    EXPECT_EQ(told.reason, reason);
    EXPECT_EQ(told.node, destnode);
    EXPECT_EQ(told.srvid, 5u);
  };
  expect_failed(2, MessageFault::kNoLink);
  expect_failed(3, MessageFault::kUnknownNode);  // deleted
  expect_failed(1000, MessageFault::kUnknownNode);
  expect_failed(CTDB_MULTICAST, MessageFault::kUnknownNode);
  expect_failed(CTDB_UNKNOWN_PNN, MessageFault::kUnknownNode);
  expect_failed(kSelf, MessageFault::kNobody);
  expect_failed(CTDB_CURRENT_NODE, MessageFault::kNobody);
  EXPECT_TRUE(out.lines.empty());
}

TEST_F(Messages, ThatArriveAreNotReported) {
  out.native = kClient;
  listen(5, kOther);
  link_up(2);
  from_client(tagged(kSelf, 1));
  EXPECT_EQ(only().to, kOther);
  from_client(tagged(2, 2));
  EXPECT_EQ(only().where, Sent::Where::kLink);
}

TEST_F(Messages, ToGroupsAreNotReported) {
  out.native = kClient;
  for (const uint32_t group : {CTDB_BROADCAST_ALL, CTDB_BROADCAST_ACTIVE, CTDB_BROADCAST_CONNECTED}) {
    from_client(tagged(group, 1));
  }
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Messages, LostInAQueueLeadBackToTheirSender) {
  out.native = kClient;
  link_up(2);
  from_client(tagged(2, 4711));
  from_client(tagged(2, 4712), kOther);
  const std::vector<Sent> queued = out.take();
  ASSERT_EQ(queued.size(), 2u);
  link_down(2);
  for (const Sent& sent : queued) router.on_packet_lost(2, sent.packet, now);
  const MessageFailed told = failure(only(), 4711);
  EXPECT_EQ(told.reason, MessageFault::kLinkLost);
  EXPECT_EQ(told.node, 2u);
  EXPECT_EQ(told.srvid, 5u);
  EXPECT_EQ(router.counts().undeliverable, 2u);
  EXPECT_EQ(out.lines.size(), 1u) << "the other one is classic";
}

TEST_F(Messages, OtherPacketsLostInAQueueAreNobodysMessage) {
  out.native = kClient;
  Bytes packet;
  build(packet, {0, 0, 0, 2, kSelf, 1}, ReplyCall{0, {}});
  router.on_packet_lost(2, packet, now);
  build(packet, {0, 0, 0, 2, kSelf, 99}, ReqMessage{5, {}});  // of a daemon
  router.on_packet_lost(2, packet, now);
  EXPECT_TRUE(out.take().empty());
}

TEST_F(Messages, ClassicClientsGetNoReportButALineNowAndThen) {
  for (int i = 0; i < 100; ++i) from_client(message(5, 2));
  from_client(message(5, kSelf));
  EXPECT_TRUE(out.take().empty());
  ASSERT_EQ(out.lines.size(), 1u);
  now += 10 * kSecond;
  from_client(message(5, 1000));
  ASSERT_EQ(out.lines.size(), 2u);
  EXPECT_EQ(out.lines[1], "100 message(s) lost, the last from client 77 to node 1000: there is no such node");
}

TEST(SentMessages, TheNewestAreKnown) {
  SentMessages sent;
  EXPECT_FALSE(sent.find(0));
  EXPECT_FALSE(sent.find(1));
  std::vector<uint32_t> numbers;
  for (uint32_t i = 0; i <= SentMessages::kRememberedMax; ++i) numbers.push_back(sent.add({i, 2 * i}));
  EXPECT_FALSE(sent.find(numbers[0])) << "its place was taken";
  for (uint32_t i = 1; i <= SentMessages::kRememberedMax; ++i) {
    ASSERT_TRUE(sent.find(numbers[i]));
    EXPECT_EQ(sent.find(numbers[i])->client, i);
    EXPECT_EQ(sent.find(numbers[i])->tag, 2 * i);
  }
}

TEST_F(Messages, BroadcastAddresses) {
  listen(5);
  link_up(0);
  link_up(2);
  ClusterState state = healthy();
  state.node_flags[2] = CTDB_NODE_STOPPED;
  cluster_state(state);
  const auto targets = [&](uint32_t address) {
    from_client(message(5, address));
    std::vector<uint32_t> out_targets;
    for (const Sent& sent : out.take()) {
      out_targets.push_back(sent.where == Sent::Where::kLink ? sent.to : 100 + sent.to);
      EXPECT_EQ(sent.header().destnode, sent.where == Sent::Where::kLink ? sent.to : 0);
    }
    return out_targets;
  };
  EXPECT_EQ(targets(CTDB_BROADCAST_CONNECTED), (std::vector<uint32_t>{0, 2, 100 + kClient}));
  EXPECT_EQ(targets(CTDB_BROADCAST_ACTIVE), (std::vector<uint32_t>{0, 100 + kClient}));
  link_down(0);
  EXPECT_EQ(targets(CTDB_BROADCAST_CONNECTED), (std::vector<uint32_t>{2, 100 + kClient}));
  const uint64_t undeliverable = router.counts().undeliverable;
  EXPECT_EQ(targets(CTDB_BROADCAST_ALL), (std::vector<uint32_t>{2, 100 + kClient}));
  EXPECT_EQ(router.counts().undeliverable, undeliverable + 1) << "node 0; node 3 is deleted";
}

TEST_F(Messages, RecordsThatTheToolRestoresReachTheStore) {
  constexpr uint64_t kRestore = 0xCE02000000000000u;
  daemons_up();
  link_up(0);
  out.take();
  EXPECT_TRUE(from_link(0, message(kRestore + 1, kSelf)));
  Sent sent = only();
  EXPECT_EQ(sent.where, Sent::Where::kStore);
  EXPECT_EQ(sent.header().srcnode, 0u);
  from_client(message(kRestore, kSelf));
  EXPECT_EQ(only().where, Sent::Where::kStore);
  EXPECT_TRUE(from_link(0, message(0xCE01000000000000u, kSelf)));
  EXPECT_TRUE(out.take().empty()) << "an answer for the tool";
}

TEST_F(Messages, ForRecoveryDaemonsReachRecoverydToo) {
  daemons_up();
  listen(CTDB_SRVID_DISABLE_RECOVERIES);
  link_up(2);
  out.take();
  from_client(message(CTDB_SRVID_DISABLE_RECOVERIES, CTDB_BROADCAST_CONNECTED));
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].where, Sent::Where::kLink);
  EXPECT_EQ(sent[1].where, Sent::Where::kRecoveryd);
  EXPECT_EQ(sent[1].lane, Lane::kData);
  EXPECT_EQ(sent[1].header().destnode, kSelf);
  EXPECT_EQ(sent[1].header().srcnode, kSelf);
  EXPECT_EQ(sent[2].where, Sent::Where::kClient);
  from_link(2, message(CTDB_SRVID_TAKEOVER_RUN, kSelf));
  EXPECT_EQ(only().header().srcnode, 2u) << "recoveryd sees where it came from";
  from_client(message(0xFE00000000000000ull, kSelf));
  EXPECT_TRUE(out.take().empty()) << "of Samba, not of recoveryd";
}

TEST_F(Messages, DaemonsSendThemLikeClients) {
  daemons_up();
  listen(5);
  link_up(0);
  out.take();
  from_daemon(Server::recoveryd, 0, message(5, CTDB_BROADCAST_CONNECTED));
  EXPECT_EQ(out.take().size(), 2u);
  from_daemon(Server::store, kOther, message(5, 0));
  EXPECT_EQ(only().to, kOther) << "with an endpoint: to that client as it is";
}

TEST_F(Messages, NotifyIsBroadcastWhenItsClientGoes) {
  listen(9, kOther);
  link_up(0);
  Bytes data;
  Writer(data).u64(9);
  Writer(data).counted_bytes(as_bytes("farewell"));
  EXPECT_EQ(ask(Control::REGISTER_NOTIFY, data).status, 0);
  EXPECT_EQ(ask(Control::REGISTER_NOTIFY, data).status, -1) << "one per srvid and client";
  router.on_client_gone(kClient, now);
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].where, Sent::Where::kLink);
  EXPECT_EQ(sent[1].to, kOther);
  EXPECT_EQ(as_text(parse_req_message(sent[1].packet)->data), "farewell");
}

TEST_F(Messages, CancelledNotifyIsNotSent) {
  listen(9, kOther);
  Bytes data;
  Writer(data).u64(9);
  Writer(data).counted_bytes({});
  ask(Control::REGISTER_NOTIFY, data);
  Bytes srvid;
  Writer(srvid).u64(9);
  EXPECT_EQ(ask(Control::DEREGISTER_NOTIFY, srvid).status, 0);
  EXPECT_EQ(ask(Control::DEREGISTER_NOTIFY, srvid).status, -1);
  router.on_client_gone(kClient, now);
  EXPECT_TRUE(out.take().empty());
}

Bytes tunnel(uint64_t id, uint32_t destnode) {
  Bytes packet;
  build(packet, {0, 0, 0, destnode, 0, 7}, ReqTunnel{id, 1, as_bytes("through")});
  return packet;
}

TEST_F(Messages, TunnelsJoinRegisteredEnds) {
  link_up(0);
  from_client(tunnel(3, 0));
  EXPECT_TRUE(out.take().empty()) << "not registered here";
  EXPECT_EQ(ask(Control::TUNNEL_REGISTER, {}, 3).status, 0);
  from_client(control(Control::TUNNEL_REGISTER, CTDB_CURRENT_NODE, {}, 0, 3), kOther);
  EXPECT_EQ(answer(kOther).status, -1) << "one client per id";
  from_client(tunnel(3, CTDB_CURRENT_NODE));
  EXPECT_TRUE(out.take().empty()) << "only real numbers are addresses";
  from_client(tunnel(3, 0));
  EXPECT_EQ(only().where, Sent::Where::kLink);
  EXPECT_TRUE(from_link(0, tunnel(3, kSelf)));
  const Sent sent = only();
  EXPECT_EQ(sent.to, kClient);
  EXPECT_EQ(sent.header().srcnode, kSelf);
  EXPECT_EQ(sent.header().reqid, 0u);
  EXPECT_EQ(ask(Control::TUNNEL_DEREGISTER, {}, 3).status, 0);
  EXPECT_EQ(ask(Control::TUNNEL_DEREGISTER, {}, 3).status, -1);
  EXPECT_TRUE(from_link(0, tunnel(3, kSelf)));
  EXPECT_TRUE(out.take().empty());
}

class Leader : public CoreTest {
 protected:
  uint32_t leader_in(const Sent& sent) {
    EXPECT_EQ(sent.to, kClient);
    const std::optional<ReqMessage> message = parse_req_message(sent.packet);
    EXPECT_EQ(message->srvid, CTDB_SRVID_LEADER);
    return load<uint32_t>(message->data.data());
  }
};

TEST_F(Leader, IsToldAtOnceToANewListener) {
  cluster_state(healthy());
  from_client(control(Control::REGISTER_SRVID, CTDB_CURRENT_NODE, {}, 0, CTDB_SRVID_LEADER));
  const std::vector<Sent> sent = out.take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_TRUE(sent[0].is(Operation::REPLY_CONTROL));
  EXPECT_EQ(leader_in(sent[1]), 0u);
}

TEST_F(Leader, IsRepeatedEverySecondWhileSomebodyListens) {
  cluster_state(healthy());
  listen(CTDB_SRVID_LEADER);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(router.next_deadline(), now + kSecond);
    now += kSecond;
    router.tick(now);
    EXPECT_EQ(leader_in(only()), 0u);
  }
  ask(Control::DEREGISTER_SRVID, {}, CTDB_SRVID_LEADER);
  now += kSecond;
  router.tick(now);
  EXPECT_TRUE(out.take().empty());
  EXPECT_EQ(router.next_deadline(), kNever);
}

TEST_F(Leader, ChangesAreToldAtOnceTheLossToo) {
  listen(CTDB_SRVID_LEADER);
  cluster_state(healthy());
  EXPECT_EQ(leader_in(only()), 0u);
  ClusterState state = healthy();
  state.leader = CTDB_UNKNOWN_PNN;
  cluster_state(state);
  EXPECT_EQ(leader_in(only()), CTDB_UNKNOWN_PNN);
  now += kSecond;
  router.tick(now);
  EXPECT_TRUE(out.take().empty()) << "nothing to repeat while there is none";
}

}  // namespace
}  // namespace ctdb::test
