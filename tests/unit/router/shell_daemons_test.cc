// SPDX-License-Identifier: GPL-3.0-or-later
// The daemons of the node, a peer node and back-pressure on a whole router.
#include <functional>

#include "tests/unit/router/shell_fixture.h"

namespace ctdb::test {
namespace {

// Sends `packet` again and again until the router stops reading: its queue, its socket and ours are full. Nothing tells that, so
// it has stopped when it has taken nothing for a second. Returns the bytes it took, of which no more than `most` may be.
size_t send_until_it_stops(
    PacketSocket& sender, ByteView packet, size_t most, const std::function<void()>& meanwhile = [] {}) {
  constexpr int kLookMs = 10;
  size_t sent = 0;
  for (int stalled_ms = 0; stalled_ms < 1000 && sent < most;) {
    const size_t done = sender.send_some(packet.subspan(sent % packet.size()));
    sent += done;
    stalled_ms = done > 0 ? 0 : stalled_ms + kLookMs;
    if (done > 0) continue;
    meanwhile();
    usleep(kLookMs * 1000);  // between two looks
  }
  EXPECT_LT(sent, most) << "it never stopped reading";
  return sent;
}

class ShellDaemons : public ShellTest {
 protected:
  static Bytes call(uint32_t reqid) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
    return packet;
  }
  // The next frame from the router that is of `operation`.
  static Channel::Frame await(ChannelPeer& peer, Operation operation, size_t channel = 0) {
    while (true) {
      const std::optional<Channel::Frame> frame = ChannelPeer::receive(*peer.channels[channel]);
      if (!frame || read_header(frame->packet).operation == static_cast<uint32_t>(operation)) {
        return frame.value_or(Channel::Frame{});
      }
    }
  }
};

TEST_F(ShellDaemons, AStoreServesCallsOfClassicClients) {
  PacketSocket client = classic();
  client.send(call(7));
  EXPECT_EQ(ask(client, control(Control::PING)), 1) << "the call was read before a store came";
  ChannelPeer store = daemon(DaemonRole::kStore);
  EXPECT_EQ(store.reply.generation, CTDB_INVALID_GENERATION);
  const Channel::Frame frame = await(store, Operation::REQ_CALL);
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, read_header(frame.packet).reqid}, ReplyCall{0, as_bytes("value")});
  store.send(reply, frame.info.endpoint);
  const std::optional<Bytes> answer = client.receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(read_header(*answer).reqid, 7u);
  EXPECT_EQ(as_text(parse_reply_call(*answer)->data), "value");
}

// While it traverses: the store lets it rest, so that its records do not wait here.
TEST_F(ShellDaemons, TheStoreHearsOfAClientThatDoesNotRead) {
  ChannelPeer store = daemon(DaemonRole::kStore);
  const auto told = [&](ConnectionFrame kind) {
    std::optional<Channel::Frame> frame;
    do frame = store.receive();
    while (frame && connection_frame(frame->info.flags) != kind);
    return frame ? frame->info.endpoint : 0;
  };
  PacketSocket client = classic();
  client.send(control(Control::TRAVERSE_START, Bytes(16)));
  Channel::Frame asked = await(store, Operation::REQ_CONTROL);
  while (asked.info.endpoint == 0) asked = await(store, Operation::REQ_CONTROL);
  const uint32_t endpoint = asked.info.endpoint;
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, read_header(asked.packet).reqid}, ReplyControl{});
  store.send(reply, endpoint);
  constexpr int kRecords = 40;
  for (int i = 0; i < kRecords; ++i) store.send(message(0, 0, 64u << 10), endpoint);
  EXPECT_EQ(told(ConnectionFrame::kCrowded), endpoint);
  for (int i = 0; i < 1 + kRecords; ++i) ASSERT_TRUE(client.receive());
  EXPECT_EQ(told(ConnectionFrame::kRoomy), endpoint);
}

// As `ctdb restoredb` sends: without waiting for anybody.
TEST_F(ShellDaemons, AStoreThatDoesNotReadHoldsItsSendersBackAndNothingIsLost) {
  constexpr size_t kMuch = 160u << 20;
  ChannelPeer store = daemon(DaemonRole::kStore);
  PacketSocket sender = classic();
  const Bytes large = message(0xCE02000000000001u, CTDB_CURRENT_NODE, 1u << 20);
  const size_t sent = send_until_it_stops(sender, large, kMuch);
  ASSERT_LT(sent, kMuch);
  std::thread rest([&] { sender.send(ByteView(large).subspan(sent % large.size())); });
  for (size_t arrived = 0; arrived < sent / large.size() + 1; ++arrived)
    ASSERT_EQ(to_bytes(await(store, Operation::REQ_MESSAGE).packet).size(), large.size());
  rest.join();
  EXPECT_EQ(ask(sender, control(Control::PING)), 1);
}

