// SPDX-License-Identifier: GPL-3.0-or-later
// Records on their way between stores: the protocol's worked example, redirects, collapsing, order.
#include <gtest/gtest.h>

#include "libctdbipc/base/random.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

class Migration : public ::testing::Test {
 protected:
  explicit Migration(uint32_t chains = 64) : w(3, chains) {
    w.recover(10, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
  }
  // Fetch-lock by a client that does its work at once.
  void take(uint32_t pnn, std::string_view key, std::string_view data) {
    w.call(pnn, 5, 1, key);
    w.pass(kMillisecond);
    ASSERT_TRUE(w.answered(pnn, 5, 1));
    ASSERT_TRUE(w.write(pnn, key, data));
  }
  World w;
};

// client-semantics §8.9, line by line.
TEST_F(Migration, FollowsTheWorkedExample) {
  const std::string key = w.key_of(1);
  std::vector<std::string> packets;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    std::string line = std::to_string(from) + ">" + std::to_string(to) + " ";
    if (const Header h = read_header(packet); h.operation == 0) {
      const auto call = parse_req_call(packet);
      line += "REQ_CALL src " + std::to_string(h.srcnode) + " hop " + std::to_string(call->hopcount);
    } else if (h.operation == 2) {
      const auto p = parse_req_dmaster(packet);
      line += "REQ_DMASTER rsn " + std::to_string(p->rsn) + " dmaster " + std::to_string(p->dmaster) +
              (p->record_flags == CTDB_RECORD_MIGRATED_WITH_DATA ? " with data" : "");
    } else if (h.operation == 3) {
      line += "REPLY_DMASTER rsn " + std::to_string(parse_reply_dmaster(packet)->rsn);
    }
    packets.push_back(line);
    return true;
  };

  w.call(0, 5, 1, key);
  w.run();
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(packets, (std::vector<std::string>{"0>1 REQ_CALL src 0 hop 0", "1>0 REPLY_DMASTER rsn 1"}));
  EXPECT_EQ(w.header(0, key)->rsn, 3u);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
  EXPECT_FALSE(w.header(1, key));  // the lmaster's pointer is not in its file
  ASSERT_TRUE(w.write(0, key, "data"));

  packets.clear();
  w.call(2, 5, 1, key);
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(packets, (std::vector<std::string>{"2>1 REQ_CALL src 2 hop 0", "1>0 REQ_CALL src 2 hop 1",
                                               "0>1 REQ_DMASTER rsn 3 dmaster 2 with data",
                                               "1>2 REPLY_DMASTER rsn 3"}));
  EXPECT_EQ(w.header(0, key)->rsn, 3u);
  EXPECT_EQ(w.header(0, key)->dmaster, 2u);
  EXPECT_EQ(w.header(0, key)->flags, CTDB_RECORD_MIGRATED_WITH_DATA);
  EXPECT_EQ(w.data(0, key), "data");
  EXPECT_EQ(w.header(2, key)->rsn, 5u);
  EXPECT_EQ(w.header(2, key)->flags, CTDB_RECORD_MIGRATED_WITH_DATA);
  EXPECT_EQ(w.data(2, key), "data");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

TEST_F(Migration, AnswersALocalCallWithoutAnotherNode) {
  const std::string key = w.key_of(0);
  w.call(0, 5, 1, key);
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_EQ(w.header(0, key)->rsn, 2u);  // made up and stored, then the call
  w.call(0, 5, 2, key, CTDB_FUNC_FETCH);
  EXPECT_TRUE(w.answered(0, 5, 2));
  EXPECT_EQ(w.header(0, key)->rsn, 3u);
  EXPECT_EQ(w.store(0).counts().calls_local, 1u);
}

TEST_F(Migration, AnswersEachCallFunctionWithItsData) {
  const std::string key = w.key_of(1);
  take(0, key, "abc");
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "abc");
  w.call(2, 5, 2, key, CTDB_FUNC_FETCH_WITH_HEADER);
  const auto with_header = w.answer(2, 5, 2);
  ASSERT_TRUE(with_header && with_header->data.size() == 27);
  EXPECT_EQ(read_record_header(with_header->data)->dmaster, 2u);
  EXPECT_EQ(read_record_header(with_header->data)->rsn, w.header(2, key)->rsn);
  EXPECT_EQ(as_text(with_header->data.subspan(24)), "abc");
  w.call(2, 5, 3, key, CTDB_FUNC_NULL);
  EXPECT_TRUE(w.answer(2, 5, 3)->data.empty());
  const uint64_t rsn = w.header(2, key)->rsn;
  w.call(2, 5, 4, key, 12345);  // no such function: an empty answer, nothing stored
  const auto unknown = w.answer(2, 5, 4);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, 0);
  EXPECT_TRUE(unknown->data.empty());
  EXPECT_EQ(w.header(2, key)->rsn, rsn);
}

