// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/channel_queue.h"

#include <fcntl.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "libctdbipc/ring/segment.h"
#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;

class ChannelQueueTest : public LoopTest {
 protected:
  ChannelQueueTest() {
    Result<ChannelPair> pair = create_channel(kRing);
    EXPECT_TRUE(pair);
    memfd_.reset(fcntl(pair->server.segment.get(), F_DUPFD_CLOEXEC, 0));
    peer_ = std::move(*Channel::open(std::move(pair->client), ChannelSide::kClient));
    server_fds_ = std::move(pair->server);
  }
  void make(size_t queue_bytes_max, ChannelQueue::OnFrame on_frame) {
    Result<std::unique_ptr<ChannelQueue>> queue =
        ChannelQueue::create(*loop_, std::move(server_fds_), ChannelSide::kServer, queue_bytes_max,
                             std::move(on_frame), [this](const char* why) {
                               deaths_.push_back(why);
                               if (on_death_) on_death_();
                             });
    ASSERT_TRUE(queue);
    queue_ = std::move(*queue);
  }
  // Reads what the peer has, as its own loop would.
  void peer_reads(size_t frames = 1000000) {
    for (; frames > 0; --frames) {
      const std::optional<Channel::Frame> frame = peer_->pop();
      if (!frame) break;
      peer_got_.emplace_back(as_text(frame->packet));
    }
    peer_->flush();
  }
  // Calls `step` every millisecond until it returns true, then ends the loop.
  void every_millisecond(std::function<bool()> step) {
    loop_->at(loop_->now() + kMillisecond, [this, step] {
      if (step()) return loop_->stop();
      every_millisecond(step);
    });
  }

  UniqueFd memfd_;
  std::unique_ptr<Channel> peer_;
  ChannelFds server_fds_;
  std::unique_ptr<ChannelQueue> queue_;
  std::vector<std::string> deaths_;
  std::function<void()> on_death_;
  std::vector<std::string> peer_got_;
};

std::string numbered(int number) {
  std::string text = std::to_string(number);
  text.resize(300, '.');
  return text;
}

TEST_F(ChannelQueueTest, WhatAPeerSentBeforeItWentIsHandedOut) {
  std::vector<std::string> got;
  make(1 << 20, [&](const Channel::Frame& frame) { got.emplace_back(as_text(frame.packet)); });
  queue_->pause();  // senders were held back when it went
  std::vector<std::string> sent;
  for (int i = 0; peer_->push({}, as_bytes(numbered(i))) == PushResult::kOk; ++i) sent.push_back(numbered(i));
  ASSERT_GT(sent.size(), 5u);
  peer_.reset();  // no bell, no turn of the loop
  queue_->drain_last();
  EXPECT_EQ(got, sent);
}

TEST_F(ChannelQueueTest, TheLastFramesMayDestroyTheQueue) {
  int got = 0;
  make(1 << 20, [&](const Channel::Frame&) {
    ++got;
    queue_.reset();
  });
  for (int i = 0; i < 3; ++i) ASSERT_EQ(peer_->push({}, as_bytes(numbered(i))), PushResult::kOk);
  queue_->drain_last();
  EXPECT_EQ(got, 1);
}

TEST_F(ChannelQueueTest, FramesReachTheCallbackAndAnswersThePeer) {
  make(1 << 20, [&](const Channel::Frame& frame) { queue_->send(frame.info, frame.packet); });
  ASSERT_EQ(peer_->push({}, as_bytes("ping")), PushResult::kOk);
  peer_->flush();
  every_millisecond([&] {
    peer_reads();
    return !peer_got_.empty();
  });
  run();
  EXPECT_EQ(peer_got_, std::vector<std::string>{"ping"});
}

TEST_F(ChannelQueueTest, OrderIsKeptWhenTheRingIsFull) {
  make(1 << 20, [](const Channel::Frame&) {});
  constexpr int kCount = 500;
  for (int i = 0; i < kCount; ++i) queue_->send({}, as_bytes(numbered(i)));
  EXPECT_GT(queue_->queued_bytes(), 100000u);
  every_millisecond([&] {
    peer_reads(3);
    return peer_got_.size() == kCount;
  });
  run();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(peer_got_[static_cast<size_t>(i)], numbered(i));
  EXPECT_EQ(queue_->queued_bytes(), 0u);
  EXPECT_TRUE(deaths_.empty());
}