TEST_F(ShellDaemons, EveryNativeClientHasAChannelToEveryStore) {
  ChannelPeer early = native();
  for (int life = 0; life < 3; ++life) {
    ChannelPeer store = daemon(DaemonRole::kStore);
    std::optional<SetupMessage> attached = store.receive_message();
    ASSERT_TRUE(attached);
    EXPECT_EQ(attached->kind, SetupKind::kClientAttached);
    EXPECT_EQ(attached->endpoint, early.reply.endpoint);
    EXPECT_EQ(attached->pid, static_cast<uint32_t>(getpid()));
    std::optional<SetupMessage> replaced = early.receive_message();
    ASSERT_TRUE(replaced);
    EXPECT_EQ(replaced->kind, SetupKind::kChannelReplaced);
    ASSERT_EQ(replaced->channels.size(), 1u);
    const auto at_store = ChannelPeer::open(std::move(attached->channels[0]), ChannelSide::kServer);
    const auto at_client = ChannelPeer::open(std::move(replaced->channels[0]), ChannelSide::kClient);
    ChannelPeer::send(*at_client, call(9));
    const std::optional<Channel::Frame> frame = ChannelPeer::receive(*at_store);
    ASSERT_TRUE(frame);
    EXPECT_EQ(read_header(frame->packet).reqid, 9u);
  }
}

TEST_F(ShellDaemons, TheStoreIsToldWhenClientsComeAndGo) {
  ChannelPeer store = daemon(DaemonRole::kStore);
  uint32_t endpoint = 0;
  {
    ChannelPeer client = native();
    endpoint = client.reply.endpoint;
    std::optional<SetupMessage> attached = store.receive_message();
    ASSERT_TRUE(attached);
    EXPECT_EQ(attached->endpoint, endpoint);
    const auto at_store = ChannelPeer::open(std::move(attached->channels[0]), ChannelSide::kServer);
    ChannelPeer::send(*client.channels[1], call(3));
    EXPECT_TRUE(ChannelPeer::receive(*at_store));
  }
  const std::optional<SetupMessage> detached = store.receive_message();
  ASSERT_TRUE(detached);
  EXPECT_EQ(detached->kind, SetupKind::kClientDetached);
  EXPECT_EQ(detached->endpoint, endpoint);
  const Channel::Frame gone = await(store, Operation::CLIENT_GONE);
  EXPECT_EQ(ClientGone::decode(own_payload(gone.packet))->endpoint, endpoint);
}

TEST_F(ShellDaemons, ASecondOneIsRefusedWhileTheFirstLives) {
  for (const DaemonRole role : {DaemonRole::kStore, DaemonRole::kRecoveryd}) {
    auto first = std::make_unique<ChannelPeer>(daemon(role));
    Result<SetupConnection> second = connect_setup(context.config.setup_socket_path, role, kPatienceMs);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kRefused);
    EXPECT_NE(second.error().context.find("stop it first"), std::string::npos);
    first.reset();
    EXPECT_TRUE(connect_setup(context.config.setup_socket_path, role, kPatienceMs)) << "at once";
  }
}

TEST_F(ShellDaemons, RecoverydLearnsOfStoresOnItsControlLane) {
  ChannelPeer recoveryd = daemon(DaemonRole::kRecoveryd);
  ASSERT_EQ(recoveryd.channels.size(), 2u);
  uint64_t last_instance = 0;
  for (int life = 0; life < 2; ++life) {
    ChannelPeer store = daemon(DaemonRole::kStore);
    std::optional<DaemonState> state;
    do {
      state = DaemonState::decode(own_payload(await(recoveryd, Operation::DAEMON_STATE, 1).packet));
    } while (state && !state->up);
    ASSERT_TRUE(state);
    EXPECT_GT(state->instance, last_instance);
    last_instance = state->instance;
  }
}

TEST_F(ShellDaemons, TheOpenGenerationIsToldToAStoreThatComesBack) {
  ChannelPeer recoveryd = daemon(DaemonRole::kRecoveryd);
  ClusterState state;
  state.generation = 77;
  state.recovery_mode = CTDB_RECOVERY_NORMAL;
  state.node_flags = {0, 0};
  state.members = {0};
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::CLUSTER_STATE), 0, 0, 0}, state.encode());
  recoveryd.send(packet);
  PacketSocket client = classic();
  EXPECT_TRUE(eventually([&] { return ask(client, control(Control::GET_RECMODE)) == 0; }));
  EXPECT_EQ(daemon(DaemonRole::kStore).reply.generation, 77u);
}

