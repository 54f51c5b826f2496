// SPDX-License-Identifier: GPL-3.0-or-later
// Attaching, the controls of databases.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "ctdb-store/core/database_statistics.h"
#include "tests/unit/store/controls_fixture.h"

namespace ctdb::test {
namespace {

TEST_F(Controls, AttachTellsTheOtherNodes) {
  start();
  const auto reply = ask(Control::DB_ATTACH, with_nul("locking.tdb"));
  ASSERT_TRUE(reply && reply->status == 0);
  EXPECT_EQ(load<uint32_t>(reply->data.data()), 0x7a19d84du);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.store(pnn).counts().databases, 2u);
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul("locking.tdb"), 1), 0);
}

TEST_F(Controls, AttachRefusesWhatIsNoName) {
  start();
  for (const Bytes& name : {with_nul(""), with_nul("../evil"), with_nul("a/b"), with_nul(".hidden"),
                            with_nul(std::string(300, 'x')), to_bytes(as_bytes("no-nul.tdb")), Bytes{},
                            with_nul(std::string_view("a\0b", 3))}) {
    EXPECT_EQ(status(Control::DB_ATTACH, name), -1);
  }
  EXPECT_EQ(w.store(0).counts().databases, 1u);
}

// wire-protocol §8.2.1: who asks for a volatile one takes what is there, every other kind must be that kind.
TEST_F(Controls, KindsOfDatabasesDoNotMix) {
  start();
  EXPECT_EQ(status(Control::DB_ATTACH_PERSISTENT, with_nul("secrets.tdb")), 0);
  EXPECT_EQ(status(Control::DB_ATTACH_PERSISTENT, with_nul("secrets.tdb")), 0);
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul("secrets.tdb")), 0);
  EXPECT_EQ(ask(Control::DB_ATTACH_REPLICATED, with_nul("secrets.tdb"))->error,
            "secrets.tdb is attached as a database of another kind");
  EXPECT_EQ(status(Control::DB_ATTACH_REPLICATED, with_nul("repl.tdb")), 0);
  EXPECT_EQ(status(Control::DB_ATTACH_PERSISTENT, with_nul(kDb)), -1);
  uint8_t id[4];
  store(id, database_id("secrets.tdb"));
  for (Control opcode : {Control::SET_DB_READONLY, Control::SET_DB_STICKY, Control::DB_DETACH})
    EXPECT_EQ(status(opcode, id), -1);
}

TEST_F(Controls, AttachWaitsForTheFirstGeneration) {
  w.control(0, kClient, 1, Control::DB_ATTACH, with_nul("a.tdb"));
  w.pass(kSecond);
  EXPECT_FALSE(w.control_answer(0, kClient, 1));
  w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
  EXPECT_EQ(w.control_answer(0, kClient, 1)->status, 0);
  EXPECT_EQ(w.store(2).counts().databases, 1u);
}

TEST_F(Controls, AttachGivesUpWaitingAfterTwoMinutes) {
  w.control(0, kClient, 1, Control::DB_ATTACH, with_nul("a.tdb"));
  w.pass(119 * kSecond);
  EXPECT_FALSE(w.control_answer(0, kClient, 1));
  w.pass(2 * kSecond);
  EXPECT_EQ(w.control_answer(0, kClient, 1)->status, -1);
}

TEST_F(Controls, AttachOfAClientThatIsGoneIsForgotten) {
  w.control(0, kClient, 1, Control::DB_ATTACH, with_nul("a.tdb"));
  w.store(0).on_client_gone(kClient, w.now());
  w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
  EXPECT_EQ(w.store(0).counts().databases, 0u);
}

TEST_F(Controls, AttachOnAStoppedNodeIsRefusedAtOnce) {
  w.control(0, kClient, 1, Control::DB_ATTACH, with_nul("a.tdb"));
  StoreSuspend stop;
  stop.discard = true;
  w.order(0, Operation::STORE_SUSPEND, stop.encode());
  w.run();
  EXPECT_EQ(w.control_answer(0, kClient, 1)->status, -1);
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul("a.tdb")), -1);
  // Another node may: it has it already.
  w.control(0, 0, 0, Control::DB_ATTACH, with_nul("b.tdb"), CTDB_CONTROL_NOREPLY, 1);
  EXPECT_EQ(w.store(0).counts().databases, 1u);
}

