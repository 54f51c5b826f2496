// SPDX-License-Identifier: GPL-3.0-or-later
// A store whose keeper has fenced its files, or is about to: they may deny what its index believes to own.
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
  // As the keeper does, behind the store.
  void take_away() {
    RecordHeader header = *w.header(0, key);
    header.dmaster = CTDB_UNKNOWN_PNN;
    Bytes value;
    append_record_header(value, header);
    value.push_back('x');
    w.db(0).store(as_bytes(key), value);
  }
  // One of another chain, that node 0 owns.
  std::string other_key() {
    std::string other = "other";
    while (w.db(0).chain_of(as_bytes(other)) == w.db(0).chain_of(as_bytes(key))) other += "x";
    w.call(0, 5, 1, other);
    w.pass(kMillisecond);
    EXPECT_TRUE(w.write(0, other, "y"));
    return other;
  }
  bool gets(uint32_t pnn, const std::string& what) {
    w.call(pnn, 5, 1, what);
    w.pass(kMillisecond);
    return w.answered(pnn, 5, 1);
  }
  World w;
  std::string key;
};

// The keeper, which waits for the same chain, leaves the record as soon as there is a newer epoch.
TEST_F(Fenced, ARecoveryWaitsForNoChainThatAClientKeeps) {
  const std::string other = other_key();
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, other)->dmaster, CTDB_UNKNOWN_PNN);
  begin(11);
  ASSERT_TRUE(w.recovered(0, 11));
  EXPECT_TRUE(w.node(0).serving);
  w.open(11, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(gets(2, other)) << "of another chain";
  EXPECT_FALSE(gets(2, key)) << "the client's";
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(w.data(2, key), "x");
}

// The keeper had taken the record away before a client took the lock.
TEST_F(Fenced, WhatTheKeeperTookIsOursAgainWhenTheChainIsFree) {
  take_away();
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.store(0).stop_serving(true, w.now());
  begin(11);
  ASSERT_TRUE(w.recovered(0, 11));
  w.open(11, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
  // Another recovery meanwhile, in which nothing was fenced, does not forget it.
  w.recover(12, 11, {0, 1, 2});
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_TRUE(gets(0, key));
  EXPECT_EQ(w.data(0, key), "x");
}

// Else a client could have the chain next, and find the record still here.
TEST_F(Fenced, TakesARecordAwayThatWaitsForItsChainWhenItGetsThat) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(5 * kMillisecond);
  ASSERT_EQ(w.node(0).tickets.size(), 1u);
  w.db(0).unlock(as_bytes(key), 50);
  w.store(0).stop_serving(false, w.now());
  w.serve_workers();  // before the walk through all records
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
}

TEST_F(Fenced, ServesOnWhenNothingWasFenced) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  begin(11);
  EXPECT_TRUE(w.node(0).serving);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_TRUE(w.recovered(0, 11));
}

TEST_F(Fenced, AnAttemptThatIsGivenUpForgetsNothing) {
  take_away();
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.store(0).stop_serving(true, w.now());
  w.cut(0, 1);
  begin(11);
  EXPECT_FALSE(w.recovered(0, 11));
  w.heal();
  begin(12);
  ASSERT_TRUE(w.recovered(0, 12));
  w.open(12, {0, 1, 2});
  w.pass(kMillisecond);
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
}

// The keeper may wait for a chain: it goes on waiting.
TEST_F(Fenced, AnOrderOfThePastBeginsNothing) {
  w.store(0).stop_serving(true, w.now());
  w.node(0).lease = false;
  begin(11);
  EXPECT_FALSE(w.node(0).serving);
  EXPECT_EQ(w.store(0).phase(), StorePhase::kSuspended);
  w.node(0).lease = true;
  begin(12);
  EXPECT_TRUE(w.recovered(0, 12));
}

// Others have gone on without this node: what it has is of the past, whatever its client holds.
TEST_F(Fenced, WhatIsOfThePastIsDiscardedAllTheSame) {
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  w.recover(11, 10, {1, 2});
  w.recover(12, 11, {0, 1, 2});
  EXPECT_FALSE(w.header(0, key).has_value());
}

}  // namespace
}  // namespace ctdb::test
