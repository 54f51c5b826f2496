// SPDX-License-Identifier: GPL-3.0-or-later
// A store whose keeper has fenced its files, or is about to: they may deny what its index believes to own.
#include <gtest/gtest.h>

#include <algorithm>

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

// The same while a client keeps a chain.
class LeftOver : public Fenced {
 protected:
  static constexpr uint32_t kClient = 50;

  // Node 0 was fenced, then its client took the key's chain, and the others have gone on. Then it is to be a member again.
  void come_back() {
    while (w.answered(0, 5, 1)) {
    }
    w.store(0).stop_serving(true, w.now());
    w.pass(kMillisecond);
    ASSERT_FALSE(w.node(0).serving);
    ASSERT_TRUE(w.db(0).lock(as_bytes(key), kClient));
    w.recover(11, 10, {1, 2});
    w.begin(12, 11, {0, 1, 2});
    w.pass(kMillisecond);
  }
  void come_in() {
    w.pass(100 * kMillisecond);
    ASSERT_TRUE(w.recovered(0, 12));
    w.open(12, {0, 1, 2});
    w.pass(kMillisecond);
  }
  void let_go() {
    w.db(0).unlock(as_bytes(key), kClient);
    w.serve_workers();
    w.pass(kMillisecond);
  }
  std::string logs() {
    std::string all;
    for (const std::string& line : w.node(0).logs) all += line + "\n";
    return all;
  }
};

TEST_F(LeftOver, OnlyRecordsOfAChainThatAClientKeepsWaitForIt) {
  const std::string other = other_key();
  come_back();
  EXPECT_FALSE(w.recovered(0, 12)) << "it does not give up at once";
  come_in();
  EXPECT_TRUE(w.header(0, key).has_value()) << "its chain is the client's";
  EXPECT_FALSE(w.header(0, other).has_value());
  EXPECT_FALSE(w.sight(0, key).in_file);
  EXPECT_TRUE(gets(0, other));
  EXPECT_TRUE(gets(2, key));
  ASSERT_TRUE(w.write(2, key, "new"));
  EXPECT_FALSE(gets(0, key)) << "the chain";
  w.pass(kSecond);
  EXPECT_NE(logs().find("has kept the lock"), std::string::npos) << logs();
  let_go();
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(w.data(0, key), "new");
  EXPECT_NE(logs().find("left behind: test.tdb " + key), std::string::npos) << logs();
}

TEST_F(LeftOver, WhatIsLeftIsRemovedWhenTheChainIsFree) {
  come_back();
  come_in();
  let_go();
  EXPECT_FALSE(w.header(0, key).has_value());
  EXPECT_TRUE(w.node(0).tickets.empty());
}

// Of three nodes nobody has the record any more, but for the file of the one that has discarded it.
TEST_F(LeftOver, ItDoesNotComeBackWithTheNextStore) {
  come_back();
  come_in();
  w.stop(0);
  w.node(0).tickets.clear();
  w.start(0, 12);
  w.recover(13, 12, {0, 1, 2});
  EXPECT_TRUE(w.header(0, key).has_value());
  EXPECT_TRUE(gets(2, key));
  EXPECT_EQ(w.data(2, key), "");
  EXPECT_FALSE(gets(0, key));
  let_go();
  EXPECT_TRUE(w.answered(0, 5, 1));
  ASSERT_TRUE(w.write(0, key, "z"));
  // What has come there since is a record like others, for the next store too.
  w.stop(0);
  w.start(0, 13);
  w.recover(14, 13, {0, 1, 2});
  EXPECT_TRUE(gets(1, key));
  EXPECT_EQ(w.data(1, key), "z");
}

TEST_F(LeftOver, ANextFenceAndRecoveryDoNotTakeItForACopy) {
  come_back();
  come_in();
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  w.recover(13, 12, {0, 1, 2});
  EXPECT_TRUE(gets(1, key));
  EXPECT_EQ(w.data(1, key), "");
  let_go();
  EXPECT_FALSE(w.header(0, key).has_value());
}

