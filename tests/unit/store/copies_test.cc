// SPDX-License-Identifier: GPL-3.0-or-later
// Databases with copies: what is acknowledged survives the owner, a deletion is a change, and a record leaves only when its
// data are elsewhere.
#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/wire/placement.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kClient = 5;

class Copies : public ::testing::Test {
 protected:
  explicit Copies(bool begin = true) : w(4) {
    if (begin) start({0, 1, 2});
  }
  void start(const std::vector<uint32_t>& members, uint32_t copies = 2) {
    w.recover(10, CTDB_INVALID_GENERATION, members);
    w.attach(members[0]);
    EXPECT_EQ(set_copies(members[0], copies), copies);
  }
  uint32_t set_copies(uint32_t pnn, uint32_t copies) {
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, copies);
    w.control(pnn, 800, 9, Control::DB_COPIES, data);
    w.run();
    const auto reply = w.control_answer(pnn, 800, 9);
    return reply && reply->status == 0 ? load<uint32_t>(reply->data.data()) : 0;
  }
  void take(uint32_t pnn, std::string_view key) {
    w.call(pnn, kClient, 1, key);
    w.pass(2 * kMillisecond);
    ASSERT_TRUE(w.answered(pnn, kClient, 1));
  }
  // The call that a native client's unlock makes.
  void push(uint32_t pnn, std::string_view key, uint32_t reqid, uint64_t epoch = 1) {
    uint8_t data[12];
    store(data, epoch);
    store(data + 8, uint32_t{2});
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{0, kDbId, CTDB_FUNC_COPY, 0, as_bytes(key), data});
    w.node(pnn).store->on_client_packet(kClient, packet, w.now());
    w.collect();
  }
  // nullopt: not answered.
  std::optional<int32_t> answer(uint32_t pnn, uint32_t reqid) {
    const auto reply = w.answer(pnn, kClient, reqid);
    return reply ? std::optional<int32_t>(reply->status) : std::nullopt;
  }
  std::optional<int32_t> pushed(uint32_t pnn, std::string_view key) {
    push(pnn, key, 77);
    w.run();
    return answer(pnn, 77);
  }
  void change(uint32_t pnn, std::string_view key, std::string_view data) {
    take(pnn, key);
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  std::string fetch(uint32_t pnn, std::string_view key) {
    w.call(pnn, 6, 2, key, CTDB_FUNC_FETCH);
    w.pass(2 * kMillisecond);
    const auto reply = w.answer(pnn, 6, 2);
    return reply ? std::string(as_text(reply->data)) : "no answer";
  }
  uint32_t copy_node(std::string_view key, uint32_t owner, const std::vector<uint32_t>& members) {
    return Placement(members).nodes_beside(Placement::slot_of(as_bytes(key)), owner, 1)[0];
  }
  World w;
};

class ConfiguredCopies : public Copies {
 protected:
  ConfiguredCopies() : Copies(false) {
    StoreOptions options;
    options.copies = {{"no.tdb", 4}, {"*", 3}};
    w.start(0, CTDB_INVALID_GENERATION, options);
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
  }
};

TEST_F(ConfiguredCopies, ADatabaseHasThemFromTheBeginningAndTheOthersHear) {
  w.attach(0);
  for (uint32_t pnn : {0u, 1u, 2u}) EXPECT_EQ(set_copies(pnn, 0), 3u) << pnn;
  change(0, "key", "value");
  EXPECT_EQ(pushed(0, "key"), 3);
}

// Another client was killed while it changed the record again: libtdb deletes what must grow first.
TEST_F(Copies, AChangeThatIsGoneBeforeItWasPushedIsNotAcknowledged) {
  for (const std::string before : {"", "older"}) {
    const std::string key = w.key_of(0, "key" + before);
    if (!before.empty()) change(1, key, before);
    change(0, key, "newest");
    w.db(0).remove(as_bytes(key));
    push(0, key, 77);
    w.pass(kMillisecond);
    if (!before.empty()) w.recover(11, 10, {0, 1, 2});
    w.pass(kMillisecond);
    EXPECT_EQ(answer(0, 77), -1) << before;
  }
}

