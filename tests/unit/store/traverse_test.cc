// SPDX-License-Identifier: GPL-3.0-or-later
// Traverse: every record once, one end, and a client that is told when something is missing.
#include <set>

#include "tests/unit/store/controls_fixture.h"

namespace ctdb::test {
namespace {

class Traverse : public Controls {
 protected:
  Bytes request(uint32_t client_reqid, uint64_t srvid) {
    Bytes out;
    Writer writer(out);
    writer.u32(kDbId);
    writer.u32(client_reqid);
    writer.u64(srvid);
    return out;
  }
  // The chain of the only record, "k", is a client's.
  void traverse_a_held_record() {
    start();
    take(0, "k", "x");
    ASSERT_TRUE(w.db(0).lock(as_bytes("k"), 50));
    w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  }
  struct Record {
    std::string key;
    std::string data;
    bool end = false;
    bool error = false;  // no record header: smbd gives up
  };
  // Messages to the client since the last call, decoded as smbd does it.
  std::vector<Record> records(uint32_t pnn, uint64_t srvid, uint32_t client_reqid) {
    std::vector<Record> out;
    for (const Sent& sent : w.node(pnn).to_clients) {
      if (sent.operation() != Operation::REQ_MESSAGE) continue;
      EXPECT_EQ(sent.endpoint, kClient);
      const auto message = parse_req_message(sent.packet);
      EXPECT_EQ(message->srvid, srvid);
      Reader r(message->data);
      EXPECT_EQ(r.u32(), message->data.size());
      EXPECT_EQ(r.u32(), client_reqid);
      const uint32_t key = r.u32();
      const uint32_t data = r.u32();
      Record record;
      record.key = as_text(r.bytes(key));
      record.end = key == 0 && data == 0;
      record.error = !record.end && data < 24;
      if (record.error) r.skip(data);
      if (!record.end && !record.error) {
        r.skip(24);
        record.data = as_text(r.bytes(data - 24));
      }
      EXPECT_TRUE(r.done());
      out.push_back(record);
    }
    std::erase_if(w.node(pnn).to_clients,
                  [](const Sent& s) { return s.operation() == Operation::REQ_MESSAGE; });
    return out;
  }
};

TEST_F(Traverse, BringsEveryRecordOnceAndOneEnd) {
  start();
  for (uint32_t i = 0; i < 900; ++i) take(i % 3, "key" + std::to_string(i), "data" + std::to_string(i));
  w.control(1, kClient, 1, Control::TRAVERSE_START, request(9, 0xABC));
  w.collect();
  // The answer comes before everything else.
  EXPECT_EQ(w.node(1).to_clients.front().operation(), Operation::REPLY_CONTROL);
  w.run();
  const std::vector<Record> got = records(1, 0xABC, 9);
  ASSERT_EQ(got.size(), 901u);
  std::set<std::string> keys;
  for (size_t i = 0; i < 900; ++i) {
    EXPECT_FALSE(got[i].end);
    EXPECT_EQ(got[i].data, "data" + got[i].key.substr(3));
    keys.insert(got[i].key);
  }
  EXPECT_EQ(keys.size(), 900u);
  EXPECT_TRUE(got.back().end);
  EXPECT_EQ(w.store(1).next_deadline(), kNever);
}

TEST_F(Traverse, LeavesEmptyRecordsOutUnlessAskedForThem) {
  start();
  take(0, "full", "x");
  take(1, "empty", "");
  EXPECT_EQ(status(Control::TRAVERSE_START, request(1, 7)), 0);
  EXPECT_EQ(records(0, 7, 1).size(), 2u);
  Bytes with_empty = request(1, 7);
  with_empty.push_back(1);
  with_empty.resize(24);
  EXPECT_EQ(status(Control::TRAVERSE_START_EXT, with_empty), 0);
  EXPECT_EQ(records(0, 7, 1).size(), 3u);
}

// What has no key is the end of a traverse.
TEST_F(Traverse, ARecordWithoutAKeyIsLeftOutAndThatIsTold) {
  start();
  for (const uint32_t pnn : {0u, 1u}) {
    take(pnn, "", "x");
    take(pnn, "k", "x");
    EXPECT_EQ(status(Control::TRAVERSE_START, request(1, 7)), 0);
    w.pass(kMillisecond);
    const auto got = records(0, 7, 1);
    ASSERT_EQ(got.size(), 3u) << pnn;
    EXPECT_EQ(got[0].key, "k");
    EXPECT_TRUE(got[1].error);
    EXPECT_TRUE(got[2].end);
  }
}

TEST_F(Traverse, WaitsForARecordAClientHolds) {
  ASSERT_NO_FATAL_FAILURE(traverse_a_held_record());
  w.pass(100 * kMillisecond);
  EXPECT_TRUE(records(0, 7, 1).empty());
  w.db(0).unlock(as_bytes("k"), 50);
  w.pass(100 * kMillisecond);
  EXPECT_EQ(records(0, 7, 1).size(), 2u);
}

TEST_F(Traverse, LeavesOutARecordWhoseHolderIsStuck) {
  ASSERT_NO_FATAL_FAILURE(traverse_a_held_record());
  w.pass(10 * kSecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got[0].error) << "not complete, and it says so";
  EXPECT_TRUE(got[1].end);
  EXPECT_EQ(w.store(0).counts().traverses_incomplete, 1u);
  EXPECT_EQ(w.store(0).counts().traverse_timeouts, 0u);
  const auto said = [&](const std::string& text) {
    return std::ranges::any_of(w.node(0).logs, [&](const std::string& line) { return line.find(text) == 0; });
  };
  EXPECT_TRUE(said("a traverse of test.tdb leaves out 1 records"));
  EXPECT_TRUE(said("a traverse of test.tdb is not complete: node 0 has left records out"));
}

// Its client was killed while it changed the record, and nobody has missed it yet.
TEST_F(Traverse, SaysSoWhenARecordIsGoneFromItsFile) {
  start();
  take(0, "here", "x");
  take(0, "gone", "x");
  w.db(0).remove(as_bytes("gone"));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(kSecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(got[1].error) << "not complete, and it says so";
  EXPECT_TRUE(got[2].end);
  EXPECT_EQ(w.store(0).counts().traverses_incomplete, 1u);
}

TEST_F(Traverse, SaysSoWhenAnotherNodeLeavesARecordOut) {
  start();
  take(0, "mine", "x");
  take(2, "k", "x");
  ASSERT_TRUE(w.db(2).lock(as_bytes("k"), 50));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(10 * kSecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].key, "mine");
  EXPECT_TRUE(got[1].error);
  EXPECT_TRUE(got[2].end);
}

// A recovery makes a copy the record, and a client has its chain: nobody else can send it.
TEST_F(Traverse, WaitsForARecordThatBecomesOneLate) {
  start();
  const std::string key = w.key_of(2);
  take(0, key, "copy");
  take(1, key, "copy");
  w.pass(kSecond);  // it is not on its way any more
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.stop(1);
  w.recover(11, 10, {0, 2});
  w.control(2, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(10 * kMillisecond);
  EXPECT_TRUE(records(2, 7, 1).empty());
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();
  w.pass(10 * kMillisecond);
  const auto got = records(2, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].data, "copy");
  EXPECT_TRUE(got[1].end);
}

// The reader waits for a chain while the record moves away.
TEST_F(Traverse, EndsWhenTheRecordItWaitedForHasLeft) {
  start();
  const std::string key = w.key_of(1);
  take(0, key, "x");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(100 * kMillisecond);
  EXPECT_TRUE(records(0, 7, 1).empty());
  w.call(2, 5, 2, key);
  w.pass(10 * kMillisecond);
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();  // the call was first: the record leaves before the reader looks again
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{2});
  w.pass(100 * kMillisecond);
  const auto got = records(0, 7, 1);
  ASSERT_FALSE(got.empty());
  EXPECT_TRUE(got.back().end);
  EXPECT_FALSE(w.store(0).has_work());
}

TEST_F(Traverse, RestsWhileNobodyReadsItsRecords) {
  start();
  for (uint32_t i = 0; i < 2000; ++i) take(2, "key" + std::to_string(i), "x");
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.collect();
  w.node(2).full = true;
  w.pass(kSecond);
  EXPECT_TRUE(records(0, 7, 1).empty());
  w.node(2).full = false;
  w.run();
  EXPECT_EQ(records(0, 7, 1).size(), 2001u);
}

// Its client does not read: what waits for it is bounded, on every node.
TEST_F(Traverse, RestsWhileItsClientDoesNotRead) {
  start();
  constexpr uint32_t kRecords = 8000;
  for (uint32_t i = 0; i < kRecords; ++i) take(i % 3, "key" + std::to_string(i), std::string(1000, 'x'));
  w.store(0).on_client_crowded(kClient, true);  // no traverse: nothing
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.store(0).on_client_crowded(kClient, true);
  w.pass(kSecond);
  const size_t first = records(0, 7, 1).size();
  EXPECT_GT(first, 2500u);
  EXPECT_LT(first, 3300u) << "a megabyte of each node";
  w.pass(kSecond);
  EXPECT_TRUE(records(0, 7, 1).empty());
  w.store(0).on_client_crowded(kClient, false);
  w.run();
  const auto rest = records(0, 7, 1);
  EXPECT_EQ(first + rest.size(), kRecords + 1);
  EXPECT_TRUE(rest.back().end);
  EXPECT_EQ(w.store(0).counts().traverses_incomplete, 0u);
}

// It cannot say that it wants no more, and what a reader keeps for it would stay for ever.
TEST_F(Traverse, IsForgottenWhereItRestsWhenItsInitiatorIsGone) {
  start();
  for (uint32_t i = 0; i < 2000; ++i) take(2, "key" + std::to_string(i), std::string(1000, 'x'));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.store(0).on_client_crowded(kClient, true);
  w.pass(kSecond);
  w.stop(0);
  w.recover(11, 10, {1, 2});
  w.pass(60 * kSecond);
  w.start(0);
  w.recover(12, 11, {0, 1, 2});
  uint32_t records_sent = 0;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    const auto control = from == 2 && to == 0 ? parse_req_control(packet) : std::nullopt;
    if (control && control->opcode == static_cast<uint32_t>(Control::TRAVERSE_DATA)) ++records_sent;
    return true;
  };
  take(1, "key1999", "y");
  EXPECT_EQ(records_sent, 0u);
}

