// SPDX-License-Identifier: GPL-3.0-or-later
// What a router leaves with the store about its classic clients, and what it makes of what the last one left. The test plays the
// store.
#include <fcntl.h>

#include "ctdb-router/core/services.h"
#include "libctdbipc/ring/client_notes.h"
#include "libctdbipc/ring/half_packets.h"
#include "libctdbipc/ring/segment.h"
#include "tests/unit/router/shell_fixture.h"

namespace ctdb::test {
namespace {

Bytes call(uint32_t reqid) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  return packet;
}

class ShellKept : public ShellTest {
 protected:
  void start_store(bool channels_too = false) {
    store_.emplace(ChannelPeer::keeping_store(context.config.setup_socket_path, channels_too));
    const std::optional<SetupMessage> memory = store_->receive_message();
    ASSERT_TRUE(memory);
    ASSERT_EQ(memory->kind, SetupKind::kClientNotes);
    notes_ = std::move(*ClientNotes::map(memory->descriptor.get()));
  }
  void receive_client() {
    std::optional<SetupMessage> message = store_->receive_message();
    ASSERT_TRUE(message);
    ASSERT_EQ(message->kind, SetupKind::kKeptClient);
    id_ = message->endpoint;
    socket_ = std::move(message->descriptor);
    note_ = notes_->find(message->generation, id_);
    ASSERT_NE(note_, nullptr);
  }
  bool clean() const { return note_->state == NoteState::kClean; }
  // The next frame for the store itself.
  Channel::Frame await(Operation operation) {
    while (true) {
      const std::optional<Channel::Frame> frame = store_->receive();
      if (!frame || read_header(frame->packet).operation == static_cast<uint32_t>(operation))
        return frame ? *frame : Channel::Frame{};
    }
  }
  // As a store that has kept a client for the last router: `prepare` writes its note.
  PacketSocket kept_client(const std::function<void(ClientNote&)>& prepare) {
    UniqueFd memory = std::move(*ClientNotes::create());
    const std::unique_ptr<ClientNotes> last = std::move(*ClientNotes::map(memory.get()));
    ClientNote* note = last->take(77);
    ClientNotes::mark(*note, NoteState::kClean);
    prepare(*note);
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    give({SetupKind::kClientNotes, 0, 0, std::move(memory)});
    give({SetupKind::kKeptClient, 77, last->index_of(*note), UniqueFd(fds[1])});
    return PacketSocket(UniqueFd(fds[0]));
  }
  struct Given {
    SetupKind kind;
    uint32_t endpoint, generation;
    UniqueFd descriptor;
  };
  void give(Given given) {
    SetupMessage message;
    message.kind = given.kind;
    message.endpoint = given.endpoint;
    message.generation = given.generation;
    message.descriptor = std::move(given.descriptor);
    EXPECT_TRUE(send_setup(store_->setup.get(), message));
  }

  std::optional<ChannelPeer> store_;
  std::unique_ptr<ClientNotes> notes_;
  ClientNote* note_ = nullptr;
  uint32_t id_ = 0;
  UniqueFd socket_;
};

TEST_F(ShellKept, AStoreThatKeepsNothingIsToldNothing) {
  ChannelPeer store = daemon(DaemonRole::kStore);
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  pollfd waiting{store.setup.get(), POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
}

TEST_F(ShellKept, TheNoteSaysWhatAClientHasRegisteredAndWaitsFor) {
  start_store();
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::REGISTER_SRVID, {}, 5)), 0);
  receive_client();
  EXPECT_TRUE(eventually([this] { return clean(); }));
  Services services;
  services.add_client(1, 0);
  services.restore(1, note_->registered());
  EXPECT_EQ(services.listeners(5), std::vector<uint32_t>{1});
  EXPECT_TRUE(note_->unanswered().empty());

  const uint8_t name[] = "a.tdb";
  client.send(control(Control::DB_ATTACH, name));
  const Channel::Frame asked = await(Operation::REQ_CONTROL);
  EXPECT_TRUE(eventually([this] { return clean() && note_->unanswered().size() == 1; }));
  EXPECT_EQ(note_->unanswered()[0].reqid, 42u);
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, read_header(asked.packet).reqid}, ReplyControl{0, {}, {}});
  store_->send(reply, asked.info.endpoint);
  EXPECT_EQ(status_of(client.receive()), 0);
  EXPECT_TRUE(eventually([this] { return clean() && note_->unanswered().empty(); }));

  // The note is written anew with what has changed, and keeps what has not.
  EXPECT_EQ(ask(client, control(Control::REGISTER_SRVID, {}, 6)), 0);
  EXPECT_TRUE(eventually([this] { return clean(); }));
  Services later;
  later.add_client(1, 0);
  later.restore(1, note_->registered());
  EXPECT_EQ(later.listeners(5), std::vector<uint32_t>{1});
  EXPECT_EQ(later.listeners(6), std::vector<uint32_t>{1});
}