TEST_F(Migration, AnswersOverTheChannelTheCallCameOn) {
  const std::string key = w.key_of(0);
  w.call(0, 5, 1, key, CTDB_FUNC_NULL, false);
  w.call(0, 6, 2, key, CTDB_FUNC_NULL, true);
  ASSERT_EQ(w.node(0).to_clients.size(), 2u);
  EXPECT_TRUE(w.node(0).to_clients[0].direct);
  EXPECT_EQ(w.node(0).to_clients[0].endpoint, 5u);
  EXPECT_FALSE(w.node(0).to_clients[1].direct);
  EXPECT_EQ(w.node(0).to_clients[1].endpoint, 6u);
  EXPECT_EQ(w.node(0).to_clients[1].header().srcnode, 0u);
  EXPECT_EQ(w.node(0).to_clients[1].header().destnode, 0u);
}

TEST_F(Migration, CollapsesLocalCallsIntoOneMigration) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  int asked = 0;
  w.on_link = [&](uint32_t from, uint32_t, ByteView packet) {
    if (from == 2 && read_header(packet).operation == 0) ++asked;
    return true;
  };
  for (uint32_t i = 0; i < 5; ++i) w.call(2, 10 + i, i, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(w.store(2).counts().collapsed, 4u);
  std::vector<uint32_t> order;
  for (const Sent& sent : w.node(2).to_clients) order.push_back(sent.endpoint);
  EXPECT_EQ(order, (std::vector<uint32_t>{10, 11, 12, 13, 14}));
  EXPECT_EQ(w.header(2, key)->rsn, w.header(0, key)->rsn + 1 + 5);
  EXPECT_EQ(w.store(2).counts().calls_pending, 0u);
}

TEST_F(Migration, ServesNodesInTheOrderTheyAskedIn) {
  const std::string key = w.key_of(1);
  take(1, key, "x");
  w.call(1, 5, 1, key);  // granted again: the others wait for the hold
  w.call(0, 5, 1, key, CTDB_FUNC_FETCH);
  while (w.carry_one(0, 1)) {
  }
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  while (w.carry_one(2, 1)) {
  }
  EXPECT_EQ(w.sight(1, key).waiting, 2u);
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(0, 5, 1));
  EXPECT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
}

TEST_F(Migration, FollowsAWrongHintOverTheLmaster) {
  const std::string key = w.key_of(1);
  take(0, key, "a");
  take(2, key, "b");
  take(1, key, "c");
  // Node 0 believes node 2 has it.
  EXPECT_EQ(w.sight(0, key).dmaster, 2u);
  take(0, key, "d");
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_GT(w.store(2).counts().redirects, 0u);
  EXPECT_GE(w.store(1).counts().hops_max, 1u);
}

TEST_F(Migration, SurvivesACallThatOvertakesTheChangeOfOwner) {
  const std::string key = w.key_of(1);
  take(0, key, "a");
  w.call(2, 5, 1, key);
  while (w.carry_one(2, 1)) {
  }
  w.pass(0);
  // Hold expires; node 0 gives the record to 2, its REQ_DMASTER to 1 is still on the way.
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 1));
  // Every order of delivery of two racing calls ends with one owner and both answered.
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    w.call(0, 6, 100, key, CTDB_FUNC_FETCH);
    w.call(1, 6, 100, key, CTDB_FUNC_FETCH);
    w.call(2, 6, 100, key, CTDB_FUNC_FETCH);
    for (int i = 0; i < 60; ++i) {
      w.carry_one(static_cast<uint32_t>(random.below(3)), static_cast<uint32_t>(random.below(3)));
      ASSERT_LE(w.owners(key).size(), 1u);
    }
    w.pass(kMillisecond);
    for (uint32_t pnn = 0; pnn < 3; ++pnn) ASSERT_TRUE(w.answered(pnn, 6, 100)) << "seed " << seed;
    ASSERT_EQ(w.owners(key).size(), 1u);
  }
}

TEST_F(Migration, RaisesTheSequenceNumberWithEveryMove) {
  const std::string key = w.key_of(2);
  uint64_t rsn = 0;
  for (int i = 0; i < 30; ++i) {
    const uint32_t pnn = static_cast<uint32_t>(i % 3);
    take(pnn, key, std::to_string(i));
    EXPECT_GT(w.header(pnn, key)->rsn, rsn);
    rsn = w.header(pnn, key)->rsn;
    EXPECT_EQ(w.owners(key), std::vector<uint32_t>{pnn});
  }
}

TEST_F(Migration, RemovesAnEmptyRecordThatNeverHadData) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.run();
  w.call(2, 5, 1, key);
  w.pass(kMillisecond);
  EXPECT_FALSE(w.header(0, key));  // not lmaster, nothing to keep
  EXPECT_TRUE(w.header(2, key));
}