TEST_F(Traverse, EndsByTimeWhenANodeSaysNothing) {
  start();
  take(0, "k", "x");
  w.cut(0, 2);
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(19 * kSecond);
  EXPECT_EQ(records(0, 7, 1).size(), 1u);
  w.pass(2 * kSecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got[0].error) << "not to be taken for all there is";
  EXPECT_TRUE(got[1].end);
  EXPECT_EQ(w.store(0).counts().traverse_timeouts, 1u);
}

TEST_F(Traverse, IsNotCompleteWithoutANodeThatLeft) {
  start();
  take(1, "k", "x");
  w.on_link = [](uint32_t, uint32_t, ByteView packet) { return read_header(packet).operation != 7; };
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(kSecond);
  w.on_link = [](uint32_t, uint32_t, ByteView) { return true; };
  w.stop(2);
  w.recover(11, 10, {0, 1});
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0].key, "k");
  EXPECT_TRUE(got[1].error);
  EXPECT_TRUE(got[2].end);
  EXPECT_NE(w.node(0).logs.back().find("node 2 has left before it was done"), std::string::npos);
}

// A recovery in the middle: whoever is not done sends all again, and nothing comes twice.
TEST_F(Traverse, BringsEveryRecordOnceAcrossARecovery) {
  start();
  for (uint32_t i = 0; i < 2400; ++i) take(i % 3, "key" + std::to_string(i), "x");
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  for (int i = 0; i < 3; ++i) w.work_all();
  for (int i = 0; i < 300; ++i) w.carry_one(2, 0), w.carry_one(0, 2), w.carry_one(0, 1), w.work_all();
  const size_t before = records(0, 7, 1).size();
  EXPECT_GT(before, 300u);
  EXPECT_LT(before, 2400u);
  w.link(2, 0).clear();
  w.link(1, 0).clear();
  w.recover(11, 10, {0, 1, 2});
  const auto got = records(0, 7, 1);
  EXPECT_EQ(before + got.size(), 2401u);
  EXPECT_TRUE(got.back().end);
  EXPECT_EQ(w.store(0).counts().traverses_incomplete, 0u);
}