TEST_F(ShellKept, ClientsThatWereThereBeforeTheStoreAreKeptToo) {
  PacketSocket client = classic();
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  start_store();
  receive_client();
  EXPECT_TRUE(eventually([this] { return clean(); }));
}

TEST_F(ShellKept, HalfAPacketIsBusyForAStoreThatKeepsNoHalves) {
  start_store();
  PacketSocket client = classic();
  receive_client();
  const Bytes packet = control(Control::PING);
  EXPECT_TRUE(eventually([this] { return clean(); }));
  client.send(ByteView(packet).first(20));
  EXPECT_TRUE(eventually([this] { return note_->state == NoteState::kBusy; }));
  client.send(ByteView(packet).subspan(20));
  EXPECT_EQ(status_of(client.receive()), 1);
  EXPECT_TRUE(eventually([this] { return clean(); }));
}

TEST_F(ShellKept, ACopyIsNotKeptOfAClientThatHasLeft) {
  start_store();
  {
    PacketSocket client = classic();
    EXPECT_EQ(ask(client, control(Control::PING)), 1);
    receive_client();
  }
  const std::optional<SetupMessage> gone = store_->receive_message();
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->kind, SetupKind::kClientDetached);
  EXPECT_EQ(gone->endpoint, id_);
}

TEST_F(ShellKept, AClientOfTheLastRouterGoesOnHere) {
  start_store();
  Services services;
  services.add_client(1, 0);
  services.add(1, 5);
  const Bytes registered = services.registrations(1, ClientNote::kRegistrationBytesMax);
  PacketSocket client = kept_client([&](ClientNote& note) {
    std::copy(registered.begin(), registered.end(), note.registrations.begin());
    note.registration_bytes = static_cast<uint32_t>(registered.size());
    note.controls[0] = {99, -1};
    note.control_count = 1;
  });
  const std::optional<Bytes> refused = client.receive();
  EXPECT_EQ(status_of(refused), -1);
  EXPECT_EQ(read_header(*refused).reqid, 99u);
  EXPECT_EQ(parse_reply_control(*refused)->error, "ctdb-router was restarted before it answered");
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  PacketSocket other = classic();
  other.send(message(5, 0));
  EXPECT_EQ(parse_req_message(*client.receive())->srvid, 5u);
  receive_client();  // and is kept again
}

TEST_F(ShellKept, ItsUnansweredCallIsPutAgain) {
  start_store();
  const Bytes unanswered = call(7);
  PacketSocket client = kept_client([&](ClientNote& note) {
    std::copy(unanswered.begin(), unanswered.end(), note.call.begin());
    note.call_bytes = static_cast<uint32_t>(unanswered.size());
  });
  const Channel::Frame asked = await(Operation::REQ_CALL);
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, read_header(asked.packet).reqid}, ReplyCall{0, as_bytes("value")});
  store_->send(reply, asked.info.endpoint);
  EXPECT_EQ(read_header(*client.receive()).reqid, 7u);
}

TEST_F(ShellKept, OneInTheMiddleOfSomethingEnds) {
  start_store();
  PacketSocket client = kept_client([](ClientNote& note) { ClientNotes::mark(note, NoteState::kBusy); });
  EXPECT_TRUE(client.ended());
}

class ShellKeptHalves : public ShellKept {
 protected:
  ShellKeptHalves() {
    store_.emplace(ChannelPeer::keeping_store(context.config.setup_socket_path, false, true));
    notes_ = std::move(*ClientNotes::map(next(SetupKind::kClientNotes).get()));
    halves_ = std::move(*HalfPackets::map(next(SetupKind::kHalfPackets).get()));
  }
  UniqueFd next(SetupKind kind) {
    std::optional<SetupMessage> message = store_->receive_message();
    EXPECT_TRUE(message && message->kind == kind);
    return message ? std::move(message->descriptor) : UniqueFd();
  }
  bool half() const { return note_->state == NoteState::kHalf; }
  HalfPackets::Kept kept() const { return *halves_->read(notes_->index_of(*note_)); }
  // As a store that has kept a client which the last router had read and written so far.
  PacketSocket half_client(ByteView in, ByteView out) {
    UniqueFd memory = std::move(*HalfPackets::create());
    last_halves_ = std::move(*HalfPackets::map(memory.get()));
    EXPECT_TRUE(last_halves_->keep(0, {in, out, 0, 0}));
    PacketSocket client = kept_client([&](ClientNote& note) {
      ClientNotes::mark(note, NoteState::kHalf);
      give({SetupKind::kHalfPackets, 0, 0, std::move(memory)});
    });
    return client;
  }