TEST_F(LeftOver, WhereItCannotBeNotedTheChainIsWaitedFor) {
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kClient));
  w.recover(11, 10, {1, 2});
  w.node(0).files.set_full(true);
  w.begin(12, 11, {0, 1, 2});
  w.pass(200 * kMillisecond);
  EXPECT_FALSE(w.recovered(0, 12));
  const auto& logs = w.node(0).logs;
  EXPECT_EQ(
      std::ranges::count_if(
          logs, [](const std::string& line) { return line.find("no space left") != std::string::npos; }),
      1);
  w.node(0).files.set_full(false);
  come_in();
}

// A client that has the chain next would take them for valid.
TEST_F(LeftOver, RecordsThatClientsMayStillUseAreWaitedFor) {
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kClient));
  w.recover(11, 10, {1, 2});
  w.node(0).serving = true;
  w.begin(12, 11, {0, 1, 2});
  w.pass(kSecond);
  EXPECT_FALSE(w.recovered(0, 12));
  let_go();
  EXPECT_TRUE(w.recovered(0, 12));
}

// All of them when somebody keeps the file as a whole.
TEST_F(LeftOver, ToForgetOneCostsAsMuchAsThatOneIs) {
  constexpr size_t kRecords = 300;
  for (size_t i = 0; i < kRecords; ++i) EXPECT_TRUE(gets(0, "key" + std::to_string(i)));
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  w.recover(11, 10, {1, 2});
  w.db(0).close();
  w.begin(12, 11, {0, 1, 2});
  come_in();
  w.db(0).reopen();
  w.pass(10 * kSecond);
  w.serve_workers();
  EXPECT_EQ(w.db(0).size(), 0u);
  EXPECT_FALSE(w.db(0).is_leftover(to_bytes(as_bytes(key))));
  EXPECT_LE(w.db(0).leftovers_noted(), 3 * kRecords);
}

// Clients are served meanwhile.
TEST_F(LeftOver, AStoreThatFindsManyForgetsThemSomeAtATime) {
  constexpr size_t kRecords = 2000;
  for (size_t i = 0; i < kRecords; ++i) EXPECT_TRUE(gets(0, "key" + std::to_string(i)));
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  w.recover(11, 10, {1, 2});
  w.db(0).close();
  w.begin(12, 11, {0, 1, 2});
  come_in();
  w.stop(0);
  w.node(0).tickets.clear();
  w.db(0).reopen();
  w.start(0, 12);
  const size_t left = w.db(0).size();
  EXPECT_GE(left, kRecords);
  size_t before = left, most = 0;
  w.on_turn = [&](uint32_t pnn, bool over) {
    if (pnn != 0) return;
    if (over) most = std::max(most, before - w.db(0).size());
    before = w.db(0).size();
  };
  w.recover(13, 12, {0, 1, 2});
  EXPECT_EQ(w.db(0).size(), 0u);
  EXPECT_LE(most, kRecords / 20) << "some, and then those of one chain";
  EXPECT_TRUE(gets(0, key));
}

// That waits until the file has been examined, and so for everybody who keeps a chain of it.
TEST_F(LeftOver, ARecordThatCannotBeReadIsNotWaitedForEither) {
  const std::string other = other_key();
  w.store(0).stop_serving(true, w.now());
  w.pass(kMillisecond);
  ASSERT_TRUE(w.db(0).lock(as_bytes(other), kClient));
  w.recover(11, 10, {1, 2});
  w.db(0).break_chains();
  w.begin(12, 11, {0, 1, 2});
  come_in();
  EXPECT_TRUE(gets(2, key));
  EXPECT_EQ(w.data(2, key), "");
  w.db(0).unlock(as_bytes(other), kClient);
  w.serve_workers();
  w.pass(kSecond);
  w.serve_workers();
  EXPECT_EQ(w.store(0).counts().files_repaired, 1u);
  EXPECT_FALSE(w.header(0, key).has_value());
  EXPECT_FALSE(w.header(0, other).has_value());
}

// While a chain's leftovers cannot be removed nothing is done under its lock.
TEST_F(LeftOver, AFullDiskKeepsTheChainWaiting) {
  come_back();
  come_in();
  EXPECT_FALSE(gets(0, key));
  w.node(0).files.set_full(true);
  let_go();
  w.pass(100 * kMillisecond);
  EXPECT_FALSE(w.answered(0, 5, 1));
  w.node(0).files.set_full(false);
  w.serve_workers();
  w.pass(100 * kMillisecond);
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
}

}  // namespace
}  // namespace ctdb::test
