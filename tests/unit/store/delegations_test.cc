// SPDX-License-Identifier: GPL-3.0-or-later
// Read-only copies: who gets one, what its header says, and that nobody changes a record while one is left.
#include <gtest/gtest.h>

#include "ctdb-store/core/heat.h"
#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kHave = CTDB_RECORD_RO_HAVE_DELEGATIONS;
constexpr uint32_t kCopy = CTDB_RECORD_RO_HAVE_READONLY;
constexpr uint32_t kAllReadOnly =
    kHave | kCopy | CTDB_RECORD_RO_REVOKING_READONLY | CTDB_RECORD_RO_REVOKE_COMPLETE;

class Delegations : public StoresTest {
 protected:
  explicit Delegations(bool on = true) {
    start();
    if (on) turn_on({0, 1, 2});
    key = w.key_of(1);
    take(0, key, "one");
  }
  void turn_on(const std::vector<uint32_t>& nodes) {
    uint8_t data[4];
    store(data, kDbId);
    for (const uint32_t pnn : nodes) {
      w.control(pnn, 800, 9, Control::SET_DB_READONLY, data);
      ASSERT_EQ(w.control_answer(pnn, 800, 9)->status, 0);
    }
  }
  std::string read(uint32_t pnn, uint32_t callid = CTDB_FUNC_FETCH, bool classic = false) {
    w.read(pnn, 7, 3, key, callid, classic);
    w.pass(kMillisecond);
    const auto reply = w.answer(pnn, 7, 3);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  uint32_t flags(uint32_t pnn) { return w.header(pnn, key)->flags & kAllReadOnly; }
  // A client of `pnn` asks for the record itself.
  void want(uint32_t pnn, uint32_t reqid = 20) { w.call(pnn, 8, reqid, key); }
  bool has_it(uint32_t pnn, uint32_t reqid = 20) { return w.answered(pnn, 8, reqid); }
  uint64_t packets_of(Operation operation) {
    uint64_t count = 0;
    for (uint32_t a = 0; a < 3; ++a) {
      for (uint32_t b = 0; b < 3; ++b) {
        for (const Bytes& packet : w.link(a, b))
          count += read_header(packet).operation == static_cast<uint32_t>(operation);
      }
    }
    return count;
  }
  std::string key;
};

class NotTurnedOn : public Delegations {
 protected:
  NotTurnedOn() : Delegations(false) {}
};

// Client-semantics §6: 3 -> 6 and a copy of 4.
TEST_F(Delegations, HeadersAreThoseOfTheClassicProtocol) {
  const uint64_t before = w.header(0, key)->rsn;
  EXPECT_EQ(read(2), "one");
  EXPECT_EQ(w.header(0, key)->rsn, before + 3);
  EXPECT_EQ(flags(0), kHave);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_EQ(w.header(2, key)->rsn, before + 1);
  EXPECT_EQ(flags(2), kCopy);
  EXPECT_EQ(w.header(2, key)->dmaster, 0u);
  EXPECT_EQ(read(1), "one");
  EXPECT_EQ(w.header(0, key)->rsn, before + 3) << "the second one changes nothing";
  EXPECT_EQ(w.header(1, key)->rsn, before + 1);
  EXPECT_EQ(w.store(0).counts().delegations, 2u);
}

TEST_F(Delegations, AClientWithACopyIsAnsweredWithoutAnotherNode) {
  read(2);
  const uint64_t local = w.store(2).counts().calls_local;
  w.read(2, 7, 3, key);
  EXPECT_TRUE(w.answered(2, 7, 3)) << "at once";
  EXPECT_EQ(w.store(2).counts().calls_local, local + 1);
  EXPECT_EQ(w.readable(2, key), "one");
}

// Client-semantics §6 step 4.
TEST_F(Delegations, ClassicClientsThatCallForNothingGetHeaderAndData) {
  const std::string whole = read(2, CTDB_FUNC_NULL, true);
  ASSERT_EQ(whole.size(), CTDB_RECORD_HEADER_SIZE + 3u);
  EXPECT_EQ(whole.substr(CTDB_RECORD_HEADER_SIZE), "one");
  EXPECT_EQ(read_record_header(as_bytes(whole))->flags & kAllReadOnly, kCopy);
  EXPECT_EQ(read(2, CTDB_FUNC_FETCH, true), "one");
  EXPECT_EQ(read(1, CTDB_FUNC_NULL), "") << "a native client looks at the file";
}

TEST_F(Delegations, TheOwnersClientsReadAndDoNotWrite) {
  read(2);
  EXPECT_EQ(w.readable(0, key), "one");
  EXPECT_FALSE(w.write(0, key, "two"));
  EXPECT_EQ(read(0), "one");
  EXPECT_EQ(flags(0), kHave) << "reading ends nothing";
}

TEST_F(Delegations, AWriterWaitsForEveryCopy) {
  read(1);
  read(2);
  want(0);
  EXPECT_FALSE(has_it(0));
  ASSERT_TRUE(w.carry_one(0, 1));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  ASSERT_TRUE(w.carry_one(1, 0));
  EXPECT_FALSE(has_it(0)) << "node 2 may still read";
  EXPECT_EQ(w.readable(2, key), "one");
  ASSERT_TRUE(w.carry_one(0, 2));
  EXPECT_FALSE(has_it(0)) << "it has not been heard of";
  EXPECT_FALSE(w.write(0, key, "two"));
  ASSERT_TRUE(w.carry_one(2, 0));
  EXPECT_TRUE(has_it(0));
  EXPECT_EQ(flags(0), 0u);
  EXPECT_TRUE(w.write(0, key, "two"));
  EXPECT_EQ(w.store(0).counts().delegations_revoked, 1u);
}

TEST_F(Delegations, OnlyThoseAreAskedThatHaveOne) {
  read(2);
  want(0);
  EXPECT_EQ(w.link(0, 1).size(), 0u);
  EXPECT_EQ(w.link(0, 2).size(), 1u);
}

TEST_F(Delegations, AWriterElsewhereGetsTheRecordWhenNobodyReadsIt) {
  read(1);
  read(2);
  want(2);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(2));
  EXPECT_TRUE(w.write(2, key, "two"));
  w.pass(2 * kMillisecond);
  EXPECT_EQ(w.readable(0, key), std::nullopt);
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  EXPECT_EQ(read(1), "two");
  EXPECT_EQ(read(0), "two");
}

