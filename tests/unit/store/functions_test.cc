// SPDX-License-Identifier: GPL-3.0-or-later
// Functions that run on a record at its owner: the way there, races with the record's own moves, and what is said when
// nobody can know whether one was run.
#include <gtest/gtest.h>

#include "libctdbipc/wire/placement.h"
#include "tests/unit/store/functions_fixture.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kClient = kFunctionCaller;
constexpr MemoryDatabase::Holder kStuck = 60;

// ---- the way ----

TEST_F(Functions, RunAtTheOwnerAndTheRecordStays) {
  const std::string key = w.key_of(1);
  take(0, key);
  EXPECT_EQ(add_now(2, key, 5), 5);
  EXPECT_EQ(add_now(0, key, 2), 7);
  EXPECT_EQ(add_now(1, key, -3), 4);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(run_by(0), 3u);
  EXPECT_EQ(w.store(2).counts().functions_sent, 1u);
  EXPECT_EQ(w.store(0).counts().functions_sent, 0u);
  EXPECT_EQ(w.store(2).counts().calls_pending, 0u);
}

TEST_F(Functions, OfARecordThatNobodyHasRunAtItsLmaster) {
  const std::string key = w.key_of(1);
  EXPECT_EQ(add_now(0, key), 1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  const std::string own = w.key_of(2);
  EXPECT_EQ(add_now(2, own), 1);
  EXPECT_EQ(w.owners(own), std::vector<uint32_t>{2});
}

TEST_F(Functions, AskWhoAnsweredLast) {
  const std::string key = w.key_of(1);
  take(0, key);
  EXPECT_EQ(add_now(2, key), 1);
  const uint64_t redirects = w.store(1).counts().redirects;
  EXPECT_EQ(add_now(2, key), 2);
  EXPECT_EQ(w.store(1).counts().redirects, redirects);
}

TEST_F(Functions, FollowARecordThatMovesMeanwhile) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key);  // its way is over node 1
  w.carry_one(2, 1);
  take(1, key);
  EXPECT_EQ(added(2, 1), 1);
  EXPECT_EQ(counter(1, key), 1);
}

TEST_F(Functions, MeetARecordThatHasComeHomeMeanwhile) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key);
  w.call(2, 6, 7, key);  // and its own node wants it too
  w.pass(2 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 6, 7));
  EXPECT_EQ(added(2, 1), 1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});

  // The call is still with the lmaster while the record arrives.
  take(0, key);
  add(2, 2, key);
  std::deque<Bytes> call = std::move(w.link(2, 0));
  const bool to_last_answerer = !call.empty();
  if (!to_last_answerer) call = std::move(w.link(2, 1));
  ASSERT_EQ(call.size(), 1u);
  w.link(2, 0).clear();
  w.link(2, 1).clear();
  take(2, key);
  w.link(2, to_last_answerer ? 0 : 1) = call;
  w.pass(2 * kMillisecond);
  EXPECT_EQ(added(2, 2), 2);
  EXPECT_EQ(run_by(2), 1u);
}

TEST_F(Functions, WaitWithTheRecordIfItIsOnItsWayHere) {
  const std::string key = w.key_of(1);
  take(0, key);
  w.call(2, 6, 7, key);
  add(2, 1, key);
  EXPECT_EQ(w.store(2).counts().functions_sent, 0u);
  w.pass(2 * kMillisecond);
  EXPECT_EQ(added(2, 1), 1);
}

TEST_F(Functions, BringTheRecordIfTheCallerWantsThat) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key, 1, CTDB_CALL_IMMEDIATE_MIGRATION);
  w.pass(2 * kMillisecond);
  EXPECT_EQ(added(2, 1), 1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(run_by(2), 1u);
}

