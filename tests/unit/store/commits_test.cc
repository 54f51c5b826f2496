// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions of full-copy databases over small clusters of store cores: who has what when the client hears, and what is
// left when somebody dies at any point in between.
#include <gtest/gtest.h>

#include "ctdb-store/core/commits/commit_log.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kClient = 5;
constexpr char kPersistent[] = "pers.tdb";
const uint32_t kPersistentId = database_id(kPersistent);
constexpr char kSequence[] = "__db_sequence_number__";

Bytes value_of(std::string_view data, uint64_t rsn) {
  Bytes value;
  append_record_header(value, {rsn, 0, 0});
  const ByteView bytes = as_bytes(data);
  value.insert(value.end(), bytes.begin(), bytes.end());
  return value;
}

// As smbd builds it: the record, and the sequence number raised.
Bytes transaction(std::string_view key, std::string_view data, uint64_t sequence,
                  uint32_t db_id = kPersistentId) {
  Bytes buffer = begin_rec_buffer(db_id);
  add_to_rec_buffer(buffer, as_bytes(key), value_of(data, sequence));
  uint8_t number[8];
  store(number, sequence);
  add_to_rec_buffer(buffer, {reinterpret_cast<const uint8_t*>(kSequence), sizeof kSequence},
                    value_of(as_text(number), sequence));
  return buffer;
}

class Commits : public ::testing::Test {
 protected:
  Commits() : w(3) {
    recover(10, {0, 1, 2});
    attach(0);
  }
  void recover(uint32_t generation, const std::vector<uint32_t>& members) {
    w.recover(generation, base_, members);
    base_ = generation;
  }
  void attach(uint32_t pnn, Control kind = Control::DB_ATTACH_PERSISTENT,
              std::string_view name = kPersistent) {
    w.control(pnn, 900, 1, kind, with_nul(name));
    w.run();
    const auto reply = w.control_answer(pnn, 900, 1);
    ASSERT_TRUE(reply && reply->status == 0);
  }
  void submit(uint32_t pnn, uint32_t reqid, const Bytes& buffer) {
    w.control(pnn, kClient, reqid, Control::TRANS3_COMMIT, buffer);
  }
  int32_t commit(uint32_t pnn, std::string_view key, std::string_view data) {
    submit(pnn, 7, transaction(key, data, ++sequence_));
    w.pass(2 * kSecond);
    const auto reply = w.control_answer(pnn, kClient, 7);
    error_ = reply ? std::string(reply->error) : "";
    return reply ? reply->status : 99;
  }
  std::optional<std::string> on(uint32_t pnn, std::string_view key) {
    const auto value = w.node(pnn).files.database(kPersistent)->fetch(as_bytes(key));
    if (!value) return std::nullopt;
    return std::string(as_text(ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE)));
  }
  void expect_everywhere(std::string_view key, const std::optional<std::string>& data) {
    for (uint32_t pnn = 0; pnn < w.size(); ++pnn) EXPECT_EQ(on(pnn, key), data) << "node " << pnn;
  }
  // The node's processes die; what its disk has stays.
  void crash(uint32_t pnn) {
    w.stop(pnn);
    w.node(pnn).disk.crash();
  }
  uint32_t coordinator() { return w.store(0).commit_coordinator(); }

  World w;
  uint32_t base_ = CTDB_INVALID_GENERATION;
  std::string error_;  // of the last commit
  uint64_t sequence_ = 0;
};

TEST_F(Commits, AreOnEveryNodeWhenAnswered) {
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(commit(pnn, "k", "v" + std::to_string(pnn)), 0);
    expect_everywhere("k", "v" + std::to_string(pnn));
  }
  for (uint32_t pnn = 1; pnn < 3; ++pnn)
    EXPECT_EQ(w.store(pnn).digests()[0].digest, w.store(0).digests()[0].digest);
}

TEST_F(Commits, AnswerComesOnlyAfterTheLastDiskHasIt) {
  w.node(2).disk_stands_still = true;
  submit(1, 7, transaction("k", "v", 1));
  w.pass(5 * kSecond);
  EXPECT_FALSE(w.control_answer(1, kClient, 7));
  EXPECT_EQ(on(1, "k"), std::nullopt) << "visible before it is committed";
  w.node(2).disk_stands_still = false;
  w.run();
  EXPECT_TRUE(w.control_answer(1, kClient, 7));
}