// The store hears of the change while the reader's call waits for the chain (found by the simulator: it pushed for ever).
TEST_F(Copies, WhatAReaderElsewhereSeesIsPushedTogetherWithTheUnlockBehindIt) {
  uint8_t id[4];
  store(id, kDbId);
  w.control(0, 800, 9, Control::SET_DB_READONLY, id);
  change(0, "key", "one");
  EXPECT_EQ(pushed(0, "key"), 2);
  w.pass(2 * kMillisecond);
  ASSERT_TRUE(w.db(0).lock(as_bytes("key"), 50));
  w.read(2, 6, 2, "key");
  w.pass(2 * kMillisecond);
  Bytes value = *w.db(0).fetch(as_bytes("key"));
  value.back() = 'o';
  w.db(0).store(as_bytes("key"), value);
  push(0, "key", 77);
  w.db(0).unlock(as_bytes("key"), 50);
  w.serve_workers();
  w.pass(2 * kMillisecond);
  EXPECT_EQ(answer(0, 77), 2);
  const auto read = w.answer(2, 6, 2);
  ASSERT_TRUE(read);
  EXPECT_EQ(as_text(read->data), "ono");
  EXPECT_EQ(w.owners("key"), std::vector<uint32_t>{0}) << "from a copy";
}

TEST_F(Copies, EveryMemberKnowsTheNumberAndItOnlyGrows) {
  EXPECT_EQ(set_copies(1, 0), 2u);
  EXPECT_EQ(set_copies(2, 3), 3u);
  EXPECT_EQ(set_copies(0, 1), 3u);
  EXPECT_EQ(set_copies(0, 9), 0u) << "refused";
  w.start(1);
  w.recover(11, 10, {0, 1, 2, 3});
  EXPECT_EQ(set_copies(1, 0), 3u) << "a newcomer is told";
  EXPECT_EQ(set_copies(3, 0), 3u);
}

TEST_F(Copies, AnAcknowledgedChangeSurvivesItsOwner) {
  for (uint32_t lmaster : {0u, 1u, 2u}) {
    World fresh(4);
    std::swap(w, fresh);
    start({0, 1, 2});
    const std::string key = w.key_of(lmaster);
    change(2, key, "older");
    change(0, key, "newest");
    EXPECT_EQ(pushed(0, key), 2);
    w.stop(0);
    w.recover(11, 10, {1, 2});
    EXPECT_EQ(fetch(1, key), "newest");
    EXPECT_EQ(fetch(2, key), "newest");
  }
}

TEST_F(Copies, IsAnsweredWhenTheCopyIsThereAndNotBefore) {
  change(0, "k", "v");
  const uint32_t other = copy_node("k", 0, {0, 1, 2});
  push(0, "k", 7);
  EXPECT_EQ(answer(0, 7), std::nullopt);
  ASSERT_TRUE(w.carry_one(0, other));
  EXPECT_EQ(w.data(other, "k"), "v");
  EXPECT_EQ(w.header(other, "k")->dmaster, 0u);
  EXPECT_LT(w.header(other, "k")->rsn, w.header(0, "k")->rsn);
  EXPECT_EQ(answer(0, 7), std::nullopt);
  ASSERT_TRUE(w.carry_one(other, 0));
  EXPECT_EQ(answer(0, 7), 2);
}

TEST_F(Copies, ACopyWaitsForTheChainLockOfItsHolder) {
  change(0, "k", "v");
  const uint32_t other = copy_node("k", 0, {0, 1, 2});
  ASSERT_TRUE(w.db(other).lock(as_bytes("k"), 99));
  push(0, "k", 7);
  w.pass(5 * kMillisecond);
  EXPECT_EQ(answer(0, 7), std::nullopt);
  w.db(other).unlock(as_bytes("k"), 99);
  w.serve_workers();
  EXPECT_EQ(answer(0, 7), 2);
}

TEST_F(Copies, OnePushServesAllWhoChangedBeforeIt) {
  change(0, "k", "one");
  push(0, "k", 7);
  w.write(0, "k", "two");
  push(0, "k", 8);
  push(0, "k", 9);
  w.run();
  EXPECT_EQ(answer(0, 7), 2);
  EXPECT_EQ(answer(0, 8), 2);
  EXPECT_EQ(answer(0, 9), 2);
  EXPECT_EQ(w.store(0).counts().copies_pushed, 2u) << "the first, and one for the two behind it";
}

