// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/answers.h"

#include <gtest/gtest.h>

#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

// Each decoder must refuse every answer that is cut short, and read nothing behind it.
template <typename Decode>
void refuses_every_prefix(const Bytes& whole, Decode decode) {
  ASSERT_TRUE(decode(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(decode(cut)) << size;
  }
}

Bytes node_map() {
  Bytes bytes;
  Writer out(bytes);
  out.u32(3);
  out.u32(0);
  out.u32(0);
  out.u16(2);  // IPv4
  out.u16(0);
  out.bytes(Bytes{127, 0, 0, 1});
  out.zeros(20);
  out.u32(1);
  out.u32(CTDB_NODE_DISCONNECTED | CTDB_NODE_STOPPED);
  out.u16(10);  // IPv6
  out.u16(0);
  out.u32(0);
  out.zeros(15);
  out.u8(1);
  out.u32(0);
  out.u32(2);
  out.u32(CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED);
  out.zeros(28);
  return bytes;
}

TEST(Answers, ReadsNodes) {
  const auto nodes = decode_node_map(node_map());
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 3u);
  EXPECT_EQ((*nodes)[0].address, "127.0.0.1");
  EXPECT_EQ((*nodes)[1].address, "::1");
  EXPECT_EQ((*nodes)[1].pnn, 1u);
  EXPECT_EQ((*nodes)[2].address, "");
  EXPECT_EQ(node_state((*nodes)[0].flags), "OK");
  EXPECT_EQ(node_state((*nodes)[1].flags), "DISCONNECTED|STOPPED");
  EXPECT_EQ(node_state((*nodes)[2].flags), "DISCONNECTED|DELETED");
  EXPECT_EQ(node_state(CTDB_NODE_WITNESS | CTDB_NODE_STOPPED), "WITNESS");
  EXPECT_EQ(node_state(CTDB_NODE_WITNESS | CTDB_NODE_STOPPED | CTDB_NODE_DISCONNECTED),
            "WITNESS|DISCONNECTED");
}

TEST(Answers, RefusesNodesCutShortOrCountedWrong) {
  refuses_every_prefix(node_map(), decode_node_map);
  Bytes wrong = node_map();
  store(wrong.data(), 0xFFFFFFFFu);  // must not be believed before memory is taken
  EXPECT_FALSE(decode_node_map(wrong));
}

TEST(Answers, ReadsDatabases) {
  Bytes bytes;
  Writer out(bytes);
  out.u32(2);
  out.u32(0x12345678);
  out.u8(0);
  out.zeros(3);
  out.u32(7);
  out.u8(CTDB_DB_PERSISTENT | CTDB_DB_STICKY);
  out.zeros(3);
  const auto databases = decode_database_map(bytes);
  ASSERT_TRUE(databases);
  EXPECT_EQ((*databases)[0].id, 0x12345678u);
  EXPECT_EQ(database_kind((*databases)[0].flags), "volatile");
  EXPECT_EQ(database_kind((*databases)[1].flags), "persistent,sticky");
  EXPECT_EQ(database_kind(CTDB_DB_REPLICATED | CTDB_DB_READONLY), "replicated,readonly");
  refuses_every_prefix(bytes, decode_database_map);
}

TEST(Answers, StringsEndAtTheirNul) {
  EXPECT_EQ(decode_string(as_bytes(std::string_view("name\0rest", 9))), "name");
  EXPECT_EQ(decode_string(as_bytes("name")), "name");
  EXPECT_EQ(decode_string({}), "");
}

Bytes traverse_message(std::string_view key, std::string_view value) {
  Bytes bytes;
  Writer out(bytes);
  const size_t data = CTDB_RECORD_HEADER_SIZE + value.size();
  out.u32(static_cast<uint32_t>(16 + key.size() + data));
  out.u32(0);
  out.u32(static_cast<uint32_t>(key.size()));
  out.u32(static_cast<uint32_t>(data));
  out.bytes(as_bytes(key));
  append_record_header(bytes, {5, 2, 0});
  out.bytes(as_bytes(value));
  return bytes;
}

TEST(Answers, ReadsRecordsOfATraverse) {
  const Bytes message = traverse_message("key", "value");
  const auto record = decode_traverse_record(message);
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->end);
  EXPECT_EQ(as_text(record->key), "key");
  EXPECT_EQ(as_text(record->value), "value");
  EXPECT_EQ(record->header.rsn, 5u);
  EXPECT_EQ(record->header.dmaster, 2u);
  refuses_every_prefix(message, decode_traverse_record);
}

TEST(Answers, KnowsTheEndOfATraverse) {
  Bytes message;
  Writer out(message);
  out.u32(16);
  out.zeros(12);
  const auto record = decode_traverse_record(message);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->end);
}

TEST(Answers, RefusesARecordWithoutItsHeader) {
  Bytes message;
  Writer out(message);
  out.u32(16 + 1 + 8);
  out.u32(0);
  out.u32(1);
  out.u32(8);
  out.zeros(9);
  EXPECT_FALSE(decode_traverse_record(message));
}

}  // namespace
}  // namespace ctdb::cli