TEST_F(Functions, RunInTheOrderTheyCameWithFetches) {
  const std::string key = w.key_of(0);
  take(0, key);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kStuck));
  add(0, 1, key);
  w.call(0, 6, 2, key, CTDB_FUNC_FETCH);
  add(0, 3, key);
  EXPECT_FALSE(w.answered(0, 6, 2));
  w.db(0).unlock(as_bytes(key), kStuck);
  w.pass(10 * kMillisecond);
  w.serve_workers();
  EXPECT_EQ(added(0, 1), 1);
  const auto fetched = w.answer(0, 6, 2);
  ASSERT_TRUE(fetched && fetched->data.size() == 8);
  EXPECT_EQ(load<int64_t>(fetched->data.data()), 1);
  EXPECT_EQ(added(0, 3), 2);
}

TEST_F(Functions, WaitForAClientThatHasTheChainAndNobodyElseDoes) {
  const std::string key = w.key_of(1), other = w.key_of(1, "other");
  take(0, key);
  take(0, other);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kStuck));
  add(2, 1, key);
  w.pass(20 * kMillisecond);
  EXPECT_FALSE(added(2, 1));
  EXPECT_EQ(add_now(2, other), 1);
  w.db(0).unlock(as_bytes(key), kStuck);
  w.serve_workers();
  w.pass(20 * kMillisecond);
  EXPECT_EQ(added(2, 1), 1);
}

// ---- who has the record ----

TEST_F(Functions, ANodeThatCallsEightTimesInARowGetsTheRecord) {
  const std::string key = w.key_of(1);
  take(0, key);
  for (int64_t i = 1; i <= 8; ++i) {
    EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0}) << i;
    EXPECT_EQ(add_now(2, key), i);
  }
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(add_now(2, key), 9);
  EXPECT_EQ(add_now(0, key), 10);
}

TEST_F(Functions, ARecordThatIsUsedWhereItIsStaysThere) {
  const std::string key = w.key_of(1);
  take(0, key);
  for (int i = 0; i < 30; ++i) {
    const bool by_a_client = i % 5 == 0;  // on the file
    EXPECT_TRUE(!by_a_client || w.write(0, key, counter_bytes(100 * i)));
    EXPECT_TRUE(i % 7 != 0 || add_now(0, key) > 0);
    EXPECT_GT(add_now(2, key), 0);
  }
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
}

TEST_F(Functions, ARecordThatSeveralNodesCallStays) {
  const std::string key = w.key_of(1);
  take(0, key);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(add_now(1 + static_cast<uint32_t>(i) % 2, key), i + 1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
}

// ---- what is refused ----

TEST_F(Functions, SayWhyTheyDoNothing) {
  const std::string key = w.key_of(1);
  take(0, key);
  ASSERT_TRUE(w.write(0, key, "text"));
  add(2, 1, key);
  call(2, 2, key, CTDB_FUNC_ADD, as_bytes("short"));
  call(2, 3, key, CTDB_FUNC_LAST_CHANGING, {});
  w.pass(2 * kMillisecond);
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_NO_COUNTER);
  EXPECT_EQ(text(), "the record is not a counter of 8 bytes");
  EXPECT_EQ(status(2, 2), CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_EQ(status(2, 3), CTDB_FUNC_STATUS_NO_FUNCTION);
  EXPECT_EQ(w.data(0, key), "text");
}

TEST_F(Functions, MakeNothingLargerThanItsOwnerAllows) {
  StoreOptions options;
  options.record_limits = {{kDb, 4096}};
  w.start(1, CTDB_INVALID_GENERATION, options);
  w.recover(20, 10, {0, 1, 2});
  w.attach(1);
  const std::string key = w.key_of(2);
  take(1, key);
  call(0, 1, key, CTDB_FUNC_APPEND, Bytes(4096, 'x'));
  w.pass(2 * kMillisecond);
  EXPECT_EQ(status(0, 1), CTDB_FUNC_STATUS_DONE);
  call(0, 2, key, CTDB_FUNC_APPEND, as_bytes("y"));
  w.pass(2 * kMillisecond);
  EXPECT_EQ(status(0, 2), CTDB_FUNC_STATUS_TOO_BIG);
  EXPECT_EQ(text(), "the record would be larger than its database allows ([database] record limit)");
  EXPECT_EQ(w.data(1, key), std::string(4096, 'x'));
  EXPECT_EQ(w.store(1).counts().records_too_large, 1u);
}

TEST_F(Functions, TellWhatIsThereWhenTheConditionDoesNotHold) {
  const std::string key = w.key_of(1);
  take(0, key);
  ASSERT_TRUE(w.write(0, key, "text"));
  const Bytes argument = {3, 0, 0, 0, 'o', 'l', 'd', 'n', 'e', 'w'};
  call(2, 1, key, CTDB_FUNC_COMPARE_AND_SWAP, argument);
  w.pass(2 * kMillisecond);
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_UNEQUAL);
  EXPECT_EQ(text(), "text");
}

