// SPDX-License-Identifier: GPL-3.0-or-later
// Connections handed to the store: what goes where, and above all what the shared state says at every moment. The test is
// the client, the router and the core.
#include "ctdb-store/adopted_clients.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "libctdbipc/wire/packet.h"
#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

constexpr uint32_t kId = 41;
constexpr uint16_t kHandOver = 3;
constexpr uint32_t kPnn = 2;

Bytes call(uint32_t reqid, size_t key_bytes = 5) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, Bytes(key_bytes, 'k'), {}});
  return packet;
}

Bytes answer_to(uint32_t reqid) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReplyCall{0, as_bytes("value")});
  return packet;
}

Bytes message(size_t bytes = 5) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 0}, ReqMessage{7, Bytes(bytes, 'm')});
  return packet;
}

// As smbd sends it when it has closed a file.
Bytes deletion(uint32_t destnode, uint32_t flags = CTDB_CONTROL_NOREPLY,
               Control opcode = Control::SCHEDULE_FOR_DELETION) {
  Bytes packet;
  build(packet, {0, 0, 0, destnode, 0, 0}, ReqControl{static_cast<uint32_t>(opcode), 0, 0, flags, Bytes(40)});
  return packet;
}

struct Pair {
  UniqueFd client, server;
};

Pair socket_pair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