TEST_F(Commits, OfOneDatabaseFollowEachOtherAndThoseOfOthersShareASync) {
  attach(0, Control::DB_ATTACH_PERSISTENT, "other.tdb");
  w.node(0).disk_stands_still = true;
  const uint64_t before = w.store(1).counts().commit_syncs;
  submit(0, 1, transaction("a", "1", 1));
  submit(0, 2, transaction("b", "1", 1));  // stale when its turn comes
  submit(0, 3, transaction("c", "1", 1, database_id("other.tdb")));
  w.run();
  w.node(0).disk_stands_still = false;
  w.run();
  EXPECT_EQ(w.control_answer(0, kClient, 1)->status, 0);
  EXPECT_EQ(w.control_answer(0, kClient, 2)->status, -1);
  EXPECT_EQ(w.control_answer(0, kClient, 3)->status, 0);
  EXPECT_LE(w.store(1).counts().commit_syncs - before, 2u);
  expect_everywhere("b", std::nullopt);
}

// A transaction may be as large as a packet. One that was taken together with another made one that is too large for any link.
TEST_F(Commits, ALargeOneGoesAlone) {
  attach(0, Control::DB_ATTACH_PERSISTENT, "other.tdb");
  const uint32_t other = database_id("other.tdb");
  constexpr size_t kSmall = 900'000, kLarge = 2'000'000;
  size_t largest = 0;
  w.on_link = [&](uint32_t, uint32_t, ByteView packet) {
    largest = std::max(largest, packet.size());
    return true;
  };
  w.node(0).disk_stands_still = true;
  submit(0, 1, transaction("a", "1", 1));
  submit(0, 2, transaction("a", "1", 1, other));
  submit(0, 3, transaction("b", std::string(kSmall, 'x'), 2));
  submit(0, 4, transaction("b", std::string(kLarge, 'x'), 2, other));
  w.run();
  w.node(0).disk_stands_still = false;
  w.run();
  for (uint32_t reqid = 1; reqid <= 4; ++reqid) EXPECT_EQ(w.control_answer(0, kClient, reqid)->status, 0);
  EXPECT_GT(largest, kLarge);
  EXPECT_LT(largest, kLarge + kSmall);
}

TEST_F(Commits, ADiskThatIsFullTakesTheTransactionBackEverywhere) {
  for (uint32_t full = 0; full < 3; ++full) {
    EXPECT_EQ(commit(0, "k", "before"), 0);
    w.node(full).disk.set_full(true);
    EXPECT_EQ(commit(1, "k", "lost"), -1);
    expect_everywhere("k", "before");
    w.node(full).disk.set_full(false);
    EXPECT_EQ(commit(2, "k", "after"), 0);
    expect_everywhere("k", "after");
    for (uint32_t pnn = 0; pnn < 3; ++pnn)
      for (const KeptEntry& entry : w.node(pnn).disk.log().entries)
        EXPECT_EQ(as_text(entry.payload).find("lost"), std::string_view::npos);
  }
}

TEST_F(Commits, ADiskThatIsFullFromTheBeginning) {
  for (uint32_t full = 0; full < 3; ++full) {
    w.node(full).disk.set_full(true);
    submit(1, 7, transaction("k", "lost", 1));
    w.pass(10 * kSecond);
    const auto reply = w.control_answer(1, kClient, 7);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->status, -1);
    w.node(full).disk.set_full(false);
    w.pass(10 * kSecond);
    expect_everywhere("k", std::nullopt);
  }
}