// Its end marker arrives, what came before went with the link.
TEST_F(Traverse, NoticesRecordsThatWereLost) {
  start();
  take(1, "k", "x");
  take(1, "l", "x");
  int count = 0;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    return from != 1 || to != 0 || read_header(packet).operation != 7 || ++count != 1;
  };
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(kSecond);
  for (const Record& record : records(0, 7, 1)) EXPECT_FALSE(record.end);
  w.recover(11, 10, {0, 1, 2});
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got.back().end);
}

// Node 1 is done before node 0 has come to the record.
TEST_F(Traverse, BringsARecordThatMovesMeanwhile) {
  start();
  const std::string key = w.key_of(2);
  take(0, key, "moves");
  ASSERT_TRUE(w.db(0).lock(as_bytes(key), 50));
  w.control(2, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(100 * kMillisecond);
  w.call(1, 5, 2, key);
  w.pass(10 * kMillisecond);
  EXPECT_TRUE(records(2, 7, 1).empty());
  w.db(0).unlock(as_bytes(key), 50);
  w.serve_workers();  // the call was first: the record leaves before the reader looks again
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{1});
  w.pass(100 * kMillisecond);
  const auto got = records(2, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].data, "moves");
  EXPECT_TRUE(got[1].end);
}

// Whoever gave it away just before has a copy with data.
TEST_F(Traverse, BringsNoRecordThatWasDeletedBefore) {
  start();
  const std::string key = w.key_of(2);
  take(2, key, "data");
  take(0, key, "more data");
  take(1, key, "");
  EXPECT_EQ(w.data(0, key), "more data");
  for (uint32_t pnn : w.everybody()) {
    EXPECT_EQ(status(Control::TRAVERSE_START, request(1, 7)), 0);
    w.pass(kMillisecond);
    EXPECT_EQ(records(0, 7, 1).size(), 1u) << pnn;
    take(pnn, key, "");
  }
}

