// SPDX-License-Identifier: GPL-3.0-or-later
// Databases wiped and restored by the ctdb tool, step by step on every node.
#include "tests/unit/store/rewrite_fixture.h"

namespace ctdb::test {
namespace {

TEST_F(Rewrite, AWipedDatabaseIsEmptyAndWorks) {
  for (int i = 0; i < 40; ++i) put(static_cast<uint32_t>(i % 3), "k" + std::to_string(i), "v");
  put(0, "moved", "a");
  put(1, "moved", "b");  // node 0 may keep an older copy
  begin();
  commit_and_thaw();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(get(static_cast<uint32_t>(i + 1) % 3, "k" + std::to_string(i)), "");
  EXPECT_EQ(get(2, "moved"), "");
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(w.data(pnn, "moved").value_or(""), "") << "no older copy that could come back";
  }
  put(2, "k1", "new");
  EXPECT_EQ(get(0, "k1"), "new");
}

TEST_F(Rewrite, ARestoredDatabaseHasWhatWasPushedAndNothingElse) {
  put(1, "old", "x");
  put(1, "both", "x");
  begin();
  push({{"both", "1"}, {"new", "2"}, {"new", "3"}});
  everywhere(Control::DB_PUSH_CONFIRM, numbers({kDbId}));
  commit_and_thaw();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(get(pnn, "old"), "");
    EXPECT_EQ(get(pnn, "both"), "1");
    EXPECT_EQ(get(pnn, "new"), "3");
    EXPECT_EQ(w.owners("new").size(), 1u);
  }
}

// Of its own steps, too: what is said in between is heard.
TEST_F(Rewrite, OthersAreServedBetweenTheSlicesOfALargeCommit) {
  constexpr size_t kMany = 10'000, kPart = 1000, kSlice = 1024, kWritten = 128;
  begin();
  push({});
  for (size_t i = 0; i < kMany;) {
    std::vector<std::pair<std::string, std::string>> some;
    for (size_t end = i + kPart; i < end; ++i) some.push_back({"many" + std::to_string(i), "x"});
    more(some);
  }
  w.control(0, kTool, 3, Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction}));
  size_t slices = 0;
  for (; !w.control_answer(0, kTool, 3) && slices < kMany; ++slices) {
    const size_t before = w.db(0).size();
    w.store(0).work(w.now());
    EXPECT_LE(w.db(0).size(), before + kWritten);
    w.control(0, kTool + 1, 4, Control::GET_DB_SEQNUM, numbers({kDbId, 0}));
    EXPECT_TRUE(w.control_answer(0, kTool + 1, 4));
  }
  EXPECT_GT(slices, kMany / kSlice + kMany / kWritten);
  EXPECT_GT(w.db(0).size(), kMany / 4);
}

TEST_F(Rewrite, NothingMovesInBetweenAndOwnersGoOn) {
  put(1, "k", "before");
  begin();
  w.call(2, 8, 4, "k");
  w.pass(kSecond);
  EXPECT_FALSE(w.answered(2, 8, 4));
  EXPECT_TRUE(w.write(1, "k", "meanwhile"));
  commit_and_thaw();
  EXPECT_TRUE(w.answered(2, 8, 4));
  EXPECT_EQ(get(2, "k"), "");
}

TEST_F(Rewrite, ALockedRecordIsWaitedFor) {
  put(1, "k", "v");
  ASSERT_TRUE(w.db(1).lock(as_bytes("k"), 55));
  begin();
  EXPECT_EQ(step(1, Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction})), 99);
  w.db(1).unlock(as_bytes("k"), 55);
  w.serve_workers();
  w.pass(kSecond);
  const auto reply = w.control_answer(1, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 0);
  EXPECT_EQ(w.data(1, "k"), "");
}