bool write_all(int fd, ByteView bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

Bytes read_all(int fd) {
  Bytes bytes(1 << 20);
  const ssize_t got = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

class AdoptedClientsTest : public LoopTest {
 protected:
  struct ToRouter {
    FrameInfo info;
    Bytes packet;
    ConnectionFrame kind() const { return connection_frame(info.flags); }
    uint64_t value() const { return load<uint64_t>(packet.data()); }
  };

  AdoptedClientsTest()
      : clients_(*loop_, kPnn,
                 {[this](uint32_t, MutableBytes packet) { calls_.push_back(to_bytes(packet)); },
                  [this](FrameInfo info, ByteView packet) {
                    sent_.push_back({info, to_bytes(packet)});
                    in_ring_ = !full_;
                  },
                  [this] { return in_ring_; }}) {
    loop_->add_flush_hook([this] { clients_.flush(); });
    UniqueFd memory = std::move(*ConnectionStates::create());
    router_view_ = std::move(*ConnectionStates::map(memory.get()));
    EXPECT_TRUE(clients_.share(std::move(memory)));
  }

  void adopt() {
    Pair pair = socket_pair();
    client_ = std::move(pair.client);
    kept_.reset(fcntl(pair.server.get(), F_DUPFD_CLOEXEC, 0));
    clients_.adopt(kId, kHandOver, std::move(pair.server));
    ASSERT_EQ(sent_.size(), 1u);
    ASSERT_EQ(sent_[0].kind(), ConnectionFrame::kTaken);
    ASSERT_EQ(hand_over_of(sent_[0].info.flags), kHandOver);
    slot_ = router_view_->slot(sent_[0].value());
    sent_.clear();
    turn();
  }
  // Everything that is there now: the loop looks at its descriptors between two timers of "now".
  void turn() {
    turns_left_ = 8;
    next_turn();
    run();
  }
  void next_turn() {
    loop_->at(loop_->now(), [this] { --turns_left_ == 0 ? loop_->stop() : next_turn(); });
  }
  void from_router(const Bytes& packet, uint16_t hand_over = kHandOver) {
    clients_.on_router_frame({kId, connection_flags(ConnectionFrame::kPacket, hand_over)}, packet);
  }
  void order(ConnectionFrame kind) { clients_.on_router_frame({0, connection_flags(kind, 0)}, Bytes(8)); }
  ConnectionState state() const { return slot_->state.load(); }

  AdoptedClients clients_;
  std::unique_ptr<ConnectionStates> router_view_;
  const ConnectionSlot* slot_ = nullptr;
  UniqueFd client_;
  UniqueFd kept_;  // as the router keeps it
  std::vector<Bytes> calls_;
  std::vector<ToRouter> sent_;
  bool in_ring_ = true;
  bool full_ = false;
  int turns_left_ = 0;
};

TEST_F(AdoptedClientsTest, ACallGoesToTheCoreAndItsAnswerToTheClient) {
  adopt();
  EXPECT_EQ(state(), ConnectionState::kClean);
  ASSERT_TRUE(write_all(client_.get(), call(9)));
  turn();
  ASSERT_EQ(calls_.size(), 1u);
  EXPECT_EQ(calls_[0], call(9));
  EXPECT_EQ(state(), ConnectionState::kOneCall);
  EXPECT_EQ(Bytes(slot_->call.begin(), slot_->call.begin() + slot_->call_bytes.load()), call(9));
  EXPECT_TRUE(clients_.answer(kId, answer_to(9)));
  EXPECT_EQ(state(), ConnectionState::kBusy) << "until it is written";
  turn();
  EXPECT_EQ(read_all(client_.get()), answer_to(9));
  EXPECT_EQ(state(), ConnectionState::kClean);
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(router_view_->totals(), (ConnectionTotals{1, 1, 0}));
  EXPECT_FALSE(clients_.answer(kId + 1, answer_to(9)));
}

TEST_F(AdoptedClientsTest, HalfAPacketIsBusyWhereverItEnds) {
  adopt();
  const Bytes whole = call(9);
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    ASSERT_TRUE(write_all(client_.get(), ByteView(whole).first(cut)));
    turn();
    ASSERT_EQ(state(), ConnectionState::kBusy) << cut;
    ASSERT_TRUE(write_all(client_.get(), ByteView(whole).subspan(cut)));
    turn();
    ASSERT_EQ(state(), ConnectionState::kOneCall) << cut;
    clients_.answer(kId, answer_to(9));
    turn();
    ASSERT_EQ(state(), ConnectionState::kClean) << cut;
  }
  EXPECT_EQ(calls_.size(), whole.size() - 1);
}

TEST_F(AdoptedClientsTest, ACallAndHalfOfTheNextIsBusyUntilTheNextIsWhole) {
  adopt();
  Bytes bytes = call(1);
  const Bytes next = call(2);
  bytes.insert(bytes.end(), next.begin(), next.begin() + 10);
  ASSERT_TRUE(write_all(client_.get(), bytes));
  turn();
  EXPECT_EQ(calls_.size(), 1u);
  EXPECT_EQ(state(), ConnectionState::kBusy);
  clients_.answer(kId, answer_to(1));
  turn();
  EXPECT_EQ(state(), ConnectionState::kBusy);
  ASSERT_TRUE(write_all(client_.get(), ByteView(next).subspan(10)));
  turn();
  EXPECT_EQ(state(), ConnectionState::kOneCall);
}

TEST_F(AdoptedClientsTest, SeveralCallsOrALargeOneAreBusyUntilTheLastAnswer) {
  adopt();
  for (const uint32_t reqid : {1u, 2u}) ASSERT_TRUE(write_all(client_.get(), call(reqid)));
  turn();
  EXPECT_EQ(calls_.size(), 2u);
  EXPECT_EQ(state(), ConnectionState::kBusy);
  clients_.answer(kId, answer_to(1));
  turn();
  EXPECT_EQ(state(), ConnectionState::kBusy) << "nobody knows which one is in the slot";
  clients_.answer(kId, answer_to(2));
  turn();
  EXPECT_EQ(state(), ConnectionState::kClean);
  ASSERT_TRUE(write_all(client_.get(), call(3, 1000)));
  turn();
  EXPECT_EQ(state(), ConnectionState::kBusy);
  clients_.answer(kId, answer_to(3));
  turn();
  EXPECT_EQ(state(), ConnectionState::kClean);
}

TEST_F(AdoptedClientsTest, EverythingElseGoesToTheRouterInTheClientsName) {
  adopt();
  Bytes short_call = call(4);
  short_call.resize(40);
  store(short_call.data(), uint32_t{40});
  for (const Bytes& packet : {message(), short_call}) ASSERT_TRUE(write_all(client_.get(), packet));
  turn();
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_TRUE(calls_.empty());
  EXPECT_EQ(sent_[0].kind(), ConnectionFrame::kPacket);
  EXPECT_EQ(sent_[0].info.endpoint, kId);
  EXPECT_EQ(hand_over_of(sent_[0].info.flags), kHandOver);
  EXPECT_EQ(sent_[0].packet, message());
  EXPECT_EQ(sent_[1].packet, short_call) << "the router counts what is malformed";
  EXPECT_EQ(state(), ConnectionState::kClean);
}

TEST_F(AdoptedClientsTest, ADeletionDoesNotGoByTheRouter) {
  adopt();
  for (const uint32_t node : {CTDB_CURRENT_NODE, kPnn}) {
    ASSERT_TRUE(write_all(client_.get(), deletion(node)));
    turn();
    ASSERT_EQ(calls_.size(), 1u);
    EXPECT_EQ(calls_[0], deletion(node));
    calls_.clear();
    EXPECT_EQ(state(), ConnectionState::kClean) << "nothing is owed";
  }
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(router_view_->totals(), (ConnectionTotals{0, 0, 0, 2}));
}

TEST_F(AdoptedClientsTest, OneForAnotherNodeOrWithAnAnswerDoes) {
  adopt();
  const std::vector<Bytes> packets = {deletion(kPnn + 1), deletion(kPnn, 0),
                                      deletion(kPnn, CTDB_CONTROL_NOREPLY, Control::PING)};
  for (const Bytes& packet : packets) ASSERT_TRUE(write_all(client_.get(), packet));
  turn();
  ASSERT_EQ(sent_.size(), packets.size());
  for (size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(sent_[i].packet, packets[i]);
  EXPECT_TRUE(calls_.empty());
}

TEST_F(AdoptedClientsTest, WhatTheRouterHasIsWrittenAndCounted) {
  adopt();
  from_router(message());
  EXPECT_EQ(state(), ConnectionState::kBusy);
  from_router(message(9), kHandOver - 1);  // of an earlier hand-over
  turn();
  EXPECT_EQ(read_all(client_.get()), message());
  EXPECT_EQ(state(), ConnectionState::kClean);
  EXPECT_EQ(slot_->written.load(), 1u);
}

TEST_F(AdoptedClientsTest, HalfWrittenIsBusyAndNotCounted) {
  adopt();
  const Bytes large = message(1 << 20);
  from_router(large);
  turn();
  EXPECT_EQ(state(), ConnectionState::kBusy);
  EXPECT_EQ(slot_->written.load(), 0u);
  for (size_t got = 0; got < large.size(); turn()) got += read_all(client_.get()).size();
  EXPECT_EQ(state(), ConnectionState::kClean);
  EXPECT_EQ(slot_->written.load(), 1u);
}

TEST_F(AdoptedClientsTest, WhileTheRingIsFullNothingIsReadAndNothingIsClean) {
  adopt();
  full_ = true;
  ASSERT_TRUE(write_all(client_.get(), message()));
  turn();
  EXPECT_EQ(sent_.size(), 1u);
  EXPECT_EQ(state(), ConnectionState::kBusy);
  ASSERT_TRUE(write_all(client_.get(), message()));
  turn();
  EXPECT_EQ(sent_.size(), 1u);
  full_ = false;
  in_ring_ = true;
  turn();
  EXPECT_EQ(sent_.size(), 2u);
  EXPECT_EQ(state(), ConnectionState::kClean);
}

TEST_F(AdoptedClientsTest, TheRouterPausesAndResumes) {
  adopt();
  order(ConnectionFrame::kPause);
  ASSERT_TRUE(write_all(client_.get(), message()));
  turn();
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(state(), ConnectionState::kClean);
  order(ConnectionFrame::kResume);
  turn();
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(AdoptedClientsTest, IsNotReadWhileTheStoreHasEnoughToDo) {
  adopt();
  clients_.hold(true);
  order(ConnectionFrame::kPause);
  ASSERT_TRUE(write_all(client_.get(), call(1)));
  turn();
  order(ConnectionFrame::kResume);
  turn();
  EXPECT_TRUE(calls_.empty()) << "two reasons, and one is left";
  clients_.hold(false);
  turn();
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(AdoptedClientsTest, AClientThatStopsCallingIsReturned) {
  adopt();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 63; ++i) {
      ASSERT_TRUE(write_all(client_.get(), message()));
      turn();
    }
    ASSERT_TRUE(write_all(client_.get(), call(1)));
    turn();
    clients_.answer(kId, answer_to(1));
    turn();
  }
  EXPECT_EQ(clients_.size(), 1u) << "it calls now and then";
  for (int i = 0; i < 64; ++i) from_router(message());
  turn();
  EXPECT_EQ(clients_.size(), 0u);
  EXPECT_EQ(sent_.back().kind(), ConnectionFrame::kReturned);
  EXPECT_EQ(sent_.back().value(), 64u);
  turn();
  EXPECT_EQ(router_view_->find(kId, kHandOver), nullptr);
  ASSERT_TRUE(write_all(client_.get(), message()));
  turn();
  EXPECT_EQ(read_all(kept_.get()), message()) << "the router reads on";
}

TEST_F(AdoptedClientsTest, ItsEndComesBehindItsPackets) {
  adopt();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(write_all(client_.get(), message()));
  client_.reset();
  turn();
  ASSERT_EQ(sent_.size(), 6u);
  EXPECT_EQ(sent_.back().kind(), ConnectionFrame::kEnded);
  EXPECT_EQ(clients_.size(), 0u);
  turn();
  EXPECT_EQ(state(), ConnectionState::kFree);
}

TEST_F(AdoptedClientsTest, MalformedPacketsAreSkippedOrEndTheConnection) {
  adopt();
  Bytes magic = message();
  magic[5] ^= 1;
  ASSERT_TRUE(write_all(client_.get(), magic));
  turn();
  EXPECT_EQ(state(), ConnectionState::kClean);
  EXPECT_EQ(router_view_->totals().skipped, 1u);
  ASSERT_TRUE(write_all(client_.get(), Bytes(32, 0)));
  turn();
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].kind(), ConnectionFrame::kCut);
}

