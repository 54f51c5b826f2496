// SPDX-License-Identifier: GPL-3.0-or-later
// What the store keeps of classic clients while there is no router. The test plays both routers and the client.
#include "ctdb-store/kept_clients.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/wire/packet.h"
#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

constexpr uint32_t kId = 5;
constexpr uint16_t kHandOver = 3;
constexpr uint32_t kLife = 1, kNextLife = 2;
constexpr KeptClients::Takes kAll{true, true, true};

Bytes call(uint32_t reqid) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  return packet;
}

class KeptClientsTest : public LoopTest {
 protected:
  KeptClientsTest()
      : adopted_(*loop_, 0, {[](uint32_t, MutableBytes) {}, [](FrameInfo, ByteView) {}, [] { return true; }}),
        kept_(
            *loop_,
            [this](const SetupMessage& message) {
              if (!router_reads_) return false;
              SetupMessage copy;
              copy.kind = message.kind;
              copy.endpoint = message.endpoint;
              copy.generation = message.generation;
              copy.descriptor.reset(fcntl(message.descriptor.get(), F_DUPFD_CLOEXEC, 0));
              offered_.push_back(std::move(copy));
              return true;
            },
            [this](uint32_t id) { lost_.push_back(id); }) {
    UniqueFd memory = std::move(*ClientNotes::create());
    router_notes_ = std::move(*ClientNotes::map(memory.get()));
    kept_.router_is_back(kLife, kAll);
    EXPECT_TRUE(only_the_end());
    offered_.clear();
    EXPECT_TRUE(kept_.take_notes(std::move(memory)));
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    client_.reset(fds[0]);
    servers_.reset(fds[1]);
    note_ = router_notes_->take(kId);
    SetupMessage kept;
    kept.kind = SetupKind::kKeptClient;
    kept.endpoint = kId;
    kept.generation = router_notes_->index_of(*note_);
    kept.descriptor = copy_of_socket();
    kept_.keep(std::move(kept));
    ClientNotes::mark(*note_, NoteState::kClean);
  }
  UniqueFd copy_of_socket() const { return UniqueFd(fcntl(servers_.get(), F_DUPFD_CLOEXEC, 0)); }
  // The connection is with the store since hand-over kHandOver.
  void adopt() {
    UniqueFd memory = std::move(*ConnectionStates::create());
    ASSERT_TRUE(adopted_.share(std::move(memory)));
    adopted_.adopt(kId, kHandOver, copy_of_socket());
    note_->away = 1;
    note_->hand_over = kHandOver;
  }
  void client_sends(const Bytes& packet) {
    ASSERT_EQ(send(client_.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
    run_until([this] {
      int unread = 0;
      return ioctl(servers_.get(), FIONREAD, &unread) == 0 && unread == 0;
    });
  }
  void router_dies() {
    servers_.reset();
    kept_.router_is_gone(adopted_);
    adopted_.drop_all();
  }
  // The store has the connection, and has read so much of it.
  Bytes router_dies_at_half_a_call() {
    adopt();
    Bytes half = call(9);
    half.resize(20);
    client_sends(half);
    router_dies();
    kept_.router_is_back(kNextLife, kAll);
    return half;
  }
  bool client_ended() const {
    uint8_t byte;
    return recv(client_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
  }
  bool only_the_end() const { return offered_.size() == 1 && offered_[0].kind == SetupKind::kKeptEnd; }
  // What the next router is given; nullptr: nothing.
  const ClientNote* note_given() {
    if (offered_.size() != 3 || offered_[2].kind != SetupKind::kKeptEnd ||
        offered_[0].kind != SetupKind::kClientNotes || offered_[1].kind != SetupKind::kKeptClient) {
      return nullptr;
    }
    next_notes_ = std::move(*ClientNotes::map(offered_[0].descriptor.get()));
    return next_notes_->find(offered_[1].generation, offered_[1].endpoint);
  }

  AdoptedClients adopted_;
  bool router_reads_ = true;
  std::vector<SetupMessage> offered_;
  std::vector<uint32_t> lost_;  // native clients
  KeptClients kept_;
  std::unique_ptr<ClientNotes> router_notes_, next_notes_;
  ClientNote* note_ = nullptr;
  UniqueFd client_, servers_;
};

Bytes message() {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 0}, ReqMessage{7, as_bytes("m")});
  return packet;
}

TEST_F(KeptClientsTest, AWholeClientGoesToTheNextRouter) {
  router_dies();
  EXPECT_FALSE(client_ended());
  EXPECT_TRUE(offered_.empty());
  kept_.router_is_back(kNextLife, kAll);
  const ClientNote* note = note_given();
  ASSERT_NE(note, nullptr);
  EXPECT_EQ(note->state, NoteState::kClean);
  EXPECT_EQ(send(offered_[1].descriptor.get(), "x", 1, MSG_NOSIGNAL), 1);
  char got = 0;
  EXPECT_EQ(recv(client_.get(), &got, 1, 0), 1) << "it is the client's socket";
  EXPECT_EQ(kept_.waiting(), 0u);
}

// Found by chaos on real processes: it went on with records that the others had already.
TEST_F(KeptClientsTest, EndsWhenNobodyIsLeftToTakeItsRecordsAway) {
  router_dies();
  kept_.nobody_fences();
  EXPECT_TRUE(client_ended());
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_EQ(note_given(), nullptr);
}

TEST_F(KeptClientsTest, WaitsForARouterThatDoesNotReadYet) {
  router_dies();
  router_reads_ = false;
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_TRUE(offered_.empty());
  router_reads_ = true;
  loop_->at(loop_->now() + 5 * kMillisecond, [this] { loop_->stop(); });
  run();
  EXPECT_NE(note_given(), nullptr);
}

TEST_F(KeptClientsTest, OneInTheMiddleOfSomethingIsEnded) {
  ClientNotes::mark(*note_, NoteState::kBusy);
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_TRUE(client_ended());
  EXPECT_EQ(note_given(), nullptr);
}

TEST_F(KeptClientsTest, ARouterThatWasNotDeadHasItsClientsStill) {
  router_dies();
  ClientNotes::mark(*note_, NoteState::kBusy);
  const UniqueFd routers(fcntl(client_.get(), F_DUPFD_CLOEXEC, 0));
  kept_.router_is_back(kLife, kAll);
  EXPECT_TRUE(only_the_end());
  EXPECT_EQ(kept_.waiting(), 0u);
}

TEST_F(KeptClientsTest, ARouterThatKnowsNothingOfThisGetsNone) {
  router_dies();
  kept_.router_is_back(kNextLife, {});
  EXPECT_TRUE(offered_.empty());
  EXPECT_TRUE(client_ended());
}

TEST_F(KeptClientsTest, OneThatHasLeftIsForgotten) {
  EXPECT_TRUE(kept_.forget(kId));
  EXPECT_FALSE(kept_.forget(kId));
  router_dies();
  EXPECT_TRUE(client_ended());
}

TEST_F(KeptClientsTest, AConnectionThatIsHereComesWithItsUnansweredCall) {
  adopt();
  client_sends(call(9));
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  const ClientNote* note = note_given();
  ASSERT_NE(note, nullptr);
  EXPECT_EQ(to_bytes(note->one_call()), call(9));
  EXPECT_FALSE(client_ended());
}

TEST_F(KeptClientsTest, WhatTheDeadRouterHasNotSeenEndsTheClient) {
  adopt();
  client_sends(message());
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_EQ(note_given(), nullptr);
  EXPECT_TRUE(client_ended());
}

TEST_F(KeptClientsTest, WhatItHasSeenDoesNot) {
  adopt();
  client_sends(message());
  note_->from_store = 1;
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_NE(note_given(), nullptr);
}

TEST_F(KeptClientsTest, WhatTheStoreHasNotGotForItEndsTheClient) {
  adopt();
  note_->to_store = 1;
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_TRUE(client_ended());
}

TEST_F(KeptClientsTest, HalfAPacketEndsItWhenTheRouterHadNoPlaceForThat) {
  router_dies_at_half_a_call();
  EXPECT_EQ(note_given(), nullptr);
}

class KeptHalvesTest : public KeptClientsTest {
 protected:
  KeptHalvesTest() {
    UniqueFd memory = std::move(*HalfPackets::create());
    router_halves_ = std::move(*HalfPackets::map(memory.get()));
    EXPECT_TRUE(kept_.take_halves(std::move(memory)));
  }
  // What the next router is given to go on with.
  std::optional<HalfPackets::Kept> half_given() {
    if (offered_.size() != 4 || offered_[1].kind != SetupKind::kHalfPackets) return std::nullopt;
    next_halves_ = std::move(*HalfPackets::map(offered_[1].descriptor.get()));
    offered_.erase(offered_.begin() + 1);
    const ClientNote* note = note_given();
    if (note == nullptr || note->state != NoteState::kHalf) return std::nullopt;
    return next_halves_->read(next_notes_->index_of(*note));
  }
  std::unique_ptr<HalfPackets> router_halves_, next_halves_;
};

TEST_F(KeptHalvesTest, WhatTheRouterHadReadGoesToTheNextOne) {
  const Bytes half{1, 2, 3};
  EXPECT_TRUE(router_halves_->keep(router_notes_->index_of(*note_), {half, {}, 0, 0}));
  ClientNotes::mark(*note_, NoteState::kHalf);
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  const std::optional<HalfPackets::Kept> given = half_given();
  ASSERT_TRUE(given);
  EXPECT_EQ(given->in, half);
  EXPECT_FALSE(client_ended());
}

TEST_F(KeptHalvesTest, WhatTheStoreHadReadDoesToo) {
  const Bytes half = router_dies_at_half_a_call();
  const std::optional<HalfPackets::Kept> given = half_given();
  ASSERT_TRUE(given);
  EXPECT_EQ(given->in, half);
  EXPECT_TRUE(given->out.empty());
}

TEST_F(KeptHalvesTest, WhatTheStoreHadToWriteDoesToo) {
  adopt();
  Bytes large;
  build(large, {0, 0, 0, 0, 0, 0}, ReqMessage{7, Bytes(3u << 20, 1)});
  adopted_.on_router_frame({kId, connection_flags(ConnectionFrame::kPacket, kHandOver)}, large);
  adopted_.write();
  note_->to_store = 1;
  router_dies();
  kept_.router_is_back(kNextLife, kAll);
  const std::optional<HalfPackets::Kept> given = half_given();
  ASSERT_TRUE(given);
  ASSERT_GT(given->out.size(), 1u << 20);
  EXPECT_TRUE(std::equal(given->out.rbegin(), given->out.rend(), large.rbegin()));
}

TEST_F(KeptHalvesTest, ARouterThatDoesNotKnowOfItIsNotTold) {
  router_dies();
  kept_.router_is_back(kNextLife, {true, true, false});
  EXPECT_NE(note_given(), nullptr);
}

// ---- native clients ----

class KeptNativeTest : public KeptClientsTest {
 protected:
  KeptNativeTest() {
    ChannelPair pair = std::move(*create_channel(4096));
    SetupMessage kept;
    kept.kind = SetupKind::kKeptClient;
    kept.endpoint = kId;
    kept.generation = router_notes_->index_of(*note_);
    kept.descriptor = copy_of_socket();
    kept.channels.push_back(std::move(pair.server));
    kept_.keep(std::move(kept));
  }
};

TEST_F(KeptNativeTest, GoesToTheNextRouterWhateverTheLastOneWasDoing) {
  ClientNotes::mark(*note_, NoteState::kBusy);
  router_dies();
  EXPECT_EQ(kept_.natives(), Endpoints{kId});
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_NE(note_given(), nullptr);
  EXPECT_FALSE(client_ended());
  EXPECT_TRUE(lost_.empty());
}

TEST_F(KeptNativeTest, WaitsAlsoWhenNobodyFences) {
  router_dies();
  kept_.nobody_fences();
  kept_.router_is_back(kNextLife, kAll);
  EXPECT_NE(note_given(), nullptr);
  EXPECT_FALSE(client_ended());
}

TEST_F(KeptNativeTest, EndsWithARouterThatDoesNotKnowOfIt) {
  router_dies();
  kept_.router_is_back(kNextLife, {true, false, false});
  EXPECT_EQ(lost_, std::vector<uint32_t>{kId});
  EXPECT_TRUE(client_ended());
}

TEST_F(KeptNativeTest, ARouterThatLivesMakesANewChannelForIt) {
  const UniqueFd routers = copy_of_socket();
  router_dies();
  kept_.router_is_back(kLife, kAll);
  EXPECT_EQ(lost_, std::vector<uint32_t>{kId});
  EXPECT_FALSE(client_ended());
}

TEST_F(KeptNativeTest, ItsEndIsToldToTheStore) {
  EXPECT_FALSE(kept_.forget(kId)) << "the store has a channel of it";
  router_dies();
  EXPECT_TRUE(kept_.natives().empty());
}

}  // namespace
}  // namespace ctdb