TEST_F(Rewrite, StepsInTheWrongOrderAreRefused) {
  const Bytes id = numbers({kDbId}), with_number = numbers({kDbId, kTransaction});
  for (const Control control :
       {Control::DB_TRANSACTION_START, Control::WIPE_DATABASE, Control::DB_TRANSACTION_COMMIT})
    EXPECT_EQ(step(0, control, with_number), -1);
  EXPECT_EQ(step(0, Control::DB_PUSH_CONFIRM, id), -1);
  EXPECT_EQ(step(0, Control::DB_THAW, id), 0);
  EXPECT_EQ(step(0, Control::DB_FREEZE, id), 0);
  EXPECT_EQ(step(0, Control::DB_FREEZE, id), 0);
  EXPECT_EQ(step(0, Control::WIPE_DATABASE, with_number), -1);
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_START, with_number), 0);
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction + 1})), -1);
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_CANCEL, id), 0);
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, with_number), -1);
}

TEST_F(Rewrite, MalformedRecordsChangeNothing) {
  put(1, "k", "v");
  begin();
  push({{"a", "1"}});
  message(Bytes(9, 0xFF));
  everywhere(Control::DB_PUSH_CONFIRM, numbers({kDbId}), -1);
  everywhere(Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction}), -1);
  everywhere(Control::DB_THAW, numbers({kDbId}));
  EXPECT_EQ(get(0, "k"), "v");
}

TEST_F(Rewrite, RecordsLargerThanTheDatabaseAllowsChangeNothing) {
  StoreOptions options;
  options.record_limits = {{kDb, 4096}};
  w.start(2, CTDB_INVALID_GENERATION, options);
  w.recover(20, 10, {0, 1, 2});
  w.attach(2);
  w.run();
  put(2, "k", "v");
  begin();
  push({{"k", std::string(4097, 'x')}});
  EXPECT_EQ(step(2, Control::DB_PUSH_CONFIRM, numbers({id})), -1);
  EXPECT_EQ(error,
            "record k would have 4097 bytes, and test.tdb may have 4096 in one ([database] record limit)");
  EXPECT_EQ(step(2, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), -1);
  everywhere(Control::DB_THAW, numbers({id}));
  EXPECT_EQ(get(1, "k"), "v");
  EXPECT_EQ(w.store(2).counts().records_too_large, 1u);
}

TEST_F(Rewrite, WhatADeadToolHasPushedIsNotTheNextOnes) {
  put(1, "k", "v");
  begin();
  push({{"dead", "1"}});
  begin();
  commit_and_thaw();
  EXPECT_EQ(get(0, "dead"), "");
  EXPECT_EQ(get(2, "k"), "");
}

TEST_F(Rewrite, ACancelledTransactionLeavesNothing) {
  put(1, "k", "v");
  begin();
  push({{"dead", "1"}});
  everywhere(Control::DB_TRANSACTION_CANCEL, numbers({kDbId}));
  EXPECT_EQ(step(0, Control::DB_PUSH_CONFIRM, numbers({kDbId})), -1) << "nobody pushes any more";
  everywhere(Control::DB_TRANSACTION_START, numbers({kDbId, kTransaction}));
  commit_and_thaw();
  EXPECT_EQ(get(0, "dead"), "");
  EXPECT_EQ(get(2, "k"), "v");
}

// The first tool's records were freed with its buffers, and its commit must not have left a way to them.
TEST_F(Rewrite, TwoRestoresBetweenOneFreezeAndItsThaw) {
  begin();
  push({{"first", std::string(1000, 'a')}});
  everywhere(Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction}));
  begin();
  push({{"second", std::string(1000, 'b')}});
  commit_and_thaw();
  EXPECT_EQ(get(0, "first"), "");
  EXPECT_EQ(get(1, "second"), std::string(1000, 'b'));
}

TEST_F(Rewrite, NobodyChangesACommitUnderWay) {
  put(1, "k", "v");
  ASSERT_TRUE(w.db(1).lock(as_bytes("k"), 55));
  begin();
  push({{"k", "restored"}, {"new", "too"}});
  EXPECT_EQ(step(1, Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction})), 99);
  Bytes start = numbers({kDbId, 0, 0, 0});
  store(start.data() + 8, kSrvid);
  const Bytes with_number = numbers({kDbId, kTransaction});
  for (const auto& [control, data] : {std::pair{Control::DB_TRANSACTION_START, with_number},
                                      {Control::WIPE_DATABASE, with_number},
                                      {Control::DB_PUSH_START, start},
                                      {Control::DB_TRANSACTION_CANCEL, numbers({kDbId})},
                                      {Control::DB_TRANSACTION_COMMIT, with_number}}) {
    w.control(1, kTool + 1, 4, control, data);
    w.pass(5 * kMillisecond);
    const auto reply = w.control_answer(1, kTool + 1, 4);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->error, "the commit is under way");
  }
  w.db(1).unlock(as_bytes("k"), 55);
  w.serve_workers();
  w.pass(kSecond);
  EXPECT_EQ(w.control_answer(1, kTool, 3)->status, 0);
  EXPECT_EQ(w.data(1, "k"), "restored");
}

