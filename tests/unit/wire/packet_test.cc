// SPDX-License-Identifier: GPL-3.0-or-later
// Builders and parsers of the classic packets: layout byte by byte (wire-protocol §2 and §4), padding, and
// every inner length that does not fit.
#include "libctdbipc/wire/packet.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace ctdb {
namespace {

constexpr Header kHeader{0, 0x11111111, 0, 0x22222222, 0x33333333, 0x44444444};

uint32_t u32_at(const Bytes& packet, size_t at) {
  return load<uint32_t>(packet.data() + at);
}
uint64_t u64_at(const Bytes& packet, size_t at) {
  return load<uint64_t>(packet.data() + at);
}

template <typename Body>
Bytes built(const Body& body) {
  Bytes out;
  build(out, kHeader, body);
  return out;
}

void expect_header(const Bytes& packet, Operation operation) {
  ASSERT_EQ(check_header(packet), HeaderFault::kNone);
  const Header header = read_header(packet);
  EXPECT_EQ(header.length, packet.size());
  EXPECT_EQ(header.operation, static_cast<uint32_t>(operation));
  EXPECT_EQ(header.generation, 0x11111111u);
  EXPECT_EQ(header.destnode, 0x22222222u);
  EXPECT_EQ(header.srcnode, 0x33333333u);
  EXPECT_EQ(header.reqid, 0x44444444u);
  EXPECT_EQ(packet.size() % 8, 0u);
}

TEST(Packet, HeaderStandsWhereTheProtocolSays) {
  const Bytes packet = built(ReqMessage{1, {}});
  EXPECT_EQ(u32_at(packet, 0), packet.size());
  EXPECT_EQ((Bytes{packet.begin() + 4, packet.begin() + 8}), (Bytes{0x42, 0x44, 0x54, 0x43}));
  EXPECT_EQ(u32_at(packet, 8), 1u);
  EXPECT_EQ(u32_at(packet, 12), 0x11111111u);
  EXPECT_EQ(u32_at(packet, 16), 5u);
  EXPECT_EQ(u32_at(packet, 20), 0x22222222u);
  EXPECT_EQ(u32_at(packet, 24), 0x33333333u);
  EXPECT_EQ(u32_at(packet, 28), 0x44444444u);
}

TEST(Packet, HeaderFaultsAreToldApart) {
  Bytes packet = built(ReqMessage{1, {}});
  EXPECT_EQ(check_header({packet.data(), 31}), HeaderFault::kShort);
  EXPECT_EQ(check_header({}), HeaderFault::kShort);
  EXPECT_EQ(check_header({packet.data(), 40}), HeaderFault::kLength);
  packet[4] ^= 1;
  EXPECT_EQ(check_header(packet), HeaderFault::kMagic);
  packet[4] ^= 1;
  packet[8] = 2;
  EXPECT_EQ(check_header(packet), HeaderFault::kVersion);
}

TEST(Packet, SettersChangeOneFieldEach) {
  Bytes packet = built(ReqMessage{1, {}});
  set_generation(packet, 1);
  set_destnode(packet, 2);
  set_srcnode(packet, 3);
  set_reqid(packet, 4);
  const Header header = read_header(packet);
  EXPECT_EQ(header.generation, 1u);
  EXPECT_EQ(header.destnode, 2u);
  EXPECT_EQ(header.srcnode, 3u);
  EXPECT_EQ(header.reqid, 4u);
  EXPECT_EQ(check_header(packet), HeaderFault::kNone);
}

// §1.2: what a daemon puts on the wire at least.
TEST(Packet, EmptyPacketsHaveTheMinimumLength) {
  EXPECT_EQ(built(ReqCall{}).size(), 64u);
  EXPECT_EQ(built(ReplyCall{}).size(), 48u);
  EXPECT_EQ(built(ReqDmaster{}).size(), 64u);
  EXPECT_EQ(built(ReplyDmaster{}).size(), 64u);
  EXPECT_EQ(built(ReplyErrorPacket{}).size(), 48u);
  EXPECT_EQ(built(ReqMessage{}).size(), 48u);
  EXPECT_EQ(built(ReqControl{}).size(), 64u);
  EXPECT_EQ(built(ReplyControl{}).size(), 48u);
  EXPECT_EQ(built(ReqTunnel{}).size(), 56u);
}

TEST(Packet, ReqCall) {
  const Bytes packet = built(ReqCall{1, 2, 3, 4, as_bytes("key"), as_bytes("data")});
  expect_header(packet, Operation::REQ_CALL);
  EXPECT_EQ(u32_at(packet, 32), 1u);
  EXPECT_EQ(u32_at(packet, 36), 2u);
  EXPECT_EQ(u32_at(packet, 40), 3u);
  EXPECT_EQ(u32_at(packet, 44), 4u);
  EXPECT_EQ(u32_at(packet, 48), 3u);
  EXPECT_EQ(u32_at(packet, 52), 4u);
  EXPECT_EQ(as_text({packet.data() + 56, 7}), "keydata");
  const auto parsed = parse_req_call(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->flags, 1u);
  EXPECT_EQ(parsed->db_id, 2u);
  EXPECT_EQ(parsed->callid, 3u);
  EXPECT_EQ(parsed->hopcount, 4u);
  EXPECT_EQ(as_text(parsed->key), "key");
  EXPECT_EQ(as_text(parsed->data), "data");
}

TEST(Packet, ReplyCall) {
  const Bytes packet = built(ReplyCall{-7, as_bytes("answer")});
  expect_header(packet, Operation::REPLY_CALL);
  EXPECT_EQ(u32_at(packet, 32), static_cast<uint32_t>(-7));
  EXPECT_EQ(u32_at(packet, 36), 6u);
  const auto parsed = parse_reply_call(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->status, -7);
  EXPECT_EQ(as_text(parsed->data), "answer");
}

TEST(Packet, ReqDmasterCarriesItsFlagsUnalignedBehindTheData) {
  const Bytes packet =
      built(ReqDmaster{1, 0x0123456789abcdefull, 3, 0x00010000, as_bytes("key"), as_bytes("da")});
  expect_header(packet, Operation::REQ_DMASTER);
  EXPECT_EQ(u32_at(packet, 32), 1u);
  EXPECT_EQ(u64_at(packet, 40), 0x0123456789abcdefull);
  EXPECT_EQ(u32_at(packet, 48), 3u);
  EXPECT_EQ(u32_at(packet, 52), 3u);
  EXPECT_EQ(u32_at(packet, 56), 2u);
  EXPECT_EQ(u32_at(packet, 65), 0x00010000u);
  const auto parsed = parse_req_dmaster(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->db_id, 1u);
  EXPECT_EQ(parsed->rsn, 0x0123456789abcdefull);
  EXPECT_EQ(parsed->dmaster, 3u);
  EXPECT_EQ(parsed->record_flags, 0x00010000u);
  EXPECT_EQ(as_text(parsed->key), "key");
  EXPECT_EQ(as_text(parsed->data), "da");
}

TEST(Packet, ReplyDmaster) {
  const Bytes packet = built(ReplyDmaster{1, 9, 0x05000000, as_bytes("key"), as_bytes("data")});
  expect_header(packet, Operation::REPLY_DMASTER);
  EXPECT_EQ(u64_at(packet, 40), 9u);
  EXPECT_EQ(u32_at(packet, 48), 3u);
  EXPECT_EQ(u32_at(packet, 52), 4u);
  EXPECT_EQ(u32_at(packet, 63), 0x05000000u);
  const auto parsed = parse_reply_dmaster(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->rsn, 9u);
  EXPECT_EQ(parsed->record_flags, 0x05000000u);
  EXPECT_EQ(as_text(parsed->key), "key");
  EXPECT_EQ(as_text(parsed->data), "data");
}

TEST(Packet, MissingTrailingFlagsAreZero) {
  Bytes packet = built(ReqDmaster{1, 2, 3, 0xFFFFFFFF, as_bytes("key"), as_bytes("d")});
  packet.resize(CTDB_REQ_DMASTER_FIXED + 4 + 3);  // one byte of the flags is missing
  store(packet.data(), static_cast<uint32_t>(packet.size()));
  const auto parsed = parse_req_dmaster(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->record_flags, 0u);
}

TEST(Packet, ReplyErrorCountsItsNul) {
  const Bytes packet = built(ReplyErrorPacket{-1, "no such database"});
  expect_header(packet, Operation::REPLY_ERROR);
  EXPECT_EQ(u32_at(packet, 32), 0xFFFFFFFFu);
  EXPECT_EQ(u32_at(packet, 36), 17u);
  const auto parsed = parse_reply_error(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->status, -1);
  EXPECT_EQ(parsed->text, "no such database");
}

TEST(Packet, ReqMessage) {
  const Bytes packet = built(ReqMessage{0xFE00000000000001ull, as_bytes("hi")});
  expect_header(packet, Operation::REQ_MESSAGE);
  EXPECT_EQ(u64_at(packet, 32), 0xFE00000000000001ull);
  EXPECT_EQ(u32_at(packet, 40), 2u);
  const auto parsed = parse_req_message(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->srvid, 0xFE00000000000001ull);
  EXPECT_EQ(as_text(parsed->data), "hi");
}

TEST(Packet, ReqControl) {
  const Bytes packet = built(ReqControl{91, 0x8877665544332211ull, 5, CTDB_CONTROL_NOREPLY, as_bytes("abc")});
  expect_header(packet, Operation::REQ_CONTROL);
  EXPECT_EQ(u32_at(packet, 32), 91u);
  EXPECT_EQ(u64_at(packet, 40), 0x8877665544332211ull);
  EXPECT_EQ(u32_at(packet, 48), 5u);
  EXPECT_EQ(u32_at(packet, 52), 1u);
  EXPECT_EQ(u32_at(packet, 56), 3u);
  const auto parsed = parse_req_control(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->opcode, 91u);
  EXPECT_EQ(parsed->srvid, 0x8877665544332211ull);
  EXPECT_EQ(parsed->client_id, 5u);
  EXPECT_EQ(parsed->flags, 1u);
  EXPECT_EQ(as_text(parsed->data), "abc");
}

TEST(Packet, ReplyControlHasDataThenErrorText) {
  const Bytes packet = built(ReplyControl{-1, as_bytes("da"), "why"});
  expect_header(packet, Operation::REPLY_CONTROL);
  EXPECT_EQ(u32_at(packet, 36), 2u);
  EXPECT_EQ(u32_at(packet, 40), 3u);
  EXPECT_EQ(as_text({packet.data() + 44, 5}), "dawhy");
  const auto parsed = parse_reply_control(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->status, -1);
  EXPECT_EQ(as_text(parsed->data), "da");
  EXPECT_EQ(parsed->error, "why");
}

TEST(Packet, ReqTunnel) {
  const Bytes packet = built(ReqTunnel{0xFFFFFFFF00000000ull, 0x10, as_bytes("datagram")});
  expect_header(packet, Operation::REQ_TUNNEL);
  EXPECT_EQ(u64_at(packet, 32), 0xFFFFFFFF00000000ull);
  EXPECT_EQ(u32_at(packet, 40), 0x10u);
  EXPECT_EQ(u32_at(packet, 44), 8u);
  const auto parsed = parse_req_tunnel(packet);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->tunnel_id, 0xFFFFFFFF00000000ull);
  EXPECT_EQ(as_text(parsed->data), "datagram");
}