TEST_F(Migration, KeepsTheRecordOfAClientThatIsGone) {
  const std::string key = w.key_of(1);
  w.call(2, 5, 1, key);
  w.store(2).on_client_gone(5, w.now());
  w.run();
  EXPECT_FALSE(w.answered(2, 5, 1));
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  EXPECT_EQ(w.header(2, key)->rsn, 2u);  // arrived, no call was run
  EXPECT_EQ(w.store(2).counts().calls_pending, 0u);
}

TEST_F(Migration, TellsAClientThatTheDatabaseIsUnknown) {
  w.call(0, 5, 1, "k", CTDB_FUNC_NULL, false, 0x1234);
  w.pass(kSecond);
  EXPECT_EQ(w.answer(0, 5, 1)->status, -1);
}

// As smbd does, which does not look at the status.
TEST_F(Migration, WhoAsksForAnUnknownDatabaseAgainAndAgainKeepsNobodyBusy) {
  uint32_t asked = 1;
  w.call(0, 5, asked, "k", CTDB_FUNC_NULL, false, 0x1234);
  for (const TimeNs end = w.now() + kSecond; w.now() < end; w.pass(kMillisecond)) {
    if (w.answered(0, 5, asked)) w.call(0, 5, ++asked, "k", CTDB_FUNC_NULL, false, 0x1234);
  }
  EXPECT_GE(asked, 9u);
  EXPECT_LE(asked, 11u);
}

// By then it is known, or its client is gone.
TEST_F(Migration, WhoAskedForADatabaseThatIsAttachedThenIsServed) {
  constexpr char kOther[] = "other.tdb";
  w.call(0, 5, 1, "k", CTDB_FUNC_NULL, false, database_id(kOther));
  w.call(0, 6, 2, "k", CTDB_FUNC_NULL, false, database_id(kOther));
  w.store(0).on_client_gone(6, w.now());
  w.attach(0, kOther);
  w.pass(kSecond);
  EXPECT_EQ(w.answer(0, 5, 1)->status, 0);
  EXPECT_FALSE(w.answered(0, 6, 2));
}

TEST_F(Migration, TellsANodeThatTheDatabaseIsUnknown) {
  Bytes call;
  build(call, {0, 10, 0, 1, 0, 77}, ReqCall{0, 0x1234, CTDB_FUNC_NULL, 0, as_bytes("k"), {}});
  std::string text;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    if (from == 1 && to == 0) text = parse_reply_error(packet)->text;
    return true;
  };
  w.deliver(1, call);
  EXPECT_EQ(text, "Unknown database in request. db_id==0x00001234");
}

TEST_F(Migration, TellsAPeerOfADatabaseItHasNotHeardOf) {
  const std::string key = w.key_of(1);
  w.on_link = [](uint32_t from, uint32_t to, ByteView packet) {
    const uint32_t operation = read_header(packet).operation;
    return from != 0 || to != 1 || (operation != 7 && operation < 0x1000);  // the news of it is late
  };
  w.attach(0, "late.tdb");
  EXPECT_EQ(w.store(1).counts().databases, 1u);
  w.on_link = [](uint32_t, uint32_t, ByteView) { return true; };
  w.call(0, 5, 1, key, CTDB_FUNC_NULL, false, database_id("late.tdb"));
  w.run();
  EXPECT_EQ(w.answer(0, 5, 1)->status, 0);
  EXPECT_EQ(w.store(1).counts().databases, 2u);
}

TEST_F(Migration, AnswersClientsWhenAPeerCannotHaveTheDatabase) {
  const std::string key = w.key_of(1);
  w.node(1).files.set_unopenable(true);
  w.attach(0, "late.tdb");
  w.call(0, 5, 1, key, CTDB_FUNC_NULL, false, database_id("late.tdb"));
  w.call(0, 6, 2, key, CTDB_FUNC_NULL, false, database_id("late.tdb"));
  w.run();
  EXPECT_EQ(w.answer(0, 5, 1)->status, -1);
  EXPECT_EQ(w.answer(0, 6, 2)->status, -1);
  EXPECT_EQ(w.store(0).counts().calls_pending, 0u);
}

TEST_F(Migration, KeepsACallToADeadNodeForTheNextGeneration) {
  const std::string key = w.key_of(1);
  w.cut(0, 1);
  w.call(0, 5, 1, key);
  w.run();
  EXPECT_FALSE(w.answered(0, 5, 1));
  w.recover(11, 10, {0, 2});
  EXPECT_TRUE(w.answered(0, 5, 1));
}

TEST_F(Migration, DropsACallThatGoesRoundForEver) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  Bytes call;
  build(call, {0, 10, 0, 1, 2, 77}, ReqCall{0, kDbId, CTDB_FUNC_NULL, 1000, as_bytes(key), {}});
  w.deliver(1, call);
  EXPECT_TRUE(w.link(1, 0).empty());
  EXPECT_EQ(w.store(1).counts().refused_packets, 1u);
  EXPECT_EQ(w.store(1).counts().hops_max, 1000u);
}

