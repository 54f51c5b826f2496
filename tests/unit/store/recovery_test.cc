// SPDX-License-Identifier: GPL-3.0-or-later
// Generations: how records find their owners again, and that no step of a recovery can be lost, repeated or mixed up
// with another.
#include <gtest/gtest.h>

#include <map>

#include "libctdbipc/base/random.h"
#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class Recovery : public StoresTest {
 protected:
  Recovery() { start(); }
  StoreRecovered last_report(uint32_t pnn) {
    for (auto at = w.node(pnn).to_recoveryd.rbegin(); at != w.node(pnn).to_recoveryd.rend(); ++at) {
      if (at->operation() != Operation::STORE_RECOVERED) continue;
      const StoreRecovered report = *StoreRecovered::decode(own_payload(at->packet));
      const bool of_logs = report.ok && !report.about.empty();  // in the open generation
      if (!of_logs) return report;
    }
    return {};
  }
  void suspend(uint32_t pnn, bool discard) {
    StoreSuspend message;
    message.discard = discard;
    w.order(pnn, Operation::STORE_SUSPEND, message.encode());
    w.run();
  }
};

TEST_F(Recovery, SaysHelloWithWhatItHas) {
  const auto hello = [&](uint32_t pnn) {
    const Sent& sent = w.node(pnn).to_recoveryd.back();
    EXPECT_EQ(sent.operation(), Operation::STORE_HELLO);
    return *StoreHello::decode(own_payload(sent.packet));
  };
  w.order(0, Operation::STORE_QUERY, {});
  w.run();
  EXPECT_EQ(hello(0).open_generation, 10u);
  EXPECT_EQ(hello(0).prepared_generation, 10u);
  EXPECT_EQ(hello(0).databases, 1u);
  w.start(2);
  w.run();
  EXPECT_EQ(hello(2).open_generation, CTDB_INVALID_GENERATION);
  EXPECT_EQ(hello(2).databases, 0u);
}

TEST_F(Recovery, ReportsWhatEachStepAndDatabaseTook) {
  for (int i = 0; i < 30; ++i) take(0, "key" + std::to_string(i), "x");
  w.recover(11, 10, {0, 1, 2});
  w.run();
  const RecoveryStatistics first = last_report(0).statistics;
  ASSERT_EQ(first.databases.size(), 1u);
  EXPECT_EQ(first.databases[0].claimed, 30u);
  EXPECT_EQ(first.databases[0].decided, first.records_decided);
  EXPECT_LE(first.databases[0].from_ns, first.databases[0].to_ns);
  uint64_t before = 0;
  for (uint64_t step : first.step_ns) {
    if (step == 0) continue;  // nothing was discarded
    EXPECT_GE(step, before);
    before = step;
  }
  EXPECT_EQ(first.step_ns[static_cast<size_t>(RecoveryStep::kDiscarded)], 0u);
}

TEST_F(Recovery, LeavesOwnersWhereTheyAre) {
  std::map<std::string, uint32_t> where;
  for (uint32_t i = 0; i < 60; ++i) {
    const std::string key = "key" + std::to_string(i);
    take(i % 3, key, key);
    where[key] = i % 3;
  }
  std::map<std::string, uint64_t> rsn;
  for (const auto& [key, pnn] : where) rsn[key] = w.header(pnn, key)->rsn;
  w.recover(11, 10, {0, 1, 2});
  for (const auto& [key, pnn] : where) {
    EXPECT_EQ(w.owners(key), std::vector<uint32_t>{pnn});
    EXPECT_EQ(w.header(pnn, key)->rsn, rsn[key]);
  }
  EXPECT_EQ(last_report(0).statistics.records_assigned, 0u);
  for (const auto& [key, pnn] : where) EXPECT_EQ(fetch((pnn + 1) % 3, key), key);
}

TEST_F(Recovery, PromotesTheNewestCopyOfADeadOwner) {
  const std::string key = w.key_of(1);
  take(1, key, "oldest");
  take(2, key, "middle");
  take(0, key, "newest");
  const uint64_t rsn = w.header(2, key)->rsn;
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(w.header(2, key)->rsn, rsn + 1);
  EXPECT_EQ(fetch(1, key), "middle");
  EXPECT_EQ(w.store(1).counts().records_fallen_back + w.store(2).counts().records_fallen_back, 1u);
}

