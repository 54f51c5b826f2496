// SPDX-License-Identifier: GPL-3.0-or-later
// Records whose newest data are lost with their owner: they are counted, named and marked.
#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/wire/placement.h"
#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class FallenBack : public StoresTest {
 protected:
  FallenBack() : StoresTest(4) {}
  uint64_t counted() {
    uint64_t sum = 0;
    for (uint32_t pnn = 1; pnn < 4; ++pnn) sum += w.store(pnn).counts().records_fallen_back;
    return sum;
  }
  // A key whose lmaster changes like this.
  static std::string key_that_moves(const std::vector<uint32_t>& members, uint32_t from,
                                    const std::vector<uint32_t>& next, uint32_t to) {
    for (uint32_t i = 0;; ++i) {
      const std::string key = "moves" + std::to_string(i);
      if (Placement(members).lmaster(as_bytes(key)) == from && Placement(next).lmaster(as_bytes(key)) == to)
        return key;
    }
  }
  // A key whose lmaster among nodes 0 to 2, and among 1 and 2, is `lmaster`.
  static std::string key_of(uint32_t lmaster, const std::string& prefix = "key") {
    for (uint32_t i = 0;; ++i) {
      const std::string key = prefix + std::to_string(i);
      if (Placement({0, 1, 2}).lmaster(as_bytes(key)) == lmaster) return key;
    }
  }
  void owner_leaves(uint32_t before);
};

bool may_be_older(const std::optional<RecordHeader>& header) {
  return header && (header->flags & CTDB_RECORD_MAY_BE_OLDER) != 0;
}

TEST_F(FallenBack, MarksTheCopyThatBecomesTheRecordWhereverItGoes) {
  start({0, 1, 2});
  const std::string key = key_of(1);
  take(2, key, "older");
  take(0, key, "newest");
  EXPECT_FALSE(may_be_older(w.header(0, key)));
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_TRUE(may_be_older(w.header(2, key)));
  EXPECT_EQ(fetch(1, key), "older");
  EXPECT_TRUE(may_be_older(w.header(1, key)));
  // A store with the mark taken away, as a native client makes it.
  w.clear_mark(1, key);
  w.call(1, 7, 1, key);  // the store writes the header anew
  w.pass(kMillisecond);
  EXPECT_FALSE(may_be_older(w.header(1, key)));
  EXPECT_EQ(fetch(2, key), "older");
  EXPECT_FALSE(may_be_older(w.header(2, key)));
}

TEST_F(FallenBack, NamesAndMarksARecordThatIsGone) {
  start({0, 1, 2});
  const std::string here = key_of(1), there = key_of(1, "there");
  take(0, here, "only copy");
  take(0, there, "only copy");
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_TRUE(std::ranges::any_of(w.node(1).logs, [&](const std::string& line) {
    return line == "fallen back or gone: test.tdb " + here;
  }));
  EXPECT_EQ(fetch(1, here), "");
  EXPECT_TRUE(may_be_older(w.header(1, here)));
  EXPECT_EQ(fetch(2, there), "");
  EXPECT_TRUE(may_be_older(w.header(2, there)));
  EXPECT_EQ(fetch(2, "never seen"), "");
  EXPECT_FALSE(may_be_older(w.header(2, "never seen")));
}

TEST_F(FallenBack, ARecordThatComesBackWithItsOwnerIsNotMarked) {
  start({0, 1, 2});
  const std::string key = key_of(1);
  take(0, key, "x");
  w.begin(11, 10, {1, 2});  // an attempt without its owner
  w.run();
  w.recover(12, 10, {0, 1, 2});
  EXPECT_EQ(fetch(2, key), "x");
  EXPECT_FALSE(may_be_older(w.header(2, key)));
}

