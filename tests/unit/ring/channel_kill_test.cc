// SPDX-License-Identifier: GPL-3.0-or-later
// Two processes; one is killed with SIGKILL at a random moment, many times. The survivor sees only whole
// frames, in order and without a gap; what the dead one had not finished is never seen. A second process can
// then go on with the same segment where its predecessor was killed.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libctdbipc/base/random.h"
#include "tests/unit/ring/channel_fixture.h"

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;
constexpr int kRounds = 150;

void pause_for(uint64_t microseconds) {
  const timespec time{0, static_cast<long>(microseconds * 1000)};
  nanosleep(&time, nullptr);
}

void kill_and_reap(pid_t child) {
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
}

// Frame: number, size, then bytes that follow from both. A large one now and then, so that pieces are hit
// too.
void fill(Bytes& packet, uint64_t number) {
  const size_t size = 16 + (number * 37) % (number % 50 == 0 ? 9000 : 300);
  packet.assign(size, static_cast<uint8_t>(number * 31));
  store(packet.data(), number);
  store(packet.data() + 8, uint64_t{size});
}

[[noreturn]] void write_for_ever(Channel& channel) {
  Bytes packet;
  for (uint64_t number = 0;; ++number) {
    fill(packet, number);
    while (channel.push({}, packet) != PushResult::kOk) channel.flush();
    channel.flush();
  }
}

void expect_whole(ByteView packet, uint64_t number) {
  Bytes expected;
  fill(expected, number);
  ASSERT_EQ(to_bytes(packet), expected) << "torn, doubled or lost at " << number;
}

TEST(ChannelKill, SurvivingReaderSeesOnlyWholeFrames) {
  Random random(static_cast<uint64_t>(getpid()));
  uint64_t seen = 0;
  for (int round = 0; round < kRounds; ++round) {
    ChannelEnds ends(kRing);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(*ends.client);
    uint64_t number = 0;
    const uint64_t until = random.below(200);
    while (number < until) {
      const std::optional<Channel::Frame> frame = ends.server->pop();
      ASSERT_FALSE(ends.server->dead()) << ends.server->fault();
      if (frame) expect_whole(frame->packet, number++);
      ends.server->flush();
    }
    pause_for(random.below(300));
    kill_and_reap(child);
    while (const std::optional<Channel::Frame> frame = ends.server->pop())
      expect_whole(frame->packet, number++);
    ASSERT_FALSE(ends.server->dead()) << ends.server->fault();
    ASSERT_FALSE(HasFatalFailure());
    seen += number;
  }
  EXPECT_GT(seen, 0u);
}

[[noreturn]] void read_for_ever(Channel& channel) {
  uint64_t number = 0;
  for (;;) {
    const std::optional<Channel::Frame> frame = channel.pop();
    if (channel.dead()) _exit(1);
    if (frame && load<uint64_t>(frame->packet.data()) != number++) _exit(2);
    channel.flush();
  }
}

TEST(ChannelKill, SurvivingWriterIsOnlyHeldUp) {
  Random random(static_cast<uint64_t>(getpid()) + 1);
  Bytes packet;
  for (int round = 0; round < kRounds; ++round) {
    ChannelEnds ends(kRing);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) read_for_ever(*ends.server);
    const uint64_t until = random.below(200);
    for (uint64_t number = 0; number < until;) {
      fill(packet, number);
      if (ends.client->push({}, packet) == PushResult::kOk) ++number;
      ends.client->flush();
    }
    pause_for(random.below(300));
    kill_and_reap(child);
    for (int i = 0; i < 100; ++i) {
      const PushResult result = ends.client->push({}, Bytes(100, 1));
      ASSERT_TRUE(result == PushResult::kOk || result == PushResult::kFull);
    }
    ASSERT_FALSE(ends.client->dead()) << ends.client->fault();
    ASSERT_FALSE(HasFatalFailure());
  }
}

}  // namespace
}  // namespace ctdb
