// SPDX-License-Identifier: GPL-3.0-or-later
// Records that are one client's alone: who waits for them, and what ends it.
#include <gtest/gtest.h>

#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr char kPersistent[] = "pers.tdb";
const uint32_t kPersistentId = database_id(kPersistent);
constexpr uint32_t kReleaseId = 60;

class Holds : public ::testing::Test {
 protected:
  Holds() : w(3) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
    w.control(0, 900, 1, Control::DB_ATTACH_PERSISTENT, with_nul(kPersistent));
    w.run();
  }
  void want(uint32_t pnn, uint32_t client) {
    w.call(pnn, client, 1, key, CTDB_FUNC_HOLD);
    w.pass(5 * kMillisecond);
  }
  bool has(uint32_t pnn, uint32_t client) { return w.answered(pnn, client, 1); }
  void hold(uint32_t pnn, uint32_t client) {
    want(pnn, client);
    ASSERT_TRUE(has(pnn, client));
  }
  void release(uint32_t pnn, uint32_t client) {
    w.call(pnn, client, kReleaseId, key, CTDB_FUNC_RELEASE);
    w.pass(5 * kMillisecond);
    EXPECT_FALSE(w.answered(pnn, client, kReleaseId)) << "never answered";
  }
  // As a classic client: asks once.
  void ask(uint32_t pnn, uint32_t client) {
    w.call(pnn, client, 2, key);
    w.pass(5 * kMillisecond);
  }
  bool asked(uint32_t pnn, uint32_t client) { return w.answered(pnn, client, 2); }
  void submit(uint32_t pnn, uint32_t client, std::string_view data) {
    Bytes value;
    append_record_header(value, {++rsn_, pnn, 0});
    value.insert(value.end(), data.begin(), data.end());
    Bytes buffer = begin_rec_buffer(kPersistentId);
    add_to_rec_buffer(buffer, as_bytes("k"), value);
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, 3}, ReqCall{0, kDbId, CTDB_FUNC_COMMIT, 0, as_bytes(key), buffer});
    w.node(pnn).store->on_client_packet(client, packet, w.now());
    w.collect();
  }
  // 99: no answer.
  int32_t result(uint32_t pnn, uint32_t client) {
    w.pass(2 * kSecond);
    const auto reply = w.answer(pnn, client, 3);
    return reply ? reply->status : 99;
  }
  std::string committed(uint32_t pnn) {
    const auto value = w.node(pnn).files.database(kPersistent)->fetch(as_bytes("k"));
    return value ? std::string(as_text(ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE))) : "";
  }
  World w;
  std::string key = "lock";
  uint64_t rsn_ = 0;
};

TEST_F(Holds, TheFileOfAHeldRecordBelongsToNobody) {
  hold(1, 5);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{});
  EXPECT_EQ(w.sight(1, key).dmaster, 1u);
  release(1, 5);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
}

TEST_F(Holds, TheAnswerIsTheRecord) {
  ask(2, 9);
  ASSERT_TRUE(asked(2, 9));
  ASSERT_TRUE(w.write(2, key, "classic holder"));
  want(0, 5);
  const auto reply = w.answer(0, 5, 1);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(as_text(reply->data), "classic holder");
  release(0, 5);
  EXPECT_EQ(w.data(0, key), "classic holder");
}

TEST_F(Holds, EverybodyWaitsInTheOrderTheyCame) {
  hold(1, 5);
  want(1, 6);
  ask(1, 7);   // a classic client of the same node
  want(2, 8);  // of another node
  ask(0, 9);
  for (const auto& [pnn, client] : {std::pair{1u, 6u}, {2u, 8u}}) EXPECT_FALSE(has(pnn, client));
  EXPECT_FALSE(asked(1, 7));
  EXPECT_FALSE(asked(0, 9));
  release(1, 5);
  EXPECT_TRUE(has(1, 6));
  EXPECT_FALSE(asked(1, 7));
  release(1, 6);
  EXPECT_TRUE(asked(1, 7));
  EXPECT_TRUE(has(2, 8));
  EXPECT_FALSE(asked(0, 9));
  release(2, 8);
  EXPECT_TRUE(asked(0, 9));
}