TEST_F(Delegations, TheEndOfACopyWaitsForWhoHasItsChain) {
  read(2);
  ASSERT_TRUE(w.db(2).lock(as_bytes(key), 50));
  want(0);
  w.pass(5 * kMillisecond);
  EXPECT_FALSE(has_it(0));
  w.db(2).unlock(as_bytes(key), 50);
  w.serve_workers();
  EXPECT_TRUE(has_it(0));
}

// Cluster-semantics §20.3: the classic daemon of every node ends.
TEST_F(Delegations, ADatabaseThatIsDetachedMeanwhileTakesThemAlong) {
  read(1);
  read(2);
  ASSERT_TRUE(w.db(2).lock(as_bytes(key), 50));
  want(0);
  w.pass(5 * kMillisecond);
  ASSERT_FALSE(has_it(0)) << "the copy of node 2 cannot end";
  TunablesMessage tunables;
  tunables.values.assign(kTunables, 60);
  tunables.values[static_cast<size_t>(Tunable::AllowClientDBAttach)] = 0;
  for (const uint32_t pnn : {0u, 1u, 2u}) w.order(pnn, Operation::TUNABLES, tunables.encode());
  uint8_t id[4];
  store(id, kDbId);
  w.control(1, 700, 9, Control::DB_DETACH, id);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.control_answer(1, 700, 9)->status, 0);
  w.pass(5 * kMillisecond);
  EXPECT_TRUE(has_it(0)) << "an answer, that there is no such database";
  for (const uint32_t pnn : {0u, 1u, 2u}) {
    EXPECT_EQ(w.store(pnn).counts().databases, 0u);
    EXPECT_EQ(w.store(pnn).counts().calls_pending, 0u);
    EXPECT_EQ(w.store(pnn).counts().lock_waiters, 0u);
  }
}

