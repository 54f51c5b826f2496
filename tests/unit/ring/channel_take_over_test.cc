// SPDX-License-Identifier: GPL-3.0-or-later
// A process that takes the place of another one in a channel. What was read half or written half is no more; nothing is read
// twice, and nobody waits for a bell that the dead one has not rung.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>

#include "libctdbipc/base/random.h"
#include "tests/unit/ring/channel_fixture.h"

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;
constexpr size_t kLarge = 5000;  // more than a ring

class ChannelTakeOver : public testing::Test {
 protected:
  ChannelTakeOver() {
    Result<ChannelPair> pair = create_channel(kRing);
    EXPECT_TRUE(pair);
    server_ =
        std::move(*Channel::open(std::move(pair->server), ChannelSide::kServer, ChannelLife::kReplaceable));
    client_ = std::move(*Channel::open(std::move(pair->client), ChannelSide::kClient));
  }
  // The old one stays as it is: a process that was killed says nothing more.
  void take_over() {
    Result<ChannelFds> ends = server_->copy_ends();
    ASSERT_TRUE(ends);
    old_.push_back(std::move(server_));
    server_ = std::move(*Channel::open(std::move(*ends), ChannelSide::kServer, ChannelLife::kTakenOver));
  }

  std::vector<std::unique_ptr<Channel>> old_;
  std::unique_ptr<Channel> server_, client_;
};

TEST_F(ChannelTakeOver, GoesOnBehindTheFrameThatWasHandedOut) {
  for (const char* text : {"a", "b", "c"}) ASSERT_EQ(client_->push({}, text_packet(text)), PushResult::kOk);
  ASSERT_EQ(server_->push({}, text_packet("first")), PushResult::kOk);
  EXPECT_EQ(popped(*server_), "a");
  take_over();
  EXPECT_EQ(popped(*server_), "b");
  take_over();
  EXPECT_EQ(popped(*server_), "c");
  EXPECT_EQ(popped(*server_), "(nothing)");
  ASSERT_EQ(server_->push({}, text_packet("second")), PushResult::kOk);
  EXPECT_EQ(popped(*client_), "first");
  EXPECT_EQ(popped(*client_), "second");
}

TEST_F(ChannelTakeOver, TellsWhichFramesWereHandedOut) {
  const uint64_t first = client_->write_position();
  ASSERT_EQ(client_->push({}, text_packet("a")), PushResult::kOk);
  const uint64_t second = client_->write_position();
  ASSERT_EQ(client_->push({}, text_packet("b")), PushResult::kOk);
  EXPECT_EQ(popped(*server_), "a");
  take_over();
  EXPECT_LT(first, server_->read_position());
  EXPECT_GE(second, server_->read_position());
}

TEST_F(ChannelTakeOver, TheRestOfAPacketThatWasReadHalfIsSkipped) {
  ASSERT_EQ(client_->push({}, Bytes(kLarge, 7)), PushResult::kOk);
  EXPECT_EQ(popped(*server_), "(nothing)");  // its first pieces
  server_->flush();
  take_over();
  client_->flush();
  EXPECT_EQ(popped(*server_), "(nothing)");
  server_->flush();
  client_->flush();
  ASSERT_EQ(client_->push({}, text_packet("next")), PushResult::kOk);
  EXPECT_EQ(popped(*server_), "next");
  EXPECT_FALSE(server_->dead());
}

TEST_F(ChannelTakeOver, APacketThatWasWrittenHalfIsDropped) {
  ASSERT_EQ(server_->push({}, Bytes(kLarge, 7)), PushResult::kOk);
  EXPECT_EQ(popped(*client_), "(nothing)");
  client_->flush();
  take_over();
  ASSERT_EQ(server_->push({}, text_packet("next")), PushResult::kOk);
  EXPECT_EQ(popped(*client_), "next");
  ASSERT_EQ(server_->push({}, Bytes(kLarge, 8)), PushResult::kOk);
  std::optional<Channel::Frame> frame;
  while (!(frame = client_->pop())) {
    client_->flush();
    server_->flush();
  }
  EXPECT_EQ(to_bytes(frame->packet), Bytes(kLarge, 8));
  EXPECT_FALSE(client_->dead());
}