TEST_F(Controls, AttachThatCannotOpenItsFileSaysSo) {
  start();
  w.node(0).files.set_unopenable(true);
  const auto reply = ask(Control::DB_ATTACH, with_nul("a.tdb"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, -1);
  EXPECT_NE(reply->error.find("cannot be opened"), std::string_view::npos);
  EXPECT_EQ(w.store(0).counts().file_errors, 1u);
}

TEST_F(Controls, AttachOfAFileThatAnotherProcessHasLockedWaitsForIt) {
  start();
  w.node(0).files.set_short_of(EAGAIN);
  const Bytes name = with_nul("a.tdb");
  w.control(0, kClient, 1, Control::DB_ATTACH_PERSISTENT, name);
  w.pass(kSecond);
  EXPECT_FALSE(w.control_answer(0, kClient, 1));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_FALSE(w.control_answer(0, kClient, 1));
  w.node(0).files.set_short_of(0);
  w.pass(kSecond);
  EXPECT_EQ(w.control_answer(0, kClient, 1)->status, 0);
  // Not for ever.
  w.node(0).files.set_short_of(EAGAIN);
  w.control(0, kClient, 2, Control::DB_ATTACH_PERSISTENT, with_nul("b.tdb"));
  w.pass(119 * kSecond);
  EXPECT_FALSE(w.control_answer(0, kClient, 2));
  w.pass(2 * kSecond);
  const auto refused = w.control_answer(0, kClient, 2);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, -1);
}

TEST_F(Controls, CallsForADatabaseThatARecoveryBringsAreServed) {
  start();
  w.start(2);
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.call(2, kClient, 1, key, CTDB_FUNC_FETCH);
  EXPECT_FALSE(w.answered(2, kClient, 1));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(as_text(w.answer(2, kClient, 1)->data), "x");
}

TEST_F(Controls, TellsAboutDatabases) {
  start();
  w.attach(0, "second.tdb");
  EXPECT_EQ(as_text(ask(Control::GETDBPATH, u32_bytes(kDbId))->data), as_text(with_nul("memory:test.tdb")));
  EXPECT_EQ(as_text(ask(Control::GET_DBNAME, u32_bytes(kDbId))->data), as_text(with_nul(kDb)));
  const auto flags = ask(Control::DB_OPEN_FLAGS, u32_bytes(kDbId));
  ASSERT_EQ(flags->data.size(), 4u);
  EXPECT_EQ(load<uint32_t>(flags->data.data()), 0x1c41u);
  const auto health = ask(Control::DB_GET_HEALTH, u32_bytes(kDbId));
  EXPECT_EQ(health->status, 0);
  EXPECT_TRUE(health->data.empty());
  const auto map = ask(Control::GET_DBMAP, {});
  ASSERT_EQ(map->data.size(), 20u);
  EXPECT_EQ(load<uint32_t>(map->data.data()), 2u);
  EXPECT_EQ(load<uint32_t>(map->data.data() + 4), database_id("second.tdb"));  // newest first
  EXPECT_EQ(load<uint32_t>(map->data.data() + 12), kDbId);
}

TEST_F(Controls, ShowsFlagsInTheMap) {
  start();
  EXPECT_EQ(status(Control::SET_DB_READONLY, u32_bytes(kDbId)), 0);
  EXPECT_EQ(status(Control::SET_DB_STICKY, u32_bytes(kDbId)), 0);
  EXPECT_EQ(ask(Control::GET_DBMAP, {})->data[8], CTDB_DB_READONLY | CTDB_DB_STICKY);
}

