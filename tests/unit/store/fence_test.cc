// SPDX-License-Identifier: GPL-3.0-or-later
// A store whose keeper has fenced its files: what its index believed to own is taken away before it says that it serves anew.
#include <gtest/gtest.h>

#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

class Fenced : public ::testing::Test {
 protected:
  Fenced() : w(3) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
    key = w.key_of(1);
    w.call(0, 5, 1, key);
    w.pass(kMillisecond);
    EXPECT_TRUE(w.write(0, key, "x"));
  }
  void begin(uint32_t generation) {
    w.node(0).serving = false;
    w.begin(generation, 10, {0, 1, 2});
    w.pass(kMillisecond);
  }
  World w;
  std::string key;
};

TEST_F(Fenced, ServesAnewOnlyWhenItsRecordsAreTakenAway) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.store(0).stop_serving(true, w.now());
  begin(11);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_FALSE(w.node(0).serving) << "the keeper, which waits for the same chain, would leave the record";
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
  EXPECT_TRUE(w.node(0).serving);
  EXPECT_TRUE(w.recovered(0, 11));
}

TEST_F(Fenced, ServesOnWhenNothingWasFenced) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  begin(11);
  EXPECT_TRUE(w.node(0).serving);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_TRUE(w.recovered(0, 11));
}

TEST_F(Fenced, AnAttemptThatIsGivenUpTakesTheRecordsAwayAllTheSame) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.store(0).stop_serving(true, w.now());
  begin(11);
  begin(12);
  EXPECT_FALSE(w.node(0).serving);
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
  EXPECT_TRUE(w.node(0).serving);
}

}  // namespace
}  // namespace ctdb::test