TEST_F(Copies, ADeletionDoesNotComeBack) {
  const std::string key = w.key_of(1);
  change(2, key, "old");
  change(0, key, "");
  EXPECT_EQ(pushed(0, key), 2);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  EXPECT_EQ(fetch(1, key), "");
  EXPECT_EQ(fetch(2, key), "");
}

// The record was deleted and that pushed; who holds the copy dies. Before anybody notices, a classic client makes the record anew, which
// is pushed nowhere, and a native one deletes it: what was pushed before is as if that were known.
TEST_F(Copies, AChangeIsPushedEvenIfItMakesTheRecordWhatWasPushedLast) {
  for (const std::string last : {"", "same"}) {
    World fresh(4);
    std::swap(w, fresh);
    start({0, 1, 2});
    const std::string key = w.key_of(0);
    const uint32_t other = copy_node(key, 0, {0, 1, 2}), third = 3 - other;
    change(third, key, "old");
    change(0, key, last);
    EXPECT_EQ(pushed(0, key), 2);
    w.stop(other);
    w.write(0, key, "anew");
    w.write(0, key, last);
    EXPECT_EQ(pushed(0, key), std::nullopt) << "nobody has said that it has this";
    w.recover(11, 10, {0, third});
    w.pass(kMillisecond);
    EXPECT_EQ(answer(0, 77), 2);
    w.stop(0);
    w.recover(12, 11, {third});
    EXPECT_EQ(fetch(third, key), last);
  }
}

TEST_F(Copies, ARecordLeavesWhenItsDataAreElsewhere) {
  const std::string key = w.key_of(1);
  change(0, key, "of a classic client");  // nobody asks for copies
  const uint32_t other = copy_node(key, 0, {0, 1, 2});
  const uint32_t asker = other == 1 ? 2 : 1;
  w.call(asker, kClient, 3, key);
  while (w.owners(key) == std::vector<uint32_t>{0}) {
    w.pass(kMillisecond / 10);
    for (uint32_t from : {1u, 2u}) {
      while (w.carry_one(from, 0)) {
      }
    }
  }
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(asker, kClient, 3));
  EXPECT_EQ(w.data(other, key), "of a classic client");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{asker});
  // The new owner and the old one die: the copy is left.
  w.stop(0);
  w.stop(asker);
  w.recover(11, 10, {other});
  EXPECT_EQ(fetch(other, key), "of a classic client");
}

TEST_F(Copies, TheRecordStaysWhileItsCopyIsOnItsWay) {
  const std::string key = w.key_of(0);
  change(0, key, "v");
  const uint32_t other = copy_node(key, 0, {0, 1, 2});
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    return !(from == 0 && to == other &&
             read_header(packet).operation == static_cast<uint32_t>(Operation::RECORD_COPY));
  };
  w.call(3 - other, kClient, 3, key);
  w.pass(20 * kMillisecond);
  EXPECT_FALSE(w.answered(3 - other, kClient, 3));
  // The link had broken: a recovery. Everything goes on, under the next generation.
  w.on_link = [](auto, auto, auto) { return true; };
  w.recover(11, 10, {0, 1, 2});
  w.pass(20 * kMillisecond);
  EXPECT_TRUE(w.answered(3 - other, kClient, 3));
  EXPECT_EQ(w.data(3 - other, key), "v");
}