TEST_F(Holds, WhoDiesOrGivesUpBlocksNobody) {
  hold(1, 5);
  want(1, 6);
  want(1, 7);
  release(1, 6);  // gave up waiting
  w.store(1).on_client_gone(5, w.now());
  w.pass(5 * kMillisecond);
  EXPECT_FALSE(has(1, 6));
  EXPECT_TRUE(has(1, 7));
  w.store(1).on_client_gone(7, w.now());
  w.pass(5 * kMillisecond);
  hold(0, 8);
}

TEST_F(Holds, ReleasingWhatOneDoesNotHaveDoesNothing) {
  release(0, 5);
  hold(1, 5);
  release(1, 6);
  want(1, 7);
  EXPECT_FALSE(has(1, 7));
}

TEST_F(Holds, AHoldLastsThroughARecovery) {
  hold(1, 5);
  w.recover(11, 10, {0, 1, 2});
  want(2, 6);
  EXPECT_FALSE(has(2, 6));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{});
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), 0);
  EXPECT_TRUE(has(2, 6));
}

TEST_F(Holds, ACommitEndsTheHoldWhenItIsEverywhere) {
  hold(1, 5);
  want(2, 6);
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), 0);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(committed(pnn), "v");
  EXPECT_TRUE(has(2, 6));
}

TEST_F(Holds, ACommitWithoutTheHoldIsAConflict) {
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), kCommitConflict);
  hold(1, 6);
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), kCommitConflict);
  EXPECT_EQ(committed(1), "");
}

TEST_F(Holds, AHoldLastsUntilTheCommitOfADeadClientIsDecided) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = true;
  hold(1, 5);
  submit(1, 5, "v");
  w.run();
  w.store(1).on_client_gone(5, w.now());
  want(2, 6);
  EXPECT_FALSE(has(2, 6)) << "would read what is about to change";
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = false;
  w.pass(kSecond);
  EXPECT_TRUE(has(2, 6));
  EXPECT_EQ(committed(2), "v");
}

TEST_F(Holds, ANodeThatLeavesLosesTheHold) {
  hold(1, 5);
  w.order(1, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
  w.pass(kSecond);
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), kCommitConflict);
  w.recover(11, 10, {0, 1, 2});
  hold(2, 6);
  submit(1, 5, "v");
  EXPECT_EQ(result(1, 5), kCommitConflict);
}

TEST_F(Holds, ARouterThatDiesDuringACommitLeavesNoHold) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = true;
  hold(1, 5);
  submit(1, 5, "v");
  w.run();
  w.store(1).on_router_down(w.now());
  w.store(1).on_router_up(w.now());
  w.recover(11, 10, {0, 1, 2});  // before this node's headers say that it serves no more
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = false;
  w.pass(2 * kSecond);
  EXPECT_FALSE(w.answer(1, 5, 3)) << "5 is somebody else in the router's next life";
  hold(2, 6);
  release(2, 6);
  hold(1, 5);
  submit(1, 5, "w");
  EXPECT_EQ(result(1, 5), 0);
  hold(0, 7);
}

// It was away without knowing: the others have had a generation of their own.
TEST_F(Holds, ANodeThatWasLeftOutLosesTheHold) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = true;
  hold(1, 5);
  submit(1, 5, "v");
  w.run();
  w.recover(11, 10, {0, 2});
  hold(2, 6);
  w.begin(12, 11, {0, 1, 2});
  const auto reply = w.answer(1, 5, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, kCommitUnknown);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = false;
  w.recover(13, 11, {0, 1, 2});
  want(1, 5);
  EXPECT_FALSE(has(1, 5));
  release(2, 6);
  EXPECT_TRUE(has(1, 5));
}

TEST_F(Holds, ACommitUnderWayIsNotPutAgainWhenTheNodeComesBack) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.node(pnn).disk_stands_still = true;
  hold(1, 5);
  submit(1, 5, "v");
  w.run();
  w.order(1, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
  w.run();
  const auto reply = w.answer(1, 5, 3);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, kCommitUnknown);
}

}  // namespace
}  // namespace ctdb::test