  std::unique_ptr<HalfPackets> halves_, last_halves_;
};

TEST_F(ShellKeptHalves, HalfAPacketIsKept) {
  PacketSocket client = classic();
  receive_client();
  const Bytes packet = control(Control::PING);
  client.send(ByteView(packet).first(20));
  EXPECT_TRUE(eventually([this] { return half() && kept().in.size() == 20; }));
  client.send(ByteView(packet).subspan(20, 4));
  EXPECT_TRUE(eventually([this] { return half() && kept().in.size() == 24; }));
  EXPECT_EQ(kept().in, to_bytes(ByteView(packet).first(24)));
  client.send(ByteView(packet).subspan(24));
  EXPECT_EQ(status_of(client.receive()), 1);
  EXPECT_TRUE(eventually([this] { return clean(); }));
  EXPECT_TRUE(kept().in.empty());
}

TEST_F(ShellKeptHalves, WhatAClientDoesNotReadIsKept) {
  PacketSocket client = classic(), sender = classic();
  EXPECT_EQ(ask(client, control(Control::REGISTER_SRVID, {}, 5)), 0);
  receive_client();
  Bytes large;
  build(large, Header{}, ReqMessage{5, Bytes(3u << 20, 7)});
  sender.send(large);
  EXPECT_TRUE(eventually([this] { return half() && !kept().out.empty(); }));
  const Bytes out = kept().out;
  EXPECT_TRUE(std::equal(out.rbegin(), out.rend(), large.rbegin()));
  EXPECT_TRUE(client.receive());
  EXPECT_TRUE(eventually([this] { return clean(); }));
  EXPECT_TRUE(kept().out.empty());
}

TEST_F(ShellKeptHalves, WhatAClientThatLeavesHadIsForgotten) {
  const uint32_t slot = [this] {
    PacketSocket client = classic();
    receive_client();
    client.send(ByteView(control(Control::PING)).first(20));
    EXPECT_TRUE(eventually([this] { return half(); }));
    return notes_->index_of(*note_);
  }();
  EXPECT_TRUE(eventually([&] { return halves_->read(slot)->in.empty(); }));
}

TEST_F(ShellKeptHalves, TheNextRouterGoesOnInTheMiddle) {
  const Bytes packet = control(Control::PING), message_to_it = message(9, 0);
  PacketSocket client = half_client(ByteView(packet).first(20), message_to_it);
  client.send(ByteView(packet).subspan(20));
  EXPECT_EQ(parse_req_message(*client.receive())->srvid, 9u) << "what was to be written comes first";
  EXPECT_EQ(status_of(client.receive()), 1);
}

TEST_F(ShellKeptHalves, AndIsReadyToBeReplacedItself) {
  const Bytes packet = control(Control::PING);
  PacketSocket client = half_client(ByteView(packet).first(20), {});
  receive_client();
  EXPECT_TRUE(eventually([this] { return half() && kept().in.size() == 20; }));
  client.send(ByteView(packet).subspan(20));
  EXPECT_EQ(status_of(client.receive()), 1);
}

TEST_F(ShellKeptHalves, WithoutTheBytesTheClientEnds) {
  PacketSocket client = kept_client([](ClientNote& note) { ClientNotes::mark(note, NoteState::kHalf); });
  EXPECT_TRUE(client.ended());
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::PING)), 1);
}

TEST_F(ShellKept, NonsenseInANoteHurtsNobody) {
  start_store();
  PacketSocket client = kept_client(
      [](ClientNote& note) { note.control_count = note.call_bytes = note.registration_bytes = 0xFFFFFFFF; });
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
  give({SetupKind::kKeptClient, 78, 0xFFFFFFFF, UniqueFd(open("/dev/null", O_RDONLY))});
  EXPECT_EQ(ask(client, control(Control::PING)), 1);
}

// ---- native clients ----