TEST_F(Copies, APushThatARecoveryInterruptsIsMadeAgain) {
  change(0, "k", "v");
  push(0, "k", 7);
  for (uint32_t to : {1u, 2u}) w.link(0, to).clear();  // lost
  w.recover(11, 10, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_EQ(answer(0, 7), 2);
  EXPECT_EQ(w.data(copy_node("k", 0, {0, 1, 2}), "k"), "v");
}

TEST_F(Copies, AnswersWithAsManyNodesAsThereAre) {
  w.recover(11, 10, {0});
  change(0, "k", "v");
  EXPECT_EQ(pushed(0, "k"), 1);
  EXPECT_EQ(set_copies(0, 4), 4u);
  w.recover(12, 11, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_EQ(w.data(1, "k"), "v") << "who comes gets its copy without being asked";
  EXPECT_EQ(w.data(2, "k"), "v");
  EXPECT_EQ(pushed(0, "k"), 3);
}

TEST_F(Copies, AreMadeAnewWhenTheirHolderLeaves) {
  change(0, "k", "v");
  EXPECT_EQ(pushed(0, "k"), 2);
  const uint32_t other = copy_node("k", 0, {0, 1, 2});
  w.stop(other);
  w.recover(11, 10, {0, 3 - other});
  w.pass(kMillisecond);
  w.stop(0);
  w.recover(12, 11, {3 - other});
  EXPECT_EQ(fetch(3 - other, "k"), "v");
}

// A copy whose chain a client has locked becomes the record long after the generation has opened, and is pushed then.
TEST_F(Copies, AreMadeAnewOfARecordThatBecomesOneLate) {
  const std::string key = w.key_of(1);
  change(0, key, "v");
  EXPECT_EQ(pushed(0, key), 2);
  const uint32_t other = copy_node(key, 0, {0, 1, 2});
  ASSERT_TRUE(w.db(other).lock(as_bytes(key), 99));
  w.stop(0);
  w.recover(11, 10, {1, 2, 3});
  w.pass(kMillisecond);
  EXPECT_EQ(w.header(other, key)->dmaster, 0u) << "a client has the chain";
  w.db(other).unlock(as_bytes(key), 99);
  w.serve_workers();
  w.pass(kMillisecond);
  ASSERT_EQ(w.header(other, key)->dmaster, other);
  w.stop(other);
  std::vector<uint32_t> left = {1, 2, 3};
  std::erase(left, other);
  w.recover(12, 11, left);
  EXPECT_EQ(fetch(left[0], key), "v");
}

TEST_F(Copies, ARaisedNumberHoldsForWhatIsThereAlready) {
  World fresh(4);
  std::swap(w, fresh);
  start({0, 1, 2}, 1);
  change(0, "k", "v");
  EXPECT_EQ(w.store(0).counts().copies_pushed, 0u);
  EXPECT_EQ(set_copies(1, 3), 3u);
  w.pass(kMillisecond);
  EXPECT_EQ(w.data(1, "k"), "v");
  EXPECT_EQ(w.data(2, "k"), "v");
}

TEST_F(Copies, NobodyPromisesWhatWasChangedBeforeTheNodeStoppedServing) {
  change(0, "k", "v");
  push(0, "k", 7);
  w.store(0).stop_serving(false, w.now());
  w.run();
  EXPECT_EQ(answer(0, 7), -1) << "at once";
  EXPECT_EQ(pushed(0, "k"), -1);
  w.recover(11, 10, {0, 1, 2});
  w.node(0).epoch = 3;
  push(0, "k", 8, 1);
  push(0, "k", 9, 3);
  w.pass(kMillisecond);
  EXPECT_EQ(answer(0, 8), -1);
  EXPECT_EQ(answer(0, 9), 2);
}

TEST_F(Copies, AChangeThatLeftWithItsRecordIsAnsweredWhereItWasMade) {
  change(0, "k", "v");
  take(1, "k");
  EXPECT_EQ(pushed(0, "k"), 2);
  EXPECT_EQ(w.owners("k"), std::vector<uint32_t>{1});
}

TEST_F(Copies, RefusesWhatMakesNoSense) {
  change(0, "k", "v");
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 4}, ReqCall{0, kDbId, CTDB_FUNC_COPY, 0, as_bytes("k"), {}});
  w.node(0).store->on_client_packet(kClient, packet, w.now());
  w.collect();
  EXPECT_EQ(answer(0, 4), -1);
  const uint64_t refused = w.store(0).counts().refused_packets;
  const auto from_1 = [&](Operation operation, const Bytes& payload) {
    Bytes bad;
    build_own(bad, {0, 10, static_cast<uint32_t>(operation), 0, 1, 5}, payload);
    w.deliver(0, bad);
  };
  from_1(Operation::RECORD_COPIED, RecordCopied{kDbId, as_bytes("k")}.encode());
  from_1(Operation::RECORD_COPIED, RecordCopied{1, as_bytes("k")}.encode());
  from_1(Operation::RECORD_COPY, RecordCopy{kDbId, 99, 0, as_bytes("k"), as_bytes("not its owner")}.encode());
  from_1(Operation::RECORD_COPY, Bytes(3));
  EXPECT_EQ(w.store(0).counts().refused_packets, refused + 4);
  EXPECT_EQ(w.data(0, "k"), "v");
}

}  // namespace
}  // namespace ctdb::test
