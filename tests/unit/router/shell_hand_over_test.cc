// SPDX-License-Identifier: GPL-3.0-or-later
// The connection of a classic client goes to the store and comes back. The test plays the store.
#include "libctdbipc/ring/connection_states.h"
#include "tests/unit/router/shell_fixture.h"

namespace ctdb::test {
namespace {

Bytes call(uint32_t reqid) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  return packet;
}

// A store with the connection of one client.
class Store {
 public:
  explicit Store(const std::string& path) : peer(path, DaemonRole::kStore) {}

  // The client has sent its first call: takes what comes with it.
  void take_connection() {
    const std::optional<SetupMessage> memory = peer.receive_message();
    ASSERT_TRUE(memory);
    ASSERT_EQ(memory->kind, SetupKind::kConnectionStates);
    states = std::move(*ConnectionStates::map(memory->descriptor.get()));
    receive_connection();
  }
  void receive_connection() {
    std::optional<SetupMessage> handed = peer.receive_message();
    ASSERT_TRUE(handed);
    ASSERT_EQ(handed->kind, SetupKind::kClientConnection);
    endpoint = handed->endpoint;
    hand_over = static_cast<uint16_t>(handed->generation);
    socket = std::make_unique<PacketSocket>(std::move(handed->descriptor));
  }
  void say_taken() {
    slot = states->take(endpoint, hand_over);
    ASSERT_NE(slot, nullptr);
    say(ConnectionFrame::kTaken, states->index_of(*slot));
  }
  void say(ConnectionFrame kind, uint64_t value) {
    Bytes bytes(8);
    store(bytes.data(), value);
    say(kind, bytes);
  }
  void say(ConnectionFrame kind, const Bytes& packet) {
    while (peer.channels[0]->push({endpoint, connection_flags(kind, hand_over)}, packet) == PushResult::kFull)
      peer.channels[0]->flush();
    peer.channels[0]->flush();
  }
  // The next frame that is for the connection (`kind` not kNone) or for the store itself.
  Channel::Frame await(ConnectionFrame kind, Operation operation = Operation::REQ_CALL) {
    while (true) {
      const std::optional<Channel::Frame> frame = peer.receive();
      if (!frame) return {};
      if (connection_frame(frame->info.flags) != kind) continue;
      if (kind != ConnectionFrame::kNone ||
          read_header(frame->packet).operation == static_cast<uint32_t>(operation))
        return *frame;
    }
  }
  void answer(const Channel::Frame& asked) {
    Bytes reply;
    build(reply, {0, 0, 0, 0, 0, read_header(asked.packet).reqid}, ReplyCall{0, as_bytes("value")});
    peer.send(reply, asked.info.endpoint);
  }

  ChannelPeer peer;
  std::unique_ptr<ConnectionStates> states;
  std::unique_ptr<PacketSocket> socket;
  ConnectionSlot* slot = nullptr;
  uint32_t endpoint = 0;
  uint16_t hand_over = 0;
};

class ShellHandOver : public ShellTest {
 protected:
  void start_store() { store_ = std::make_unique<Store>(context.config.setup_socket_path); }
  // A client whose connection is with a store, its first call answered.
  PacketSocket handed_client() {
    start_store();
    PacketSocket client = classic();
    client.send(call(1));
    const Channel::Frame asked = store_->await(ConnectionFrame::kNone);
    store_->take_connection();
    store_->say_taken();
    store_->answer(asked);
    const Channel::Frame reply = store_->await(ConnectionFrame::kPacket);
    EXPECT_EQ(read_header(reply.packet).reqid, 1u);
    EXPECT_EQ(reply.info.endpoint, store_->endpoint);
    store_->socket->send(reply.packet);
    store_->slot->written.store(1);
    EXPECT_TRUE(client.receive());
    return client;
  }
  static void mark(Store& store, ConnectionState state) { ConnectionStates::mark(*store.slot, state); }

  std::unique_ptr<Store> store_;
};

TEST_F(ShellHandOver, TheFirstCallTakesAConnectionToTheStore) {
  PacketSocket client = handed_client();
  client.send(call(2));
  const std::optional<Bytes> there = store_->socket->receive();
  ASSERT_TRUE(there) << "the router does not read it any more";
  EXPECT_EQ(*there, call(2));
}

TEST_F(ShellHandOver, PacketsToTheClientWaitUntilTheStoreHasTheConnection) {
  start_store();
  PacketSocket client = classic();
  client.send(call(1));
  const Channel::Frame asked = store_->await(ConnectionFrame::kNone);
  store_->take_connection();
  store_->answer(asked);
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::PING)), 2) << "the answer has come by";
  EXPECT_FALSE(store_->peer.channels[0]->pop());
  store_->say_taken();
  EXPECT_EQ(read_header(store_->await(ConnectionFrame::kPacket).packet).reqid, 1u);
}

