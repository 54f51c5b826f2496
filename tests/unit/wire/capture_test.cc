// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/wire/capture.h"

#include <gtest/gtest.h>

#include <vector>

#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

constexpr int64_t kSecondNs = 1000000000;

Bytes call(uint32_t node, uint32_t db_id, const char* key) {
  ReqCall packet;
  packet.db_id = db_id;
  packet.key = as_bytes(std::string_view(key));
  Header header;
  header.srcnode = node;
  header.destnode = 0;
  Bytes out;
  build(out, header, packet);
  return out;
}

CapturedPacket seen(const Bytes& packet, int64_t wall_ns = 0) {
  CapturedPacket out;
  out.link = CaptureLink::kRecordStream;
  out.number = 2;
  out.wall_ns = wall_ns;
  out.bytes = packet;
  return out;
}

std::vector<CapturedPacket> all_of(const CaptureBuffer& buffer) {
  std::vector<CapturedPacket> out;
  bool broken = false;
  for (ByteView rest = buffer.unsent(); auto packet = take_captured(rest, broken);) out.push_back(*packet);
  EXPECT_FALSE(broken);
  return out;
}

TEST(Capture, TellsWhatItSaw) {
  CaptureBuffer buffer{CaptureOptions{}};
  const Bytes packet = call(1, 7, "key");
  buffer.offer(seen(packet, 42));
  const auto got = all_of(buffer);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].link, CaptureLink::kRecordStream);
  EXPECT_EQ(got[0].number, 2u);
  EXPECT_EQ(got[0].wall_ns, 42);
  EXPECT_EQ(to_bytes(got[0].bytes), packet);
}

TEST(Capture, OptionsTravelWhole) {
  CaptureOptions options;
  options.snap_bytes = 100;
  options.redact = true;
  options.node = 3;
  options.operation = 0;
  const auto got = CaptureOptions::decode(options.encode());
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->snap_bytes, 100u);
  EXPECT_TRUE(got->redact);
  EXPECT_EQ(got->node, 3u);
  EXPECT_EQ(got->operation, 0u);
  EXPECT_FALSE(got->db_id.has_value());
  EXPECT_EQ(options.encode().size(), kCaptureRequestBytes);
}

TEST(Capture, RefusesRequestsThatAreNoneOrWantTooMuch) {
  EXPECT_FALSE(CaptureOptions::decode(Bytes(kCaptureRequestBytes)).has_value());
  EXPECT_FALSE(CaptureOptions::decode(Bytes(3)).has_value());
  CaptureOptions greedy;
  greedy.buffer_bytes = kCaptureBufferBytesMax + 1;
  EXPECT_FALSE(CaptureOptions::decode(greedy.encode()).has_value());
}

TEST(Capture, FiltersByDatabaseNodeAndOperation) {
  const Bytes wanted = call(1, 7, "key"), other = call(3, 8, "key");
  for (int by = 0; by < 3; ++by) {
    CaptureOptions options;
    if (by == 0) options.db_id = 7;
    if (by == 1) options.operation = static_cast<uint32_t>(Operation::REQ_DMASTER);
    if (by == 2) options.node = 1;
    CaptureBuffer buffer{options};
    CapturedPacket over_another_link = seen(other);
    over_another_link.link = CaptureLink::kNativeClient;
    buffer.offer(seen(wanted));
    buffer.offer(over_another_link);
    EXPECT_EQ(all_of(buffer).size(), by == 1 ? 0u : 1u) << by;
    EXPECT_EQ(buffer.dropped(), 0u);
  }
}

TEST(Capture, CutsToTheSnapLengthAndSaysHowLongThePacketWas) {
  CaptureOptions options;
  options.snap_bytes = 40;
  CaptureBuffer buffer{options};
  const Bytes packet = call(1, 7, "a long key that is cut off");
  buffer.offer(seen(packet));
  const auto got = all_of(buffer);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].bytes.size(), 40u);
  EXPECT_EQ(got[0].whole_size, packet.size());
}

TEST(Capture, BlanksKeysAndDataButNotTheirLengths) {
  CaptureOptions options;
  options.redact = true;
  CaptureBuffer buffer{options};
  const Bytes packet = call(1, 7, "secret");
  buffer.offer(seen(packet));
  const auto got = all_of(buffer);
  ASSERT_EQ(got.size(), 1u);
  const std::string text(got[0].bytes.begin(), got[0].bytes.end());
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(to_bytes(got[0].bytes.first(CTDB_REQ_CALL_FIXED)),
            to_bytes(ByteView(packet).first(CTDB_REQ_CALL_FIXED)));
}

TEST(Capture, DropsAndCountsWhatDoesNotFit) {
  CaptureOptions options;
  options.buffer_bytes = 250;
  CaptureBuffer buffer{options};
  const Bytes packet = call(1, 7, "key");
  for (int i = 0; i < 5; ++i) buffer.offer(seen(packet));
  EXPECT_EQ(buffer.copied(), 2u);
  EXPECT_EQ(buffer.dropped(), 3u);
  // When there is room again the next packet tells of them.
  buffer.sent(buffer.unsent().size());
  buffer.offer(seen(packet));
  EXPECT_EQ(all_of(buffer).at(0).dropped, 3u);
}

TEST(Capture, TellsAtTheEndWhatNoPacketToldAnyMore) {
  CaptureOptions options;
  options.buffer_bytes = 250;
  CaptureBuffer buffer{options};
  for (int i = 0; i < 5; ++i) buffer.offer(seen(call(1, 7, "key")));
  buffer.end();
  const auto got = all_of(buffer);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(is_packet(got[1]));
  EXPECT_FALSE(is_packet(got[2]));
  EXPECT_EQ(got[2].dropped, 3u);
}

TEST(Capture, EndsWithoutAWordWhenAllHasBeenTold) {
  CaptureBuffer buffer{CaptureOptions{}};
  buffer.offer(seen(call(1, 7, "key")));
  buffer.end();
  EXPECT_EQ(all_of(buffer).size(), 1u);
}

TEST(Capture, StaysWithinItsRate) {
  CaptureOptions options;
  options.packets_per_second = 2;
  CaptureBuffer buffer{options};
  const Bytes packet = call(1, 7, "key");
  for (int i = 0; i < 5; ++i) buffer.offer(seen(packet, kSecondNs));
  EXPECT_EQ(buffer.copied(), 2u);
  buffer.offer(seen(packet, 2 * kSecondNs));
  EXPECT_EQ(buffer.copied(), 3u);
  EXPECT_EQ(buffer.dropped(), 3u);
}

TEST(Capture, WaitsForTheRestOfARecordAndRefusesWhatIsNone) {
  CaptureBuffer buffer{CaptureOptions{}};
  buffer.offer(seen(call(1, 7, "key")));
  const Bytes whole = to_bytes(buffer.unsent());
  bool broken = false;
  for (size_t size = 0; size < whole.size(); ++size) {
    ByteView part = ByteView(whole).first(size);
    EXPECT_FALSE(take_captured(part, broken).has_value());
    EXPECT_FALSE(broken);
  }
  Bytes wrong = whole;
  wrong[4] = 99;  // no such link
  ByteView view = wrong;
  EXPECT_FALSE(take_captured(view, broken).has_value());
  EXPECT_TRUE(broken);
}

}  // namespace
}  // namespace ctdb
