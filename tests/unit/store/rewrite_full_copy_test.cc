// SPDX-License-Identifier: GPL-3.0-or-later
// Full copies wiped and restored by the ctdb tool: as one transaction of the log, with no other open meanwhile.
#include <set>

#include "libctdbipc/wire/lock_record.h"
#include "tests/unit/store/rewrite_fixture.h"

namespace ctdb::test {
namespace {

TEST_F(Rewrite, APersistentDatabaseOfManyPartsIsReplaced) {
  use_persistent();
  begin();
  push({{"old", "x"}});
  commit_and_thaw();
  w.pass(kSecond);
  EXPECT_EQ(persistent(2, "old"), "x");
  const std::string large(1u << 20, 'l');
  begin();
  push({});
  for (int i = 0; i < 20; ++i) more({{"k" + std::to_string(i), large}});
  everywhere(Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
  w.pass(kSecond);
  EXPECT_EQ(w.store(0).counts().commits, 1u + 20u);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(persistent(pnn, "old"), "");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(persistent(pnn, "k" + std::to_string(i)).size(), large.size());
  }
}

TEST_F(Rewrite, WhatIsReplacedInPartsIsReplacedAsAWhole) {
  use_small_entries();
  put_persistent("old");
  begin_large();
  std::set<size_t> seen;
  w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
  for (int i = 0; i < 1000 && !w.control_answer(0, kTool, 3); ++i) {
    for (uint32_t pnn = 0; pnn < 3; ++pnn) seen.insert(persistent_records(pnn));
    w.pass(100 * kMicrosecond);
  }
  EXPECT_EQ(seen, (std::set<size_t>{1}));
  w.pass(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(persistent_records(pnn), kLarge);
}

// Whoever dies in the middle of it: all members have what was there, or all have what came.
TEST_F(Rewrite, ANodeThatDiesWhileItIsReplacedInPartsLeavesAllOrNothing) {
  uint32_t generation = 20;
  std::set<size_t> outcomes;
  use_small_entries();
  for (int when = 0; when < 80; ++when) {
    for (uint32_t victim = 0; victim < 3; ++victim) {
      put_persistent("old");
      begin_large();
      w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
      int packets = 0;
      w.on_link = [&](auto, auto, ByteView) { return ++packets <= when; };
      w.pass(kMillisecond);
      w.on_link = [](auto, auto, ByteView) { return true; };
      crash(victim);
      const std::vector<uint32_t> others = {(victim + 1) % 3, (victim + 2) % 3};
      w.recover(generation + 1, generation, {std::min(others[0], others[1]), std::max(others[0], others[1])});
      w.pass(2 * kSecond);
      generation += 2;
      w.recover(generation, generation - 1, {0, 1, 2});
      w.pass(2 * kSecond);
      for (uint32_t pnn = 0; pnn < 3; ++pnn) {
        ASSERT_EQ(persistent_records(pnn), persistent_records(0)) << when << " " << victim << " " << pnn;
        ASSERT_TRUE(persistent_records(pnn) == 1 || persistent_records(pnn) == kLarge)
            << when << " " << victim;
      }
      outcomes.insert(persistent_records(0));
      while (w.control_answer(0, kTool, 3)) {
      }
    }
  }
  EXPECT_EQ(outcomes, (std::set<size_t>{1, kLarge})) << "both have happened";
}

// The longest turn of any store's loop, measured by what it does.
class LongestTurn {
 public:
  explicit LongestTurn(World& w, uint32_t id) : w_(w), id_(id), before_(w.size()) {
    w.on_turn = [this](uint32_t pnn, bool over) {
      const Done now = done(pnn);
      if (!over) {
        before_[pnn] = now;
        return;
      }
      const Done& then = before_[pnn];
      records = std::max(records, std::max(now.records, then.records) - std::min(now.records, then.records));
      bytes = std::max(bytes, now.bytes - then.bytes);
      sent = std::max(sent, now.sent - then.sent);
    };
  }
  ~LongestTurn() {
    w_.on_turn = [](auto, auto) {};
  }
  uint64_t records = 0;  // that came into the index, or went
  uint64_t bytes = 0;    // given to the disk for databases
  uint64_t sent = 0;     // bytes

 private:
  struct Done {
    uint64_t records = 0, bytes = 0, sent = 0;
  };
  Done done(uint32_t pnn) {
    Done all;
    for (const DatabaseDigest& each : w_.store(pnn).digests()) {
      if (each.db_id == id_) all.records = each.records;
    }
    all.bytes = w_.node(pnn).disk.database_bytes();
    for (const Sent& each : w_.node(pnn).outbox) all.sent += each.packet.size();
    return all;
  }
  World& w_;
  uint32_t id_;
  std::vector<Done> before_;
};

class LargeDatabase : public Rewrite {
 protected:
  // Some entries of the log, of some slices each.
  static constexpr size_t kRecords = 20'000, kValue = 200, kSlice = 1024, kEntry = 1u << 20;
  void restore(const std::string& prefix) {
    begin();
    push({});
    for (size_t i = 0; i < kRecords;) {
      std::vector<std::pair<std::string, std::string>> some;
      for (const size_t end = i + 1000; i < end; ++i)
        some.push_back({prefix + std::to_string(i), std::string(kValue, 'v')});
      more(some);
    }
    w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
    w.pass(5 * kSecond);
    const auto reply = w.control_answer(0, kTool, 3);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->error, "");
    everywhere(Control::DB_THAW, numbers({id}));
  }
  void expect_equal(size_t records, std::initializer_list<uint32_t> nodes = {0, 1, 2}) {
    for (const uint32_t pnn : nodes) {
      EXPECT_EQ(persistent_records(pnn), records);
      EXPECT_EQ(w.store(pnn).digests().front().records, records);
      EXPECT_EQ(w.store(pnn).digests().front().digest, w.store(0).digests().front().digest);
    }
  }
};

TEST_F(LargeDatabase, IsReplacedAndWipedInShortTurns) {
  use_persistent();
  LongestTurn longest(w, id);
  restore("a");
  expect_equal(kRecords);
  restore("b");
  expect_equal(kRecords);
  begin();
  commit_and_thaw();
  w.pass(kSecond);
  expect_equal(0);
  EXPECT_LE(longest.records, kSlice);
  EXPECT_GT(longest.records, kSlice / 2) << "it was looked at all";
  EXPECT_LE(longest.bytes, kEntry + kEntry / 8);
  EXPECT_LE(longest.sent, 3 * (kEntry + kEntry / 8));
}

TEST_F(LargeDatabase, ReachesAMemberThatWasAwayInShortTurns) {
  use_persistent();
  w.stop(2);
  w.node(2).disk.crash();
  w.recover(20, 10, {0, 1});
  restore("a");
  w.start(2);
  LongestTurn longest(w, id);
  w.recover(30, 20, {0, 1, 2});
  w.pass(kSecond);
  expect_equal(kRecords);
  EXPECT_LE(longest.records, kSlice);
  EXPECT_LE(longest.bytes, kEntry + kEntry / 8);
  EXPECT_LE(longest.sent, kEntry + kEntry / 8);
  EXPECT_GT(longest.sent, kEntry / 2) << "the log was sent";
}

TEST_F(LargeDatabase, ReachesAMemberWhoseFileDiffersInShortTurns) {
  use_persistent();
  restore("a");
  crash(2);
  Bytes other;
  append_record_header(other, {1, 0, 0});
  other.push_back('x');
  w.node(2).files.database(kPersistent)->store(as_bytes("other"), other);
  w.node(2).disk.forget_entries();
  w.start(2);
  LongestTurn longest(w, id);
  w.recover(30, 10, {0, 1, 2});
  w.pass(kSecond);
  expect_equal(kRecords);
  EXPECT_LE(longest.records, kSlice);
  EXPECT_LE(longest.sent, kEntry + kEntry / 8);
}

// Parts that came before are gone with the process that had them, and those that follow are not taken for all there are.
TEST_F(LargeDatabase, IsWrittenOnceMoreWhenTheWriterDiesInTheMiddle) {
  use_persistent();
  restore("a");
  int parts = 0;
  uint64_t before = 0;
  w.on_turn = [&](uint32_t pnn, bool) {
    if (pnn != 1 || w.node(1).disk.database_bytes() == before) return;
    before = w.node(1).disk.database_bytes();
    if (++parts == 3) w.node(1).disk.lose_parts();
  };
  restore("b");
  w.on_turn = [](auto, auto) {};
  w.pass(10 * kSecond);
  EXPECT_GT(parts, 3);
  expect_equal(kRecords);
  EXPECT_NE(persistent(1, "b0"), "");
}

// It would be written over, or what follows would stand on top of it.
TEST_F(Rewrite, ATransactionBetweenThePartsEndsIt) {
  use_small_entries();
  put_persistent("old");
  begin_large();
  w.node(2).disk_stands_still = true;
  w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
  w.pass(kMillisecond);
  Bytes buffer = begin_rec_buffer(id);
  Bytes value;
  append_record_header(value, {9, 0, 0});
  value.push_back('x');
  add_to_rec_buffer(buffer, as_bytes("other"), value);
  w.control(1, 901, 5, Control::TRANS3_COMMIT, buffer);
  w.pass(kMillisecond);
  w.node(2).disk_stands_still = false;
  w.pass(2 * kSecond);
  EXPECT_EQ(w.control_answer(1, 901, 5)->status, 0);
  const auto reply = w.control_answer(0, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, -1);
  EXPECT_EQ(reply->error,
            "another transaction or a recovery came in between, and nothing was changed: try again");
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(persistent_records(pnn), 2u);
  // And then it goes again.
  everywhere(Control::DB_THAW, numbers({id}));
  begin_large();
  commit_and_thaw();
  w.pass(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(persistent_records(pnn), kLarge);
}

// What follows a part that failed would stand there without it.
TEST_F(Rewrite, APartThatFailsIsTheLastOne) {
  use_persistent();
  begin();
  push({{"old", "x"}});
  commit_and_thaw();
  w.pass(kSecond);
  begin();
  push({});
  const std::string large(1u << 20, 'l');
  for (int i = 0; i < 20; ++i) more({{"k" + std::to_string(i), large}});
  w.node(2).disk.set_full(true);
  w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction}));
  w.pass(10 * kSecond);
  const auto reply = w.control_answer(0, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, -1);
  EXPECT_EQ(w.store(0).counts().commits, 1u);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(persistent(pnn, "old"), "x");
}