TEST_F(Commits, AValueLargerThanTheDatabaseAllowsIsRefusedAndNothingOfItKept) {
  StoreOptions options;
  options.record_limits = {{kPersistent, 4096}};
  for (uint32_t pnn = 0; pnn < w.size(); ++pnn) {
    w.stop(pnn);
    w.start(pnn, CTDB_INVALID_GENERATION, options);
  }
  recover(11, {0, 1, 2});
  EXPECT_EQ(commit(1, "k", std::string(4096, 'x')), 0);
  EXPECT_EQ(commit(1, "k", std::string(4097, 'y')), -1);
  EXPECT_EQ(error_,
            "record k would have 4097 bytes, and pers.tdb may have 4096 in one ([database] record limit)");
  expect_everywhere("k", std::string(4096, 'x'));
  EXPECT_EQ(w.store(coordinator()).counts().records_too_large, 1u);
  --sequence_;
  EXPECT_EQ(commit(1, "k", "small"), 0);
}

TEST_F(Commits, ANodeThatWasAwayGetsWhatItLacks) {
  EXPECT_EQ(commit(0, "k", "all"), 0);
  crash(2);
  recover(20, {0, 1});
  EXPECT_EQ(commit(0, "k", "two"), 0);
  EXPECT_EQ(commit(1, "new", "two"), 0);
  w.start(2);
  recover(30, {0, 1, 2});
  w.pass(kSecond);
  expect_everywhere("k", "two");
  expect_everywhere("new", "two");
  EXPECT_EQ(commit(2, "k", "again"), 0);
}

// What it has been sent and cannot write is not in it, also when it has to say so before the disk has refused.
TEST_F(Commits, ALogReachesAsFarAsTheDiskHasIt) {
  EXPECT_EQ(commit(0, "k", "all"), 0);
  crash(0);
  recover(20, {1, 2});
  EXPECT_EQ(commit(1, "k", "two"), 0);
  w.start(0);
  w.node(0).disk.set_full(true);
  w.node(0).disk_stands_still = true;
  recover(30, {0, 1, 2});
  w.run();
  w.begin(40, 30, {0, 1, 2});
  w.run();
  w.node(0).disk_stands_still = false;
  w.run();
  w.open(40, {0, 1, 2});
  w.pass(kSecond);
  EXPECT_NE(coordinator(), 0u);
  w.node(0).disk.set_full(false);
  w.pass(3 * kSecond);
  expect_everywhere("k", "two");
  EXPECT_EQ(commit(0, "k", "three"), 0);
  expect_everywhere("k", "three");
}

// It goes on from where the others' logs begin. On its disk would stand what they have behind what it had, without what was in between, and the
// next start would repeat that.
TEST_F(Commits, ALogThatCannotBeBegunAnewAtOnceIsLater) {
  EXPECT_EQ(commit(0, "k", "old"), 0);
  crash(2);
  recover(20, {0, 1});
  EXPECT_EQ(commit(0, "k", "new"), 0);
  for (const uint32_t pnn : {0u, 1u}) {
    crash(pnn);
    w.node(pnn).disk.forget_entries();
    w.start(pnn);
  }
  recover(30, {0, 1});
  EXPECT_EQ(commit(0, "more", "new"), 0);
  w.start(2);
  w.node(2).disk.set_full(true);
  recover(40, {0, 1, 2});
  w.pass(kSecond);
  w.node(2).disk.set_full(false);
  w.pass(3 * kSecond);
  expect_everywhere("k", "new");
  EXPECT_EQ(w.node(2).disk.log().start, w.node(0).disk.log().start);
  crash(2);
  w.start(2);
  w.pass(kSecond);
  expect_everywhere("k", "new");
}

TEST_F(Commits, ANodeAloneRefuses) {
  w.order(0, Operation::STORE_SUSPEND, StoreSuspend{false, "no quorum"}.encode());
  submit(0, 7, transaction("k", "alone", 1));
  w.run();
  EXPECT_FALSE(w.control_answer(0, kClient, 7)) << "smbd would ask again at once";
  w.pass(2 * kSecond);
  EXPECT_EQ(w.control_answer(0, kClient, 7)->status, -1);
  EXPECT_EQ(on(0, "k"), std::nullopt);
}