TEST_F(Controls, AnswersUnknownDatabasesAndWrongSizes) {
  start();
  for (Control opcode :
       {Control::GETDBPATH, Control::GET_DBNAME, Control::DB_OPEN_FLAGS, Control::DB_GET_HEALTH,
        Control::ENABLE_SEQNUM, Control::UPDATE_SEQNUM, Control::SET_DB_READONLY, Control::SET_DB_STICKY,
        Control::GET_DB_STATISTICS, Control::DB_DETACH}) {
    EXPECT_EQ(status(opcode, u32_bytes(0x1234)), -1);
    EXPECT_EQ(status(opcode, Bytes(3)), -1);
    EXPECT_EQ(status(opcode, Bytes(5)), -1);
  }
  for (Control opcode :
       {Control::DB_FREEZE, Control::DB_THAW, Control::FREEZE, Control::DB_PULL, Control::DB_VACUUM,
        Control::VACUUM_FETCH, Control::TRY_DELETE_RECORDS, Control::PUSH_RECORD}) {
    EXPECT_EQ(status(opcode, Bytes(5)), -1);
  }
  w.control(0, kClient, 777, static_cast<Control>(4711), {});
  EXPECT_EQ(w.control_answer(0, kClient, 777)->status, -1);
}

TEST_F(Controls, NoreplyMeansNoReply) {
  start();
  w.control(0, kClient, 5, Control::GET_DBMAP, {}, CTDB_CONTROL_NOREPLY);
  w.control(0, kClient, 5, Control::GETDBPATH, u32_bytes(1), CTDB_CONTROL_NOREPLY);
  w.run();
  EXPECT_FALSE(w.control_answer(0, kClient, 5));
}

TEST_F(Controls, SchedulesForDeletionUnderTheClientsLock) {
  start();
  const std::string key = w.key_of(0);
  take(0, key, "x");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  Bytes data;
  Writer writer(data);
  writer.u32(kDbId);
  writer.zeros(28);
  writer.counted_bytes(as_bytes(key));
  EXPECT_EQ(status(Control::SCHEDULE_FOR_DELETION, data), 0);
  data.push_back(0);
  EXPECT_EQ(status(Control::SCHEDULE_FOR_DELETION, data), -1);
  EXPECT_EQ(status(Control::SCHEDULE_FOR_DELETION, Bytes(35)), -1);
}

TEST_F(Controls, ReadsTheSequenceNumberRecord) {
  start();
  Bytes request = u32_bytes(kDbId);
  request.resize(8);
  EXPECT_EQ(load<uint64_t>(ask(Control::GET_DB_SEQNUM, request)->data.data()), 0u);
  const std::string key = std::string("__db_sequence_number__") + '\0';
  Bytes number;
  Writer(number).u64(42);
  take(0, key, as_text(number));
  EXPECT_EQ(load<uint64_t>(ask(Control::GET_DB_SEQNUM, request)->data.data()), 42u);
}

double seconds_at(ByteView data, size_t at) {
  double value = 0;
  std::memcpy(&value, data.data() + at, sizeof value);
  return value;
}

// "count:key" of the ten hot keys.
std::vector<std::string> hot_keys(ByteView data) {
  std::vector<std::string> out;
  size_t at = 464;
  for (size_t i = 0; i < 10; ++i) {
    const size_t size = load<uint64_t>(data.data() + 240 + 24 * i);
    out.push_back(std::to_string(load<uint32_t>(data.data() + 224 + 24 * i)) + ":" +
                  std::string(as_text(data.subspan(at, size))));
    at += size;
  }
  EXPECT_EQ(at, data.size());
  return out;
}

