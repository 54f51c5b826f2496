// SPDX-License-Identifier: GPL-3.0-or-later
// Each golden packet says what the manifest says, comes out the same when it is encoded again, and with any single
// byte changed it is decoded or refused: no crash, no read beyond its end, no memory that the sender asked for.
#include "tests/golden/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/frame_reader.h"
#include "libctdbipc/wire/packet.h"
#include "tests/golden/allocation_watch.h"
#include "tests/golden/describe.h"

namespace ctdb {
namespace {

constexpr size_t kOnePieceMax = 256u << 10;

const std::vector<GoldenPacket>& packets() {
  static const std::vector<GoldenPacket> all = golden_packets(GOLDEN_DIRECTORY);
  return all;
}

TEST(Golden, EveryPacketTypeIsThere) {
  std::set<uint32_t> seen;
  for (const GoldenPacket& packet : packets()) {
    ASSERT_GE(packet.bytes.size(), 32u) << packet.name;
    seen.insert(read_header(packet.bytes).operation);
  }
  for (uint32_t number = 0; number < 0x2000; ++number) {
    if (const OperationRow* row = find_operation(number)) {
      EXPECT_EQ(seen.count(number), 1u) << row->name;
    }
  }
}

TEST(Golden, EachSaysWhatTheManifestSays) {
  for (const GoldenPacket& packet : packets())
    EXPECT_EQ(describe(packet.bytes), packet.fields) << packet.name;
}

// Offset 36 of these is a hole in the classic daemon's structure; it and the padding behind the payload may hold
// anything (wire-protocol §1.2).
bool has_gap(uint32_t operation) {
  return operation == 2 || operation == 3 || operation == 7;
}

TEST(Golden, EncodedAgainEachIsTheSame) {
  size_t compared = 0;
  for (const GoldenPacket& packet : packets()) {
    const std::optional<Bytes> again = rebuild(packet.bytes);
    if (!again) continue;  // no codec: keep-alives, queries without payload
    ++compared;
    const bool unaligned = packet.name.rfind("unaligned_", 0) == 0;
    Bytes expected = packet.bytes;
    if (unaligned) {  // what smbd sends is not padded; ours is
      ASSERT_LE(expected.size(), again->size());
      expected.resize(again->size(), 0);
      store(expected.data(), static_cast<uint32_t>(expected.size()));
    }
    if (has_gap(read_header(packet.bytes).operation)) store(expected.data() + 36, 0u);
    EXPECT_EQ(*again, expected) << packet.name;
  }
  EXPECT_GE(compared + 4, packets().size());
}

void feed(FrameReader& reader, ByteView bytes) {
  const MutableBytes room = reader.room();
  ASSERT_GE(room.size(), bytes.size());
  std::copy(bytes.begin(), bytes.end(), room.begin());
  reader.received(bytes.size());
}

void read_stream(FrameReader::Policy policy, const Bytes& bytes) {
  FrameReader reader(policy, kPacketBytesMax);
  feed(reader, bytes);
  MutableBytes packet;
  while (reader.next(packet) == FrameReader::Next::kPacket) {
    ASSERT_EQ(check_header(packet), HeaderFault::kNone);
    ASSERT_LE(packet.size(), bytes.size());
  }
  (void)reader.room();
}

TEST(Golden, EverySingleByteCorruptionIsDecodedOrRefused) {
  for (const GoldenPacket& packet : packets()) {
    largest_allocation = 0;
    for (size_t at = 0; at < packet.bytes.size(); ++at) {
      Bytes changed = packet.bytes;
      for (int value = 1; value < 256; ++value) {
        changed[at] = static_cast<uint8_t>(packet.bytes[at] ^ value);
        (void)rebuild(changed);
      }
    }
    EXPECT_LE(largest_allocation, kOnePieceMax) << packet.name;
  }
}

// The stream splitter looks at the first twelve bytes only; the rest is covered above.
TEST(Golden, EveryCorruptionOfAHeaderGoesThroughTheFrameReader) {
  for (const GoldenPacket& packet : packets()) {
    largest_allocation = 0;
    for (size_t at = 0; at < 12; ++at) {
      Bytes changed = packet.bytes;
      for (int value = 1; value < 256; value += at < 4 ? 1 : 17) {
        changed[at] = static_cast<uint8_t>(packet.bytes[at] ^ value);
        read_stream(FrameReader::Policy::kClient, changed);
        read_stream(FrameReader::Policy::kLink, changed);
      }
    }
    EXPECT_LE(largest_allocation, kOnePieceMax) << packet.name;
  }
}

TEST(Golden, EveryTruncationIsDecodedOrRefused) {
  for (const GoldenPacket& packet : packets()) {
    for (size_t size = 0; size < packet.bytes.size(); ++size) {
      Bytes cut(packet.bytes.begin(), packet.bytes.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(rebuild(cut)) << packet.name;
      if (size >= 4) store(cut.data(), static_cast<uint32_t>(size));  // a header that owns up to it
      (void)rebuild(cut);
    }
  }
}

}  // namespace
}  // namespace ctdb