TEST_F(Rewrite, AToolThatGoesAwayLeavesNothingFrozen) {
  put(1, "k", "v");
  begin();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.store(pnn).on_client_gone(kTool, w.now());
  EXPECT_EQ(get(2, "k"), "v");
  begin();
  w.pass(61 * kSecond);  // of a client of another node nobody tells the end
  EXPECT_EQ(get(1, "k"), "v");
}

// A slow push is not silence.
TEST_F(Rewrite, RecordsThatComeKeepItAlive) {
  begin();
  push({{"a", "1"}});
  for (int i = 0; i < 3; ++i) {
    w.pass(40 * kSecond);
    more({{"b", "2"}});
  }
  commit_and_thaw();
  EXPECT_EQ(get(0, "a"), "1");
}

TEST_F(Rewrite, AThawDuringTheCommitLetsRecordsMoveAndTheCommitEnd) {
  commit_that_waits();
  EXPECT_EQ(get(2, "free"), "no answer");
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.control(pnn, kTool + 1, 4, Control::DB_THAW, numbers({id}));
  w.pass(5 * kMillisecond);
  EXPECT_EQ(get(2, "free"), "");
  EXPECT_FALSE(w.control_answer(1, kTool, 3));
  unlock_k();
  EXPECT_EQ(w.control_answer(1, kTool, 3)->status, 0);
  EXPECT_EQ(w.data(1, "k"), "");
  EXPECT_EQ(step(1, Control::DB_TRANSACTION_START, numbers({id, kTransaction})), -1) << "it is over";
}

TEST_F(Rewrite, NothingIsFrozenLongerThanAMinuteByACommit) {
  commit_that_waits();
  w.store(1).on_client_gone(kTool, w.now());
  w.pass(61 * kSecond);
  EXPECT_EQ(get(2, "free"), "");
  unlock_k();
  EXPECT_EQ(w.data(1, "k"), "") << "half a commit would be worse";
}

TEST_F(Rewrite, AFreezeWaitsForTheEndOfARecovery) {
  for (const bool persistent : {false, true}) {
    if (persistent) use_persistent();
    w.begin(persistent ? 30 : 20, persistent ? 20 : 10, {0, 1, 2});
    w.control(1, kTool, 3, Control::DB_FREEZE, numbers({id}));
    w.run();
    EXPECT_FALSE(w.control_answer(1, kTool, 3));
    w.open(persistent ? 30 : 20, {0, 1, 2});
    w.run();
    const auto reply = w.control_answer(1, kTool, 3);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->status, 0);
    EXPECT_EQ(step(1, Control::DB_TRANSACTION_START, numbers({id, kTransaction})), 0);
  }
}

TEST_F(Rewrite, AFreezeDoesNotWaitForARecoveryForEver) {
  w.begin(20, 10, {0, 1, 2});
  w.control(1, kTool, 3, Control::DB_FREEZE, numbers({id}));
  w.control(1, kTool + 1, 4, Control::DB_FREEZE, numbers({id}));
  w.store(1).on_client_gone(kTool + 1, w.now());
  w.pass(6 * kSecond);
  const auto reply = w.control_answer(1, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->error, "a recovery is running; nothing was changed: try again");
  EXPECT_FALSE(w.control_answer(1, kTool + 1, 4)) << "it is gone";
}

TEST_F(Rewrite, WhatARecoveryEndsSaysWhatToDo) {
  begin();
  w.recover(20, 10, {0, 1, 2});
  EXPECT_EQ(step(0, Control::WIPE_DATABASE, numbers({id, kTransaction})), -1);
  EXPECT_EQ(error, "the database is not frozen (a recovery ends that); nothing was changed: try again");
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), -1);
  EXPECT_EQ(error, "the database is not frozen (a recovery ends that)") << "another node may have done it";
}