TEST_F(Controls, StatisticsKnowTheHottestKeysOfASecond) {
  start();
  const std::string hot = w.key_of(1, "hot");
  const std::string warm = w.key_of(2, "warm");
  w.pass(kSecond - w.now() % kSecond);
  for (const char* data : {"1", "2", "3"}) {
    take(1, hot, data);
    take(0, hot, data);
  }
  take(1, warm, "x");
  take(0, warm, "x");
  std::vector<std::string> expected(8, "0:");
  expected.push_back("1:" + warm);
  expected.push_back("3:" + hot);
  EXPECT_EQ(hot_keys(ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId))->data), expected);
  w.pass(kSecond);
  for (int i = 0; i < 2; ++i) {
    take(1, hot, "x");
    take(0, hot, "x");
  }
  EXPECT_EQ(hot_keys(ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId))->data), expected)
      << "the highest ever, and by the second";
  w.control(0, 0, 0, Control::STATISTICS_RESET, {}, CTDB_CONTROL_NOREPLY, 0);
  w.run();
  EXPECT_EQ(hot_keys(ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId))->data),
            std::vector<std::string>(10, "0:"));
}

TEST_F(Controls, StatisticsKnowHowLongChainsWereWaitedFor) {
  start();
  const std::string key = w.key_of(1);
  take(0, key, "x");
  EXPECT_EQ(load<uint32_t>(ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId))->data.data()), 0u);
  const auto wait = [&](TimeNs time) {
    ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
    w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
    w.pass(time);
    EXPECT_EQ(load<uint32_t>(ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId))->data.data() + 4), 1u);
    w.db(0).unlock(as_bytes(key), 50);
    w.pass(kMillisecond / 2);
    w.serve_workers();
    w.run();
    ASSERT_TRUE(w.answered(2, 5, 1));
    take(0, key, "x");
  };
  wait(20 * kMicrosecond);
  wait(50 * kMillisecond);
  wait(3 * kSecond);
  const auto reply = ask(Control::GET_DB_STATISTICS, u32_bytes(kDbId));
  const ByteView data = reply->data;
  EXPECT_EQ(load<uint32_t>(data.data()), 3u);
  EXPECT_EQ(load<uint32_t>(data.data() + 16), 3u);
  EXPECT_LT(seconds_at(data, 24), 0.001);
  EXPECT_NEAR(seconds_at(data, 32), 3.0, 0.01);
  EXPECT_NEAR(seconds_at(data, 40), 3.05, 0.01);
  std::vector<uint32_t> buckets;
  for (size_t i = 0; i < 7; ++i) buckets.push_back(load<uint32_t>(data.data() + 48 + 4 * i));
  EXPECT_EQ(buckets, (std::vector<uint32_t>{1, 0, 1, 0, 0, 1, 0}));
}

TEST(HotKeys, KeepsTheTenHighest) {
  HotKeys keys;
  for (uint32_t i = 1; i <= 12; ++i) {
    const std::string name = "key" + std::to_string(i);
    for (uint32_t count = 1; count <= i; ++count) keys.note(as_bytes(name), count);
  }
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(keys.all()[i].count, i + 3);
    EXPECT_EQ(as_text(keys.all()[i].key), "key" + std::to_string(i + 3));
  }
}

TEST_F(Controls, TellsOtherNodesThatDataHaveChanged) {
  start();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(status(Control::ENABLE_SEQNUM, u32_bytes(kDbId), pnn), 0);
  const std::string key = w.key_of(0);
  w.pass(3 * kSecond);
  int told = 0;
  w.on_link = [&](uint32_t, uint32_t, ByteView packet) {
    const auto control = parse_req_control(packet);
    if (control && read_header(packet).operation == 7 && control->opcode == 27) ++told;
    return true;
  };
  const int64_t before = w.db(2).seqnum();
  take(0, key, "x");
  w.pass(10 * kSecond);
  EXPECT_EQ(told, 2);  // two other nodes, once, and nobody tells it back
  EXPECT_EQ(w.db(2).seqnum(), before + 1);
}

TEST_F(Controls, KeepsChangeCountersOverARestart) {
  start();
  EXPECT_EQ(status(Control::ENABLE_SEQNUM, u32_bytes(kDbId), 0), 0);
  EXPECT_EQ(status(Control::ENABLE_SEQNUM, u32_bytes(kDbId), 1), 0);
  take(0, w.key_of(0), "x");
  w.start(0, 10);
  w.recover(11, 10, {0, 1, 2});
  w.pass(2 * kSecond);
  const int64_t before = w.db(1).seqnum();
  ASSERT_TRUE(w.write(0, w.key_of(0), "y"));
  w.pass(2 * kSecond);
  EXPECT_EQ(w.db(1).seqnum(), before + 1);
}