TEST_F(AdoptedClientsTest, WithoutSharedStatesAConnectionIsReturnedAtOnce) {
  clients_.drop_all();
  Pair pair = socket_pair();
  clients_.adopt(kId, kHandOver, std::move(pair.server));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].kind(), ConnectionFrame::kReturned);
  EXPECT_EQ(sent_[0].value(), 0u);
}

// A process that answers every call of one client, until it is killed at whatever instruction that may hit.
class Killed : public testing::Test {
 protected:
  static constexpr int kRounds = 150;

  static void serve(UniqueFd memory, UniqueFd socket) {
    auto loop = std::move(*EventLoop::create());
    AdoptedClients* served = nullptr;
    AdoptedClients clients(*loop, kPnn,
                           {[&](uint32_t id, MutableBytes packet) {
                              // In the next turn: between them the call is unanswered.
                              const uint32_t reqid = read_header(packet).reqid;
                              loop->at(loop->now(), [&, id, reqid] { served->answer(id, answer_to(reqid)); });
                            },
                            [](FrameInfo, ByteView) {}, [] { return true; }});
    served = &clients;
    loop->add_flush_hook([&] { clients.flush(); });
    (void)clients.share(std::move(memory)).has_value();
    clients.adopt(kId, kHandOver, std::move(socket));
    (void)loop->run().has_value();
  }
};

