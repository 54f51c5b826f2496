// SPDX-License-Identifier: GPL-3.0-or-later
// Files that a killed client has left damaged, found by those who want to write to them.
#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/wire/commit_messages.h"
#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class DamagedFiles : public StoresTest {
 protected:
  DamagedFiles() {
    start();
    key = w.key_of(1);
    take(0, key, "one");
    w.db(1).break_room();
  }
  // Node 0 has lost the record: who wants it waits for the recovery that brings a copy.
  void expect_after_recovery(uint32_t pnn, uint32_t client, uint32_t reqid, std::string_view data,
                             TimeNs soon = kMillisecond) {
    w.pass(kMillisecond);
    EXPECT_FALSE(w.answered(pnn, client, reqid));
    EXPECT_EQ(w.store(0).counts().records_damaged, 1u);
    w.recover(11, 10, {0, 1, 2});
    w.pass(soon);
    const auto reply = w.answer(pnn, client, reqid);
    ASSERT_TRUE(reply);
    EXPECT_EQ(as_text(reply->data), data);
  }
  std::string key;
};

TEST_F(DamagedFiles, TheStoreExaminesAFileThatItCannotWriteTo) {
  w.call(1, 5, 2, key);
  w.pass(kSecond);
  EXPECT_TRUE(w.answered(1, 5, 2));
  EXPECT_EQ(w.data(1, key), "one");
  EXPECT_EQ(w.store(1).counts().files_repaired, 1u);
}

TEST_F(DamagedFiles, TheStoreExaminesAFileThatAClientCannotWriteTo) {
  w.call(1, 5, 2, "", CTDB_FUNC_DAMAGED);
  w.pass(kMillisecond);
  EXPECT_FALSE(w.db(1).room_broken());
  EXPECT_EQ(w.store(1).counts().files_repaired, 1u);
  EXPECT_FALSE(w.answered(1, 5, 2)) << "nobody waits for an answer";
}

// Another client has taken it and keeps it.
TEST_F(DamagedFiles, ALockThatWasLeftIsLookedAtLessAndLessOften) {
  constexpr MemoryDatabase::Holder kOther = 77;
  w.db(0).leave_lock(as_bytes(key), 123);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kOther));
  w.store(0).on_client_gone(9, w.now());
  const auto turns_until = [this](TimeNs end) {
    size_t turns = 0;
    for (TimeNs at = w.store(0).next_deadline(); at < end; at = w.store(0).next_deadline(), ++turns)
      w.store(0).tick(std::max(at, w.now()));
    return turns;
  };
  const TimeNs begin = w.now();
  EXPECT_LT(turns_until(begin + 10 * kSecond), 1000u);
  EXPECT_LT(turns_until(begin + 20 * kSecond), 250u);
  EXPECT_EQ(w.store(0).counts().values_suspect, 0u);
  w.db(0).unlock(as_bytes(key), kOther);
  turns_until(begin + 20 * kSecond + 200 * kMillisecond);
  EXPECT_EQ(w.store(0).counts().values_suspect, 1u);
}

// A client was killed while it wrote the first value: libtdb deletes what must grow first.
TEST_F(DamagedFiles, AnEmptyRecordThatIsGoneIsPutBackAndTold) {
  const size_t said = w.node(0).to_recoveryd.size();
  for (const bool examined : {false, true}) {
    const std::string empty = w.key_of(1, examined ? "examined" : "asked for");
    w.call(0, 5, 1, empty);
    w.pass(kSecond);
    ASSERT_TRUE(w.answered(0, 5, 1));
    const uint64_t rsn = w.header(0, empty)->rsn;
    w.db(0).remove(as_bytes(empty));
    if (examined) w.store(0).on_client_gone(9, w.now(), kDbId);
    w.pass(kMillisecond);
    if (!examined) w.call(0, 5, 2, empty);
    w.pass(kMillisecond);
    EXPECT_EQ(w.answered(0, 5, 2), !examined);
    ASSERT_TRUE(w.header(0, empty));
    EXPECT_GE(w.header(0, empty)->rsn, rsn);
    EXPECT_NE(w.header(0, empty)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
    EXPECT_EQ(w.store(0).counts().records_damaged, examined ? 2u : 1u);
    EXPECT_EQ(w.node(0).to_recoveryd.size(), said) << "no recovery is asked for";
  }
}

// Its client was killed while another node's call waited for it to have its turn.
TEST_F(DamagedFiles, ARecordThatGoesDuringAGrantHoldIsNotGivenAwayEmpty) {
  const std::string own = w.key_of(0);
  take(2, own, "older");
  w.call(0, 5, 1, own);
  w.run();
  ASSERT_TRUE(w.answered(0, 5, 1));
  w.db(0).remove(as_bytes(own));
  w.call(1, 6, 2, own, CTDB_FUNC_FETCH);
  expect_after_recovery(1, 6, 2, "older", kSecond);
}

// Else its location master would make it anew, beside copies that are read, and an empty record would win against them.
TEST_F(DamagedFiles, ARecordThatIsGoneIsNotMadeAnewForAReader) {
  key = w.key_of(0);
  take(0, key, "one");
  uint8_t id[4];
  store(id, kDbId);
  w.control(0, 800, 9, Control::SET_DB_READONLY, id);
  w.read(2, 7, 3, key);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(2, 7, 3));
  w.db(0).remove(as_bytes(key));
  w.read(0, 7, 3, key);
  expect_after_recovery(0, 7, 3, "one");
}

