// SPDX-License-Identifier: GPL-3.0-or-later
// The byte-stream splitter under both policies: wire-protocol §1.3 (links) and §1.4 (local clients).
#include "libctdbipc/wire/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

using Policy = FrameReader::Policy;
using Next = FrameReader::Next;

Bytes message(std::string_view text) {
  Bytes out;
  build(out, Header{}, ReqMessage{77, as_bytes(text)});
  return out;
}

// A header that says whatever the test wants, followed by `size` - 16 more bytes.
Bytes raw(uint32_t length, uint32_t magic, uint32_t version, size_t size) {
  Bytes out(size, 0);
  for (size_t at = 0; at < size && at < 12; at += 4) {
    const uint32_t value = at == 0 ? length : at == 4 ? magic : version;
    std::memcpy(out.data() + at, &value, std::min<size_t>(4, size - at));
  }
  return out;
}

void feed(FrameReader& reader, ByteView bytes) {
  while (!bytes.empty()) {
    const MutableBytes room = reader.room();
    const size_t now = std::min(room.size(), bytes.size());
    std::copy_n(bytes.begin(), now, room.begin());
    reader.received(now);
    bytes = bytes.subspan(now);
  }
}

std::vector<Bytes> take_all(FrameReader& reader) {
  std::vector<Bytes> packets;
  MutableBytes packet;
  while (reader.next(packet) == Next::kPacket) packets.push_back(to_bytes(packet));
  return packets;
}

Next outcome(Policy policy, ByteView bytes) {
  FrameReader reader(policy, kPacketBytesMax);
  feed(reader, bytes);
  MutableBytes packet;
  return reader.next(packet);
}

TEST(FrameReader, AnotherOneGoesOnWithWhatIsUnfinished) {
  const Bytes first = message("one"), second = message(std::string(100000, 'x'));
  FrameReader reader(Policy::kClient, kPacketBytesMax);
  feed(reader, first);
  feed(reader, ByteView(second).first(70000));
  EXPECT_EQ(take_all(reader), std::vector<Bytes>{first});
  EXPECT_EQ(reader.position(), first.size());
  FrameReader next(Policy::kClient, kPacketBytesMax);
  next.put(reader.unfinished());
  EXPECT_EQ(next.unfinished().size(), 70000u);
  feed(next, ByteView(second).subspan(70000));
  EXPECT_EQ(take_all(next), std::vector<Bytes>{second});
  EXPECT_TRUE(next.unfinished().empty());
}

TEST(FrameReader, HandsOutPacketsLaidEndToEnd) {
  FrameReader reader(Policy::kClient, kPacketBytesMax);
  Bytes stream = message("one");
  const Bytes second = message("and two");
  stream.insert(stream.end(), second.begin(), second.end());
  feed(reader, stream);
  EXPECT_EQ(take_all(reader), (std::vector<Bytes>{message("one"), second}));
}

TEST(FrameReader, JoinsAPacketThatArrivesByteByByte) {
  FrameReader reader(Policy::kLink, kPacketBytesMax);
  const Bytes packet = message("slowly");
  std::vector<Bytes> got;
  for (int round = 0; round < 3; ++round) {
    for (uint8_t byte : packet) {
      feed(reader, {&byte, 1});
      for (Bytes& whole : take_all(reader)) got.push_back(std::move(whole));
    }
  }
  EXPECT_EQ(got, (std::vector<Bytes>{packet, packet, packet}));
}

TEST(FrameReader, SplitsAtAnyPlace) {
  Bytes stream;
  std::vector<Bytes> sent;
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    sent.push_back(message(std::string(random.below(3000), 'x')));
    stream.insert(stream.end(), sent.back().begin(), sent.back().end());
  }
  FrameReader reader(Policy::kLink, kPacketBytesMax);
  std::vector<Bytes> got;
  for (size_t at = 0; at < stream.size();) {
    const size_t piece = std::min<size_t>(stream.size() - at, 1 + random.below(9000));
    feed(reader, ByteView(stream).subspan(at, piece));
    at += piece;
    for (Bytes& whole : take_all(reader)) got.push_back(std::move(whole));
  }
  EXPECT_EQ(got, sent);
}

TEST(FrameReader, TakesTheLargestPacketAndNoLarger) {
  Bytes largest(kPacketBytesMax, 0);
  const Bytes head = raw(static_cast<uint32_t>(kPacketBytesMax), CTDB_MAGIC, 1, 32);
  std::copy(head.begin(), head.end(), largest.begin());
  FrameReader reader(Policy::kLink, kPacketBytesMax);
  feed(reader, largest);
  EXPECT_EQ(take_all(reader).size(), 1u);
  EXPECT_EQ(outcome(Policy::kClient, raw(kPacketBytesMax + 8, CTDB_MAGIC, 1, 32)), Next::kFault);
}

TEST(FrameReader, RefusesFourGigabytesBeforeMemoryIsTaken) {
  for (const Policy policy : {Policy::kClient, Policy::kLink}) {
    FrameReader reader(policy, kPacketBytesMax);
    feed(reader, raw(0xFFFFFFF8u, CTDB_MAGIC, 1, 32));
    const size_t room_before = reader.room().size();
    EXPECT_LE(room_before, 1u << 20);
    MutableBytes packet;
    EXPECT_EQ(reader.next(packet), Next::kFault);
    EXPECT_STREQ(reader.fault(), "length field above the limit");
    EXPECT_EQ(reader.next(packet), Next::kFault);
  }
}