TEST_F(ShellHandOver, WhatTheStoreReadsForTheRouterIsServedAsEver) {
  PacketSocket client = handed_client();
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::REGISTER_SRVID, {}, 5)), 0);
  store_->say(ConnectionFrame::kPacket, message(5, 0));
  EXPECT_TRUE(other.receive());
  store_->say(ConnectionFrame::kPacket, control(Control::PING));
  EXPECT_EQ(status_of(to_bytes(store_->await(ConnectionFrame::kPacket).packet)), 2);
  store_->hand_over = static_cast<uint16_t>(store_->hand_over + 1);
  store_->say(ConnectionFrame::kPacket, message(5, 0));
  other.send(message(5, 0, 77));
  EXPECT_EQ(parse_req_message(*other.receive())->data.size(), 77u)
      << "a frame of another hand-over has no effect";
}

TEST_F(ShellHandOver, WhatPassesTheRouterByIsCounted) {
  PacketSocket client = handed_client();
  store_->states->set_totals({10, 9, 0, 6});
  PacketSocket other = classic();
  other.send(control(Control::STATISTICS));
  const std::optional<Bytes> reply = other.receive();
  const std::optional<ReplyControl> statistics = parse_reply_control(*reply);
  ASSERT_TRUE(statistics);
  EXPECT_EQ(load<uint32_t>(statistics->data.data() + 72), 11u) << "one came by";
  EXPECT_EQ(load<uint32_t>(statistics->data.data() + 80), 7u) << "this is one itself";
  EXPECT_EQ(ask(other, control(Control::STATISTICS_RESET)), 0);
  store_->states->set_totals({12, 12, 0});
  other.send(control(Control::STATISTICS));
  const std::optional<Bytes> later = other.receive();
  EXPECT_EQ(load<uint32_t>(parse_reply_control(*later)->data.data() + 72), 2u);
}

TEST_F(ShellHandOver, HalfAPacketStaysWithItsReader) {
  start_store();
  PacketSocket client = classic();
  Bytes bytes = call(1);
  const Bytes next = call(2);
  bytes.insert(bytes.end(), next.begin(), next.begin() + 20);
  client.send(bytes);
  store_->await(ConnectionFrame::kNone);
  client.send(ByteView(next).subspan(20));
  store_->await(ConnectionFrame::kNone);
  store_->take_connection();
  client.send(call(3));
  EXPECT_EQ(*store_->socket->receive(), call(3));
}

TEST_F(ShellHandOver, AReturnedConnectionGoesOnWithWhatWasNotWritten) {
  PacketSocket client = handed_client();
  store_->say(ConnectionFrame::kPacket, control(Control::PING));
  store_->await(ConnectionFrame::kPacket);
  store_->say(ConnectionFrame::kReturned, 1);
  EXPECT_EQ(status_of(client.receive()), 1) << "the router writes what the store did not";
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  // Sixteen calls earn the next hand-over.
  for (uint32_t i = 0; i < 15; ++i) client.send(call(10 + i));
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  for (uint32_t i = 0; i < 4; ++i) client.send(call(30 + i));
  store_->receive_connection();
  EXPECT_EQ(store_->hand_over, 2u);
}

TEST_F(ShellHandOver, AKilledStoreLeavesCleanClientsToTheRouter) {
  PacketSocket client = handed_client();
  client.send(control(Control::PING));  // nobody has read it
  store_.reset();
  EXPECT_EQ(status_of(client.receive()), 1);
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
}

TEST_F(ShellHandOver, AStoreThatDiesOnTheWayLosesNothing) {
  start_store();
  PacketSocket client = classic();
  client.send(call(1));
  store_->await(ConnectionFrame::kNone);
  client.send(control(Control::PING));
  store_.reset();
  EXPECT_EQ(status_of(client.receive()), 1);
}

TEST_F(ShellHandOver, AKilledStoreEndsClientsItWasBusyWith) {
  PacketSocket client = handed_client();
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::REGISTER_SRVID, {}, 5)), 0);
  mark(*store_, ConnectionState::kBusy);
  store_->say(ConnectionFrame::kPacket, message(5, 0));
  store_.reset();
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(other.receive()) << "what it had sent before counts";
  EXPECT_EQ(ask(other, control(Control::PING)), 1);
}