TEST_F(Delegations, WhoAsksMeanwhileWaitsBehindTheWriter) {
  read(2);
  want(0);
  w.read(1, 7, 3, key);
  w.pass(100 * kMicrosecond);
  EXPECT_TRUE(has_it(0));
  EXPECT_TRUE(w.write(0, key, "two"));
  w.pass(2 * kMillisecond);
  const auto reply = w.answer(1, 7, 3);
  ASSERT_TRUE(reply);
  EXPECT_EQ(as_text(reply->data), "two");
  EXPECT_EQ(flags(0), kHave);
}

TEST_F(Delegations, AReaderAndAWriterOfOneNodeShareTheWay) {
  w.read(2, 7, 3, key);
  want(2);
  w.pass(2 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 7, 3));
  EXPECT_TRUE(has_it(2));
  EXPECT_EQ(w.header(2, key)->dmaster, 2u);
}

TEST_F(Delegations, AFunctionIsAWriter) {
  take(0, key, "");
  read(1);
  Bytes packet;
  uint8_t one[8];
  store(one, int64_t{1});
  build(packet, {0, 0, 0, 0, 0, 30}, ReqCall{0, kDbId, CTDB_FUNC_ADD, 0, as_bytes(key), one});
  w.store(2).on_client_packet(8, packet, w.now());
  w.collect();
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 8, 30));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  EXPECT_EQ(w.data(0, key)->size(), 8u);
}

TEST_F(Delegations, AHoldIsAWriter) {
  read(1);
  w.call(0, 8, 30, key, CTDB_FUNC_HOLD);
  EXPECT_FALSE(w.answered(0, 8, 30));
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(0, 8, 30));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
}

TEST_F(Delegations, AnEmptyRecordIsReadAsSuchUntilItIsMadeAnew) {
  take(0, key, "");
  EXPECT_EQ(read(1), "");
  EXPECT_EQ(w.readable(1, key), "");
  take(2, key, "new");
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  EXPECT_EQ(read(1), "new");
}

TEST_F(Delegations, ARecordLargerThanAPacketIsRefusedAsAlways) {
  w.call(0, 5, 1, key);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.write(0, key, std::string(16u << 20, 'x')));
  w.read(1, 7, 3, key);
  w.pass(2 * kMillisecond);
  const auto reply = w.answer(1, 7, 3);
  ASSERT_TRUE(reply);
  EXPECT_LT(reply->status, 0);
  EXPECT_EQ(flags(0), 0u);
}

// As the tool does it, in a frozen database. What each node has answered last is still to be asked.
class FrozenDelegations : public Delegations {
 protected:
  FrozenDelegations() {
    store(ids_, kDbId);
    store(ids_ + 4, uint32_t{7});
  }
  void on_each(Control control, ByteView data) {
    for (uint32_t pnn = 0; pnn < 3; ++pnn) w.control(pnn, 800, 9, control, data);
  }
  void freeze() { on_each(Control::DB_FREEZE, ByteView(ids_).first(4)); }
  void wipe() {
    for (const Control step :
         {Control::DB_TRANSACTION_START, Control::WIPE_DATABASE, Control::DB_TRANSACTION_COMMIT}) {
      for (uint32_t pnn = 0; pnn < 3; ++pnn) (void)w.control_answer(pnn, 800, 9);
      on_each(step, ids_);
      w.pass(kMillisecond);
    }
  }
  void thaw() {
    on_each(Control::DB_THAW, ByteView(ids_).first(4));
    w.pass(kMillisecond);
  }

 private:
  uint8_t ids_[8];  // of the database, and of the transaction
};