// An attempt in which a node discards is given up; in the next one it has nothing to discard any more.
TEST_F(FallenBack, IsMarkedWhenTheOwnerCameBackEmptyInAnEarlierAttempt) {
  start({0, 1, 2});
  const std::string key = key_of(1);
  take(2, key, "older");
  take(0, key, "newest");
  w.start(0);
  w.begin(11, 10, {0, 1, 2});
  w.run();
  w.recover(12, 10, {0, 1, 2});
  EXPECT_EQ(w.store(1).counts().records_fallen_back, 1u);
  EXPECT_EQ(fetch(1, key), "older");
  EXPECT_TRUE(may_be_older(w.header(1, key)));
}

// Node 2 passes the record on as its location master, holding an older copy; the giver is lost.
TEST_F(FallenBack, IsMarkedWhenTheRecordIsLostOnItsWayThroughItsLmaster) {
  start({0, 1, 2});
  const std::string key = key_of(2);
  take(2, key, "older");
  take(0, key, "newest");
  w.call(1, 5, 1, key);
  while (w.carry_one(1, 2)) {
  }
  while (w.carry_one(2, 0)) {
  }
  while (w.carry_one(0, 2)) {
  }
  w.link(2, 1).clear();
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(counted(), 1u);
  EXPECT_EQ(fetch(2, key), "older");
  EXPECT_TRUE(may_be_older(w.header(2, key)));
}

// The lmaster has no copy, and has named the requester the owner: only who has the older copy knows that another had it since.
TEST_F(FallenBack, IsCountedWhenTheRecordIsLostBehindItsLmaster) {
  w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2, 3});
  w.attach(0);
  const std::string key = key_that_moves({0, 1, 2, 3}, 1, {1, 2, 3}, 1);
  take(2, key, "older");
  take(0, key, "newest");
  w.call(3, 5, 1, key);
  for (const auto& [from, to] : {std::pair{3, 1}, {1, 0}, {0, 1}}) {
    while (w.carry_one(static_cast<uint32_t>(from), static_cast<uint32_t>(to))) {
    }
  }
  w.link(1, 3).clear();
  w.stop(0);
  w.recover(11, 10, {1, 2, 3});
  EXPECT_EQ(counted(), 1u);
  EXPECT_EQ(fetch(2, key), "older");
  EXPECT_TRUE(may_be_older(w.header(2, key)));
}

// The key's lmaster was `before`; its owner, node 0, leaves.
void FallenBack::owner_leaves(uint32_t before) {
  start({0, 1, 2});
  const std::string key = key_that_moves({0, 1, 2}, before, {1, 2, 3}, 3);
  take(2, key, "older");
  take(0, key, "newest");
  w.stop(0);
  w.recover(11, 10, {1, 2, 3});
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(counted(), 1u);
  EXPECT_TRUE(may_be_older(w.header(2, key)));
}

TEST_F(FallenBack, IsCountedOnceWhenTheLmasterChangesToo) {
  owner_leaves(1);
}

TEST_F(FallenBack, IsCountedWhenTheLmasterLeavesWithTheOwner) {
  owner_leaves(0);
}

// A store that was started anew in the generation has its files and no memory of who its members were.
TEST_F(FallenBack, IsCountedByStoresThatWereStartedAnewToo) {
  start({0, 1, 2});
  const std::string key = key_of(0), deleted = key_of(1, "deleted");
  for (const std::string& each : {key, deleted}) take(2, each, "older");
  take(0, key, "newest");
  take(0, deleted, "");
  w.stop(0);
  for (uint32_t pnn : {1u, 2u}) {
    w.stop(pnn);
    w.start(pnn, 10);
  }
  w.base_members = {0, 1, 2};
  w.recover(11, 10, {1, 2});
  for (const std::string& each : {key, deleted}) {
    EXPECT_TRUE(may_be_older(w.header(2, each)));
    EXPECT_EQ(std::ranges::count(w.node(2).logs, "fallen back or gone: test.tdb " + each), 1) << each;
  }
  EXPECT_EQ(counted(), 2u);
}

