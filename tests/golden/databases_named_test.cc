// SPDX-License-Identifier: GPL-3.0-or-later
// What the filter by database knows is what the dissector shows: over all golden packets, in the text that is expected of it.
#include "libctdbipc/wire/databases_named.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"
#include "tests/golden/golden.h"

namespace ctdb {
namespace {

// The databases that the dissector shows of each packet, in the order of the packets' names.
std::vector<std::set<uint32_t>> shown_databases(const std::string& file) {
  const std::regex shown("^ +Database( taken)?: 0x([0-9a-f]{8}).*");
  const std::regex attached("^ +Name: ([a-z_]+\\.tdb)");
  std::vector<std::set<uint32_t>> out;
  std::ifstream text(file);
  for (std::string line; std::getline(text, line);) {
    std::smatch found;
    if (line.starts_with("Clustered TDB")) out.emplace_back();
    if (out.empty()) continue;
    if (std::regex_match(line, found, shown))
      out.back().insert(static_cast<uint32_t>(std::stoul(found[2], nullptr, 16)));
    if (std::regex_match(line, found, attached)) out.back().insert(database_id(found[1].str()));
  }
  return out;
}

std::vector<GoldenPacket> packets_by_name() {
  std::vector<GoldenPacket> packets = golden_packets(GOLDEN_DIRECTORY);
  std::ranges::sort(packets, {}, &GoldenPacket::name);
  return packets;
}

// Replies do not say what they answer, and what a message means depends on its srvid.
bool is_left_out(const GoldenPacket& packet) {
  const auto operation = static_cast<Operation>(read_header(packet.bytes).operation);
  return operation == Operation::REPLY_CONTROL || operation == Operation::REQ_MESSAGE;
}

TEST(DatabasesNamed, AreThoseThatTheDissectorShows) {
  const std::vector<GoldenPacket> packets = packets_by_name();
  const auto shown = shown_databases(GOLDEN_DIRECTORY "/../wireshark/expected/packets.txt");
  ASSERT_EQ(packets.size(), shown.size());
  std::set<uint32_t> all;
  for (const auto& databases : shown) all.insert(databases.begin(), databases.end());
  ASSERT_GE(all.size(), 5u);
  std::set<uint32_t> operations;
  for (size_t i = 0; i < packets.size(); ++i) {
    if (is_left_out(packets[i])) continue;
    for (const uint32_t db_id : all)
      EXPECT_EQ(names_database(packets[i].bytes, db_id), shown[i].contains(db_id))
          << packets[i].name << " " << db_id;
    if (!shown[i].empty()) operations.insert(read_header(packets[i].bytes).operation);
  }
  for (const Operation operation :
       {Operation::COMMIT_SUBMIT, Operation::COMMIT_APPEND, Operation::COMMIT_APPLIED,
        Operation::DATABASE_CONTENT, Operation::RECORD_FORGET, Operation::REQ_CONTROL})
    EXPECT_TRUE(operations.contains(static_cast<uint32_t>(operation))) << static_cast<uint32_t>(operation);
}

Bytes control_with(Control control, ByteView data) {
  ReqControl packet;
  packet.opcode = static_cast<uint32_t>(control);
  packet.data = data;
  Bytes out;
  build(out, Header{}, packet);
  return out;
}

TEST(DatabasesNamed, AreThoseOfRequestsThatAreABareNumberOrName) {
  std::set<std::string> numbers, names;  // by the dissector
#define CTDBX_REQUEST_MEANS(control, layout)                          \
  if (std::string_view(#layout) == "db_id") numbers.insert(#control); \
  if (std::string_view(#layout) == "db_name") names.insert(#control);
#include "wireshark/meanings.def"
  ASSERT_GE(numbers.size(), 15u);
  ASSERT_EQ(names.size(), 3u);
  constexpr std::string_view kName = "vol.tdb";
  const uint32_t db_id = database_id(kName);
  Bytes number(4);
  store(number.data(), db_id);
  const auto check = [&](std::string_view layout, const std::string& name, Control control) {
    const bool text = layout == "string";
    if (!text && layout != "u32") return;
    const ByteView data = text ? as_bytes(kName) : ByteView(number);
    EXPECT_EQ(names_database(control_with(control, data), db_id), (text ? names : numbers).contains(name))
        << name;
  };
#define CTDB_CONTROL(value, name, request, reply, server, reach) check(#request, #name, Control::name);
#include "libctdbipc/wire/messages.def"
}

TEST(DatabasesNamed, PacketsThatEndTooSoonNameNoneAndHurtNobody) {
  for (const GoldenPacket& packet : packets_by_name()) {
    for (size_t size = 0; size < packet.bytes.size(); ++size)
      (void)names_database(ByteView(packet.bytes).first(size), 0x12345678);
    EXPECT_FALSE(names_database(packet.bytes, 0x12345678)) << packet.name;
  }
}

}  // namespace
}  // namespace ctdb