TEST_F(Recovery, CountsARecordThatIsGoneWithItsOwner) {
  const std::string key = w.key_of(1);
  take(0, key, "only copy");
  w.stop(0);
  // Among the two that stay node 1 is still lmaster: rendezvous placement.
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 1u);
  EXPECT_EQ(fetch(2, key), "");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

TEST_F(Recovery, DoesNotCountARecordThatWasOnItsWay) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  while (w.carry_one(2, 1)) {
  }
  while (w.carry_one(1, 0)) {
  }
  EXPECT_EQ(w.owners(key).size(), 0u);  // given up by 0, not arrived at 2
  w.link(0, 1).clear();                 // and lost
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "x");
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 0u);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

TEST_F(Recovery, DiscardsTheCopiesOfANodeThatWasAway) {
  const std::string key = w.key_of(1);
  take(2, key, "old");
  take(0, key, "new");
  // Node 2 is cut off; the others go on and delete the record.
  w.recover(11, 10, {0, 1});
  take(1, key, "");
  w.recover(12, 11, {0, 1, 2});
  EXPECT_EQ(fetch(2, key), "");
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 0u);
}

TEST_F(Recovery, DiscardsAnOwnersRecordsThatFellBackMeanwhile) {
  const std::string key = w.key_of(1);
  take(0, key, "first");
  take(2, key, "second");
  w.recover(11, 10, {0, 1});  // 2 owned it; 0's copy is promoted
  EXPECT_EQ(w.owners(key), (std::vector<uint32_t>{0, 2}));
  w.recover(12, 11, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(fetch(1, key), "first");
}

TEST_F(Recovery, ComesBackFromAnAttemptThatNeverOpened) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.begin(11, 10, {0, 1, 2});
  w.run();
  for (uint32_t pnn : w.everybody()) EXPECT_TRUE(w.recovered(pnn, 11));
  // Opened on node 0 only; then the next one with base 11: 1 and 2 were prepared for it.
  w.open(11, {0});
  w.recover(12, 11, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(fetch(2, key), "x");
}

TEST_F(Recovery, KeepsClientCallsThroughIt) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.begin(11, 10, {0, 1, 2});
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.call(0, 5, 2, key, CTDB_FUNC_FETCH);
  w.run();
  EXPECT_FALSE(w.answered(2, 5, 1));
  EXPECT_FALSE(w.answered(0, 5, 2));
  w.open(11, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(w.answered(0, 5, 2));
}

TEST_F(Recovery, LetsClientsWorkOnTheirRecordsAllTheWhile) {
  const std::string key = w.key_of(1);
  take(0, key, "before");
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_TRUE(w.write(0, key, "during"));
  w.open(11, {0, 1, 2});
  w.run();
  EXPECT_EQ(fetch(2, key), "during");
}

TEST_F(Recovery, DropsPacketsOfAnOlderGeneration) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  std::deque<Bytes> old = std::move(w.link(0, 1));
  w.link(0, 1).clear();
  w.recover(11, 10, {0, 1, 2});
  EXPECT_TRUE(w.answered(0, 5, 1));
  const uint64_t stale = w.store(1).counts().stale_packets;
  for (const Bytes& packet : old) w.deliver(1, packet);
  w.run();
  EXPECT_EQ(w.store(1).counts().stale_packets, stale + 1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
}

TEST_F(Recovery, KeepsPacketsOfTheGenerationBeingMade) {
  const std::string key = w.key_of(1);
  w.begin(11, 10, {0, 1, 2});
  w.call(0, 5, 1, key);
  w.run();
  w.open(11, {0});  // node 0 is quicker: its call reaches node 1 before STORE_OPEN does
  w.run();
  EXPECT_GT(w.store(1).counts().packets_parked, 0u);
  EXPECT_FALSE(w.answered(0, 5, 1));
  w.open(11, {1, 2});
  w.run();
  EXPECT_EQ(w.store(1).counts().packets_parked, 0u);
  EXPECT_TRUE(w.answered(0, 5, 1));
}

TEST_F(Recovery, KeepsRecoveryPacketsThatComeBeforeTheOrder) {
  take(0, w.key_of(1), "x");
  RecoveryBegin message;
  message.term = message.generation = 11;
  message.base_generation = 10;
  message.members = {0, 1, 2};
  w.order(0, Operation::STORE_RECOVER, message.encode());
  w.order(1, Operation::STORE_RECOVER, message.encode());
  w.run();
  EXPECT_FALSE(w.recovered(0, 11));
  w.order(2, Operation::STORE_RECOVER, message.encode());
  w.run();
  for (uint32_t pnn : w.everybody()) EXPECT_TRUE(w.recovered(pnn, 11)) << pnn;
}

TEST_F(Recovery, ReportsAgainWhenAskedAgain) {
  w.begin(11, 10, {0, 1, 2});
  w.run();
  w.node(0).to_recoveryd.clear();
  w.begin(11, 10, {0});  // the same order once more
  w.run();
  EXPECT_TRUE(w.recovered(0, 11));
}

TEST_F(Recovery, RefusesOldOrdersAndOrdersForOthers) {
  const uint64_t refused = w.store(0).counts().refused_packets;
  RecoveryBegin message;
  message.generation = 9;
  message.members = {0, 1};
  w.order(0, Operation::STORE_RECOVER, message.encode());
  message.generation = 12;
  message.members = {1, 2};
  w.order(0, Operation::STORE_RECOVER, message.encode());
  StoreOpen commit;
  commit.generation = 12;
  w.order(0, Operation::STORE_OPEN, commit.encode());
  EXPECT_EQ(w.store(0).counts().refused_packets, refused + 3);
  EXPECT_EQ(w.store(0).phase(), StorePhase::kOpen);
  EXPECT_EQ(w.store(0).generation(), 10u);
}

TEST_F(Recovery, BringsDatabasesToANewMember) {
  w.attach(1, "other.tdb");
  w.start(2);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.store(2).counts().databases, 2u);
  EXPECT_NE(w.node(2).files.database("other.tdb"), nullptr);
}