// Their stores are not enough for what others may have committed, though their votes are for a generation.
TEST_F(Commits, AMinorityOfStoresRefusesAndTakesNothingOver) {
  w.voters = {0, 1, 2};
  EXPECT_EQ(commit(0, "k", "all"), 0);
  crash(2);
  recover(20, {0, 1});
  EXPECT_EQ(commit(0, "k", "two"), 0);
  crash(0);
  crash(1);
  w.start(2);
  recover(30, {2});
  EXPECT_EQ(commit(2, "k", "alone"), -1);
  w.start(1);
  recover(40, {1, 2});
  w.pass(kSecond);
  w.start(0);
  recover(50, {0, 1, 2});
  w.pass(kSecond);
  expect_everywhere("k", "two");
}

TEST_F(Commits, EveryMemberSaysWhenAllHaveEverythingAndAMinorityNever) {
  const auto told = [&](uint32_t pnn, uint32_t generation, const std::vector<uint32_t>& members) {
    return std::ranges::any_of(w.node(pnn).to_recoveryd, [&](const Sent& sent) {
      if (sent.operation() != Operation::STORE_RECOVERED) return false;
      const auto report = StoreRecovered::decode(own_payload(sent.packet));
      return report && report->ok && report->generation == generation && report->about == members;
    });
  };
  w.pass(kSecond);
  for (uint32_t pnn : {0u, 1u, 2u}) EXPECT_TRUE(told(pnn, 10, {0, 1, 2})) << pnn;
  w.voters = {0, 1, 2};
  recover(20, {2});
  w.pass(kSecond);
  EXPECT_FALSE(told(2, 20, {2}));
  recover(30, {0, 1});
  w.node(1).disk_stands_still = true;
  EXPECT_EQ(commit(0, "k", "v"), 99);
  recover(40, {0, 1});
  w.pass(kSecond);
  EXPECT_FALSE(told(0, 40, {0, 1})) << "1 has not got all on its disk";
  w.node(1).disk_stands_still = false;
  w.pass(2 * kSecond);
  EXPECT_TRUE(told(0, 40, {0, 1}));
}

TEST_F(Commits, AnUnansweredOneOfANodeThatLeavesIsUnknown) {
  w.node(1).disk_stands_still = true;
  submit(0, 7, transaction("k", "v", 1));
  w.run();
  w.order(0, Operation::STORE_SUSPEND, StoreSuspend{false, "no quorum"}.encode());
  w.pass(2 * kSecond);
  EXPECT_EQ(w.control_answer(0, kClient, 7)->status, 2);
}

// The coordinator had written it when it was cut off. The others are sure that they have nothing of it, and cannot be that it is nowhere.
TEST_F(Commits, OneThatFailsWhenItIsPutAgainIsUnknown) {
  EXPECT_EQ(commit(2, "k", "before"), 0);
  ASSERT_EQ(coordinator(), 0u);
  w.on_link = [](uint32_t from, uint32_t, ByteView) { return from != 0; };
  submit(2, 7, transaction("k", "after", 2));
  w.run();
  w.order(0, Operation::STORE_SUSPEND, StoreSuspend{false, "no quorum"}.encode());
  w.node(1).disk.set_full(true);
  recover(20, {1, 2});
  w.pass(kSecond);
  const auto reply = w.control_answer(2, kClient, 7);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, kCommitUnknown) << reply->error;
  EXPECT_EQ(on(2, "k"), "before");
  w.node(1).disk.set_full(false);
  w.on_link = [](auto, auto, auto) { return true; };
  recover(30, {0, 1, 2});
  w.pass(kSecond);
  expect_everywhere("k", "after");
}

// Whoever dies, at whichever packet: the transaction is on all nodes or on none, and what was answered is there.
TEST_F(Commits, WhoeverDiesAtWhicheverStep) {
  for (uint32_t victim = 0; victim < 3; ++victim) {
    for (int packets = 0; packets < 24; ++packets) {
      SCOPED_TRACE("node " + std::to_string(victim) + " after " + std::to_string(packets) + " packets");
      const std::string data = std::to_string(victim) + "." + std::to_string(packets);
      const uint32_t asker = (victim + 1) % 3;
      int left = packets;
      w.on_link = [&](uint32_t from, uint32_t to, ByteView) {
        if (from != victim && to != victim) return true;
        return left-- > 0;
      };
      submit(asker, 7, transaction("k", data, ++sequence_));
      w.run();
      const auto early = w.control_answer(asker, kClient, 7);
      crash(victim);
      w.on_link = [](auto, auto, auto) { return true; };
      std::vector<uint32_t> others;
      for (uint32_t pnn = 0; pnn < 3; ++pnn)
        if (pnn != victim) others.push_back(pnn);
      recover(base_ + 10, others);
      w.pass(kSecond);
      w.start(victim);
      recover(base_ + 10, {0, 1, 2});
      w.pass(kSecond);
      const auto late = early ? early : w.control_answer(asker, kClient, 7);
      ASSERT_TRUE(late);
      EXPECT_EQ(late->status, 0) << late->error;
      expect_everywhere("k", data);
    }
  }
}