TEST_F(Functions, AreNotForClassicClients) {
  const std::string key = w.key_of(0);
  take(0, key);
  uint8_t one[8] = {1};
  call(0, 1, key, CTDB_FUNC_ADD, one, 0, true);
  w.run();
  EXPECT_EQ(status(0, 1), CTDB_FUNC_STATUS_REFUSED);
  EXPECT_EQ(counter(0, key), 0);
}

TEST_F(Functions, RefuseWhatCannotBeWritten) {
  const std::string key = w.key_of(1);
  take(0, key);
  w.node(0).files.set_full(true);
  add(2, 1, key);
  w.pass(2 * kMillisecond);
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_REFUSED);
  w.node(0).files.set_full(false);
  EXPECT_EQ(add_now(2, key), 1);
}

TEST_F(Functions, OfAClientThatIsGoneBeforeAreNotRun) {
  const std::string key = w.key_of(1);
  take(0, key);
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), kStuck));
  add(0, 1, key);
  add(2, 1, key);
  w.run();
  w.store(0).on_client_gone(kClient, w.now());
  w.store(2).on_client_gone(kClient, w.now());  // its call has left
  w.db(0).unlock(as_bytes(key), kStuck);
  w.pass(20 * kMillisecond);
  w.serve_workers();
  w.pass(20 * kMillisecond);
  EXPECT_EQ(counter(0, key), 1);
  EXPECT_EQ(w.store(0).counts().calls_pending, 0u);
  EXPECT_EQ(w.store(2).counts().calls_pending, 0u);
}

TEST_F(Functions, KeepTheMarkOfARecordThatMayBeOlder) {
  const std::string key = w.key_of(2);
  take(0, key);
  ASSERT_TRUE(w.write(0, key, counter_bytes(1)));
  take(1, key);
  ASSERT_TRUE(w.write(1, key, counter_bytes(2)));
  w.stop(1);
  w.recover(11, 10, {0, 2});
  EXPECT_EQ(add_now(2, key), 2);
  EXPECT_NE(w.header(0, key)->flags & CTDB_RECORD_MAY_BE_OLDER, 0u);
}

// ---- generations ----

TEST_F(Functions, WhatIsUnderWayWhenAGenerationEndsIsUnknownAndNotRunAgain) {
  const std::string key = w.key_of(1);
  take(0, key);
  for (int carried = 0; carried <= 2; ++carried) {
    const int64_t before = counter(0, key);
    add(2, 1, key);
    if (carried > 0) w.carry_one(2, 1), w.carry_one(2, 0);
    if (carried > 1) w.carry_one(1, 0);
    w.begin(11 + static_cast<uint32_t>(carried), 10 + static_cast<uint32_t>(carried), {0, 1, 2});
    EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_UNKNOWN);
    EXPECT_EQ(text(), "nobody knows whether the function was run");
    w.run();
    w.open(11 + static_cast<uint32_t>(carried), {0, 1, 2});
    w.pass(20 * kMillisecond);
    EXPECT_LE(counter(0, key), before + 1);
    EXPECT_FALSE(status(2, 1)) << "answered once";
    EXPECT_EQ(w.store(2).counts().calls_pending, 0u);
  }
  EXPECT_EQ(w.store(2).counts().functions_unknown, 3u);
}