TEST_F(ChannelQueueTest, OrderIsKeptAroundALargePacket) {
  make(1 << 20, [](const Channel::Frame&) {});
  queue_->send({}, as_bytes("before"));
  queue_->send({}, as_bytes(std::string(100000, 'L')));
  queue_->send({}, as_bytes("after"));
  every_millisecond([&] {
    peer_reads();
    return peer_got_.size() == 3;
  });
  run();
  EXPECT_EQ(peer_got_[0], "before");
  EXPECT_EQ(peer_got_[1], std::string(100000, 'L'));
  EXPECT_EQ(peer_got_[2], "after");
}

// The peer takes everything at once and then nothing more comes from it: whoever waits for space has just this one
// bell. (A wish that is made after the last look at the ring would be seen by nobody.)
TEST_F(ChannelQueueTest, ASleepingSenderIsWokenHoweverThePeerReads) {
  make(1 << 20, [](const Channel::Frame&) {});
  size_t sent = 0;
  every_millisecond([&] {
    peer_reads();
    if (sent < 200) {
      for (int i = 0; i < 20; ++i) queue_->send({}, as_bytes(numbered(static_cast<int>(sent++))));
    }
    return peer_got_.size() == 200;
  });
  run();
  EXPECT_EQ(peer_got_.size(), 200u);
}

TEST_F(ChannelQueueTest, WaitingForSpaceIsNoSpinning) {
  make(1 << 20, [](const Channel::Frame&) {});
  for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
  stop_after(200 * kMillisecond);
  run();
  EXPECT_LT(turns_, 20u);
}

TEST_F(ChannelQueueTest, OverflowDiesOnceAndFromTheLoop) {
  make(10000, [](const Channel::Frame&) {});
  for (int i = 0; i < 500; ++i) queue_->send({}, as_bytes(numbered(i)));
  EXPECT_TRUE(deaths_.empty());  // not out of send()
  EXPECT_EQ(queue_->queued_bytes(), 0u);
  stop_after(10 * kMillisecond);
  run();
  ASSERT_EQ(deaths_.size(), 1u);
  EXPECT_EQ(deaths_[0], "it does not read and its queue is full");
}

TEST_F(ChannelQueueTest, APacketThatIsTooLargeDies) {
  make(64 << 20, [](const Channel::Frame&) {});
  queue_->send({}, Bytes(kPacketBytesMax + 1));
  stop_after(10 * kMillisecond);
  run();
  ASSERT_EQ(deaths_.size(), 1u);
  EXPECT_EQ(deaths_[0], "a packet for it is larger than any may be");
}

TEST_F(ChannelQueueTest, DeathIsNotReportedAfterDestruction) {
  make(1000, [](const Channel::Frame&) {});
  for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
  queue_.reset();
  stop_after(10 * kMillisecond);
  run();
  EXPECT_TRUE(deaths_.empty());
}

TEST_F(ChannelQueueTest, MayBeDestroyedInItsDeathReport) {
  make(1000, [](const Channel::Frame&) {});
  on_death_ = [&] { queue_.reset(); };
  for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
  stop_after(10 * kMillisecond);
  run();
  EXPECT_EQ(deaths_.size(), 1u);
  EXPECT_EQ(queue_, nullptr);
}

TEST_F(ChannelQueueTest, ScribblingPeerDiesOnceWithAReason) {
  make(1 << 20, [](const Channel::Frame&) {});
  const Result<Segment> segment = Segment::map(memfd_.get());
  ASSERT_TRUE(segment);
  segment->control(1)->tail = 12345;
  stop_after(200 * kMillisecond);
  run();
  ASSERT_EQ(deaths_.size(), 1u);
  EXPECT_EQ(deaths_[0], "the peer's write position is impossible");
  EXPECT_LT(turns_, 20u);  // a dead channel is no work
  queue_->send({}, as_bytes("to the dead"));
  queue_->pause();
  queue_->resume();
}

// The callback, what it captured and the frame it looks at stay alive until it returns.
TEST_F(ChannelQueueTest, MayBeDestroyedInItsFrameCallback) {
  std::string seen;
  auto captured = std::make_shared<std::string>("captured");
  make(1 << 20, [this, &seen, captured](const Channel::Frame& frame) {
    queue_.reset();
    seen = *captured + " " + std::string(as_text(frame.packet));
  });
  captured.reset();
  ASSERT_EQ(peer_->push({}, as_bytes("one")), PushResult::kOk);
  ASSERT_EQ(peer_->push({}, as_bytes("two")), PushResult::kOk);
  stop_after(10 * kMillisecond);
  run();
  EXPECT_EQ(seen, "captured one");
}

