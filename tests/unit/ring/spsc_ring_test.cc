// SPDX-License-Identifier: GPL-3.0-or-later
// Both views of a ring on plain memory, with head and tail set to the awkward places, and with a peer that
// scribbles over everything it can reach.
#include "libctdbipc/ring/spsc_ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

constexpr size_t kSize = 4096;
using Outcome = RingProducer::Outcome;

struct Ring {
  RingControl control{};
  alignas(16) uint8_t data[kSize] = {};

  explicit Ring(uint64_t position = 0) {
    control.tail = position;
    control.head = position;
  }
  RingProducer producer() { return RingProducer(&control, {data, kSize}); }
  RingConsumer consumer() { return RingConsumer(&control, {data, kSize}); }
  FrameHeader& header_at(uint64_t position) {
    return *reinterpret_cast<FrameHeader*>(data + position % kSize);
  }
};

Bytes bytes(size_t size, uint8_t value = 7) {
  return Bytes(size, value);
}

std::optional<Bytes> pop(RingConsumer& consumer) {
  uint32_t endpoint = 0;
  uint32_t flags = 0;
  bool more = false;
  Bytes packet;
  if (!consumer.pop(endpoint, flags, packet, more)) return std::nullopt;
  return packet;
}

TEST(SpscRing, FrameComesOutAsItWentIn) {
  Ring ring;
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  EXPECT_FALSE(consumer.readable());
  ASSERT_EQ(producer.push(5, 6, bytes(100), kMoreFollows), Outcome::kOk);
  EXPECT_TRUE(consumer.readable());
  uint32_t endpoint = 0;
  uint32_t flags = 0;
  bool more = false;
  Bytes packet = {1};
  ASSERT_TRUE(consumer.pop(endpoint, flags, packet, more));
  EXPECT_EQ(endpoint, 5u);
  EXPECT_EQ(flags, 6u);
  EXPECT_TRUE(more);
  EXPECT_EQ(packet.size(), 101u);  // appended
  EXPECT_FALSE(consumer.readable());
  EXPECT_FALSE(pop(consumer));
}

TEST(SpscRing, RefusesWhatIsEmptyOrMoreThanHalf) {
  Ring ring;
  RingProducer producer = ring.producer();
  EXPECT_EQ(producer.push(0, 0, {}), Outcome::kTooBig);
  EXPECT_EQ(producer.push(0, 0, bytes(producer.packet_bytes_max() + 1)), Outcome::kTooBig);
  EXPECT_EQ(producer.push(0, 0, bytes(producer.packet_bytes_max())), Outcome::kOk);
}

TEST(SpscRing, RefusesWriteWhenFullAndAcceptsAfterRelease) {
  Ring ring;
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  size_t frames = 0;
  while (producer.push(0, 0, bytes(112)) == Outcome::kOk) ++frames;
  EXPECT_EQ(frames, kSize / 128);  // the whole ring, to the last byte
  EXPECT_EQ(producer.space(), 0u);
  EXPECT_TRUE(pop(consumer));
  EXPECT_EQ(producer.push(0, 0, bytes(112)), Outcome::kFull);  // not released yet
  consumer.release();
  EXPECT_EQ(producer.push(0, 0, bytes(112)), Outcome::kOk);
  for (size_t i = 0; i < frames; ++i) ASSERT_TRUE(pop(consumer)) << i;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kNone);
}

TEST(SpscRing, WrapsAtEveryPlaceWithEverySize) {
  for (uint64_t start = 0; start < kSize; start += kFrameAlign) {
    for (size_t size : {1u, 16u, 100u, 1000u, 2032u}) {
      Ring ring(start);
      RingProducer producer = ring.producer();
      RingConsumer consumer = ring.consumer();
      ASSERT_EQ(producer.push(1, 2, bytes(size)), Outcome::kOk) << start << " " << size;
      ASSERT_EQ(pop(consumer), bytes(size)) << start << " " << size;
      ASSERT_FALSE(pop(consumer));
      ASSERT_EQ(consumer.fault(), RingFault::kNone);
    }
  }
}

TEST(SpscRing, PadFrameMayBeOnlyAHeader) {
  Ring ring(kSize - 16);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  ASSERT_EQ(producer.push(0, 0, bytes(1)), Outcome::kOk);
  EXPECT_EQ(ring.header_at(kSize - 16).length, kPadFrame);
  EXPECT_EQ(pop(consumer), bytes(1));
}

