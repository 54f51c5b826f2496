// SPDX-License-Identifier: GPL-3.0-or-later
// Records on their way between stores: the protocol's worked example, redirects, collapsing, order.
#include <gtest/gtest.h>

#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

class Migration : public ::testing::Test {
 protected:
  explicit Migration(uint32_t chains = 64) : w(3, chains) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
  }
  // Fetch-lock by a client that does its work at once.
  void take(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, 5, 1, key);
    w.pass(kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 5, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  World w;
};

// client-semantics §8.9, line by line.
TEST_F(Migration, FollowsTheWorkedExample) {
  const std::string key = w.key_of(1);
  std::vector<std::string> packets;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    std::string line = std::to_string(from) + ">" + std::to_string(to) + " ";
    if (const Header h = read_header(packet); h.operation == 0) {
      const auto call = parse_req_call(packet);
      line += "REQ_CALL src " + std::to_string(h.srcnode) + " hop " + std::to_string(call->hopcount);
    } else if (h.operation == 2) {
      const auto p = parse_req_dmaster(packet);
      line += "REQ_DMASTER rsn " + std::to_string(p->rsn) + " dmaster " + std::to_string(p->dmaster) +
              (p->record_flags == CTDB_RECORD_MIGRATED_WITH_DATA ? " with data" : "");
    } else if (h.operation == 3) {
      line += "REPLY_DMASTER rsn " + std::to_string(parse_reply_dmaster(packet)->rsn);
    }
    packets.push_back(line);
    return true;
  };

  w.call(0, 5, 1, key);
  w.run();
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(packets, (std::vector<std::string>{"0>1 REQ_CALL src 0 hop 0", "1>0 REPLY_DMASTER rsn 1"}));
  EXPECT_EQ(w.header(0, key)->rsn, 3u);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_FALSE(w.header(1, key));  // the lmaster's pointer is not in its file
  ASSERT_TRUE(w.write(0, key, "data"));

  packets.clear();
  w.call(2, 5, 1, key);
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(packets, (std::vector<std::string>{"2>1 REQ_CALL src 2 hop 0", "1>0 REQ_CALL src 2 hop 1",
                                               "0>1 REQ_DMASTER rsn 3 dmaster 2 with data",
                                               "1>2 REPLY_DMASTER rsn 3"}));
  EXPECT_EQ(w.header(0, key)->rsn, 3u);
  EXPECT_EQ(w.header(0, key)->dmaster, 2u);
  EXPECT_EQ(w.header(0, key)->flags, CTDB_RECORD_MIGRATED_WITH_DATA);
  EXPECT_EQ(w.data(0, key), "data");
  EXPECT_EQ(w.header(2, key)->rsn, 5u);
  EXPECT_EQ(w.header(2, key)->flags, CTDB_RECORD_MIGRATED_WITH_DATA);
  EXPECT_EQ(w.data(2, key), "data");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

}  // namespace
}  // namespace ctdb::test