// Its last location master is there and does not know who owned it; the next one never knew.
TEST_F(FallenBack, IsCountedWhenTheLmasterWasStartedAnewAndChanges) {
  start({0, 1, 2});
  const std::string key = key_that_moves({0, 1, 2}, 1, {1, 2, 3}, 3);
  take(2, key, "older");
  take(0, key, "");
  w.stop(0);
  w.stop(1);
  w.start(1, 10);
  w.base_members = {0, 1, 2};
  w.recover(11, 10, {1, 2, 3});
  EXPECT_TRUE(may_be_older(w.header(2, key)));
  EXPECT_EQ(counted(), 1u);
}

TEST_F(FallenBack, IsCountedWhenItOpensHoweverManyAttemptsThatTakes) {
  start({0, 1, 2});
  const std::string key = w.key_of(1);
  const std::string without_copy = w.key_of(1, "alone");
  take(2, key, "older");
  take(0, key, "newest");
  take(0, without_copy, "only");
  w.stop(0);
  for (uint32_t generation = 11; generation < 14; ++generation) {
    w.begin(generation, 10, {1, 2});
    w.run();
  }
  EXPECT_EQ(counted(), 0u) << "nothing is decided yet";
  w.recover(14, 10, {1, 2});
  EXPECT_EQ(counted(), 2u);
  w.recover(15, 14, {1, 2, 3});
  EXPECT_EQ(counted(), 2u);
}

// Its last location master is prepared for the generation that goes on without the owner, and is cut off before it hears that it is open.
class CutOffInFrontOfTheOpening : public FallenBack {
 protected:
  CutOffInFrontOfTheOpening() {
    start({0, 1, 2});
    take(2, key, "older");
    take(0, key, "newest");
    w.stop(0);
    w.begin(11, 10, {1, 2});
    w.run();
    w.order(1, Operation::STORE_SUSPEND, StoreSuspend().encode());
    w.run();
  }
  const std::string key = key_of(1);
};

TEST_F(CutOffInFrontOfTheOpening, ItIsCountedAfterwards) {
  w.open(11, {2});
  EXPECT_EQ(counted(), 0u);
  w.recover(12, 11, {1, 2});
  EXPECT_EQ(counted(), 1u);
}

TEST_F(CutOffInFrontOfTheOpening, ItIsCountedWhenOthersHaveGoneFurther) {
  w.open(11, {2});
  w.recover(12, 11, {2, 3});
  w.recover(13, 12, {1, 2, 3});
  EXPECT_EQ(counted(), 1u);
}

TEST_F(CutOffInFrontOfTheOpening, ItIsCountedWhenTheOwnerCameBackBeforeIt) {
  w.open(11, {2});
  w.start(0);
  w.recover(12, 11, {0, 2});
  w.recover(13, 12, {0, 1, 2});
  EXPECT_EQ(counted(), 1u);
}

TEST_F(CutOffInFrontOfTheOpening, ItIsCountedOnceWhenNobodyHasOpenedIt) {
  w.recover(12, 10, {1, 2});
  EXPECT_EQ(counted(), 1u);
}

// Location master and owner are lost with the record on its way; only who has asked knows that it may have been there.
TEST_F(FallenBack, IsToldByWhoHadAskedForItWhenNobodyElseKnows) {
  start({0, 1, 2});
  const std::string key = key_of(0), fresh = key_of(1);
  take(0, key, "only here");
  w.call(2, 5, 1, key);
  while (w.carry_one(2, 0)) {
  }
  w.link(0, 2).clear();
  w.stop(0);
  w.recover(11, 10, {1, 2});
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(2, 5, 1));
  EXPECT_TRUE(may_be_older(w.header(2, key)));
  EXPECT_EQ(counted(), 1u);
  EXPECT_EQ(std::ranges::count(w.node(2).logs, "fallen back or gone: test.tdb " + key), 1);
  take(2, fresh, "x");
  EXPECT_FALSE(may_be_older(w.header(2, fresh)));
}

TEST_F(FallenBack, AQuestionThatWaitedThroughARecoveryOfTheSameNodesIsNoLoss) {
  start({0, 1, 2});
  const std::string key = key_of(0);
  w.call(2, 5, 1, key);
  w.link(2, 0).clear();
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(2, 5, 1));
  EXPECT_FALSE(may_be_older(w.header(2, key)));
  EXPECT_EQ(counted(), 0u);
}