TEST_F(Recovery, FailsWhenADatabaseCannotBeOpened) {
  w.start(2);
  w.node(2).files.set_unopenable(true);
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_FALSE(w.recovered(2, 11));
  EXPECT_FALSE(last_report(2).ok);
  EXPECT_NE(last_report(2).error.find(kDb), std::string::npos);
  w.node(2).files.set_unopenable(false);
  w.recover(12, 10, {0, 1, 2});
}

TEST_F(Recovery, NoticesABatchThatIsMissing) {
  take(0, w.key_of(1), "x");
  w.on_link = [](uint32_t, uint32_t, ByteView packet) {
    return read_header(packet).operation != static_cast<uint32_t>(Operation::RECORD_CLAIMS);
  };
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_FALSE(w.recovered(1, 11));
  EXPECT_EQ(last_report(1).generation, 11u);
  EXPECT_FALSE(last_report(1).ok);
}

// Not the store that gets too little is at fault, but who said that it sent more.
TEST_F(Recovery, NamesTheNodeWhoseBatchIsMissing) {
  take(0, w.key_of(1), "x");
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    return !(from == 0 && to == 1 &&
             read_header(packet).operation == static_cast<uint32_t>(Operation::RECORD_CLAIMS));
  };
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_FALSE(last_report(1).ok);
  EXPECT_EQ(last_report(1).about, std::vector<uint32_t>{0});
}

TEST_F(Recovery, ABatchOfClaimsThatComesTwiceChangesNothing) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  bool twice = false;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    if (!twice && read_header(packet).operation == static_cast<uint32_t>(Operation::RECORD_CLAIMS)) {
      twice = true;
      w.link(from, to).push_back(to_bytes(packet));
    }
    return true;
  };
  w.recover(11, 10, {0, 1, 2});
  EXPECT_TRUE(twice);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_GT(w.store(1).counts().refused_packets, 0u);
}

// No store is prepared without everybody's claims: who stands still follows from what all say.
TEST_F(Recovery, TellsWhomItWaitsFor) {
  const auto lose = [&](uint32_t sender, Operation operation) {
    w.on_link = [sender, operation](uint32_t from, uint32_t, ByteView packet) {
      return from != sender || read_header(packet).operation != static_cast<uint32_t>(operation);
    };
  };
  lose(2, Operation::RECORD_CLAIMS_END);
  w.begin(11, 10, {0, 1, 2});
  w.pass(4 * kSecond);
  EXPECT_NE(last_report(0).generation, 11u);
  w.pass(2 * kSecond);
  EXPECT_FALSE(last_report(0).ok);
  EXPECT_EQ(last_report(0).error, "");
  EXPECT_EQ(last_report(0).about, std::vector<uint32_t>{2});
  EXPECT_FALSE(last_report(0).all_claimed);
  EXPECT_EQ(last_report(2).about, (std::vector<uint32_t>{0, 1})) << "it has all claims, they decide nothing";
  EXPECT_TRUE(last_report(2).all_claimed);
  lose(1, Operation::RECORD_ASSIGN_END);
  w.begin(12, 10, {0, 1, 2});
  w.pass(6 * kSecond);
  EXPECT_EQ(last_report(2).about, std::vector<uint32_t>{1});
  EXPECT_TRUE(w.recovered(1, 12)) << "it has all it needs";
}