TEST_F(ShellHandOver, AnUnansweredCallIsPutToTheNextStore) {
  PacketSocket client = handed_client();
  mark(*store_, ConnectionState::kBusy);
  const Bytes asked = call(2);
  std::copy(asked.begin(), asked.end(), store_->slot->call.begin());
  store_->slot->call_bytes.store(static_cast<uint32_t>(asked.size()));
  mark(*store_, ConnectionState::kOneCall);
  store_.reset();
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  start_store();
  store_->answer(store_->await(ConnectionFrame::kNone));
  const std::optional<Bytes> reply = client.receive();
  ASSERT_TRUE(reply);
  EXPECT_EQ(read_header(*reply).reqid, 2u);
}

TEST_F(ShellHandOver, AScribbledSlotHurtsNobody) {
  PacketSocket client = handed_client();
  store_->slot->call_bytes.store(0xffffffff);
  store_->slot->call.fill(0xee);
  mark(*store_, ConnectionState::kOneCall);
  store_.reset();
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
}

TEST_F(ShellHandOver, PacketsThatADeadStoreDidNotWriteAreWritten) {
  PacketSocket client = handed_client();
  for (int i = 0; i < 3; ++i) store_->say(ConnectionFrame::kPacket, control(Control::GET_PNN));
  for (int i = 0; i < 3; ++i) store_->await(ConnectionFrame::kPacket);
  store_->slot->written.store(2);  // the answer to the first call and one of these
  store_.reset();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of(client.receive()), 0);
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
}

// It may still read and write: nobody else can.
TEST_F(ShellHandOver, AStoreThatIsGivenUpAliveTakesItsClientsAlong) {
  PacketSocket client = handed_client();
  SetupMessage nonsense;
  nonsense.kind = SetupKind::kRequest;
  ASSERT_TRUE(send_setup(store_->peer.setup.get(), nonsense));
  EXPECT_TRUE(client.ended());
}

TEST_F(ShellHandOver, TheEndOfAClientComesThroughTheStore) {
  PacketSocket client = handed_client();
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::REGISTER_SRVID, {}, 5)), 0);
  client.close();
  store_->say(ConnectionFrame::kPacket, message(5, 0));
  store_->say(ConnectionFrame::kEnded, 0);
  EXPECT_TRUE(other.receive());
  const Channel::Frame gone = store_->await(ConnectionFrame::kNone, Operation::CLIENT_GONE);
  EXPECT_EQ(ClientGone::decode(own_payload(gone.packet))->endpoint, store_->endpoint);
  EXPECT_EQ(ask(other, control(Control::PING)), 1);
}

TEST_F(ShellHandOver, ClientsThatTheStoreCutsAreCounted) {
  PacketSocket client = handed_client();
  store_->socket.reset();
  store_->say(ConnectionFrame::kCut, 0);
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_clients_cut) == 1; }));
}

TEST_F(ShellHandOver, AClientThatDoesNotReadIsCutWhereverItsConnectionIs) {
  PacketSocket client = handed_client();
  store_->say(ConnectionFrame::kPacket, control(Control::REGISTER_SRVID, {}, 5));
  store_->await(ConnectionFrame::kPacket);
  std::atomic<bool> over = false;
  std::thread reader([&] {  // the store takes all and writes nothing
    while (!over) {
      if (!store_->peer.channels[0]->pop())
        usleep(100);  // nothing there yet: leaves the processor to the router
      store_->peer.channels[0]->flush();
    }
  });
  PacketSocket sender = classic();
  const Bytes large = message(5, 0, 100000);
  for (size_t sent = 0; sent < kClientSendQueueBytesMax + (1u << 20); sent += large.size())
    sender.send(large);
  EXPECT_TRUE(eventually([&] { return counters().value(Counter::router_clients_cut) == 1; }));
  EXPECT_TRUE(store_->socket->ended());
  over = true;
  reader.join();
  EXPECT_EQ(ask(sender, control(Control::PING)), 2) << "it goes when the store has seen its end";
  store_->say(ConnectionFrame::kEnded, 0);
  EXPECT_TRUE(eventually([&] { return ask(sender, control(Control::PING)) == 1; }));
}

}  // namespace
}  // namespace ctdb::test