TEST_F(Functions, WhatHasNotLeftIsRunInTheNextGeneration) {
  const std::string key = w.key_of(1);
  take(0, key);
  w.begin(11, 10, {0, 1, 2});
  add(2, 1, key);
  add(0, 2, key);
  w.run();
  EXPECT_FALSE(status(2, 1));
  w.open(11, {0, 1, 2});
  w.pass(20 * kMillisecond);
  EXPECT_TRUE(added(2, 1));
  EXPECT_TRUE(added(0, 2));
  EXPECT_EQ(counter(0, key), 2);
}

TEST_F(Functions, OneThatWaitsForItsRecordSurvivesTheGeneration) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key, 1, CTDB_CALL_IMMEDIATE_MIGRATION);
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_FALSE(status(2, 1));
  w.open(11, {0, 1, 2});
  w.pass(20 * kMillisecond);
  EXPECT_EQ(added(2, 1), 1);
  EXPECT_EQ(run_by(0) + run_by(1) + run_by(2), 1u);
}

TEST_F(Functions, AnswersOfAnEarlierGenerationHaveNoEffect) {
  const std::string key = w.key_of(1);
  take(0, key);
  EXPECT_EQ(add_now(2, key), 1);
  add(2, 1, key);
  w.carry_one(2, 0);
  const std::deque<Bytes> answer = w.link(0, 2);
  ASSERT_EQ(answer.size(), 1u);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_UNKNOWN);
  w.deliver(2, answer.front());
  EXPECT_FALSE(status(2, 1));
  EXPECT_EQ(counter(0, key), 2);
}

TEST_F(Functions, ANodeThatStopsServingSaysAtOnceThatItDoesNotKnow) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key);
  w.store(2).stop_serving(false, w.now());
  w.collect();
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_UNKNOWN);
}

TEST_F(Functions, NothingIsRunWhileTheNodeMayNotServe) {
  const std::string key = w.key_of(1);
  take(0, key);
  w.node(0).lease = false;
  add(2, 1, key);
  add(0, 2, key);
  w.pass(20 * kMillisecond);
  EXPECT_EQ(counter(0, key), 0);
  EXPECT_EQ(run_by(0), 0u);
  w.node(0).lease = true;
  w.pass(20 * kMillisecond);
  EXPECT_EQ(counter(0, key), 2);
}

TEST_F(Functions, ADetachedDatabaseLeavesNobodyWaiting) {
  const std::string key = w.key_of(1);
  take(0, key);
  TunablesMessage tunables;
  tunables.values.assign(kTunables, 60);
  tunables.values[static_cast<size_t>(Tunable::AllowClientDBAttach)] = 0;
  for (const uint32_t pnn : {0u, 1u, 2u}) w.order(pnn, Operation::TUNABLES, tunables.encode());
  add(2, 1, key);
  uint8_t id[4];
  store(id, kDbId);
  w.control(2, 700, 9, Control::DB_DETACH, id);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(status(2, 1), CTDB_FUNC_STATUS_UNKNOWN);
  w.pass(2 * kMillisecond);
  EXPECT_FALSE(status(2, 1));
  EXPECT_EQ(w.store(2).counts().databases, 0u);
}

TEST_F(Functions, AnAnswerThatNobodyWaitsForIsRefused) {
  Bytes packet;
  build(packet, {0, 10, 0, 2, 1, 12345}, ReplyCall{0, {}});
  const uint64_t refused = w.store(2).counts().refused_packets;
  w.deliver(2, packet);
  EXPECT_EQ(w.store(2).counts().refused_packets, refused + 1);
}

TEST_F(Functions, AStoreThatEndsWaitsForItsAnswers) {
  const std::string key = w.key_of(1);
  take(0, key);
  add(2, 1, key);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(w.store(2).hand_over(w.now()));
  w.pass(2 * kMillisecond);
  EXPECT_EQ(added(2, 1), 1);
  bool done = false;
  for (int i = 0; i < 10 && !done; ++i) {
    done = w.store(2).hand_over(w.now());
    w.pass(2 * kMillisecond);
  }
  EXPECT_TRUE(done);
}