// libtdb deletes what must grow before it stores it anew, and its client may be killed in between: nobody has deleted that record.
TEST(DamagedAndDeleted, ARecordThatIsGoneIsNoDeletedOne) {
  World w(3, 64, kSecond);
  w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
  w.attach(0);
  const std::string key = w.key_of(0);
  for (const uint32_t pnn : {2u, 0u}) {
    w.call(pnn, 5, 1, key);
    w.pass(3 * kMillisecond);
    ASSERT_TRUE(w.write(pnn, key, pnn == 2 ? "older" : ""));
  }
  w.call(0, 5, 2, key, CTDB_FUNC_DELETED);
  ASSERT_TRUE(w.write(0, key, "again"));
  w.db(0).remove(as_bytes(key));
  w.pass(10 * kSecond);
  EXPECT_EQ(w.store(0).counts().records_damaged, 1u);
  EXPECT_EQ(w.store(0).counts().records_forgotten, 0u);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.data(2, key), "older");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

// Else a classic client would find it as its node's, and take the lock that another one holds.
TEST_F(DamagedFiles, ARecordThatIsHeldIsPutBackAsNobodys) {
  const std::string held = w.key_of(0, "held");
  w.call(0, 5, 1, held, CTDB_FUNC_HOLD);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(0, 5, 1));
  w.db(0).remove(as_bytes(held));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.header(0, held));
  EXPECT_EQ(w.header(0, held)->dmaster, CTDB_UNKNOWN_PNN);
  w.call(0, 5, 2, held, CTDB_FUNC_RELEASE);
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, held)->dmaster, 0u);
}

// An older copy becomes the record, which somebody else may hold then.
TEST_F(DamagedFiles, ARecordThatIsGoneIsHeldNoMore) {
  const std::string held = w.key_of(0, "held");
  take(2, held, "older");
  w.call(0, 5, 1, held, CTDB_FUNC_HOLD);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(0, 5, 1));
  w.db(0).remove(as_bytes(held));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.pass(kMillisecond);
  w.recover(11, 10, {0, 1, 2});
  w.call(1, 6, 2, held, CTDB_FUNC_HOLD);
  w.pass(kSecond);
  ASSERT_TRUE(w.answered(1, 6, 2));
  w.call(0, 5, 3, held, CTDB_FUNC_COMMIT);
  w.pass(kMillisecond);
  const auto reply = w.answer(0, 5, 3);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, kCommitConflict);
}

// Repaired the file has it, and says that it is this node's: another one must not be given it meanwhile.
TEST_F(DamagedFiles, ARecordThatCannotBeReadIsNotTakenForLost) {
  take(2, key, "older");
  take(0, key, "newest");
  const size_t said = w.node(0).to_recoveryd.size();
  w.db(0).break_chains();
  w.call(1, 6, 2, key, CTDB_FUNC_FETCH);
  w.pass(kSecond);
  const auto reply = w.answer(1, 6, 2);
  ASSERT_TRUE(reply);
  EXPECT_EQ(as_text(reply->data), "newest");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  EXPECT_EQ(w.store(0).counts().records_damaged, 0u);
  EXPECT_EQ(w.node(0).to_recoveryd.size(), said);
}

// Its location master believes that it is still here: the call would go round until the recovery, and make the record sticky.
TEST_F(DamagedFiles, ACallForARecordThatIsGoneWaitsForTheRecovery) {
  take(2, key, "older");
  take(0, key, "newest");
  w.db(0).remove(as_bytes(key));
  w.call(0, 5, 1, key, CTDB_FUNC_FETCH);
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(kSecond);
  EXPECT_FALSE(w.answered(0, 5, 1) || w.answered(2, 5, 1));
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_LE(w.store(pnn).counts().hops_max, 3u);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  for (const uint32_t pnn : {0u, 2u}) {
    const auto reply = w.answer(pnn, 5, 1);
    ASSERT_TRUE(reply);
    EXPECT_EQ(as_text(reply->data), "older");
  }
}

// A try takes a millisecond of the processor, and keeps clients waiting.
TEST_F(DamagedFiles, AFileIsTriedLessOftenTheLongerSomebodyKeepsAChain) {
  ASSERT_TRUE(w.db(1).lock(as_bytes("kept"), 50));
  w.call(1, 5, 2, "", CTDB_FUNC_DAMAGED);
  w.pass(20 * kMillisecond);
  const uint32_t at_first = w.db(1).examinations();
  EXPECT_GE(at_first, 10u);
  w.pass(20 * kSecond);
  EXPECT_LE(w.db(1).examinations(), 400u);
  w.db(1).unlock(as_bytes("kept"), 50);
  w.pass(200 * kMillisecond);
  EXPECT_FALSE(w.db(1).room_broken());
}