TEST_F(Controls, DetachNeedsTheTunableOff) {
  start();
  const auto reply = ask(Control::DB_DETACH, u32_bytes(kDbId));
  EXPECT_EQ(reply->status, -1);
  EXPECT_EQ(reply->error, "AllowClientDBAttach is 1");
}

TEST_F(Controls, DetachTakesTheDatabaseAwayEverywhere) {
  StoreOptions options;
  options.allow_client_db_attach = false;
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.start(pnn, CTDB_INVALID_GENERATION, options);
  w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul(kDb)), -1);
  w.control(0, 0, 0, Control::DB_ATTACH, with_nul(kDb), CTDB_CONTROL_NOREPLY, 1);
  w.control(1, 0, 0, Control::DB_ATTACH, with_nul(kDb), CTDB_CONTROL_NOREPLY, 0);
  w.control(2, 0, 0, Control::DB_ATTACH, with_nul(kDb), CTDB_CONTROL_NOREPLY, 0);
  const std::string key = w.key_of(1);
  take(0, key, "x");
  // A call waits behind a client's lock when the database goes.
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.call(0, 5, 2, key);
  w.call(2, 5, 3, key);
  w.pass(kMillisecond);
  EXPECT_EQ(w.node(0).tickets.size(), 1u);
  EXPECT_FALSE(ask(Control::DB_DETACH, u32_bytes(kDbId))) << "nobody else knows of it yet";
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.control_answer(0, kClient, reqid)->status, 0);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) EXPECT_EQ(w.store(pnn).counts().databases, 0u);
  EXPECT_EQ(w.answer(0, 5, 2)->status, -1);
  EXPECT_EQ(w.answer(2, 5, 3)->status, -1);
  EXPECT_TRUE(w.node(0).tickets.empty());
  EXPECT_EQ(w.store(0).counts().calls_pending, 0u);
  EXPECT_EQ(w.store(0).counts().lock_waiters, 0u);
}

Bytes tunables(Tunable which, uint32_t value) {
  TunablesMessage message;
#define CTDB_TUNABLE(name, default_value, state) message.values.push_back(default_value);
#include "libctdbipc/wire/tunables.def"
  message.values[static_cast<size_t>(which)] = value;
  return message.encode();
}

TEST_F(Controls, TunablesOfTheRouterAreObeyed) {
  w.control(0, kClient, 101, Control::DB_ATTACH, with_nul("a.tdb"));
  w.order(0, Operation::TUNABLES, tunables(Tunable::DeferredAttachTO, 5));
  w.control(0, kClient, 102, Control::DB_ATTACH, with_nul("a.tdb"));
  w.pass(6 * kSecond);
  EXPECT_FALSE(w.control_answer(0, kClient, 101)) << "it came before";
  EXPECT_EQ(w.control_answer(0, kClient, 102)->status, -1);
  start();
  EXPECT_EQ(status(Control::DB_DETACH, u32_bytes(kDbId)), -1);
  for (uint32_t pnn = 0; pnn < 3; ++pnn)
    w.order(pnn, Operation::TUNABLES, tunables(Tunable::AllowClientDBAttach, 0));
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul("b.tdb")), -1);
  EXPECT_FALSE(ask(Control::DB_DETACH, u32_bytes(kDbId)));
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.control_answer(0, kClient, reqid)->status, 0);
  w.order(0, Operation::TUNABLES, tunables(Tunable::AllowClientDBAttach, 1));
  EXPECT_EQ(status(Control::DB_ATTACH, with_nul("b.tdb")), 0);
  EXPECT_EQ(w.store(0).counts().refused_packets, 0u);
  w.order(0, Operation::TUNABLES, Bytes(4, 0));
  EXPECT_EQ(w.store(0).counts().refused_packets, 1u);
}

}  // namespace
}  // namespace ctdb::test