// ---- copies ----

class CopiedFunctions : public Functions {
 protected:
  CopiedFunctions() {
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, uint32_t{2});
    w.control(0, 800, 9, Control::DB_COPIES, data);
    w.run();
  }
  uint32_t copy_node(std::string_view key, uint32_t owner) {
    return Placement({0, 1, 2}).nodes_beside(Placement::slot_of(as_bytes(key)), owner, 1)[0];
  }
  std::string key_with_copy(uint32_t owner, uint32_t copy) {
    for (int i = 0;; ++i) {
      const std::string key = w.key_of(owner, "k" + std::to_string(i) + "-");
      if (copy_node(key, owner) == copy) return key;
    }
  }
};

TEST_F(CopiedFunctions, AreAnsweredWhenTheCopyIsThereAndNotBefore) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  w.node(1).store->on_client_gone(1, w.now());
  ASSERT_TRUE(w.db(1).lock(as_bytes(key), kStuck));
  add(2, 1, key);
  add(0, 2, key);
  w.pass(20 * kMillisecond);
  EXPECT_FALSE(status(2, 1));
  EXPECT_FALSE(status(0, 2));
  w.db(1).unlock(as_bytes(key), kStuck);
  w.serve_workers();
  w.pass(20 * kMillisecond);
  EXPECT_EQ(added(2, 1).value_or(0) + added(0, 2).value_or(0), 5);
  EXPECT_EQ(counter(1, key), 3);
}

TEST_F(CopiedFunctions, WhatWasAnsweredSurvivesTheOwner) {
  const std::string key = key_with_copy(0, 1);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(add_now(i % 2 == 0 ? 0 : 2, key), i);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(add_now(2, key, 0), 5);
}

TEST_F(CopiedFunctions, ManyShareAPush) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  const uint64_t pushed = w.store(0).counts().copies_pushed;
  for (uint32_t i = 0; i < 20; ++i) add(0, 100 + i, key);
  w.pass(2 * kMillisecond);
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(added(0, 100 + i), i + 2);
  EXPECT_EQ(w.store(0).counts().copies_pushed, pushed + 2) << "the first, then all others";
}

TEST_F(CopiedFunctions, AFailedConditionTellsWhatIsSafe) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  ASSERT_TRUE(w.write(0, key, counter_bytes(40)));  // not pushed yet
  EXPECT_EQ(add_now(2, key, 0), 40);
  EXPECT_EQ(counter(1, key), 40);
}

TEST_F(CopiedFunctions, OneThatWasRunHereIsPushedInTheNextGeneration) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  add(0, 1, key);
  EXPECT_EQ(counter(0, key), 2);
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_FALSE(status(0, 1));
  w.open(11, {0, 1, 2});
  w.pass(20 * kMillisecond);
  EXPECT_EQ(added(0, 1), 2);
  EXPECT_EQ(counter(copy_node(key, 0), key), 2);
  EXPECT_EQ(run_by(0), 2u);
}

TEST_F(CopiedFunctions, OneWhoseNodeStopsServingIsUnknown) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  add(0, 1, key);
  w.node(0).epoch = 2;
  w.store(0).stop_serving(false, w.now());
  w.collect();
  EXPECT_EQ(status(0, 1), CTDB_FUNC_STATUS_UNKNOWN);
}

TEST_F(CopiedFunctions, ARecordMovesToItsCallerWithItsCopies) {
  const std::string key = key_with_copy(0, 1);
  EXPECT_EQ(add_now(0, key), 1);
  for (int i = 2; i <= 9; ++i) EXPECT_EQ(add_now(2, key), i);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(add_now(2, key), 10);
  w.stop(2);
  w.recover(11, 10, {0, 1});
  EXPECT_EQ(add_now(0, key, 0), 10);
}

}  // namespace
}  // namespace ctdb::test