// It is nobody's while a client keeps its chain at the new owner.
TEST_F(Traverse, BringsARecordThatHasArrivedAndWaits) {
  start();
  const std::string key = w.key_of(2);
  take(0, key, "moves");
  ASSERT_TRUE(w.db(1).lock(as_bytes(key), 50));
  w.call(1, 5, 2, key);
  w.pass(10 * kMillisecond);
  EXPECT_TRUE(w.owners(key).empty());
  w.control(2, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(100 * kMillisecond);
  const auto got = records(2, 7, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].data, "moves");
  EXPECT_TRUE(got[1].end);
}

TEST_F(Traverse, IsNotCompleteWhenANodeStopsServing) {
  start();
  take(0, "k", "x");
  take(1, "l", "x");
  ASSERT_TRUE(w.db(1).lock(as_bytes("l"), 50));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(100 * kMillisecond);
  w.store(1).stop_serving(false, w.now());
  w.db(1).unlock(as_bytes("l"), 50);
  w.serve_workers();
  w.pass(100 * kMillisecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(got[1].error);
  EXPECT_TRUE(got[2].end);
}

// A node that is stopped knows the members of the past, or nothing when its store was restarted: others have records now.
TEST_F(Traverse, IsNotCompleteOnANodeThatIsNoMember) {
  start();
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted ? "restarted" : "as it was");
    w.recover(w.store(0).generation() + 1, w.store(0).generation(), {0, 1});
    w.order(1, Operation::STORE_SUSPEND, StoreSuspend{true, "stopped by the administrator"}.encode());
    w.run();
    w.recover(w.store(0).generation() + 1, w.store(0).generation(), {0, 2});
    take(2, "k", "x");
    if (restarted) {
      w.start(1, 10);
      w.order(1, Operation::STORE_SUSPEND, StoreSuspend{true, "stopped by the administrator"}.encode());
      w.run();
    }
    w.control(1, kClient, 1, Control::TRAVERSE_START, request(1, 7));
    w.pass(kSecond);
    const auto got = records(1, 7, 1);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_TRUE(got[0].error);
    EXPECT_TRUE(got[1].end);
    EXPECT_NE(w.node(1).logs.back().find("takes no part in the cluster"), std::string::npos);
  }
}