TEST_F(Rewrite, ARecordTooLargeForATransactionIsRefusedBeforeAnythingIsLost) {
  use_persistent();
  begin();
  push({{"old", "x"}});
  commit_and_thaw();
  begin();
  push({{"large", std::string((16u << 20) - 1000, 'l')}, {"small", "x"}});
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), -1);
  w.pass(kSecond);
  EXPECT_EQ(persistent(1, "old"), "x");
}

TEST_F(Rewrite, APersistentCommitOutlivesItsToolsRouterAndBlocksNobody) {
  use_persistent();
  begin();
  push({{"k", "v"}});
  w.node(2).disk_stands_still = true;
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), 99);
  w.control(0, kTool + 1, 4, Control::DB_THAW, numbers({id}));
  EXPECT_EQ(step(0, Control::DB_FREEZE, numbers({id})), 0);
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_START, numbers({id, kTransaction})), -1);
  w.store(0).on_router_down(w.now());
  w.store(0).on_router_up(w.now());
  w.node(2).disk_stands_still = false;
  w.recover(11, 10, {0, 1, 2});
  w.pass(2 * kSecond);
  EXPECT_EQ(persistent(1, "k"), "v");
  EXPECT_FALSE(w.control_answer(0, kTool, 3)) << "that client is gone";
  begin();
  push({{"k", "w"}});
  commit_and_thaw();
  w.pass(kSecond);
  EXPECT_EQ(persistent(1, "k"), "w");
}

