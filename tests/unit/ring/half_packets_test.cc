// SPDX-License-Identifier: GPL-3.0-or-later
// Memory for packets that a daemon has read or written in part, through two views as writer and reader have them.
#include "libctdbipc/ring/half_packets.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

// Byte `at` of a stream.
uint8_t byte_at(uint64_t at) {
  return static_cast<uint8_t>(at * 7 + at / 251);
}

Bytes stream(uint64_t begin, uint64_t end) {
  Bytes bytes;
  for (uint64_t at = begin; at < end; ++at) bytes.push_back(byte_at(at));
  return bytes;
}

class HalfPacketsTest : public testing::Test {
 protected:
  HalfPacketsTest()
      : fd_(std::move(*HalfPackets::create())),
        writer_(std::move(*HalfPackets::map(fd_.get()))),
        reader_(std::move(*HalfPackets::map(fd_.get()))) {}
  // Bytes begin..end of both streams are unfinished, those going out another 5 further.
  bool keep(uint32_t slot, uint64_t begin, uint64_t end) {
    const Bytes in = stream(begin, end), out = stream(begin + 5, end + 5);
    return writer_->keep(slot, {in, out, begin, begin + 5});
  }
  void expect(uint32_t slot, uint64_t begin, uint64_t end) const {
    const std::optional<HalfPackets::Kept> kept = reader_->read(slot);
    ASSERT_TRUE(kept);
    EXPECT_TRUE(kept->in == stream(begin, end)) << begin << " to " << end;
    EXPECT_TRUE(kept->out == stream(begin + 5, end + 5)) << begin << " to " << end;
  }
  uint64_t memory() const {
    struct stat status {};
    fstat(fd_.get(), &status);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  UniqueFd fd_;
  std::unique_ptr<HalfPackets> writer_, reader_;
};

TEST_F(HalfPacketsTest, AFreshSlotHasNothing) {
  expect(7, 0, 0);
}

TEST_F(HalfPacketsTest, WhatIsKeptIsReadFromTheSameSlot) {
  EXPECT_TRUE(keep(3, 100, 120));
  EXPECT_TRUE(keep(4, 0, 10000));
  expect(3, 100, 120);
  expect(4, 0, 10000);
}

TEST_F(HalfPacketsTest, GrowsAtItsEndAndShrinksAtItsBeginning) {
  Random random(1);
  uint64_t begin = 0, end = 0;
  for (int step = 0; step < 300; ++step) {
    end += random.below(3 * HalfPackets::kBlockBytes);
    begin += random.below(end - begin + 1);
    ASSERT_TRUE(keep(9, begin, end));
    expect(9, begin, end);
    ASSERT_LE(writer_->blocks_used(), 2 * ((end - begin) / HalfPackets::kBlockBytes + 2));
  }
}

TEST_F(HalfPacketsTest, AnythingElseTakesItsPlace) {
  EXPECT_TRUE(keep(1, 1000, 9000));
  EXPECT_TRUE(keep(1, 20000, 20010));
  expect(1, 20000, 20010);
  EXPECT_TRUE(keep(1, 5, 6));
  expect(1, 5, 6);
  EXPECT_EQ(writer_->blocks_used(), 2u);
  writer_->clear(1);
  EXPECT_EQ(writer_->blocks_used(), 0u);
  expect(1, 0, 0);
}

TEST_F(HalfPacketsTest, WhenThereIsNoRoomOnlyTheLastOneHasNone) {
  const Bytes large(16u << 20, 1);
  uint32_t slot = 0;
  while (writer_->keep(slot, {large, {}, 0, 0})) ++slot;
  EXPECT_EQ(slot, HalfPackets::kBytesMax / large.size());
  EXPECT_TRUE(reader_->read(slot)->in.empty());
  EXPECT_TRUE(reader_->read(slot - 1)->in == large);
  EXPECT_FALSE(keep(slot, 0, 1));
  writer_->clear(0);
  EXPECT_TRUE(keep(slot, 0, 1));
}

TEST_F(HalfPacketsTest, EveryClientHasRoomForAStart) {
  const Bytes start(20, 1);
  for (uint32_t slot = 0; slot < HalfPackets::kSlots; ++slot)
    ASSERT_TRUE(writer_->keep(slot, {start, {}, 0, 0})) << slot;
}

TEST_F(HalfPacketsTest, MemoryGoesBackWhenNobodyNeedsIt) {
  const Bytes large(16u << 20, 1);
  EXPECT_TRUE(writer_->keep(0, {large, {}, 0, 0}));
  EXPECT_GE(memory(), large.size());
  writer_->clear(0);
  EXPECT_LT(memory(), 1u << 20);
  EXPECT_TRUE(keep(0, 0, 100));
  expect(0, 0, 100);
}

TEST_F(HalfPacketsTest, NonsenseIsNotBelieved) {
  EXPECT_TRUE(keep(2, 0, 20000));
  auto* const memory =
      static_cast<uint8_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  auto* const half = reinterpret_cast<HalfPacket*>(memory) + 2;
  const HalfPacket good = *half;
  const auto refuses = [&](auto damage) {
    *half = good;
    damage(half->in);
    return !reader_->read(2).has_value();
  };
  EXPECT_TRUE(refuses([](StreamPart& part) { part.bytes = ~uint64_t{0}; }));
  EXPECT_TRUE(refuses([](StreamPart& part) { part.bytes = 60000; })) << "longer than its blocks";
  EXPECT_TRUE(refuses([](StreamPart& part) { part.first = 0; }));
  EXPECT_TRUE(refuses([](StreamPart& part) { part.first = HalfPackets::kBlocks + 1; }));
  EXPECT_TRUE(refuses([](StreamPart& part) { part.skip = 4096; }));
  EXPECT_FALSE(reader_->read(HalfPackets::kSlots).has_value());
  munmap(memory, 4096);
}

TEST(HalfPackets, OtherMemoryIsRefused) {
  const UniqueFd other = std::move(*SealedMemory::create("other", 4096));
  EXPECT_FALSE(HalfPackets::map(other.get()));
}

}  // namespace
}  // namespace ctdb
