// SPDX-License-Identifier: GPL-3.0-or-later
// Record streams: which way a packet takes, and what a peer on one may say.
#include "ctdb-store/peer_streams.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr uint32_t kSelf = 0;
constexpr uint32_t kPeer = 2;

Bytes call_from(uint32_t srcnode, uint32_t generation, uint32_t hopcount = 0) {
  Bytes packet;
  ReqCall call;
  call.key = as_bytes("key");
  call.hopcount = hopcount;
  build(packet, {0, generation, 0, kSelf, srcnode, 7}, call);
  return packet;
}

class PeerStreamsTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
    ASSERT_TRUE(loop);
    loop_ = std::move(*loop);
    streams_ = std::make_unique<PeerStreams>(
        *loop_, kSelf,
        PeerStreams::Handlers{[this](uint32_t, MutableBytes packet) {
                                received_.push_back(to_bytes(packet));
                                loop_->stop();
                              },
                              [this](uint32_t pnn, const std::string& why) {
                                broken_.push_back(std::to_string(pnn) + ": " + why);
                                loop_->stop();
                              },
                              [this](uint32_t pnn) {
                                unused_.push_back(pnn);
                                loop_->stop();
                              },
                              [this] { return generation_; }});
    loop_->add_flush_hook([this] { streams_->flush(); });
  }
  void TearDown() override {
    streams_.reset();
    loop_.reset();
  }

  // Gives the streams one end of a connection and keeps the other.
  void adopt() {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    other_end_ = UniqueFd(ends[1]);
    streams_->adopt(kPeer, UniqueFd(ends[0]));
  }
  void say(ByteView bytes) {
    ASSERT_EQ(write(other_end_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void run() { ASSERT_TRUE(loop_->run()); }
  PeerStreams::Way send(uint32_t generation) { return streams_->send(kPeer, call_from(kSelf, generation)); }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<PeerStreams> streams_;
  UniqueFd other_end_;
  uint32_t generation_ = 10;
  std::vector<Bytes> received_;
  std::vector<std::string> broken_;
  std::vector<uint32_t> unused_;
};

using Way = PeerStreams::Way;

TEST_F(PeerStreamsTest, WithoutAStreamTheRouterCarriesEverything) {
  EXPECT_EQ(send(10), Way::kRouter);
}

TEST_F(PeerStreamsTest, AStreamIsUsedFromTheNextGenerationOn) {
  adopt();
  EXPECT_EQ(send(10), Way::kRouter);
  EXPECT_EQ(send(11), Way::kSent);
  streams_->flush();
  uint8_t bytes[256];
  const Bytes expected = call_from(kSelf, 11);
  ASSERT_EQ(read(other_end_.get(), bytes, sizeof bytes), static_cast<ssize_t>(expected.size()));
  EXPECT_EQ(Bytes(bytes, bytes + expected.size()), expected);
}

TEST_F(PeerStreamsTest, OnlyRecordPacketsTakeIt) {
  adopt();
  Bytes packet;
  build(packet, {0, 11, 0, kPeer, kSelf, 1}, ReqMessage{1, {}});
  EXPECT_EQ(streams_->send(kPeer, packet), Way::kRouter);
}

TEST_F(PeerStreamsTest, WhatAnEndedStreamWasToCarryGoesNowhereUntilTheNextGeneration) {
  adopt();
  generation_ = 11;
  EXPECT_EQ(send(11), Way::kSent);
  other_end_.reset();
  run();
  ASSERT_EQ(broken_.size(), 1u);
  EXPECT_EQ(send(11), Way::kNowhere);
  EXPECT_EQ(send(12), Way::kRouter);
  adopt();  // a new one does not change that
  EXPECT_EQ(send(11), Way::kNowhere);
  EXPECT_EQ(send(12), Way::kSent);
}

TEST_F(PeerStreamsTest, AStreamThatWasNeverUsedTakesNothingWithIt) {
  adopt();
  streams_->drop(kPeer);
  EXPECT_EQ(send(10), Way::kRouter);
  EXPECT_TRUE(broken_.empty());  // the router knows
}

TEST_F(PeerStreamsTest, PacketsOfThePeerArrive) {
  adopt();
  const Bytes packet = call_from(kPeer, 11);
  say(packet);
  run();
  ASSERT_EQ(received_.size(), 1u);
  EXPECT_EQ(received_[0], packet);
}

TEST_F(PeerStreamsTest, ARedirectedCallKeepsItsSource) {
  adopt();
  say(call_from(1, 11, 1));
  run();
  EXPECT_EQ(received_.size(), 1u);
}

TEST_F(PeerStreamsTest, AForgedSourceEndsTheStream) {
  adopt();
  say(call_from(1, 11));
  run();
  EXPECT_TRUE(received_.empty());
  ASSERT_EQ(broken_.size(), 1u);
  EXPECT_TRUE(streams_->nodes().empty());
}

TEST_F(PeerStreamsTest, OtherOperationsEndTheStream) {
  for (Operation operation : {Operation::STORE_OPEN, Operation::HELLO, Operation::CLUSTER_STATE}) {
    adopt();
    Bytes packet;
    build_own(packet, {0, 11, static_cast<uint32_t>(operation), kSelf, kPeer, 0}, Bytes(64));
    say(packet);
    run();
    EXPECT_TRUE(streams_->nodes().empty());
  }
  EXPECT_EQ(broken_.size(), 3u);
  EXPECT_TRUE(received_.empty());
}

TEST_F(PeerStreamsTest, OperationsOfALaterReleaseEndNoStream) {
  adopt();
  Bytes packet;
  build_own(packet, {0, 11, 0x1FFF, kSelf, kPeer, 0}, Bytes(64));
  say(packet);
  say(call_from(kPeer, 11));
  run();
  EXPECT_EQ(received_.size(), 2u) << "the store counts what it passes over";
  EXPECT_TRUE(broken_.empty());
}

TEST_F(PeerStreamsTest, OperationsOfALaterReleaseAreBelievedFromTheStreamsNodeOnly) {
  adopt();
  Bytes packet;
  build_own(packet, {0, 11, 0x1FFF, kSelf, kPeer + 1, 0}, Bytes(64));
  say(packet);
  run();
  EXPECT_TRUE(received_.empty());
  EXPECT_EQ(broken_.size(), 1u);
}

TEST_F(PeerStreamsTest, BytesThatAreNoPacketEndTheStream) {
  adopt();
  say(as_bytes("GET / HTTP/1.0\r\n\r\n"));
  run();
  EXPECT_EQ(broken_.size(), 1u);
}

TEST_F(PeerStreamsTest, APeerThatDoesNotReadIsSeenInTheQueueUntilItReads) {
  adopt();
  generation_ = 11;
  EXPECT_EQ(streams_->queued_bytes(), 0u);
  const Bytes packet = call_from(kSelf, 11);
  while (streams_->queued_bytes() <= kLinkQueueHighWaterBytes) {
    ASSERT_EQ(streams_->send(kPeer, packet), Way::kSent);
    streams_->flush();
  }
  EXPECT_TRUE(broken_.empty());
  Bytes buffer(1u << 20);
  while (streams_->queued_bytes() > kLinkQueueHighWaterBytes / 2) {
    (void)!read(other_end_.get(), buffer.data(), buffer.size());
    send(11);
    streams_->flush();
  }
}

TEST_F(PeerStreamsTest, AStreamThatTheGenerationDoesNotUseIsReported) {
  adopt();
  run();
  EXPECT_EQ(unused_, std::vector<uint32_t>{kPeer});
}

}  // namespace
}  // namespace ctdb