TEST_F(FrozenDelegations, AFrozenDatabaseLosesItsCopiesToTheEndAndNotToAStandstill) {
  read(1);
  freeze();
  wipe();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.control_answer(pnn, 800, 9)->status, 0) << pnn;
  thaw();
  EXPECT_EQ(w.data(1, key), std::nullopt);
  EXPECT_EQ(read(1), "");
}

// A client that wants the record waits for the thaw, and the end of the copy does not wait behind it.
TEST_F(FrozenDelegations, ACopyInAFrozenDatabaseEndsBesideAClientThatWaits) {
  read(1);
  freeze();
  w.call(1, 8, 4, key);
  wipe();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_TRUE(w.control_answer(pnn, 800, 9)) << pnn;
  thaw();
  EXPECT_TRUE(w.answered(1, 8, 4));
}

// ---- generations ----

TEST_F(Delegations, ACopyOutlivesAGenerationAndEndsInTheNext) {
  read(1);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.readable(1, key), "one");
  EXPECT_EQ(flags(0), kHave);
  want(2);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(2));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
}

TEST_F(Delegations, AWriterThatWaitsWhenTheGenerationEndsIsServedInTheNext) {
  read(1);
  read(2);
  want(0);
  w.link(0, 1).clear();
  w.link(0, 2).clear();
  w.begin(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_FALSE(has_it(0));
  EXPECT_EQ(w.readable(1, key), "one");
  w.open(11, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  EXPECT_EQ(w.readable(2, key), std::nullopt);
}

TEST_F(Delegations, WhoHasLeftIsNotWaitedFor) {
  read(1);
  read(2);
  want(0);
  w.link(0, 2).clear();
  w.stop(2);
  w.recover(11, 10, {0, 1});
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
}

TEST_F(Delegations, ARestartedOwnerAsksEveryMember) {
  read(2);
  w.stop(0);
  w.start(0, 10);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.readable(2, key), "one");
  want(0);
  EXPECT_EQ(w.link(0, 1).size(), 1u);
  EXPECT_EQ(w.link(0, 2).size(), 1u);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0));
  EXPECT_EQ(w.readable(2, key), std::nullopt);
}

TEST_F(Delegations, AnOwnerMadeByARecoveryHearsOfOtherCopies) {
  read(1);
  read(2);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  const uint32_t owner = w.owners(key).front(), other = 3 - owner;
  EXPECT_EQ(w.readable(owner, key), "one") << "a read-only copy is a copy";
  EXPECT_EQ(w.readable(other, key), "one");
  EXPECT_FALSE(w.write(owner, key, "two"));
  want(owner);
  w.pass(kMillisecond);
  ASSERT_TRUE(has_it(owner));
  EXPECT_EQ(w.readable(other, key), std::nullopt);
  ASSERT_TRUE(w.write(owner, key, "two"));
  w.pass(2 * kMillisecond);
  EXPECT_EQ(read(other), "two") << "and gives new ones, which are newer than the old";
}

TEST_F(Delegations, AnOwnerMadeByARecoveryWithoutOtherCopiesIsFree) {
  read(1);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  EXPECT_EQ(flags(1), 0u);
}

// Damage has cost the record whose lmaster is its owner: it was made anew, empty, while others read the old value.
TEST_F(Delegations, ARecordThatDamageHasCostIsNotMadeAnewWhileOthersReadIt) {
  key = w.key_of(0, "own");
  take(0, key, "one");
  read(1);
  read(2);
  w.db(0).remove(as_bytes(key));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.pass(kMillisecond);
  want(0);
  w.pass(kMillisecond);
  EXPECT_FALSE(has_it(0)) << "nobody may change it yet";
  EXPECT_EQ(w.data(0, key), std::nullopt);
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  ASSERT_TRUE(has_it(0));
  EXPECT_EQ(w.data(0, key), "one") << "a copy of it is left";
  EXPECT_TRUE(w.write(0, key, "two"));
  EXPECT_EQ(w.readable(1, key), std::nullopt);
  EXPECT_EQ(w.readable(2, key), std::nullopt);
}

