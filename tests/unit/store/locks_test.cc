// SPDX-License-Identifier: GPL-3.0-or-later
// Chains that clients hold, lock workers, and the grant hold.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

constexpr MemoryDatabase::Holder kClient = 50;

class Locks : public StoresTest {
 protected:
  explicit Locks(uint32_t chains = 64) : StoresTest(3, chains) { start(); }
  // Node 0 has a record, a client there its chain, and one of node 2 asks for it.
  std::string asked_for_behind_a_lock() {
    std::string key = w.key_of(1);
    take(0, key, "x");
    EXPECT_TRUE(w.db(0).lock(as_bytes(key), kClient));
    w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
    return key;
  }
};

class OneChain : public Locks {
 protected:
  OneChain() : Locks(1) {}
};

TEST_F(Locks, TriesABusyChainAgainSoon) {
  const std::string key = asked_for_behind_a_lock();
  w.run();
  EXPECT_EQ(w.store(0).counts().locks_busy, 1u);
  EXPECT_EQ(w.store(0).next_deadline(), w.now() + 30 * kMicrosecond);
  EXPECT_TRUE(w.node(0).tickets.empty());
  w.db(0).unlock(as_bytes(key), kClient);
  w.pass(30 * kMicrosecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().lock_waiters, 0u);
}

TEST_F(Locks, AsksAWorkerForAChainThatStaysBusy) {
  const std::string key = asked_for_behind_a_lock();
  w.pass(kMillisecond);
  ASSERT_EQ(w.node(0).tickets.size(), 1u);
  EXPECT_EQ(w.store(0).counts().lock_waiters, 1u);
  w.pass(20 * kMillisecond);
  EXPECT_GE(w.store(0).next_deadline(), w.now() + 900 * kMillisecond);  // the worker is left alone
  w.serve_workers();
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.db(0).unlock(as_bytes(key), kClient);
  w.serve_workers();
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(w.node(0).tickets.empty());
  EXPECT_EQ(w.db(0).holder(as_bytes(key)), MemoryDatabase::kNobody);
}