TEST(SpscRing, AFrameThatEndsAtTheEndNeedsNoPad) {
  Ring ring(kSize - 32);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  ASSERT_EQ(producer.push(0, 0, bytes(16)), Outcome::kOk);
  EXPECT_EQ(ring.control.tail.load(), kSize);
  EXPECT_EQ(pop(consumer), bytes(16));
}

TEST(SpscRing, SpaceIsAlwaysTrue) {
  Random random(9);
  Ring ring;
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (int i = 0; i < 20000; ++i) {
    const size_t space = producer.space();
    if (space > 0 && random.one_in(4)) {
      ASSERT_EQ(producer.push(0, 0, bytes(space)), Outcome::kOk) << i;
    } else if (random.one_in(2)) {
      const size_t size = 1 + random.below(300);
      const Outcome outcome = producer.push(0, 0, bytes(size));
      ASSERT_TRUE(outcome == Outcome::kOk || (outcome == Outcome::kFull && size > space)) << i;
    } else {
      (void)pop(consumer);
      if (random.one_in(2)) consumer.release();
    }
  }
  EXPECT_EQ(consumer.fault(), RingFault::kNone);
}

TEST(SpscRing, ManyFramesOfAllSizesArriveInOrder) {
  Random random(1);
  Ring ring(12340 * 16);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  uint64_t sent = 0;
  uint64_t seen = 0;
  while (seen < 50000) {
    Bytes packet(8 + random.below(random.one_in(10) ? 2000 : 100));
    store(packet.data(), sent);
    if (producer.push(0, 0, packet) == Outcome::kOk) ++sent;
    if (random.one_in(3)) {
      while (const std::optional<Bytes> got = pop(consumer)) ASSERT_EQ(load<uint64_t>(got->data()), seen++);
      consumer.release();
    }
  }
  EXPECT_EQ(producer.fault(), RingFault::kNone);
}

TEST(SpscRing, ViewsStartWhereTheControlBlockStands) {
  Ring ring;
  {
    RingProducer producer = ring.producer();
    ASSERT_EQ(producer.push(0, 0, bytes(3)), Outcome::kOk);
    ASSERT_EQ(producer.push(0, 0, bytes(4)), Outcome::kOk);
  }
  {
    RingConsumer consumer = ring.consumer();
    EXPECT_EQ(pop(consumer), bytes(3));
    consumer.release();
  }
  RingConsumer consumer = ring.consumer();
  EXPECT_EQ(pop(consumer), bytes(4));
}

// ---- a peer that does not keep the rules ----

TEST(SpscRingScribbled, ImpossibleTailIsAFault) {
  for (const uint64_t tail :
       {uint64_t{8}, uint64_t{17}, uint64_t{kSize + 16}, ~uint64_t{0}, ~uint64_t{0} - 15}) {
    Ring ring;
    RingConsumer consumer = ring.consumer();
    ring.control.tail = tail;
    EXPECT_TRUE(consumer.readable());
    EXPECT_FALSE(pop(consumer)) << tail;
    EXPECT_EQ(consumer.fault(), RingFault::kTail) << tail;
    EXPECT_TRUE(consumer.readable());  // so that nobody sleeps on it
  }
}

TEST(SpscRingScribbled, TailThatGoesBackIsAFault) {
  Ring ring(1600);
  RingConsumer consumer = ring.consumer();
  ring.control.tail = 1584;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kTail);
}

TEST(SpscRingScribbled, ImpossibleHeadIsAFault) {
  for (const uint64_t head : {uint64_t{8}, uint64_t{1616}, uint64_t{0}, ~uint64_t{0}}) {
    Ring ring(kSize * 2);
    RingProducer producer = ring.producer();
    while (producer.push(0, 0, bytes(1000)) == Outcome::kOk) {
    }
    ring.control.head = head;
    EXPECT_EQ(producer.push(0, 0, bytes(1000)), Outcome::kFault) << head;
    EXPECT_EQ(producer.fault(), RingFault::kHead) << head;
    EXPECT_EQ(producer.space(), 0u);
    EXPECT_EQ(producer.push(0, 0, bytes(1)), Outcome::kFault);
  }
}

TEST(SpscRingScribbled, ZeroLengthIsNeverAFrame) {
  Ring ring;  // all zero, as a punched hole reads
  RingConsumer consumer = ring.consumer();
  ring.control.tail = 64;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kLength);
  Ring checked;
  checked.header_at(0) = {0, 0, 0, ~0u};  // even with a right check word
  RingConsumer second = checked.consumer();
  checked.control.tail = 64;
  EXPECT_FALSE(pop(second));
  EXPECT_EQ(second.fault(), RingFault::kLength);
}