TEST_F(Commits, AllNodesDieAtOnce) {
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(commit(0, "k", std::to_string(round)), 0);
    for (uint32_t pnn = 0; pnn < 3; ++pnn) crash(pnn);
    for (uint32_t pnn = 0; pnn < 3; ++pnn) w.start(pnn);
    recover(base_ + 10, {0, 1, 2});
    w.pass(kSecond);
    expect_everywhere("k", std::to_string(round));
  }
}

// Transactions that wait for their majority stay in a log that is begun anew, however much of it they are.
TEST_F(Commits, ALogThatCannotBecomeShorterIsBegunAnewOnce) {
  constexpr size_t kGrownBytes = 16u << 20;
  const std::string large(kGrownBytes / 3, 'x');
  w.node(2).disk_stands_still = true;
  uint32_t reqid = 0;
  for (const char* name : {"a.tdb", "b.tdb", "c.tdb"}) {
    attach(0, Control::DB_ATTACH_PERSISTENT, name);
    submit(0, ++reqid, transaction("k", large, 1, database_id(name)));
  }
  w.run();
  crash(1);
  Node& node = w.node(1);
  size_t waiting = 0;
  for (const KeptEntry& entry : node.disk.log().entries) waiting += entry.payload.size();
  ASSERT_GT(waiting, kGrownBytes);
  EXPECT_EQ(node.disk.checkpoints(), 0u);

  node.disk_stands_still = true;  // the test is the disk: without an end World::run() would have none either
  w.start(1);
  constexpr int kManyOrders = 100;
  int orders = 0;
  for (; orders < kManyOrders && !node.disk.idle(); ++orders) {
    if (const auto answer = node.disk.carry_out())
      node.store->on_disk_done(answer->ticket, answer->error, w.now());
  }
  EXPECT_LT(orders, kManyOrders) << "it goes on and on";
  EXPECT_EQ(node.disk.checkpoints(), 1u);
  EXPECT_EQ(node.disk.log().entries.size(), reqid) << "what waits must stay";

  node.disk_stands_still = w.node(2).disk_stands_still = false;
  recover(20, {0, 1, 2});
  w.pass(kSecond);
  for (uint32_t sent = 1; sent <= reqid; ++sent) EXPECT_EQ(w.control_answer(0, kClient, sent)->status, 0);
}

TEST_F(Commits, ADatabaseThatDiffersIsReplaced) {
  EXPECT_EQ(commit(0, "k", "v"), 0);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    crash(pnn);
    w.node(pnn).files.database(kPersistent)->store(as_bytes("k"), value_of("wrong", 1));
    w.node(pnn).disk.forget_entries();
    w.start(pnn);
    recover(base_ + 10, {0, 1, 2});
    w.pass(kSecond);
    expect_everywhere("k", "v");
  }
}

TEST_F(Commits, ANodeWithANewDiskGetsEverything) {
  EXPECT_EQ(commit(0, "k", "v"), 0);
  crash(0);
  w.node(0).disk.lose_log();
  w.node(0).files.database(kPersistent)->clear();
  w.start(0);
  recover(20, {0, 1, 2});
  w.pass(kSecond);
  expect_everywhere("k", "v");
  EXPECT_EQ(commit(0, "k", "w"), 0);
}