TEST_F(ChannelQueueTest, DyingInItsFrameCallbackEndsTheDrain) {
  int frames = 0;
  make(1000, [&](const Channel::Frame&) {
    ++frames;
    for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
  });
  ASSERT_EQ(peer_->push({}, as_bytes("one")), PushResult::kOk);
  ASSERT_EQ(peer_->push({}, as_bytes("two")), PushResult::kOk);
  stop_after(10 * kMillisecond);
  run();
  EXPECT_EQ(frames, 1);
  EXPECT_EQ(deaths_.size(), 1u);
}

TEST_F(ChannelQueueTest, DestroyedAfterDyingInItsFrameCallback) {
  make(1000, [&](const Channel::Frame&) {
    for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
    queue_.reset();
  });
  ASSERT_EQ(peer_->push({}, as_bytes("one")), PushResult::kOk);
  stop_after(10 * kMillisecond);
  run();
  EXPECT_TRUE(deaths_.empty());
}

TEST_F(ChannelQueueTest, PauseStopsReadingAtOnceAndResumeGoesOn) {
  std::vector<std::string> got;
  make(1 << 20, [&](const Channel::Frame& frame) {
    got.emplace_back(as_text(frame.packet));
    if (got.size() == 2) queue_->pause();
  });
  for (const char* text : {"a", "b", "c", "d"}) ASSERT_EQ(peer_->push({}, as_bytes(text)), PushResult::kOk);
  loop_->at(loop_->now() + 50 * kMillisecond, [&] {
    EXPECT_EQ(got, (std::vector<std::string>{"a", "b"}));
    queue_->resume();
    stop_after(10 * kMillisecond);
  });
  run();
  EXPECT_EQ(got, (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST_F(ChannelQueueTest, SendingGoesOnWhilePaused) {
  make(1 << 20, [](const Channel::Frame&) { FAIL() << "read while paused"; });
  queue_->pause();
  ASSERT_EQ(peer_->push({}, as_bytes("unread")), PushResult::kOk);
  ASSERT_TRUE(peer_->arm());
  queue_->send({}, as_bytes(numbered(0)));
  loop_->at(loop_->now() + 20 * kMillisecond, [&] {
    uint64_t bell = 0;
    EXPECT_EQ(read(peer_->bell_fd(), &bell, sizeof bell), static_cast<ssize_t>(sizeof bell)) << "no bell";
    for (int i = 1; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
    every_millisecond([&] {
      peer_reads();
      return peer_got_.size() == 100;
    });
  });
  run();
  EXPECT_EQ(queue_->queued_bytes(), 0u);
}

// The ring is full and other work keeps the loop from sleeping: it has not asked for a bell yet when the queue is paused.
TEST_F(ChannelQueueTest, PausedInABusyTurnItStillHearsOfRoom) {
  make(1 << 20, [](const Channel::Frame&) {});
  int slice = 0;
  loop_->add_idle_hook([&] {
    if (++slice == 1) {
      for (int i = 0; i < 100; ++i) queue_->send({}, as_bytes(numbered(i)));
    } else if (slice == 2) {
      loop_->at(loop_->now(), [&] { queue_->pause(); });  // before the next turn looks at it
    }
    return slice < 5;
  });
  run_until([&] { return slice >= 5; });
  run_until([&] {
    peer_reads();
    return peer_got_.size() == 100;
  });
  EXPECT_EQ(queue_->queued_bytes(), 0u);
}

TEST_F(ChannelQueueTest, MayBeDestroyedWhilePaused) {
  make(1 << 20, [](const Channel::Frame&) {});
  queue_->pause();
  queue_.reset();
  stop_after(10 * kMillisecond);
  run();
}

TEST_F(ChannelQueueTest, RefusesABadSegment) {
  ChannelFds fds;
  fds.segment.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(ChannelQueue::create(
      *loop_, std::move(fds), ChannelSide::kServer, 1, [](const Channel::Frame&) {}, [](const char*) {}));
}

}  // namespace
}  // namespace ctdb