TEST_F(Migration, MovesALargeRecordWhole) {
  const std::string key = w.key_of(1);
  const std::string big(1 << 20, 'x');
  take(0, key, big);
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), big);
}

TEST_F(Migration, ARecordTooLargeToMoveStaysAndWhoAsksIsTold) {
  const std::string key = w.key_of(1);
  take(0, key, std::string(17u << 20, 'x'));
  w.call(2, 5, 1, key);
  w.pass(kMillisecond);
  EXPECT_EQ(w.answer(2, 5, 1)->status, -1);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  w.call(0, 5, 2, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(w.answer(0, 5, 2)->status, -1);
  w.call(0, 5, 3, key);
  w.pass(kMillisecond);
  EXPECT_EQ(w.answer(0, 5, 3)->status, 0);  // its own clients may work on it
  ASSERT_TRUE(w.write(0, key, "small again"));
  w.call(2, 5, 4, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 4)->data), "small again");
}

// A classic client writes into the file by itself; so does who wrote before the limit was lowered.
TEST_F(Migration, TellsOnceOfARecordThatIsLargerThanItsDatabaseAllows) {
  StoreOptions options;
  options.record_limits = {{kDb, 4096}};
  w.start(0, CTDB_INVALID_GENERATION, options);
  w.recover(20, 10, {0, 1, 2});
  w.attach(0);
  const std::string key = w.key_of(1), large(4097, 'x');
  take(0, key, std::string(4096, 'x'));
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.answered(2, 5, 1));
  EXPECT_EQ(w.store(0).counts().records_over_limit, 0u);
  w.node(0).logs.clear();
  for (int round = 0; round < 2; ++round) {
    take(0, key, large);
    w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
    w.pass(kMillisecond);
    EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), large);  // nothing of it is lost
    EXPECT_EQ(w.store(0).counts().records_over_limit, 1u);
  }
  EXPECT_EQ(w.node(0).logs,
            (std::vector<std::string>{
                "test.tdb: record " + key +
                " has 4097 bytes, 4096 are allowed ([database] record limit): a classic client wrote it, or "
                "the limit was higher then. It stays, and moves"}));
  EXPECT_EQ(w.store(2).counts().records_over_limit, 0u);  // by the limit of its own configuration
}

TEST_F(Migration, OneClientCannotFillTheStoreWithCalls) {
  const std::string key = w.key_of(1);
  for (uint32_t i = 0; i < 5000; ++i) w.call(0, 5, i, key);
  w.call(0, 6, 1, key);
  EXPECT_EQ(w.store(0).counts().calls_pending, 4097u);
  EXPECT_EQ(w.answer(0, 5, 4999)->status, -1);
  EXPECT_FALSE(w.answered(0, 6, 1));
  w.run();
  EXPECT_EQ(w.answer(0, 5, 0)->status, 0);
  EXPECT_EQ(w.answer(0, 6, 1)->status, 0);
  w.call(0, 5, 5000, key);
  EXPECT_EQ(w.answer(0, 5, 5000)->status, 0);
}

TEST_F(Migration, TriesAgainWhenTheDiskIsFull) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  w.node(2).files.set_full(true);
  w.call(2, 5, 1, key, CTDB_FUNC_FETCH);
  w.pass(300 * kMillisecond);
  EXPECT_FALSE(w.answered(2, 5, 1));
  EXPECT_GT(w.store(2).counts().file_errors, 1u);
  EXPECT_EQ(w.node(2).logs.size(), 1u);  // said once
  w.node(2).files.set_full(false);
  w.pass(300 * kMillisecond);
  EXPECT_EQ(as_text(w.answer(2, 5, 1)->data), "x");

  // And of a record that is made up here.
  const std::string fresh = w.key_of(2, "fresh");
  w.node(2).files.set_full(true);
  w.call(2, 5, 2, fresh);
  EXPECT_FALSE(w.answered(2, 5, 2));
  w.node(2).files.set_full(false);
  w.pass(300 * kMillisecond);
  EXPECT_TRUE(w.answered(2, 5, 2));

  // And of one that is to leave.
  w.node(2).files.set_full(true);
  w.call(0, 5, 3, fresh, CTDB_FUNC_FETCH);
  w.pass(300 * kMillisecond);
  EXPECT_FALSE(w.answered(0, 5, 3));
  EXPECT_EQ(w.owners(fresh), std::vector<uint32_t>{2});
  w.node(2).files.set_full(false);
  w.pass(300 * kMillisecond);
  EXPECT_TRUE(w.answered(0, 5, 3));
}

}  // namespace
}  // namespace ctdb::test
