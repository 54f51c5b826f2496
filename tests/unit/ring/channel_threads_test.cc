// SPDX-License-Identifier: GPL-3.0-or-later
// Two threads with one end each: everything arrives, in order, and nobody sleeps for ever. Both sleep
// whenever they may (arm, then poll without end), so a lost wake-up shows as a hang and is cut off by the
// watchdog's deadline. The thread sanitizer watches the same tests.
#include <poll.h>

#include <atomic>
#include <thread>

#include "libctdbipc/base/random.h"
#include "tests/unit/ring/channel_fixture.h"

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;
constexpr int kPatienceMs = 60000;

// Sleeps on the bell, which in this test is read (level-triggered poll instead of an edge-triggered epoll).
void sleep_on(Channel& channel) {
  pollfd bell{channel.bell_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&bell, 1, kPatienceMs), 1) << "a wake-up was lost";
  (void)rings(channel);
  channel.disarm();
}

Bytes numbered(uint64_t number, size_t size) {
  Bytes packet(size, static_cast<uint8_t>(number));
  store(packet.data(), number);
  return packet;
}

void expect_numbered(ByteView packet, uint64_t number) {
  ASSERT_EQ(load<uint64_t>(packet.data()), number);
  for (size_t i = 8; i < packet.size(); ++i) ASSERT_EQ(packet[i], static_cast<uint8_t>(number)) << "torn";
}

void send_all(Channel& channel, uint64_t count, size_t size_max, uint64_t seed) {
  Random random(seed);
  for (uint64_t number = 0; number < count; ++number) {
    const Bytes packet = numbered(number, 8 + random.below(size_max));
    while (channel.push({}, packet) != PushResult::kOk) {
      if (channel.arm()) sleep_on(channel);
      if (testing::Test::HasFatalFailure()) return;
    }
    if (random.one_in(3)) channel.flush();
  }
  channel.flush();
}

void receive_all(Channel& channel, uint64_t count) {
  for (uint64_t number = 0; number < count;) {
    const std::optional<Channel::Frame> frame = channel.pop();
    if (frame) {
      expect_numbered(frame->packet, number++);
    } else if (channel.arm()) {
      sleep_on(channel);
    }
    ASSERT_FALSE(channel.dead()) << channel.fault();
    if (testing::Test::HasFatalFailure()) return;
  }
  channel.flush();
}

TEST(ChannelThreads, EverythingArrivesAndNobodySleepsForEver) {
  ChannelEnds ends(kRing);
  std::thread sender([&] { send_all(*ends.client, 200000, 200, 1); });
  receive_all(*ends.server, 200000);
  sender.join();
}

TEST(ChannelThreads, LargePacketsArriveToo) {
  ChannelEnds ends(kRing);
  std::thread sender([&] {
    send_all(*ends.client, 2000, 20000, 2);
    // What is left of the last packet leaves as the reader makes room.
    while (ends.client->unsent()) {
      if (ends.client->arm()) sleep_on(*ends.client);
    }
  });
  receive_all(*ends.server, 2000);
  sender.join();
}

TEST(ChannelThreads, PingPongNeverHangs) {
  ChannelEnds ends(kRing);
  constexpr uint64_t kRounds = 30000;
  std::thread echo([&] {
    for (uint64_t number = 0; number < kRounds;) {
      const std::optional<Channel::Frame> frame = ends.server->pop();
      if (frame) {
        ASSERT_EQ(ends.server->push({}, frame->packet), PushResult::kOk);
        ends.server->flush();
        ++number;
      } else if (ends.server->arm()) {
        sleep_on(*ends.server);
      }
    }
  });
  for (uint64_t number = 0; number < kRounds; ++number) {
    ASSERT_EQ(ends.client->push({}, numbered(number, 64)), PushResult::kOk);
    ends.client->flush();
    std::optional<Channel::Frame> frame;
    while (!(frame = ends.client->pop())) {
      if (ends.client->arm()) sleep_on(*ends.client);
    }
    expect_numbered(frame->packet, number);
  }
  echo.join();
}

// The reader is checked against a writer that scribbles at the same time: no crash, and no frame is believed
// whose header did not stand in the private copy (the address sanitizer would see it).
TEST(ChannelThreads, ScribblingWhileReadingHurtsNobody) {
  for (uint64_t round = 0; round < 200; ++round) {
    ChannelEnds ends(kRing);
    std::atomic<bool> stop{false};
    std::thread scribbler([&] {
      Random random(round);
      for (int i = 0; i < 300; ++i) (void)ends.client->push({}, Bytes(1 + random.below(300), 1));
      auto* words = reinterpret_cast<std::atomic<uint32_t>*>(ends.segment->data(1).data());
      while (!stop) {
        words[random.below(kRing / 4)].store(static_cast<uint32_t>(random.next()), std::memory_order_relaxed);
        ends.segment->control(1)->tail.store(random.below(8192) * 16, std::memory_order_relaxed);
      }
    });
    for (int i = 0; i < 2000 && !ends.server->dead(); ++i) {
      (void)ends.server->pop();
      ends.server->flush();
    }
    stop = true;
    scribbler.join();
  }
}

}  // namespace
}  // namespace ctdb