TEST(Packet, OwnOperationsKeepTheirPayload) {
  Bytes packet;
  Header header = kHeader;
  header.operation = 0x1022;
  build_own(packet, header, as_bytes("payload"));
  expect_header(packet, Operation::HEARTBEAT);
  EXPECT_EQ(as_text(own_payload(packet).first(7)), "payload");
  build_own(packet, header, {});
  EXPECT_EQ(check_header(packet), HeaderFault::kNone);
}

TEST(Packet, AReusedBufferKeepsItsMemoryAndNoOldBytes) {
  Bytes out;
  build(out, kHeader, ReqMessage{1, as_bytes(std::string(1000, 'x'))});
  const uint8_t* memory = out.data();
  build(out, kHeader, ReqMessage{2, as_bytes("y")});
  EXPECT_EQ(out.data(), memory);
  EXPECT_EQ(out.size(), 48u);
  EXPECT_EQ((Bytes{out.begin() + 45, out.end()}), Bytes(3, 0));
}

struct Shape {
  const char* name;
  size_t fixed;
  std::vector<size_t> lengths;  // offsets of the inner lengths
  Bytes packet;
  std::function<bool(ByteView)> parses;
};

std::vector<Shape> shapes() {
  const ByteView a = as_bytes("aaaaaaaa");
  const ByteView b = as_bytes("bbbb");
  return {
      {"REQ_CALL",
       56,
       {48, 52},
       built(ReqCall{0, 0, 0, 0, a, b}),
       [](ByteView p) { return !!parse_req_call(p); }},
      {"REPLY_CALL", 40, {36}, built(ReplyCall{0, a}), [](ByteView p) { return !!parse_reply_call(p); }},
      {"REQ_DMASTER",
       60,
       {52, 56},
       built(ReqDmaster{0, 0, 0, 0, a, b}),
       [](ByteView p) { return !!parse_req_dmaster(p); }},
      {"REPLY_DMASTER",
       56,
       {48, 52},
       built(ReplyDmaster{0, 0, 0, a, b}),
       [](ByteView p) { return !!parse_reply_dmaster(p); }},
      {"REPLY_ERROR",
       40,
       {36},
       built(ReplyErrorPacket{0, "text"}),
       [](ByteView p) { return !!parse_reply_error(p); }},
      {"REQ_MESSAGE", 44, {40}, built(ReqMessage{0, a}), [](ByteView p) { return !!parse_req_message(p); }},
      {"REQ_CONTROL",
       60,
       {56},
       built(ReqControl{0, 0, 0, 0, a}),
       [](ByteView p) { return !!parse_req_control(p); }},
      {"REPLY_CONTROL",
       44,
       {36, 40},
       built(ReplyControl{0, a, "bbbb"}),
       [](ByteView p) { return !!parse_reply_control(p); }},
      {"REQ_TUNNEL", 48, {44}, built(ReqTunnel{0, 0, a}), [](ByteView p) { return !!parse_req_tunnel(p); }},
  };
}