TEST(SpscRingScribbled, ImpossibleLengthsAreFaults) {
  const uint32_t more = kMoreFollows;
  for (const uint32_t length : {uint32_t{100}, uint32_t{2049}, uint32_t{4096}, 0x7FFFFFFFu, 0xFFFFFFFEu, more,
                                more | 100, more | 0x7FFFFFF0u}) {
    Ring ring;
    RingProducer producer = ring.producer();
    ASSERT_EQ(producer.push(0, 0, bytes(16)), Outcome::kOk);
    RingConsumer consumer = ring.consumer();
    ring.header_at(0) = {length, 0, 0, ~length};
    EXPECT_FALSE(pop(consumer)) << length;
    EXPECT_EQ(consumer.fault(), RingFault::kLength) << length;
  }
}

TEST(SpscRingScribbled, WrongCheckWordIsAFault) {
  Ring ring;
  RingProducer producer = ring.producer();
  ASSERT_EQ(producer.push(0, 0, bytes(16)), Outcome::kOk);
  RingConsumer consumer = ring.consumer();
  ring.header_at(0).check ^= 1;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kLength);
}

TEST(SpscRingScribbled, PadWithNothingBehindItIsAFault) {
  Ring ring;
  RingConsumer consumer = ring.consumer();
  ring.header_at(0) = {kPadFrame, 0, 0, ~kPadFrame};
  ring.control.tail = kSize;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kLength);
}

TEST(SpscRingScribbled, TwoPadsAreAFault) {
  Ring ring(2048);
  RingConsumer consumer = ring.consumer();
  ring.header_at(2048) = {kPadFrame, 0, 0, ~kPadFrame};
  ring.header_at(0) = {kPadFrame, 0, 0, ~kPadFrame};
  ring.control.tail = 2048 + kSize;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kLength);
}

TEST(SpscRingScribbled, AFrameOverTheEndIsAFault) {
  Ring ring(kSize - 32);
  RingConsumer consumer = ring.consumer();
  ring.header_at(kSize - 32) = {64, 0, 0, ~64u};
  ring.control.tail = kSize + 512;
  EXPECT_FALSE(pop(consumer));
  EXPECT_EQ(consumer.fault(), RingFault::kLength);
}

TEST(SpscRingScribbled, StartPositionsAreCheckedToo) {
  Ring ring;
  ring.control.tail = 24;
  EXPECT_NE(ring.producer().fault(), RingFault::kNone);
  ring.control.tail = 0;
  ring.control.head = 4;
  EXPECT_NE(ring.consumer().fault(), RingFault::kNone);
  EXPECT_NE(ring.producer().fault(), RingFault::kNone);
}

// Near the end of the number range positions would wrap: that channel dies, nothing else happens.
TEST(SpscRingScribbled, PositionsNearTheEndOfTheNumberRange) {
  Ring ring(~uint64_t{0} - 4095);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (int i = 0; i < 200; ++i) {
    (void)producer.push(0, 0, bytes(100));
    (void)pop(consumer);
    consumer.release();
  }
  SUCCEED();
}

TEST(SpscRingScribbled, RandomScribblingNeverHurtsTheReader) {
  Random random(77);
  for (int round = 0; round < 5000; ++round) {
    auto ring = std::make_unique<Ring>(random.below(4) * 1024);  // on the heap: ASan guards its end
    RingProducer producer = ring->producer();
    RingConsumer consumer = ring->consumer();
    for (int i = 0; i < 10; ++i) (void)producer.push(0, 0, bytes(1 + random.below(400)));
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      const uint32_t values[] = {0, 16, kPadFrame, static_cast<uint32_t>(random.next())};
      const uint32_t value = values[random.below(4)];
      const size_t at = random.below(kSize / 4) * 4;
      if (random.one_in(2)) {
        ring->header_at(at & ~size_t{15}) = {value, 0, 0, ~value};
      } else {
        store(ring->data + at, value);
      }
      if (random.one_in(3)) ring->control.tail = random.below(3 * kSize) & ~uint64_t{15};
    }
    for (int i = 0; i < 400 && pop(consumer); ++i) consumer.release();
  }
}

TEST(SpscRing, FaultsHaveTexts) {
  EXPECT_STREQ(ring_fault_text(RingFault::kNone), "");
  for (const RingFault fault : {RingFault::kHead, RingFault::kTail, RingFault::kLength}) {
    EXPECT_GT(std::string(ring_fault_text(fault)).size(), 10u);
  }
}

}  // namespace
}  // namespace ctdb