// Nobody has said that a client died: another one has taken its lock over. Its owner is not its lmaster here.
TEST_F(Delegations, ARecordThatIsGoneFromASoundFileIsNotServedAsAnEmptyOne) {
  key = w.key_of(1, "theirs");
  take(0, key, "one");
  read(2);
  w.db(0).remove(as_bytes(key));
  want(0);
  w.pass(kMillisecond);
  EXPECT_FALSE(has_it(0));
  EXPECT_EQ(w.store(0).counts().records_damaged, 1u);
  EXPECT_EQ(w.data(0, key), std::nullopt);
  w.pass(kSecond);
  EXPECT_FALSE(has_it(0)) << "nobody knows yet which copy is the newest";
  w.recover(11, 10, {0, 1, 2});
  w.pass(kSecond);
  ASSERT_TRUE(has_it(0));
  EXPECT_EQ(w.data(0, key), "one");
}

TEST_F(Delegations, ALostRecordOfWhichNoCopyIsLeftIsMadeAnewAfterTheRecovery) {
  key = w.key_of(0, "own");
  take(0, key, "one");
  EXPECT_EQ(fetch(0, key), "one");
  w.db(0).remove(as_bytes(key));
  w.store(0).on_client_gone(9, w.now(), kDbId);
  w.pass(kMillisecond);
  want(2);
  w.pass(kMillisecond);
  EXPECT_FALSE(has_it(2));
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(2));
  EXPECT_NE(w.header(2, key)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

// What a damaged file still had may be from before the first copy.
TEST_F(Delegations, AnOwnerThatDoesNotKnowOfCopiesIsTold) {
  read(2);
  w.stop(0);
  Bytes value = *w.db(0).fetch(as_bytes(key));
  store(value.data() + CTDB_OFF_RECORD_FLAGS, CTDB_RECORD_MIGRATED_WITH_DATA);
  w.db(0).store(as_bytes(key), value);
  w.start(0, 10);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(flags(0), kHave);
  EXPECT_EQ(w.header(0, key)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
  EXPECT_EQ(w.store(0).counts().records_fallen_back, 0u);
  want(0);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0));
  EXPECT_EQ(w.readable(2, key), std::nullopt);
}

TEST_F(Delegations, ANodeThatServesNoMoreHasNoCopies) {
  read(2);
  w.order(2, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
  w.pass(kMillisecond);
  EXPECT_EQ(w.readable(2, key), std::nullopt);
  EXPECT_FALSE(w.node(2).serving);
}

// The keeper takes them away behind the store, which believes that it has one.
TEST_F(Delegations, ACopyThatAKeeperTookIsAskedForAnew) {
  read(2);
  Bytes value = *w.db(2).fetch(as_bytes(key));
  store(value.data() + CTDB_OFF_RECORD_FLAGS, CTDB_RECORD_MIGRATED_WITH_DATA);
  w.db(2).store(as_bytes(key), value);
  EXPECT_EQ(read(2), "one");
  EXPECT_EQ(flags(2), kCopy);
}

// ---- what is asked for too often ----

TEST_F(NotTurnedOn, ARecordMovesAsLongAsFewReadIt) {
  EXPECT_EQ(read(1), "one");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  EXPECT_EQ(w.store(0).counts().delegations, 0u);
}

TEST_F(NotTurnedOn, OneThatManyReadIsReadFromCopies) {
  for (int i = 0; i < 40; ++i) EXPECT_EQ(read(static_cast<uint32_t>(i) % 3), "one");
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.readable(pnn, key), "one") << pnn;
  take(1, key, "two");
  EXPECT_EQ(read(0), "two");
  EXPECT_EQ(read(2), "two");
}

// Their calls bring the record for reading only.
TEST_F(NotTurnedOn, NativeReadersAreNotTakenForWriters) {
  for (int i = 0; i < 40; ++i) read(static_cast<uint32_t>(i) % 3, CTDB_FUNC_NULL);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.readable(pnn, key), "one") << pnn;
}