TEST_F(ChannelTakeOver, RingsForWhatTheDeadOneHasNotRungFor) {
  EXPECT_TRUE(client_->arm());
  ASSERT_EQ(server_->push({}, text_packet("a")), PushResult::kOk);
  EXPECT_EQ(rings(*client_), 0u);
  take_over();
  server_->flush();
  EXPECT_EQ(rings(*client_), 1u);
  EXPECT_EQ(popped(*client_), "a");
}

TEST_F(ChannelTakeOver, RingsForThatAlsoWhenThereIsSomethingToRead) {
  ASSERT_EQ(client_->push({}, text_packet("b")), PushResult::kOk);
  EXPECT_TRUE(client_->arm());
  ASSERT_EQ(server_->push({}, text_packet("a")), PushResult::kOk);
  take_over();
  EXPECT_EQ(popped(*server_), "b");
  server_->flush();
  EXPECT_EQ(rings(*client_), 1u);
}

// ---- killed at any instruction ----

constexpr int kRounds = 100;

// Number, then bytes that follow from it; a large one now and then, so that pieces are hit too.
Bytes numbered(uint64_t number) {
  Bytes packet(16 + (number * 37) % (number % 50 == 0 ? 9000 : 300), static_cast<uint8_t>(number * 31));
  store(packet.data(), number);
  return packet;
}

void kill_and_reap(pid_t child) {
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
}

[[noreturn]] void read_for_ever(Channel& channel, std::atomic<uint64_t>& last, std::atomic<uint64_t>& lost,
                                std::atomic<uint64_t>& wrong) {
  for (;;) {
    const std::optional<Channel::Frame> frame = channel.pop();
    const uint64_t number = frame ? load<uint64_t>(frame->packet.data()) : 0;
    if (channel.dead() || (frame && (number <= last || to_bytes(frame->packet) != numbered(number)))) {
      wrong = number + 1;
      pause();
    }
    if (frame) {
      lost += number - last - 1;
      last = number;
    }
    channel.flush();
    if (!frame) sched_yield();
  }
}

TEST_F(ChannelTakeOver, OfAKilledReaderNothingIsReadTwiceAndOnePacketAtTheMostIsLost) {
  struct Shared {
    std::atomic<uint64_t> last, lost, wrong;  // numbers begin at 1
  };
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) Shared{};
  Random random(static_cast<uint64_t>(getpid()));
  uint64_t number = 0;
  for (int round = 0; round < kRounds; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (child == 0) read_for_ever(*server_, shared->last, shared->lost, shared->wrong);
    for (const uint64_t until = number + 1 + random.below(100); number < until && shared->wrong == 0;) {
      if (client_->push({}, numbered(number + 1)) == PushResult::kOk) {
        ++number;
      } else {
        sched_yield();
      }
      client_->flush();
    }
    kill_and_reap(child);
    ASSERT_EQ(shared->wrong, 0u) << "after " << shared->last;
    ASSERT_LE(shared->lost, static_cast<uint64_t>(round));
    take_over();
    ASSERT_FALSE(client_->dead()) << client_->fault();
  }
  EXPECT_GT(shared->last, 0u);
  munmap(memory, 4096);
}

TEST_F(ChannelTakeOver, OfAKilledWriterWholePacketsInOrderAreRead) {
  Random random(static_cast<uint64_t>(getpid()) + 1);
  uint64_t begin = 0;
  uint64_t last = 0;
  for (int round = 0; round < kRounds; ++round) {
    begin += 1u << 20;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (uint64_t number = begin;; ++number) {
        while (server_->push({}, numbered(number)) != PushResult::kOk) {
          server_->flush();
          sched_yield();
        }
        server_->flush();
      }
    }
    for (uint64_t until = 1 + random.below(100); until > 0;) {
      const std::optional<Channel::Frame> frame = client_->pop();
      ASSERT_FALSE(client_->dead()) << client_->fault();
      client_->flush();
      if (!frame) sched_yield();
      if (!frame) continue;
      const uint64_t is = load<uint64_t>(frame->packet.data());
      ASSERT_EQ(to_bytes(frame->packet), numbered(is));
      // Or the first one of a later writer, perhaps one that is dead by now.
      ASSERT_TRUE(is == last + 1 || (is > last && is % (1u << 20) == 0)) << is << " after " << last;
      last = is;
      --until;
    }
    kill_and_reap(child);
    take_over();
  }
}

}  // namespace
}  // namespace ctdb