// Programs see it by the mark, as when an owner is lost.
TEST_F(DamagedFiles, AnOlderCopyOfARecordThatIsGoneIsMarked) {
  const std::string own = w.key_of(0);
  take(2, own, "older");
  take(0, own, "newest");
  w.db(0).remove(as_bytes(own));
  w.call(0, 5, 1, own);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(w.data(0, own), "older");
  EXPECT_NE(w.header(0, own)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
  EXPECT_EQ(w.store(0).counts().records_damaged, 1u);
  for (uint32_t pnn = 0; pnn < 3; ++pnn)
    EXPECT_EQ(w.store(pnn).counts().records_fallen_back, 0u) << "it is told already";
}

// Who has the older copy would else take it for a record that was on its way to this node.
TEST_F(DamagedFiles, AnAttemptThatIsGivenUpDoesNotForgetThatARecordIsGone) {
  const std::string own = w.key_of(0);
  take(2, own, "older");
  take(0, own, "newest");
  w.db(0).remove(as_bytes(own));
  w.call(0, 5, 1, own);
  w.begin(11, 10, {0, 1, 2});
  w.run();
  ASSERT_TRUE(w.recovered(0, 11));
  w.recover(12, 10, {0, 1, 2});
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(w.data(0, own), "older");
  EXPECT_NE(w.header(0, own)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

TEST_F(DamagedFiles, NorThatItWentBetweenItsClaimAndTheDecision) {
  const std::string own = w.key_of(0);
  take(2, own, "older");
  take(0, own, "newest");
  w.begin(11, 10, {0, 1, 2});
  while (w.store(0).has_work()) w.store(0).work(w.now());
  w.db(0).remove(as_bytes(own));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.store(0).tick(w.now());
  ASSERT_EQ(w.store(0).counts().records_damaged, 1u);
  w.run();
  ASSERT_TRUE(w.recovered(0, 11));
  w.recover(12, 10, {0, 1, 2});
  EXPECT_EQ(w.data(2, own), "older");
  EXPECT_NE(w.header(2, own)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

// Made anew it would be an empty record that is newer than all copies.
TEST_F(DamagedFiles, ACopyThatGoesBeforeItBecomesTheRecordIsNotMadeAnew) {
  const std::string own = w.key_of(0);
  w.call(1, 5, 2, "", CTDB_FUNC_DAMAGED);
  w.pass(kMillisecond);
  take(2, own, "older");
  take(0, own, "copy");
  take(1, own, "newest");
  w.stop(1);
  w.begin(11, 10, {0, 2});
  w.run();
  ASSERT_TRUE(w.recovered(0, 11));
  w.db(0).remove(as_bytes(own));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.pass(kMillisecond);
  w.open(11, {0, 2});
  w.run();
  EXPECT_EQ(w.store(0).counts().records_damaged, 1u);
  EXPECT_EQ(w.owners(own), std::vector<uint32_t>{});
  w.recover(12, 11, {0, 2});
  EXPECT_EQ(w.owners(own), std::vector<uint32_t>{2});
  EXPECT_EQ(w.data(2, own), "older");
  EXPECT_NE(w.header(2, own)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

// Its header could not be changed until then, and clients may have the file next.
TEST_F(DamagedFiles, WhatIsToBeTakenAwayIsSoBeforeClientsHaveTheRepairedFile) {
  take(0, key, "newest");
  w.db(0).break_chains();
  ASSERT_TRUE(w.db(0).lock(as_bytes("kept"), 50));
  w.store(0).stop_serving(false, w.now());
  w.pass(5 * kMillisecond);
  ASSERT_EQ(w.header(0, key)->dmaster, 0u);
  w.db(0).unlock(as_bytes("kept"), 50);
  while (w.store(0).counts().files_repaired == 0) w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
  EXPECT_FALSE(w.node(0).serving);
}

// Every attempt to write finds it anew.
TEST_F(DamagedFiles, AFileThatCannotBeRepairedIsToldOnce) {
  w.db(1).break_header();
  for (int i = 0; i < 20; ++i) {
    w.call(1, 5, 2, "", CTDB_FUNC_DAMAGED);
    w.pass(kSecond);
  }
  EXPECT_GE(w.db(1).examinations(), 2u);
  EXPECT_EQ(std::ranges::count_if(
                w.node(1).logs,
                [](const std::string& line) { return line.find("restart ctdb-store") != std::string::npos; }),
            1);
}

TEST_F(DamagedFiles, AnUnknownDatabaseIsNotExamined) {
  w.call(1, 5, 2, "", CTDB_FUNC_DAMAGED, false, kDbId + 1);
  w.pass(kMillisecond);
  EXPECT_TRUE(w.db(1).room_broken());
}

}  // namespace
}  // namespace ctdb::test