// The lock of a full copy's transactions, from the freeze to the thaw.
class RewriteLock : public Rewrite {
 protected:
  RewriteLock() {
    w.attach(0, kLockDatabase);
    use_persistent();
    const Bytes name = transaction_lock_key(id);
    lock.assign(name.begin(), name.end());
  }
  void call_lock(uint32_t pnn, uint32_t endpoint, uint32_t callid) {
    w.call(pnn, endpoint, 1, lock, callid, false, database_id(kLockDatabase));
    w.pass(5 * kMillisecond);
  }
  // What a classic client writes into the record once it has it.
  void write_lock(uint32_t pnn, const Bytes& holders) {
    call_lock(pnn, 30, CTDB_FUNC_NULL);
    MemoryDatabase& locks = *w.node(pnn).files.database(kLockDatabase);
    Bytes value = *locks.fetch(as_bytes(lock));
    value.resize(CTDB_RECORD_HEADER_SIZE);
    value.insert(value.end(), holders.begin(), holders.end());
    locks.store(as_bytes(lock), value);
  }
  int32_t freeze() { return step(0, Control::DB_FREEZE, numbers({id})); }
  std::string lock;
};

TEST_F(RewriteLock, AFreezeWaitsForTheTransactionThatIsOpenAndKeepsOthersOut) {
  call_lock(1, 5, CTDB_FUNC_HOLD);
  ASSERT_TRUE(w.answered(1, 5, 1));
  EXPECT_EQ(freeze(), 99);
  call_lock(1, 5, CTDB_FUNC_RELEASE);
  EXPECT_EQ(w.control_answer(0, kTool, 3)->status, 0);
  call_lock(2, 6, CTDB_FUNC_HOLD);
  w.pass(10 * kSecond);
  EXPECT_FALSE(w.answered(2, 6, 1));
  EXPECT_EQ(step(0, Control::DB_THAW, numbers({id})), 0);
  w.pass(5 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 6, 1));
}