TEST_F(Recovery, TakesItsFilesUpAgainAfterARestart) {
  const std::string key = w.key_of(1);
  take(0, key, "kept");
  w.stop(0);
  w.start(0, 10);
  EXPECT_EQ(w.sight(0, key).dmaster, 0u);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(fetch(2, key), "kept");
}

TEST_F(Recovery, StartsEmptyWhenItWasNotOpen) {
  const std::string key = w.key_of(1);
  take(0, key, "lost");
  w.stop(0);
  w.start(0);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(fetch(2, key), "");
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 1u);
}

TEST_F(Recovery, CountsFallBacksToCopiesWhenAnOwnerCameBackEmpty) {
  const std::string key = w.key_of(1);
  take(2, key, "older");
  take(0, key, "lost");
  w.stop(0);
  w.start(0);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(fetch(1, key), "older");
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 1u);
}

TEST_F(Recovery, TakesRecordsAwayWhenSuspendedAndGivesThemBack) {
  std::vector<std::string> keys;
  for (int i = 0; i < 700; ++i) {
    keys.push_back("key" + std::to_string(i));
    take(0, keys.back(), keys.back());
  }
  suspend(0, false);
  for (const std::string& key : keys) {
    EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
    EXPECT_EQ(w.data(0, key), key);
  }
  w.call(0, 7, 7, keys[0], CTDB_FUNC_FETCH);
  w.pass(kSecond);
  EXPECT_FALSE(w.answered(0, 7, 7));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_TRUE(w.answered(0, 7, 7));
  for (const std::string& key : keys) EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(w.store(0).counts().records_fallen_back, 0u);
}

TEST_F(Recovery, RestsWhileNobodyReadsItsClaims) {
  for (int i = 0; i < 2000; ++i) take(0, "key" + std::to_string(i), "x");
  w.node(0).full = true;
  w.begin(11, 10, {0, 1, 2});
  w.run();
  EXPECT_EQ(w.store(0).phase(), StorePhase::kRecovering);
  w.node(0).full = false;
  w.run();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_TRUE(w.recovered(pnn, 11));
}

TEST_F(Recovery, TakesRecordsAwayWhoeverReads) {
  take(0, "key", "x");
  w.node(0).full = true;
  suspend(0, false);
  EXPECT_EQ(w.header(0, "key")->dmaster, CTDB_UNKNOWN_PNN);
}

TEST_F(Recovery, WaitsForAClientsLockBeforeItTakesARecordAway) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  suspend(0, false);
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
}

TEST_F(Recovery, ForgetsEverythingWhenStopped) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  suspend(0, true);
  EXPECT_FALSE(w.header(0, key));
  EXPECT_EQ(w.store(0).open_generation(), CTDB_INVALID_GENERATION);
  w.recover(11, 10, {1, 2});
  w.recover(12, 11, {0, 1, 2});
  EXPECT_EQ(fetch(0, key), "");
}

TEST_F(Recovery, DiscardsWhatWasLeftWhenAStopIsInterrupted) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  suspend(0, true);
  w.begin(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_FALSE(w.recovered(0, 11));
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(kMillisecond);
  EXPECT_TRUE(w.recovered(0, 11));
  EXPECT_FALSE(w.header(0, key));
}

TEST_F(Recovery, TakesRecordsAwayWhenTheRouterIsGone) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.call(0, 7, 7, w.key_of(2), CTDB_FUNC_FETCH);
  w.store(0).on_router_down(w.now());
  w.run();
  EXPECT_EQ(w.header(0, key)->dmaster, CTDB_UNKNOWN_PNN);
  w.store(0).on_router_up(w.now());
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_FALSE(w.answered(0, 7, 7));  // its client went with the router
  EXPECT_EQ(w.store(0).counts().calls_pending, 0u);
}