class ShellKeptNative : public ShellKept {
 protected:
  ShellKeptNative() { start_store(true); }
  std::optional<SetupMessage> next(SetupKind kind) {
    while (true) {
      std::optional<SetupMessage> message = store_->receive_message();
      if (!message || message->kind == kind) return message;
    }
  }
  // As a store that has kept a client for the last router; the test has the client's ends of both.
  void give_native(const Bytes& registered) {
    UniqueFd memory = std::move(*ClientNotes::create());
    const std::unique_ptr<ClientNotes> last = std::move(*ClientNotes::map(memory.get()));
    ClientNote* note = last->take(kId);
    std::copy(registered.begin(), registered.end(), note->registrations.begin());
    note->registration_bytes = static_cast<uint32_t>(registered.size());
    ClientNotes::mark(*note, NoteState::kClean);
    ChannelPair pair = std::move(*create_channel(kClientRingBytes));
    channel_ = ChannelPeer::open(std::move(pair.client), ChannelSide::kClient);
    segment_.emplace(std::move(*Segment::map(pair.server.segment.get())));
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    setup_.reset(fds[0]);
    give({SetupKind::kClientNotes, 0, 0, std::move(memory)});
    message_.kind = SetupKind::kKeptClient;
    message_.endpoint = kId;
    message_.generation = last->index_of(*note);
    message_.descriptor.reset(fds[1]);
    message_.channels.push_back(std::move(pair.server));
  }
  void hand_it_over() {
    ASSERT_TRUE(send_setup(store_->setup.get(), message_));
    message_ = {};
  }
  std::optional<SetupMessage> told() {
    pollfd waiting{setup_.get(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, kPatienceMs), 1);
    Result<std::optional<SetupMessage>> message = receive_setup(setup_.get());
    return message ? std::move(*message) : std::nullopt;
  }

  static constexpr uint32_t kId = 77;
  std::unique_ptr<Channel> channel_;
  std::optional<Segment> segment_;
  UniqueFd setup_;
  SetupMessage message_;
};

TEST_F(ShellKeptNative, TheStoreGetsTheRoutersEndAndANote) {
  ChannelPeer client = daemon(DaemonRole::kClient);
  client.send(control(Control::REGISTER_SRVID, {}, 5));
  EXPECT_TRUE(client.receive());
  const std::optional<SetupMessage> kept = next(SetupKind::kKeptClient);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->channels.size(), 1u);
  const ClientNote* note = notes_->find(kept->generation, kept->endpoint);
  ASSERT_NE(note, nullptr);
  EXPECT_TRUE(eventually([&] { return note->state == NoteState::kClean && !note->registered().empty(); }));
  Services services;
  services.add_client(1, 0);
  services.restore(1, note->registered());
  EXPECT_EQ(services.listeners(5), std::vector<uint32_t>{1});
}

TEST_F(ShellKeptNative, OneOfTheLastRouterGoesOnHere) {
  Services services;
  services.add_client(1, 0);
  services.add(1, 5);
  give_native(services.registrations(1, ClientNote::kRegistrationBytesMax));
  ASSERT_EQ(channel_->push({}, control(Control::PING)), PushResult::kOk);
  hand_it_over();
  const std::optional<SetupMessage> replaced = told();
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->kind, SetupKind::kRouterReplaced);
  EXPECT_EQ(replaced->gid, 1u) << "what it had registered";
  const std::optional<Channel::Frame> pong = ChannelPeer::receive(*channel_);
  ASSERT_TRUE(pong);
  EXPECT_EQ(status_of(to_bytes(pong->packet)), 1) << "clients";
  PacketSocket other = classic();
  other.send(message(5, 0));
  const std::optional<Channel::Frame> got = ChannelPeer::receive(*channel_);
  ASSERT_TRUE(got);
  EXPECT_EQ(parse_req_message(got->packet)->srvid, 5u);
  const std::optional<SetupMessage> again = next(SetupKind::kKeptClient);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->endpoint, kId) << "the store knows it by that";
}

TEST_F(ShellKeptNative, WithoutAWholeNoteItIsToRegisterAnew) {
  give_native({});
  message_.generation = 4711;
  hand_it_over();
  const std::optional<SetupMessage> replaced = told();
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->kind, SetupKind::kRouterReplaced);
  EXPECT_EQ(replaced->gid, 0u);
}

TEST_F(ShellKeptNative, NonsenseInItsRingEndsItAlone) {
  give_native({});
  segment_->control(1)->tail = 12345;
  segment_->control(0)->head = uint64_t{1} << 60;
  hand_it_over();
  const std::optional<SetupMessage> detached = next(SetupKind::kClientDetached);
  ASSERT_TRUE(detached);
  EXPECT_EQ(detached->endpoint, kId);
  PacketSocket other = classic();
  EXPECT_EQ(ask(other, control(Control::PING)), 1);
}

}  // namespace
}  // namespace ctdb::test