TEST_F(RewriteLock, ATransactionThatStaysOpenMakesTheFreezeFail) {
  call_lock(1, 5, CTDB_FUNC_HOLD);
  EXPECT_EQ(freeze(), 99);
  w.pass(6 * kSecond);
  const auto reply = w.control_answer(0, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, -1);
  EXPECT_EQ(reply->error, "a transaction of a program is open on the database; nothing was changed");
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_START, numbers({id, kTransaction})), -1);
  call_lock(1, 5, CTDB_FUNC_RELEASE);
  call_lock(2, 6, CTDB_FUNC_HOLD);
  EXPECT_TRUE(w.answered(2, 6, 1)) << "nothing of it is left in the queue";
}

TEST_F(RewriteLock, AClassicHolderIsWaitedFor) {
  Bytes holder;
  Writer writer(holder);
  writer.u32(1);
  writer.u32(0);
  writer.u64(42);
  writer.u32(0);
  writer.u32(1);
  writer.u64(0);
  write_lock(1, holder);
  EXPECT_EQ(freeze(), 99);
  w.pass(6 * kSecond);
  EXPECT_EQ(w.control_answer(0, kTool, 3)->error,
            "a transaction of process 42 of node 1 is open on the database; nothing was changed");
  EXPECT_EQ(freeze(), 99);
  write_lock(1, {});
  w.pass(100 * kMillisecond);
  EXPECT_EQ(w.control_answer(0, kTool, 3)->status, 0);
}

TEST_F(RewriteLock, AToolThatHasTheLockKeepsIt) {
  call_lock(0, kTool, CTDB_FUNC_HOLD);
  ASSERT_TRUE(w.answered(0, kTool, 1));
  EXPECT_EQ(freeze(), 0);
  EXPECT_EQ(step(0, Control::DB_THAW, numbers({id})), 0);
  call_lock(2, 6, CTDB_FUNC_HOLD);
  EXPECT_FALSE(w.answered(2, 6, 1));
  call_lock(0, kTool, CTDB_FUNC_RELEASE);
  EXPECT_TRUE(w.answered(2, 6, 1));
}

TEST_F(RewriteLock, ItEndsWithItsToolAndWithARecovery) {
  for (const bool recovery : {false, true}) {
    EXPECT_EQ(freeze(), 0);
    if (recovery) {
      w.recover(30, 10, {0, 1, 2});
    } else {
      w.store(0).on_client_gone(kTool, w.now());
    }
    w.pass(5 * kMillisecond);
    call_lock(2, 6, CTDB_FUNC_HOLD);
    EXPECT_TRUE(w.answered(2, 6, 1)) << recovery;
    call_lock(2, 6, CTDB_FUNC_RELEASE);
  }
}

}  // namespace
}  // namespace ctdb::test
