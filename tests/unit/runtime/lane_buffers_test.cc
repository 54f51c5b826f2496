// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/lane_buffers.h"

#include <gtest/gtest.h>

#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

Bytes packet(uint32_t reqid, size_t payload) {
  Bytes out;
  build(out, {0, 0, 0, 1, 0, reqid}, ReqMessage{reqid, Bytes(payload, static_cast<uint8_t>(reqid))});
  return out;
}

// "Writes" at most `room` bytes.
Bytes write_out(LaneBuffers& buffers, size_t room) {
  iovec parts[3];
  const int count = buffers.parts(parts);
  Bytes out;
  for (int i = 0; i < count; ++i) {
    const auto* at = static_cast<const uint8_t*>(parts[i].iov_base);
    const size_t take = std::min(room - out.size(), parts[i].iov_len);
    out.insert(out.end(), at, at + take);
  }
  buffers.written(out.size());
  return out;
}

std::vector<uint32_t> reqids(ByteView stream) {
  FrameReader reader(FrameReader::Policy::kLink, 1u << 20);
  std::vector<uint32_t> out;
  while (!stream.empty()) {
    const MutableBytes room = reader.room();
    const size_t take = std::min(room.size(), stream.size());
    std::copy_n(stream.begin(), take, room.begin());
    reader.received(take);
    stream = stream.subspan(take);
    MutableBytes next;
    while (reader.next(next) == FrameReader::Next::kPacket) out.push_back(read_header(next).reqid);
    EXPECT_STREQ(reader.fault(), "");
  }
  return out;
}

TEST(LaneBuffers, ControlOvertakesQueuedData) {
  LaneBuffers buffers;
  buffers.add(Lane::kData, packet(1, 10));
  buffers.add(Lane::kData, packet(2, 10));
  buffers.add(Lane::kControl, packet(3, 10));
  EXPECT_EQ(reqids(write_out(buffers, 1u << 20)), (std::vector<uint32_t>{3, 1, 2}));
  EXPECT_TRUE(buffers.empty());
}

TEST(LaneBuffers, ButNotInTheMiddleOfAPacket) {
  LaneBuffers buffers;
  buffers.add(Lane::kData, packet(1, 100));
  buffers.add(Lane::kData, packet(2, 100));
  Bytes stream = write_out(buffers, 40);
  buffers.add(Lane::kControl, packet(3, 10));
  const Bytes rest = write_out(buffers, 1u << 20);
  stream.insert(stream.end(), rest.begin(), rest.end());
  EXPECT_EQ(reqids(stream), (std::vector<uint32_t>{1, 3, 2}));
}

TEST(LaneBuffers, AnyPieceSizesGiveWholePacketsAndOrderWithinALane) {
  Random random(20);
  LaneBuffers buffers;
  Bytes stream;
  uint32_t data = 0;
  uint32_t control = 1000000;
  for (int i = 0; i < 3000; ++i) {
    if (random.one_in(3)) buffers.add(Lane::kControl, packet(++control, random.below(60)));
    buffers.add(Lane::kData, packet(++data, random.below(300)));
    if (random.one_in(2)) {
      const Bytes piece = write_out(buffers, 1 + random.below(900));
      stream.insert(stream.end(), piece.begin(), piece.end());
    }
  }
  while (!buffers.empty()) {
    const Bytes piece = write_out(buffers, 1 + random.below(100000));
    stream.insert(stream.end(), piece.begin(), piece.end());
  }
  uint32_t next_data = 1;
  uint32_t next_control = 1000001;
  for (const uint32_t reqid : reqids(stream)) {
    if (reqid > 1000000) {
      EXPECT_EQ(reqid, next_control++);
    } else {
      EXPECT_EQ(reqid, next_data++);
    }
  }
  EXPECT_EQ(next_data, data + 1);
  EXPECT_EQ(next_control, control + 1);
}

std::vector<uint32_t> unwritten(const LaneBuffers& buffers) {
  std::vector<uint32_t> out;
  buffers.for_each(Lane::kData, [&](ByteView packet) {
    EXPECT_EQ(check_header(packet), HeaderFault::kNone);
    out.push_back(read_header(packet).reqid);
  });
  return out;
}

TEST(LaneBuffers, ShowsWhatIsNotWhollyWritten) {
  LaneBuffers buffers;
  for (const uint32_t reqid : {1u, 2u, 3u}) buffers.add(Lane::kData, packet(reqid, 100));
  EXPECT_EQ(unwritten(buffers), (std::vector<uint32_t>{1, 2, 3}));
  write_out(buffers, packet(1, 100).size() - 1);
  EXPECT_EQ(unwritten(buffers), (std::vector<uint32_t>{1, 2, 3}));
  write_out(buffers, 1);
  EXPECT_EQ(unwritten(buffers), (std::vector<uint32_t>{2, 3}));
  write_out(buffers, 1000);
  EXPECT_EQ(unwritten(buffers), std::vector<uint32_t>{});
}

TEST(LaneBuffers, KeepsTheWholePacketItIsIn) {
  LaneBuffers buffers;
  for (uint32_t i = 1; i <= 40; ++i) buffers.add(Lane::kData, packet(i, 100000));
  // Stops in the middle of every packet; what was written is moved out of the way now and then.
  for (uint32_t i = 1; i <= 40; ++i) {
    write_out(buffers, i == 1 ? 50000 : packet(i, 100000).size());
    const std::vector<uint32_t> left = unwritten(buffers);
    ASSERT_FALSE(left.empty());
    EXPECT_EQ(left.front(), i);
    EXPECT_EQ(left.size(), 41 - i);
  }
}

}  // namespace
}  // namespace ctdb