// A client of another node, in another container, has the same process id and so the same numbers.
TEST_F(Traverse, IsNotKilledByAnotherNodesClient) {
  start();
  take(0, "k", "x");
  take(1, "l", "x");
  ASSERT_TRUE(w.db(1).lock(as_bytes("l"), 50));
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.control(2, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.pass(100 * kMillisecond);
  ClientGone gone;
  gone.endpoint = kClient;
  w.order(2, Operation::CLIENT_GONE, gone.encode());
  w.pass(100 * kMillisecond);
  w.db(1).unlock(as_bytes("l"), 50);
  w.pass(100 * kMillisecond);
  const auto got = records(0, 7, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(got.back().end);
}

TEST_F(Traverse, IsKilledWhenItsClientGoes) {
  start();
  for (uint32_t i = 0; i < 2000; ++i) take(1, "key" + std::to_string(i), "x");
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  w.work_all();
  ClientGone gone;
  gone.endpoint = kClient;
  w.order(0, Operation::CLIENT_GONE, gone.encode());
  w.run();
  for (const Record& record : records(0, 7, 1)) EXPECT_FALSE(record.end);
  EXPECT_FALSE(w.store(1).has_work());
  EXPECT_EQ(w.store(0).counts().refused_packets, 0u);  // what was on its way broke no rule
  w.pass(100 * kMillisecond);                          // after a client the store looks at its files
  EXPECT_EQ(w.store(0).next_deadline(), kNever);
}

TEST_F(Traverse, IsKilledByControl) {
  start();
  for (uint32_t i = 0; i < 2000; ++i) take(1, "key" + std::to_string(i), "x");
  w.control(0, kClient, 1, Control::TRAVERSE_START, request(1, 7));
  for (uint32_t pnn = 0; pnn < 3; ++pnn) w.control(pnn, 0, 0, Control::TRAVERSE_KILL, request(1, 7), 1, 0);
  w.run();
  for (const Record& record : records(0, 7, 1)) EXPECT_FALSE(record.end);
  EXPECT_FALSE(w.store(1).has_work());
}

TEST_F(Traverse, RefusesRequestsThatCannotBe) {
  start();
  EXPECT_EQ(status(Control::TRAVERSE_START, Bytes(15)), -1);
  EXPECT_EQ(status(Control::TRAVERSE_START, Bytes(16)), -1);  // no such database
  EXPECT_EQ(status(Control::TRAVERSE_DATA, Bytes(16)), -1);
  EXPECT_EQ(status(Control::TRAVERSE_ALL, Bytes(24)), -1);  // clients may not
}

}  // namespace
}  // namespace ctdb::test
