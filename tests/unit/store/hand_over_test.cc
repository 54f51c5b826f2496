// SPDX-License-Identifier: GPL-3.0-or-later
// A store that ends gives away what only it has.
#include <gtest/gtest.h>

#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kClient = 5;

class HandOverTest : public ::testing::Test {
 protected:
  HandOverTest() : w(3) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
    w.run();
  }
  void change(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, kClient, 1, key);
    w.pass(2 * kMillisecond);
    ASSERT_TRUE(w.answered(pnn, kClient, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  std::string fetch(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 2, key, CTDB_FUNC_FETCH);
    w.pass(2 * kMillisecond);
    const auto reply = w.answer(pnn, 6, 2);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  // false: not done after many steps.
  bool hand_over(uint32_t pnn) {
    for (int i = 0; i < 100; ++i) {
      if (w.store(pnn).hand_over(w.now())) return true;
      w.pass(5 * kMillisecond);
    }
    return false;
  }
  World w;
};

TEST_F(HandOverTest, NothingIsLostWithTheNode) {
  std::vector<std::string> keys;
  for (uint32_t lmaster : {0u, 1u, 2u}) keys.push_back(w.key_of(lmaster));
  for (const std::string& key : keys) {
    change(1, key, "older");
    change(0, key, "newest of " + key);
  }
  ASSERT_TRUE(hand_over(0));
  EXPECT_EQ(w.store(0).counts().hand_over_begun, keys.size());
  EXPECT_EQ(w.store(0).counts().hand_over_left, 0u);
  for (const std::string& key : keys) {
    ASSERT_EQ(w.owners(key).size(), 1u);
    EXPECT_NE(w.owners(key)[0], 0u);
  }
  w.stop(0);
  w.recover(11, 10, {1, 2});
  for (const std::string& key : keys) {
    EXPECT_EQ(fetch(1, key), "newest of " + key);
    EXPECT_EQ(fetch(2, key), "newest of " + key);
  }
  EXPECT_EQ(w.store(1).counts().records_fallen_back + w.store(2).counts().records_fallen_back, 0u);
}

TEST_F(HandOverTest, WaitsForAClientThatHasTheChainLocked) {
  change(0, "k", "v");
  ASSERT_TRUE(w.db(0).lock(as_bytes("k"), 99));
  EXPECT_FALSE(hand_over(0));
  EXPECT_EQ(w.store(0).counts().hand_over_left, 1u);
  w.db(0).unlock(as_bytes("k"), 99);
  w.serve_workers();
  EXPECT_TRUE(hand_over(0));
  EXPECT_NE(w.owners("k")[0], 0u);
}

TEST_F(HandOverTest, IsDoneAtOnceWhereNobodyIsLeft) {
  change(0, "k", "v");
  w.stop(1);
  w.stop(2);
  w.recover(11, 10, {0});
  EXPECT_TRUE(w.store(0).hand_over(w.now()));
  EXPECT_EQ(fetch(0, "k"), "v");
}

// A recovery makes a copy the record; a client has had its chain since before.
TEST_F(HandOverTest, ARecordThatBecomesOneLateIsWaitedFor) {
  const std::string key = w.key_of(2);
  change(0, key, "copy");
  change(1, key, "copy");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 77));
  w.stop(1);
  w.recover(11, 10, {0, 2});
  EXPECT_FALSE(hand_over(0));
  w.db(0).unlock(as_bytes(key), 77);
  w.serve_workers();
  EXPECT_TRUE(hand_over(0));
  w.stop(0);
  w.recover(12, 11, {2});
  EXPECT_EQ(fetch(2, key), "copy");
}

}  // namespace
}  // namespace ctdb::test