TEST_F(NotTurnedOn, OneThatIsChangedAsOftenMoves) {
  for (int i = 0; i < 40; ++i) {
    const uint32_t pnn = static_cast<uint32_t>(i) % 3;
    read(pnn);
    take(pnn, key, std::to_string(i));
  }
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.store(pnn).counts().delegations, 0u);
}

TEST(Heat, ARecordIsReadForAWhile) {
  Heat heat;
  const TimeNs now = 100 * kSecond;
  for (int i = 0; i < Heat::kReadsAtLeast - 1; ++i) heat.note_read(now);
  EXPECT_FALSE(heat.is_read(now));
  heat.note_read(now);
  EXPECT_TRUE(heat.is_read(now + 9 * kSecond));
  EXPECT_FALSE(heat.is_read(now + 10 * kSecond));
}

TEST(Heat, SecondsAreCountedByThemselves) {
  Heat heat;
  for (int i = 0; i < 100; ++i) heat.note_read(100 * kSecond + i * 200 * kMillisecond);
  EXPECT_FALSE(heat.is_read(120 * kSecond)) << "five in a second are few";
}

// ---- sticky records ----

class Sticky : public Delegations {
 protected:
  Sticky() : Delegations(false) {}
  void ask_over_many_nodes() {
    Bytes packet;
    Header header{0, 10, 0, 0, 1, 4711};
    build(packet, header, ReqCall{0, kDbId, CTDB_FUNC_NULL, 50, as_bytes(key), {}});
    w.deliver(0, packet);
    w.pass(210 * kMillisecond);
  }
};

TEST_F(Sticky, ARecordThatIsAskedForOverManyNodesStaysForAWhileWhereverItComes) {
  ask_over_many_nodes();
  take(0, key, "two");
  want(2);
  w.pass(100 * kMillisecond);
  EXPECT_FALSE(has_it(2));
  EXPECT_TRUE(w.write(0, key, "three"));
  w.pass(110 * kMillisecond);
  EXPECT_TRUE(has_it(2)) << "after StickyPindown";
  take(2, key, "four");
  want(1, 21);
  w.pass(100 * kMillisecond);
  EXPECT_TRUE(has_it(1, 21)) << "node 2 has not seen it chased";
}

TEST_F(Sticky, LocalClientsDoNotWaitBehindOtherNodes) {
  ask_over_many_nodes();
  take(0, key, "two");
  want(2);
  w.pass(kMillisecond);
  want(0, 21);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0, 21));
  EXPECT_FALSE(has_it(2));
}

TEST_F(Sticky, NoOtherDoes) {
  take(2, key, "two");
  want(0);
  w.pass(kMillisecond);
  EXPECT_TRUE(has_it(0));
}

TEST_F(Sticky, InAStickyDatabaseOneThatMovesTooOftenDoes) {
  uint8_t id[4];
  store(id, kDbId);
  w.control(0, 800, 9, Control::SET_DB_STICKY, id);
  ASSERT_EQ(w.control_answer(0, 800, 9)->status, 0);
  for (uint32_t i = 0; i < 60; ++i) {
    want(1, 100 + i);
    w.pass(kMillisecond);
    want(0, 200 + i);
    w.pass(kMillisecond);
  }
  w.pass(2 * kSecond);
  const uint32_t first = w.owners(key).front(), other = 1 - first;
  want(other, 300);
  w.pass(250 * kMillisecond);
  EXPECT_TRUE(has_it(other, 300));
  w.pass(250 * kMillisecond);
  want(first, 301);
  w.pass(2 * kMillisecond);
  EXPECT_TRUE(has_it(first, 301)) << "it has been there long enough";
  want(other, 302);
  w.pass(100 * kMillisecond);
  EXPECT_FALSE(has_it(other, 302));
  w.pass(110 * kMillisecond);
  EXPECT_TRUE(has_it(other, 302));
}

}  // namespace
}  // namespace ctdb::test