TEST_F(Locks, TakesAChainItselfThatTheWorkerHasNotGotYet) {
  const std::string key = asked_for_behind_a_lock();
  w.pass(kMillisecond);
  ASSERT_EQ(w.node(0).tickets.size(), 1u);
  w.db(0).unlock(as_bytes(key), kClient);
  // Others were quicker than the worker, which the store does not hear of; its own next look finds the chain free.
  w.pass(2 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(w.node(0).tickets.empty());
  EXPECT_EQ(w.store(0).counts().lock_waiters, 0u);
  EXPECT_EQ(w.db(0).holder(as_bytes(key)), MemoryDatabase::kNobody);
}

// All workers may be stuck behind chains whose holders wait for this very record.
TEST_F(Locks, TakesAChainThatIsFreeAgainAndThatNoWorkerWaitsFor) {
  const std::string key = asked_for_behind_a_lock();
  w.pass(100 * kMillisecond);
  w.db(0).unlock(as_bytes(key), kClient);
  w.pass(kSecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(w.node(0).tickets.empty());
  EXPECT_EQ(w.store(0).counts().lock_waiters, 0u);
}

TEST_F(Locks, SaysThatALockIsKeptForLongAndAgainMuchLater) {
  const std::string key = asked_for_behind_a_lock();
  const auto complaints = [this, &key] {
    return std::ranges::count_if(w.node(0).logs, [&](const std::string& line) {
      return line.find("kept the lock of key " + key) != std::string::npos;
    });
  };
  w.pass(900 * kMillisecond);
  EXPECT_EQ(complaints(), 0);
  w.pass(200 * kMillisecond);
  EXPECT_EQ(complaints(), 1);
  w.pass(8 * kSecond);
  EXPECT_EQ(complaints(), 1);
  w.pass(3 * kSecond);
  EXPECT_EQ(complaints(), 2);
  w.db(0).unlock(as_bytes(key), kClient);
  w.serve_workers();
  w.pass(200 * kSecond);
  EXPECT_EQ(complaints(), 2);
}

// No process, no descriptor: a worker that cannot even begin to wait says so many times a second.
TEST_F(Locks, SaysItAsSeldomWhenWorkersFail) {
  const std::string key = asked_for_behind_a_lock();
  for (int i = 0; i < 500; ++i) {
    w.pass(20 * kMillisecond);
    for (const auto& [ticket, of] : std::exchange(w.node(0).tickets, {}))
      w.store(0).on_chain_failed(ticket, "no descriptor", w.now());
  }
  const auto complaints = std::ranges::count_if(w.node(0).logs, [&](const std::string& line) {
    return line.find("kept the lock of key " + key) != std::string::npos;
  });
  EXPECT_GE(complaints, 1);
  EXPECT_LE(complaints, 2);
}

TEST_F(Locks, AsksWorkersThatFailLessAndLessOftenAndSaysItOnce) {
  const std::string key = asked_for_behind_a_lock();
  size_t asked = 0;
  for (int i = 0; i < 500; ++i) {
    w.pass(20 * kMillisecond);
    for (const auto& [ticket, of] : std::exchange(w.node(0).tickets, {})) {
      ++asked;
      w.store(0).on_chain_failed(ticket, "no descriptor", w.now());
    }
  }
  EXPECT_LE(asked, 20u);
  const auto said = std::ranges::count_if(w.node(0).logs, [](const std::string& line) {
    return line.find("no descriptor") != std::string::npos;
  });
  EXPECT_EQ(said, 1);
  w.db(0).unlock(as_bytes(key), kClient);
  w.pass(25 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1)) << "it is tried all the time";
}

// Somebody has libtdb's all-record lock of node 0's file, and node 2 asks for some records there.
class KeptAsAWhole : public Locks {
 protected:
  KeptAsAWhole() : Locks(4096) {}
  void ask_for(uint32_t records, size_t key_bytes) {
    const auto key = [&](uint32_t i) {
      std::string name = "key" + std::to_string(i);
      name.resize(key_bytes, '.');
      return name;
    };
    for (uint32_t i = 0; i < records; ++i) take(0, key(i), "x");
    w.db(0).close();
    for (uint32_t i = 0; i < records; ++i) w.call(2, 5, i, key(i), CTDB_FUNC_FETCH);
  }
};

TEST_F(KeptAsAWhole, NoMoreWaitsAreToldThanAPacketHasRoomFor) {
  ask_for(300, 60'000);
  w.pass(100 * kMillisecond);
  w.control(0, 30, 1, Control::GET_LOCK_WAITS, {});
  size_t bytes = 0;
  for (const Sent& sent : w.node(0).to_clients) bytes = std::max(bytes, sent.packet.size());
  EXPECT_LE(bytes, kPacketBytesMax);
  const auto reply = w.control_answer(0, 30, 1);
  ASSERT_TRUE(reply);
  EXPECT_GE(LockWaits::decode(reply->data)->waits.size(), 10u);
}

TEST_F(KeptAsAWhole, IsToldInAFewLines) {
  ask_for(200, 10);
  w.pass(5 * kSecond);
  const auto complaints = std::ranges::count_if(w.node(0).logs, [](const std::string& line) {
    return line.find("kept the lock of key") != std::string::npos;
  });
  EXPECT_GE(complaints, 1);
  EXPECT_LE(complaints, 10);
}

TEST_F(OneChain, ServesAllRecordsOfTheChainUnderOneLock) {
  std::vector<std::string> keys;
  for (int i = 0; i < 8; ++i) {
    keys.push_back(w.key_of(1, "chain" + std::to_string(i) + "-"));
    take(0, keys.back(), "x");
  }
  ASSERT_TRUE(w.db(0).lock(as_bytes(keys[0]), kClient));
  for (uint32_t i = 0; i < keys.size(); ++i) w.call(2, 5, i, keys[i], CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(w.node(0).tickets.size(), 1u);
  w.db(0).unlock(as_bytes(keys[0]), kClient);
  w.serve_workers();
  for (uint32_t i = 0; i < keys.size(); ++i) EXPECT_TRUE(w.answered(2, 5, i));
  EXPECT_TRUE(w.node(0).tickets.empty());
}

TEST_F(Locks, ParksAnArrivalAndWhatComesBehindIt) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.call(2, 6, 1, key, CTDB_FUNC_FETCH);
  // Somebody on node 2 holds the chain when the record arrives.
  ASSERT_TRUE(w.db(2).lock(as_bytes(key), kClient));
  w.run();
  w.call(1, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  EXPECT_FALSE(w.answered(1, 5, 1));
  EXPECT_EQ(w.owners(key).size(), 0u);
  w.db(2).unlock(as_bytes(key), kClient);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(w.answered(2, 6, 1));
  EXPECT_EQ(as_text(w.answer(1, 5, 1)->data), "x");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
}

TEST_F(Locks, AsksAgainWhenAWorkerFails) {
  const std::string key = asked_for_behind_a_lock();
  w.pass(kMillisecond);
  ASSERT_EQ(w.node(0).tickets.size(), 1u);
  const uint64_t ticket = w.node(0).tickets.begin()->first;
  w.node(0).tickets.clear();
  w.store(0).on_chain_failed(ticket, "killed", w.now());
  w.pass(kSecond);
  ASSERT_EQ(w.node(0).tickets.size(), 1u);
  EXPECT_NE(w.node(0).tickets.begin()->first, ticket);
  w.store(0).on_chain_locked(ticket, w.now());  // the old one means nothing any more
  w.db(0).unlock(as_bytes(key), kClient);
  w.serve_workers();
  EXPECT_TRUE(w.answered(2, 5, 1));
}

TEST_F(Locks, HoldsAGrantedRecordUntilTheClientHasWritten) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  EXPECT_TRUE(w.answered(0, 5, 1));
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.run();
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.pass(60 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  ASSERT_TRUE(w.write(0, key, "mine"));
  w.pass(30 * kMicrosecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "mine");
  EXPECT_EQ(w.store(0).counts().grant_holds, 1u);
  EXPECT_EQ(w.store(0).counts().grant_holds_expired, 0u);
}

TEST_F(Locks, HoldsAGrantedRecordNoLongerThanItMay) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(149 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.pass(kMicrosecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().grant_holds_expired, 1u);
}

class LateClients : public Locks {
 protected:
  // The record is granted here and wanted by node 2; nobody comes. Ends when node 2 has it.
  void expect_hold(TimeNs expected) {
    grant_and_ask();
    w.pass(expected - kMicrosecond);
    EXPECT_FALSE(w.answered(2, 5, 1));
    w.pass(kMicrosecond);
    EXPECT_TRUE(w.answered(2, 5, 1));
  }
  void have_a_turn_in_time() {
    grant_and_ask();
    ASSERT_TRUE(w.write(0, key, "in time " + std::to_string(++turns)));
    w.pass(40 * kMicrosecond);
    EXPECT_TRUE(w.answered(2, 5, 1));
  }
  void grant_and_ask() {
    w.call(0, 5, 1, key);
    w.pass(0);
    ASSERT_TRUE(w.answered(0, 5, 1));
    w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
    w.run();
    ASSERT_FALSE(w.answered(2, 5, 1));
  }

  const std::string key = w.key_of(1);
  int turns = 0;
};

TEST_F(LateClients, AreWaitedForFourAndSixteenTimesAsLong) {
  expect_hold(150 * kMicrosecond);
  expect_hold(600 * kMicrosecond);
  for (int i = 0; i < 3; ++i) expect_hold(2400 * kMicrosecond);
}

TEST_F(LateClients, ThatComeInTimeEightTimesInARowMakeHoldsShorterByAStep) {
  expect_hold(150 * kMicrosecond);
  expect_hold(600 * kMicrosecond);
  for (int i = 0; i < 7; ++i) have_a_turn_in_time();
  expect_hold(2400 * kMicrosecond);
  for (int i = 0; i < 8; ++i) have_a_turn_in_time();
  expect_hold(600 * kMicrosecond);
  for (int i = 0; i < 16; ++i) have_a_turn_in_time();
  expect_hold(150 * kMicrosecond);
}

// 150 us for each of five, and four times that after two steps, if one is seen within 2.4 ms.
TEST_F(LateClients, HaveMoreTimeInAllToo) {
  expect_hold(150 * kMicrosecond);
  expect_hold(600 * kMicrosecond);
  for (uint32_t client = 6; client < 10; ++client) w.call(0, client, 1, key);
  grant_and_ask();
  for (int i = 0; i < 3; ++i) {
    w.pass(800 * kMicrosecond);
    EXPECT_FALSE(w.answered(2, 5, 1)) << i;
    ASSERT_TRUE(w.write(0, key, "turn " + std::to_string(i)));
  }
  w.pass(599 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.pass(kMicrosecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
}

TEST_F(Locks, EndsTheHoldWhenAClientHadTheLockAndChangedNothing) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kClient));
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.run();
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.db(0).unlock(as_bytes(key), kClient);
  w.pass(30 * kMicrosecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().grant_holds_expired, 0u);
}

TEST_F(Locks, HoldsForEveryClientThatWasGranted) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.call(0, 6, 1, key);
  w.run();
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.run();
  ASSERT_TRUE(w.write(0, key, "first"));
  w.pass(30 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  ASSERT_TRUE(w.write(0, key, "second"));
  w.pass(30 * kMicrosecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "second");
}

// 150 us for each, as long as one of them is seen within 150 us.
TEST_F(Locks, HoldsLongerForMoreClientsAsLongAsTheyHaveTurns) {
  const std::string key = w.key_of(1);
  for (uint32_t client = 5; client < 10; ++client) w.call(0, client, 1, key);
  w.run();
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  for (const char* value : {"first", "second", "third", "fourth"}) {
    w.pass(120 * kMicrosecond);
    EXPECT_FALSE(w.answered(2, 5, 1)) << value;
    ASSERT_TRUE(w.write(0, key, value));
  }
  w.pass(149 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.pass(60 * kMicrosecond);  // since a look has seen the fourth
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "fourth");
  EXPECT_EQ(w.store(0).counts().grant_holds_expired, 0u);
}

TEST_F(Locks, EndsTheHoldOfManyWhenNobodyHasATurn) {
  const std::string key = w.key_of(1);
  for (uint32_t client = 5; client < 10; ++client) w.call(0, client, 1, key);
  w.run();
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(149 * kMicrosecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  w.pass(kMicrosecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().grant_holds_expired, 1u);
}

class Batches : public Locks {
 protected:
  static constexpr uint32_t kBatch = 24;
  static constexpr uint32_t kClients = 60;

  // A record that comes and goes: all clients of node 0 ask for it while node 2 has it.
  void ask_all() {
    take(0, key, "x");
    take(2, key, "y");
    for (uint32_t client = 0; client < kClients; ++client) w.call(0, 100 + client, 1, key);
    w.run();
    ASSERT_EQ(w.owners(key), std::vector<uint32_t>{0});
  }
  // How many have been answered, in the order in which they asked.
  uint32_t served() {
    while (served_ < kClients && w.answered(0, 100 + served_, 1)) ++served_;
    return served_;
  }
  const std::string key = w.key_of(1);

 private:
  uint32_t served_ = 0;
};

TEST_F(Batches, GiveARecordThatOthersWantToSoManyClientsAtATime) {
  ask_all();
  EXPECT_EQ(served(), kBatch);
  w.call(2, 5, 9, key);
  w.pass(10 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 9));
  EXPECT_GE(served(), 2 * kBatch);  // it has come back for those who were left
  w.pass(10 * kMillisecond);
  EXPECT_EQ(served(), kClients);
}

// Node 0 is the location master: what it asks for itself must not overtake, again and again, what it redirects.
TEST_F(Batches, LetEveryNodeHaveItsTurnBeforeTheNextBatch) {
  const std::string here = w.key_of(0);
  take(0, here, "x");
  take(1, here, "y");
  take(2, here, "z");
  for (uint32_t client = 0; client < kClients; ++client) {
    for (const uint32_t node : {0u, 1u}) w.call(node, 100 + client, 1, here);
  }
  w.run();
  w.call(2, 5, 9, here);
  uint32_t served_by_0 = 0;
  for (int i = 0; i < 100 && !w.answered(2, 5, 9); ++i) w.pass(100 * kMicrosecond);
  while (served_by_0 < kClients && w.answered(0, 100 + served_by_0, 1)) ++served_by_0;
  EXPECT_EQ(w.owners(here), std::vector<uint32_t>{2});
  EXPECT_LE(served_by_0, kBatch);
}

TEST_F(Batches, GoOnWhenNobodyElseAsks) {
  ask_all();
  EXPECT_EQ(served(), kBatch);
  w.pass(10 * kMillisecond);
  EXPECT_EQ(served(), kClients);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(w.store(0).next_deadline(), kNever);
}

TEST_F(Batches, AreNotMadeOfARecordThatNobodyElseWants) {
  take(2, key, "y");
  w.pass(5 * kSecond);
  for (uint32_t client = 0; client < kClients; ++client) w.call(0, 100 + client, 1, key);
  w.run();
  EXPECT_EQ(served(), kClients);
}

TEST_F(Locks, DoesNotHoldForAFetch) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.call(0, 5, 1, key, CTDB_FUNC_FETCH);
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.run();
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().grant_holds, 0u);
}

TEST_F(Locks, SetsNoTimerForAGrantNobodyWaitsFor) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  EXPECT_EQ(w.store(0).next_deadline(), kNever);
}

TEST_F(Locks, WaitsForTheChainWhenTheHoldExpiresUnderAClientsLock) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kClient));
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(10 * kMillisecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  EXPECT_EQ(w.node(0).tickets.size(), 1u);
  w.db(0).unlock(as_bytes(key), kClient);
  w.serve_workers();
  EXPECT_TRUE(w.answered(2, 5, 1));
}

}  // namespace
}  // namespace ctdb::test