TEST_F(Rewrite, ItsCopiesAreMadeAnew) {
  w.control(0, kTool, 9, Control::DB_COPIES, numbers({kDbId, 2}));
  put(1, "both", "x");
  w.pass(kSecond);
  begin();
  push({{"both", "1"}, {"new", "2"}});
  commit_and_thaw();
  w.pass(kSecond);
  for (const auto& [key, data] : {std::pair{"both", "1"}, {"new", "2"}}) {
    int copies = 0;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) copies += w.data(pnn, key) == data ? 1 : 0;
    EXPECT_EQ(copies, 2) << key;
  }
}

// The tool tells one node after the other: a record may leave a node that is not frozen yet for one that is.
TEST_F(Rewrite, ARecordThatComesToAFrozenNodeDoesNotWaitBehindItsClients) {
  put(1, "k", "v");
  w.call(2, 8, 4, "k");
  w.control(2, kTool, 3, Control::DB_FREEZE, numbers({id}));
  w.call(2, 8, 5, "k");
  w.pass(5 * kMillisecond);
  EXPECT_EQ(w.owners("k"), std::vector<uint32_t>{2});
  EXPECT_TRUE(w.answered(2, 8, 4));
  begin();
  commit_and_thaw();
  w.pass(5 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 8, 5));
  EXPECT_EQ(get(2, "k"), "");
}

TEST_F(Rewrite, ARecordThatHasArrivedAndWaitsForItsChainIsRewritten) {
  put(1, "k", "v");
  ASSERT_TRUE(w.db(2).lock(as_bytes("k"), 55));
  w.call(2, 8, 4, "k");
  w.pass(5 * kMillisecond);
  EXPECT_TRUE(w.owners("k").empty());
  begin();
  push({{"k", "new"}});
  everywhere(Control::DB_PUSH_CONFIRM, numbers({id}));
  EXPECT_EQ(step(0, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), 0);
  EXPECT_EQ(step(1, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), 0);
  EXPECT_EQ(step(2, Control::DB_TRANSACTION_COMMIT, numbers({id, kTransaction})), 99);
  w.db(2).unlock(as_bytes("k"), 55);
  w.serve_workers();
  w.pass(kSecond);
  EXPECT_TRUE(w.control_answer(2, kTool, 3));
  everywhere(Control::DB_THAW, numbers({id}));
  EXPECT_EQ(get(0, "k"), "new");
}

TEST_F(Rewrite, ACopyThatComesToAFrozenNodeKeepsTheCommitFromNothing) {
  w.control(0, kTool, 9, Control::DB_COPIES, numbers({id, 2}));
  put(1, "k", "v");
  w.pass(kSecond);
  for (const uint32_t pnn : {0u, 2u}) EXPECT_EQ(step(pnn, Control::DB_FREEZE, numbers({id})), 0);
  ASSERT_TRUE(w.write(1, "k", "changed"));
  Bytes unlock = numbers({1, 0, 2});  // epoch and copies
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 77}, ReqCall{0, id, CTDB_FUNC_COPY, 0, as_bytes("k"), unlock});
  w.store(1).on_client_packet(5, packet, w.now());
  w.pass(5 * kMillisecond);
  EXPECT_TRUE(w.answered(1, 5, 77));
  begin();
  commit_and_thaw();
  w.pass(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.data(pnn, "k").value_or(""), "") << pnn;
}

TEST_F(Rewrite, ADatabaseThatIsDetachedDuringTheCommitTakesItAlong) {
  commit_that_waits();
  w.control(1, 0, 8, Control::DB_DETACH, numbers({id}), 0, 1);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kSecond);
  EXPECT_EQ(w.store(1).counts().databases, 0u);
  const auto reply = w.control_answer(1, kTool, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->error, "a recovery came in between: try again");
}

TEST_F(Rewrite, ARecoveryEndsIt) {
  put(1, "k", "v");
  begin();
  w.recover(11, 10, {0, 1, 2});
  everywhere(Control::DB_TRANSACTION_COMMIT, numbers({kDbId, kTransaction}), -1);
  EXPECT_EQ(get(2, "k"), "v");
}

}  // namespace
}  // namespace ctdb::test