// A length field alone must not take the memory it promises: bytes that arrived bound what is held for them.
TEST(FrameReader, MemoryGrowsWithWhatArrived) {
  FrameReader reader(Policy::kClient, kPacketBytesMax);
  feed(reader, raw(kPacketBytesMax, CTDB_MAGIC, 1, 32));
  MutableBytes packet;
  EXPECT_EQ(reader.next(packet), Next::kMore);
  EXPECT_LE(reader.room().size(), 256u << 10);
}

TEST(FrameReader, ClientLengthBelowFourEndsTheConnection) {
  for (uint32_t length = 0; length < 4; ++length) {
    EXPECT_EQ(outcome(Policy::kClient, raw(length, CTDB_MAGIC, 1, 64)), Next::kFault) << length;
  }
}

TEST(FrameReader, ClientPacketsShorterThanAHeaderAreSkipped) {
  for (uint32_t length = 4; length < 32; ++length) {
    FrameReader reader(Policy::kClient, kPacketBytesMax);
    feed(reader, raw(length, CTDB_MAGIC, 1, length));
    feed(reader, message("after"));
    EXPECT_EQ(take_all(reader), std::vector<Bytes>{message("after")}) << length;
    EXPECT_EQ(reader.skipped(), 1u);
  }
}

TEST(FrameReader, ClientPacketsWithWrongMagicOrVersionAreSkipped) {
  FrameReader reader(Policy::kClient, kPacketBytesMax);
  feed(reader, raw(64, CTDB_MAGIC ^ 1, 1, 64));
  feed(reader, raw(61, CTDB_MAGIC, 2, 61));
  feed(reader, message("after"));
  EXPECT_EQ(take_all(reader), std::vector<Bytes>{message("after")});
  EXPECT_EQ(reader.skipped(), 2u);
  EXPECT_STREQ(reader.fault(), "");
}

TEST(FrameReader, ClientPacketsNeedNoAlignment) {
  for (uint32_t length = 32; length < 72; ++length) {
    EXPECT_EQ(outcome(Policy::kClient, raw(length, CTDB_MAGIC, 1, length)), Next::kPacket) << length;
  }
}

TEST(FrameReader, EveryMalformedPacketEndsALink) {
  const std::pair<Bytes, const char*> cases[] = {
      {raw(0, CTDB_MAGIC, 1, 64), "length field below 4"},
      {raw(24, CTDB_MAGIC, 1, 64), "packet shorter than its header"},
      {raw(61, CTDB_MAGIC, 1, 64), "packet length is not a multiple of 8"},
      {raw(64, 0, 1, 64), "wrong magic or version"},
      {raw(64, CTDB_MAGIC, 0, 64), "wrong magic or version"},
      {raw(64, CTDB_MAGIC, 2, 64), "wrong magic or version"},
  };
  for (const auto& [bytes, why] : cases) {
    FrameReader reader(Policy::kLink, kPacketBytesMax);
    feed(reader, bytes);
    MutableBytes packet;
    EXPECT_EQ(reader.next(packet), Next::kFault) << why;
    EXPECT_STREQ(reader.fault(), why);
  }
}

TEST(FrameReader, BeforeHelloOnlyAKilobyteIsAccepted) {
  FrameReader reader(Policy::kLink, kHelloBytesMax);
  feed(reader, raw(kHelloBytesMax + 8, CTDB_MAGIC, 1, 32));
  MutableBytes packet;
  EXPECT_EQ(reader.next(packet), Next::kFault);
  FrameReader later(Policy::kLink, kHelloBytesMax);
  feed(later, message("hello"));
  EXPECT_EQ(later.next(packet), Next::kPacket);
  later.set_packet_bytes_max(kPacketBytesMax);
  feed(later, message(std::string(5000, 'x')));
  EXPECT_EQ(later.next(packet), Next::kPacket);
}

TEST(FrameReader, AFaultAfterGoodPacketsComesAfterThem) {
  FrameReader reader(Policy::kLink, kPacketBytesMax);
  feed(reader, message("good"));
  feed(reader, raw(0, 0, 0, 32));
  MutableBytes packet;
  EXPECT_EQ(reader.next(packet), Next::kPacket);
  EXPECT_EQ(reader.next(packet), Next::kFault);
}

TEST(FrameReader, GivesALargeBufferBack) {
  FrameReader reader(Policy::kClient, kPacketBytesMax);
  feed(reader, message(std::string(4u << 20, 'x')));
  EXPECT_EQ(take_all(reader).size(), 1u);
  EXPECT_LE(reader.room().size(), 256u << 10);
}

TEST(FrameReader, GarbageNeverBreaksIt) {
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    FrameReader reader(random.one_in(2) ? Policy::kClient : Policy::kLink, 1u << 16);
    Bytes bytes(random.below(300));
    for (uint8_t& byte : bytes) byte = random.one_in(2) ? 0 : static_cast<uint8_t>(random.next());
    feed(reader, bytes);
    for (const Bytes& packet : take_all(reader)) EXPECT_EQ(check_header(packet), HeaderFault::kNone);
  }
}

TEST(FrameReaderMemory, AQuietSenderCostsAPageABusyOneGetsLargerReads) {
  FrameReader reader(FrameReader::Policy::kClient, 1u << 20);
  EXPECT_LE(reader.room().size(), 4096u);
  for (int i = 0; i < 10; ++i) {
    const MutableBytes room = reader.room();
    std::fill(room.begin(), room.end(), uint8_t{0});
    store(room.data(), static_cast<uint32_t>(room.size()));
    reader.received(room.size());
    MutableBytes packet;
    EXPECT_EQ(reader.next(packet), FrameReader::Next::kMore) << "no packet, but skipped whole";
  }
  EXPECT_GE(reader.room().size(), 65536u);
}

}  // namespace
}  // namespace ctdb