TEST_F(Killed, AConnectionThatLooksCleanHasLostNothing) {
  int clean = 0, one_call = 0, busy = 0;
  for (int round = 0; round < kRounds; ++round) {
    UniqueFd memory = std::move(*ConnectionStates::create());
    const auto states = std::move(*ConnectionStates::map(memory.get()));
    Pair pair = socket_pair();
    const UniqueFd kept(fcntl(pair.server.get(), F_DUPFD_CLOEXEC, 0));
    const pid_t child = fork();
    if (child == 0) {
      serve(std::move(memory), std::move(pair.server));
      _exit(0);
    }
    pair.server.reset();
    // Calls one after the other; the last one is under way, or has just been answered, when the process dies.
    uint32_t asked = 0, answered = 0;
    FrameReader reader(FrameReader::Policy::kClient, kPacketBytesMax);
    const auto take_answers = [&] {
      const MutableBytes room = reader.room();
      const ssize_t got = recv(pair.client.get(), room.data(), room.size(), MSG_DONTWAIT);
      if (got > 0) reader.received(static_cast<size_t>(got));
      MutableBytes packet;
      while (reader.next(packet) == FrameReader::Next::kPacket) answered = read_header(packet).reqid;
    };
    for (asked = 1; asked <= 20; ++asked) {
      ASSERT_TRUE(write_all(pair.client.get(), call(asked)));
      while (answered < asked) {
        pollfd waiting{pair.client.get(), POLLIN, 0};
        ASSERT_EQ(poll(&waiting, 1, 60000), 1);
        take_answers();
      }
    }
    ASSERT_TRUE(write_all(pair.client.get(), call(asked)));
    for (int spin = 0; spin < round * 400; ++spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    take_answers();
    const Bytes unread = read_all(kept.get());
    const ConnectionSlot* slot = states->find(kId, kHandOver);
    ASSERT_NE(slot, nullptr);
    switch (slot->state.load()) {
      case ConnectionState::kClean:
        ++clean;
        ASSERT_TRUE(reader.empty());
        ASSERT_TRUE(answered == asked ? unread.empty() : unread == call(asked)) << round;
        break;
      case ConnectionState::kOneCall:
        ++one_call;
        ASSERT_EQ(answered, asked - 1);
        ASSERT_TRUE(unread.empty());
        ASSERT_EQ(Bytes(slot->call.begin(), slot->call.begin() + slot->call_bytes.load()), call(asked));
        break;
      default:
        ++busy;
    }
  }
  RecordProperty("clean", clean);
  RecordProperty("one_call", one_call);
  RecordProperty("busy", busy);
}

}  // namespace
}  // namespace ctdb