class LeftBehind : public FallenBack {
 protected:
  // Node 0 had `gone` and was its location master; `copied` it has not had last, `deleted` has no data.
  void others_go_on() {
    start({0, 1, 2});
    take(0, gone, "only here");
    take(0, copied, "older");
    take(1, copied, "newest");
    take(0, deleted, "");
    w.cut(0, 1), w.cut(0, 2);
    w.recover(11, 10, {1, 2});
  }
  void suspend(uint32_t pnn, bool discard = false) {
    StoreSuspend message;
    message.discard = discard;
    w.order(pnn, Operation::STORE_SUSPEND, message.encode());
    w.run();
  }
  uint64_t left_behind() { return w.store(0).counts().records_left_behind; }
  bool named(const std::string& key) {
    const auto said = std::ranges::count(w.node(0).logs, "left behind: test.tdb " + key);
    EXPECT_LE(said, 1);
    return said == 1;
  }
  void expect_told() {
    EXPECT_EQ(left_behind(), 1u);
    EXPECT_TRUE(named(gone));
    EXPECT_FALSE(named(copied));
    EXPECT_FALSE(named(deleted));
  }
  const std::string gone = key_of(0), copied = key_of(0, "copied"), deleted = key_of(0, "deleted");
};

TEST_F(LeftBehind, IsToldByTheNodeThatHadItWhenItComesBack) {
  others_go_on();
  EXPECT_EQ(counted(), 0u) << "nobody else knows that it was there";
  EXPECT_EQ(w.store(1).counts().members_lost, 1u);
  w.heal();
  w.recover(12, 11, {0, 1, 2});
  expect_told();
  w.recover(13, 12, {0, 1, 2});
  EXPECT_EQ(left_behind(), 1u);
}

TEST_F(LeftBehind, IsToldWhenItsRecordsWereTakenAwayBefore) {
  others_go_on();
  suspend(0);
  EXPECT_EQ(left_behind(), 0u);
  w.heal();
  w.recover(12, 11, {0, 1, 2});
  expect_told();
}

// What the others have of it is the record again, and nobody else knows of its end.
TEST_F(LeftBehind, IsToldOfARecordThatWasDeletedSinceItCame) {
  start({0, 1, 2});
  take(1, gone, "older");
  take(0, gone, "newest");
  ASSERT_TRUE(w.write(0, gone, ""));
  take(0, deleted, "");
  w.cut(0, 1), w.cut(0, 2);
  w.recover(11, 10, {1, 2});
  w.heal();
  w.recover(12, 11, {0, 1, 2});
  expect_told();
}

TEST_F(LeftBehind, IsToldWhenTheNodeIsStopped) {
  others_go_on();
  suspend(0, true);
  expect_told();
}

TEST_F(LeftBehind, IsToldByAStoreThatFindsTheFilesOfAnEarlierLife) {
  others_go_on();
  w.start(0);
  expect_told();
  EXPECT_EQ(w.node(0).files.database(kDb)->size(), 0u);
  w.start(0);
  EXPECT_EQ(left_behind(), 0u);
}

TEST_F(LeftBehind, IsToldByAStoreThatWasRestartedAndThenDiscards) {
  others_go_on();
  w.start(0, 10);
  w.heal();
  w.recover(12, 11, {0, 1, 2});
  expect_told();
}

TEST_F(LeftBehind, IsCountedOnceHoweverManyAttemptsThatTakes) {
  others_go_on();
  w.heal();
  for (uint32_t generation = 12; generation < 15; ++generation) {
    w.begin(generation, 11, {0, 1, 2});
    w.run();
  }
  expect_told();
}

TEST_F(LeftBehind, IsNothingWhenNobodyWentOn) {
  start({0, 1, 2});
  take(0, gone, "only here");
  suspend(0);
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(left_behind(), 0u);
  EXPECT_EQ(fetch(1, gone), "only here");
}

}  // namespace
}  // namespace ctdb::test