TEST_F(Recovery, PromotionWaitsForTheOpeningAndForAClientsLock) {
  const std::string key = w.key_of(1);
  take(2, key, "a");
  take(0, key, "b");
  w.stop(0);
  ASSERT_TRUE(w.db(2).lock(as_bytes(key), 50));
  w.begin(11, 10, {1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(w.recovered(2, 11));
  EXPECT_TRUE(w.owners(key).empty());
  w.open(11, {1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(w.owners(key).empty());
  w.db(2).unlock(as_bytes(key), 50);
  w.serve_workers();
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

TEST_F(Recovery, AnAttemptThatIsGivenUpLeavesNoTrace) {
  const std::string key = w.key_of(1);
  take(2, key, "old");
  take(0, key, "new");
  w.begin(11, 10, {1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(w.recovered(2, 11));
  w.recover(12, 10, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(fetch(1, key), "new");
}

TEST_F(Recovery, SetsAFalseOwnerRight) {
  const std::string key = w.key_of(1);
  take(0, key, "a");
  take(2, key, "b");
  // A header that lies, as after a fault nobody foresaw.
  Bytes value;
  append_record_header(value, {1, 0, 0});
  w.db(0).store(as_bytes(key), value);
  w.stop(0);
  w.start(0, 10);
  EXPECT_EQ(w.owners(key), (std::vector<uint32_t>{0, 2}));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(w.header(0, key)->dmaster, 2u);
  EXPECT_EQ(fetch(0, key), "b");
}

TEST_F(Recovery, RestartsUnderAHigherGenerationAtAnyPoint) {
  // The first attempt is cut short after each packet in turn; the second must always finish and lose nothing.
  for (int stop_after = 0; stop_after < 40; ++stop_after) {
    World world(3);
    world.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    world.attach(0);
    std::map<std::string, std::string> expected;
    for (uint32_t i = 0; i < 30; ++i) {
      const std::string key = "key" + std::to_string(i);
      for (uint32_t turn = 0; turn <= i % 3; ++turn) {
        const uint32_t pnn = (i + turn) % 3;
        world.call(pnn, 5, 1, key);
        world.pass(kMillisecond);
        ASSERT_TRUE(world.answered(pnn, 5, 1));
        ASSERT_TRUE(world.write(pnn, key, key + std::to_string(turn)));
        expected[key] = key + std::to_string(turn);
      }
    }
    world.begin(11, 10, {0, 1, 2});
    Random random(static_cast<uint64_t>(stop_after) + 1);
    for (int packets = 0; packets < stop_after;) {
      if (world.carry_one(static_cast<uint32_t>(random.below(3)), static_cast<uint32_t>(random.below(3))))
        ++packets;
      const uint32_t pnn = static_cast<uint32_t>(random.below(3));
      if (world.store(pnn).has_work()) world.store(pnn).work(world.now());
      world.collect();
      if (world.recovered(0, 11) && world.recovered(1, 11) && world.recovered(2, 11)) break;
    }
    world.recover(12, 10, {0, 1, 2});
    for (const auto& [key, data] : expected) {
      ASSERT_EQ(world.owners(key).size(), 1u) << stop_after;
      world.call(0, 6, 1, key, CTDB_FUNC_FETCH);
      world.pass(kMillisecond);
      const auto reply = world.answer(0, 6, 1);
      ASSERT_TRUE(reply);
      ASSERT_EQ(as_text(reply->data), data) << stop_after;
    }
  }
}

// What copies of a dead node's records become is written when the generation opens, and that may be all of a large database.
TEST_F(Recovery, ManyCopiesBecomeRecordsInShortTurns) {
  constexpr uint32_t kMany = 2000, kTurn = 300;
  for (uint32_t i = 0; i < kMany; ++i) {
    take(0, "key" + std::to_string(i), "x");
    take(1, "key" + std::to_string(i), "x");
  }
  w.stop(1);
  const auto owned = [&] {
    uint32_t count = 0;
    w.store(0).for_each_record([&](const RecordSight& sight) { count += sight.dmaster == 0 ? 1 : 0; });
    return count;
  };
  uint32_t before = 0, most = 0, turns = 0;
  w.on_turn = [&](uint32_t pnn, bool over) {
    if (pnn != 0) return;
    if (!over) {
      before = owned();
    } else if (const uint32_t more = owned() - before; more > 0) {
      most = std::max(most, more);
      ++turns;
    }
  };
  w.recover(11, 10, {0, 2});
  EXPECT_LE(most, kTurn);
  EXPECT_GE(turns, kMany / kTurn);
  EXPECT_EQ(owned(), kMany);
  EXPECT_EQ(fetch(2, "key0"), "x");
}

}  // namespace
}  // namespace ctdb::test