TEST_F(ShellDaemons, StrangersOnTheSetUpSocketHurtNobody) {
  ChannelPeer good = native();
  for (int i = 0; i < 3; ++i) {
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = context.config.setup_socket_path;
    std::copy(path.begin(), path.end(), address.sun_path);
    ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const Bytes garbage(i == 0 ? 1 : 4000, 0xee);
    (void)!::send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
    pollfd waiting{fd.get(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, kPatienceMs), 1);
  }
  SetupMessage nonsense;
  nonsense.kind = SetupKind::kClientDetached;
  EXPECT_TRUE(send_setup(good.setup.get(), nonsense));
  EXPECT_FALSE(good.receive_message()) << "a client that breaks the protocol is cut";
  ChannelPeer other = native();
  EXPECT_EQ(ask(other, control(Control::PING)), 1);
}

class ShellPeer : public ShellDaemons {
 protected:
  PacketSocket link_up() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress own = make_address("127.0.0.2", 0);
    const SocketAddress router = make_address("127.0.0.1", port);
    EXPECT_EQ(bind(fd.get(), own.get(), own.size), 0);
    EXPECT_EQ(connect(fd.get(), router.get(), router.size), 0);
    PacketSocket peer(std::move(fd));
    Bytes hello;
    build_own(hello, {0, 0, static_cast<uint32_t>(Operation::HELLO), 0, 1, 0},
              Hello{1, 1, 0, 3, 1, "test"}.encode());
    peer.send(hello);
    const std::optional<Bytes> answer = peer.receive();
    EXPECT_TRUE(answer && read_header(*answer).operation == static_cast<uint32_t>(Operation::HELLO));
    return peer;
  }
};

TEST_F(ShellPeer, MessagesTravelBothWays) {
  PacketSocket peer = link_up();
  ChannelPeer client = native();
  EXPECT_EQ(ask(client, control(Control::REGISTER_SRVID, {}, 5)), 0);
  client.send(message(8, 1));
  const std::optional<Bytes> there = peer.receive();
  ASSERT_TRUE(there);
  EXPECT_EQ(parse_req_message(*there)->srvid, 8u);
  EXPECT_EQ(read_header(*there).destnode, 1u);
  Bytes back = message(5, 0);
  set_srcnode(back, 1);
  peer.send(back);
  EXPECT_TRUE(client.receive());
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_links_up) == 1; }));
  EXPECT_EQ(counters().status, "links to 1; ctdb-store missing; ctdb-recoveryd missing");
}

TEST_F(ShellPeer, ANodeThatDoesNotReadHoldsItsSendersBackAndNobodyLosesAnything) {
  PacketSocket peer = link_up();
  PacketSocket sender = classic();
  ChannelPeer native_sender = native();
  const Bytes large = message(8, 1, 1u << 16);
  Bytes sign_of_life = message(99, 0);
  set_srcnode(sign_of_life, 1);
  const size_t sent = send_until_it_stops(sender, large, kLinkQueueBytesMax,
                                          [&] { peer.send(sign_of_life); });  // a node that is busy, not dead
  ASSERT_LT(sent, kLinkQueueBytesMax);
  size_t pushed = 0;
  while (native_sender.channels[0]->push({}, large) == PushResult::kOk) ++pushed;
  native_sender.channels[0]->flush();
  ASSERT_LT(pushed, 10u) << "its ring fills up";
  // The peer reads again (and answers the pings it missed by speaking at all).
  size_t arrived = 0;
  const Bytes rest(large.begin() + static_cast<ptrdiff_t>(sent % large.size()), large.end());
  std::thread writer([&] { sender.send(rest); });
  const size_t expected = sent / large.size() + 1 + pushed;
  while (arrived < expected) {
    const std::optional<Bytes> packet = peer.receive();
    ASSERT_TRUE(packet) << "the link went down";
    if (read_header(*packet).operation == static_cast<uint32_t>(Operation::REQ_MESSAGE)) ++arrived;
    if (read_header(*packet).operation == static_cast<uint32_t>(Operation::LINK_PING)) {
      Bytes pong = *packet;
      store(pong.data() + CTDB_OFF_OPERATION, static_cast<uint32_t>(Operation::LINK_PONG));
      set_srcnode(pong, 1);
      set_destnode(pong, 0);
      peer.send(pong);
    }
  }
  writer.join();
  EXPECT_EQ(ask(native_sender, control(Control::PING)), 2);
}

TEST_F(ShellPeer, QuietAndActive) {
  PacketSocket peer = link_up();
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::NODE_QUIET)), 0);
  EXPECT_TRUE(peer.ended());
  EXPECT_TRUE(eventually([&] { return counters().status.starts_with("quiet"); }));
  EXPECT_EQ(ask(client, control(Control::NODE_ACTIVE)), 0);
  EXPECT_TRUE(eventually([&] { return counters().status.starts_with("no link to 1"); }));
  PacketSocket again = link_up();
}

}  // namespace
}  // namespace ctdb::test