TEST(PacketBounds, PacketsShorterThanTheirFixedPartAreRefused) {
  for (const Shape& shape : shapes()) {
    EXPECT_TRUE(shape.parses(shape.packet)) << shape.name;
    for (size_t size = 0; size < shape.fixed; ++size) {
      const Bytes cut(shape.packet.begin(), shape.packet.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(shape.parses(cut)) << shape.name << " of " << size;
    }
  }
}

TEST(PacketBounds, InnerLengthsMayReachTheEndAndNoFurther) {
  for (const Shape& shape : shapes()) {
    for (size_t at : shape.lengths) {
      Bytes packet = shape.packet;
      for (size_t other : shape.lengths) store(packet.data() + other, uint32_t{0});
      const auto room = static_cast<uint32_t>(packet.size() - shape.fixed);
      store(packet.data() + at, room);
      EXPECT_TRUE(shape.parses(packet)) << shape.name;
      for (const uint32_t length : {room + 1, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFF0u, 0xFFFFFFFFu}) {
        store(packet.data() + at, length);
        EXPECT_FALSE(shape.parses(packet)) << shape.name << " " << length;
      }
    }
  }
}

TEST(PacketBounds, InnerLengthsDoNotOverflowTogether) {
  for (const Shape& shape : shapes()) {
    if (shape.lengths.size() < 2) continue;
    Bytes packet = shape.packet;
    store(packet.data() + shape.lengths[0], 0xFFFFFFFFu);
    store(packet.data() + shape.lengths[1], 1u);
    EXPECT_FALSE(shape.parses(packet)) << shape.name;
    store(packet.data() + shape.lengths[0], 0x80000000u);
    store(packet.data() + shape.lengths[1], 0x80000000u);
    EXPECT_FALSE(shape.parses(packet)) << shape.name;
  }
}

TEST(RecordHeader, RoundTripWithGapsOfTheProtocol) {
  Bytes value;
  append_record_header(value, RecordHeader{0x0102030405060708ull, 3, 0x00010000});
  value.push_back('x');
  ASSERT_EQ(value.size(), 25u);
  EXPECT_EQ(u64_at(value, 0), 0x0102030405060708ull);
  EXPECT_EQ(u32_at(value, 8), 3u);
  EXPECT_EQ(u32_at(value, 12), 0u);
  EXPECT_EQ(u32_at(value, 16), 0x00010000u);
  EXPECT_EQ(u32_at(value, 20), 0u);
  const auto header = read_record_header(value);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->rsn, 0x0102030405060708ull);
  EXPECT_EQ(header->dmaster, 3u);
  EXPECT_EQ(header->flags, 0x00010000u);
  EXPECT_FALSE(read_record_header({value.data(), 23}));
}

}  // namespace
}  // namespace ctdb