// The database is told to node 2 on another way than its first transaction.
TEST_F(Commits, ATransactionThatIsEarlierThanItsDatabaseWaits) {
  std::deque<Bytes> held;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    const Header header = read_header(packet);
    const bool tells = header.operation == static_cast<uint32_t>(Operation::RECORD_DATABASES) ||
                       header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL);
    if (from != 1 || to != 2 || !tells) return true;
    held.push_back(to_bytes(packet));
    return false;
  };
  attach(1, Control::DB_ATTACH_PERSISTENT, "new.tdb");
  submit(1, 7, transaction("k", "v", 1, database_id("new.tdb")));
  w.pass(kSecond);
  EXPECT_FALSE(w.control_answer(1, kClient, 7));
  w.on_link = [](auto, auto, auto) { return true; };
  for (const Bytes& packet : held) w.deliver(2, packet);
  w.pass(kSecond);
  EXPECT_EQ(w.control_answer(1, kClient, 7)->status, 0);
  EXPECT_TRUE(w.node(2).files.database("new.tdb")->fetch(as_bytes("k")));
}

// All must find the same coordinator, also when a member that is quicker tells of a new database.
TEST_F(Commits, ADatabaseToldBeforeTheGenerationIsOpenHere) {
  EXPECT_EQ(commit(0, "k", "v"), 0);
  w.begin(20, base_, {0, 1, 2});
  w.run();
  w.open(20, {0});
  attach(0, Control::DB_ATTACH_PERSISTENT, "early.tdb");
  w.open(20, {1, 2});
  w.run();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.store(pnn).commit_coordinator(), 0u);
  EXPECT_EQ(commit(1, "k", "w"), 0);
}

TEST_F(Commits, AReplicatedDatabaseComesFromTheOthersAfterARestart) {
  attach(0, Control::DB_ATTACH_REPLICATED, "repl.tdb");
  submit(0, 7, transaction("k", "v", 1, database_id("repl.tdb")));
  w.pass(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    crash(pnn);
    w.start(pnn);
    recover(base_ + 10, {0, 1, 2});
    w.pass(kSecond);
    for (uint32_t each = 0; each < 3; ++each)
      EXPECT_TRUE(w.node(each).files.database("repl.tdb")->fetch(as_bytes("k"))) << pnn << " " << each;
  }
}

TEST(CommitLog, KnowsItsPositions) {
  CommitLog log;
  EXPECT_TRUE(log.has({}));
  for (uint64_t number = 1; number <= 10; ++number)
    log.append({{1, number * 2}, CommitKind::kRecords, 3, number, Bytes(100)});
  EXPECT_TRUE(log.has({1, 8}));
  EXPECT_FALSE(log.has({1, 7}));
  EXPECT_FALSE(log.has({2, 8}));
  EXPECT_EQ(log.at_or_before({1, 7}), (LogPosition{1, 6}));
  EXPECT_EQ(log.after({1, 7})->position, (LogPosition{1, 8}));
  EXPECT_EQ(log.find(3, 4)->position, (LogPosition{1, 8}));
  EXPECT_EQ(log.find(2, 4), nullptr);
  log.cut({1, 12});
  EXPECT_EQ(log.end(), (LogPosition{1, 12}));
  EXPECT_FALSE(log.forget({1, 6}, 0, 100)) << "not all at once";
  EXPECT_EQ(log.start(), (LogPosition{1, 2}));
  EXPECT_TRUE(log.forget({1, 6}, 0, 1000));
  EXPECT_EQ(log.start(), (LogPosition{1, 6}));
  EXPECT_TRUE(log.has({1, 6}));
  EXPECT_FALSE(log.has({1, 4}));
}

TEST(RecBuffer, EveryTruncationAndEveryLieIsRefused) {
  const Bytes good = transaction("key", "data", 5);
  ASSERT_TRUE(parse_rec_buffer(good));
  EXPECT_EQ(parse_rec_buffer(good)->records.size(), 2u);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_rec_buffer(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size))));
  for (size_t at : {size_t{4}, size_t{8}, size_t{16}, size_t{20}}) {
    for (uint32_t value : {0u, 1u, 3u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
      Bytes wrong = good;
      if (load<uint32_t>(wrong.data() + at) == value) continue;
      store(wrong.data() + at, value);
      EXPECT_FALSE(parse_rec_buffer(wrong)) << at << " " << value;
    }
  }
}

}  // namespace
}  // namespace ctdb::test
