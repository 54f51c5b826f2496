// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions: what they see, what they send, how they end, and whose locks they wait for.
#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/lock_record.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

// ---- lock records ----

void add_server_id(Bytes& out, uint64_t pid, uint32_t pnn, uint64_t unique_id) {
  Writer w(out);
  w.u64(pid);
  w.u32(0);
  w.u32(pnn);
  w.u64(unique_id);
}

Bytes of_tool(const std::vector<uint64_t>& pids) {
  Bytes record;
  for (const uint64_t pid : pids) {
    Writer(record).u64(1);
    add_server_id(record, pid, 2, 77);
  }
  return record;
}

Bytes of_smbd(uint32_t watchers, uint64_t exclusive, const std::vector<uint64_t>& shared) {
  Bytes record;
  Writer w(record);
  w.u32(watchers);
  for (uint32_t i = 0; i < watchers; ++i) {
    add_server_id(record, 1000 + i, 0, 5);
    w.u64(i);
  }
  add_server_id(record, exclusive, 2, 77);
  w.u64(3);
  w.u64(4);
  w.u32(static_cast<uint32_t>(shared.size()));
  for (const uint64_t pid : shared) add_server_id(record, pid, 2, 77);
  return record;
}

std::vector<uint64_t> pids_in(const Bytes& record) {
  std::vector<uint64_t> pids;
  for (const TransactionLockHolder& holder : holders_in(record)) pids.push_back(holder.pid);
  return pids;
}

TEST(LockRecord, HoldersOfTheTool) {
  EXPECT_EQ(pids_in({}), std::vector<uint64_t>{});
  EXPECT_EQ(pids_in(of_tool({42})), std::vector<uint64_t>{42});
  EXPECT_EQ(pids_in(of_tool({42, 43, 44})), (std::vector<uint64_t>{42, 43, 44}));
  const TransactionLockHolder holder = holders_in(of_tool({42})).front();
  EXPECT_EQ(holder.pnn, 2u);
  EXPECT_FALSE(holder.verify);
}

TEST(LockRecord, HoldersOfSmbd) {
  for (const uint32_t watchers : {0u, 1u, 2u, 3u}) {
    EXPECT_EQ(pids_in(of_smbd(watchers, 0, {})), std::vector<uint64_t>{});
    EXPECT_EQ(pids_in(of_smbd(watchers, 42, {})), std::vector<uint64_t>{42});
    EXPECT_EQ(pids_in(of_smbd(watchers, 0, {7, 8, 9})), (std::vector<uint64_t>{7, 8, 9}));
  }
  const TransactionLockHolder holder = holders_in(of_smbd(0, 42, {})).front();
  EXPECT_EQ(holder.pnn, 2u);
  EXPECT_EQ(holder.unique_id, 77u);
  EXPECT_TRUE(holder.verify);
}

TEST(LockRecord, CountsThatLieNameNobody) {
  Bytes record = of_smbd(1, 42, {});
  store(record.data(), uint32_t{0xFFFFFFFF});
  EXPECT_EQ(pids_in(record), std::vector<uint64_t>{});
  record = of_smbd(0, 42, {7});
  store(record.data() + 44, uint32_t{0xFFFFFFFF});
  EXPECT_EQ(pids_in(record), std::vector<uint64_t>{});
  for (size_t size = 1; size < 48; ++size) {
    if (size == 32) continue;
    EXPECT_EQ(pids_in(Bytes(size, 1)), std::vector<uint64_t>{}) << size;
  }
}

// ---- a node that has one persistent database ----

constexpr uint64_t kSequenceNow = 6;

struct Answers {
  int32_t commit = 0;
  Bytes lock_record;          // what the holds are answered with,
  uint32_t alive_times = 0;   // whose process lives for so many questions
  bool silent = false;        // commits are not answered
  uint32_t silent_holds = 0;  // nor are so many holds
};

// Attaching, holds and commits; the test's database is `test.tdb`, whose file the lock shares.
class Persistent {
 public:
  explicit Persistent(Answers answers) : answers_(std::move(answers)) {}

  bool operator()(FakeDaemons& daemons, Peer, ByteView packet) {
    const Header header = read_header(packet);
    if (header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL))
      return control(daemons, header, packet);
    if (header.operation != static_cast<uint32_t>(Operation::REQ_CALL)) return false;
    const ReqCall call = *parse_req_call(packet);
    daemons.check(as_text(call.key) == std::string_view("transaction_db_0x00001234", 26));
    if (call.callid == CTDB_FUNC_HOLD) {
      daemons.check(!held_);
      held_ = true;
      if (answers_.silent_holds > 0) {
        --answers_.silent_holds;
        ++daemons.seen.calls;
      } else {
        daemons.reply_call(header.reqid, 0, answers_.lock_record);
      }
    } else if (call.callid == CTDB_FUNC_RELEASE) {
      daemons.check(held_ || answers_.alive_times > 0);  // a start that fails lets go, also while it pauses
      held_ = false;
    } else if (call.callid == CTDB_FUNC_COMMIT) {
      commit(daemons, header, call);
    } else {
      return false;
    }
    return true;
  }

 private:
  bool control(FakeDaemons& daemons, const Header& header, ByteView packet) {
    const ReqControl control = *parse_req_control(packet);
    if (control.opcode == static_cast<uint32_t>(Control::DB_ATTACH_PERSISTENT)) {
      uint8_t number[8];
      store(number, kSequenceNow);
      daemons.put_record(as_bytes(std::string_view("__db_sequence_number__", 23)), 0, number);
      daemons.put_record(as_bytes("k"), 0, as_bytes("old"));
      uint8_t id[4];
      store(id, uint32_t{0x1234});
      daemons.reply_control(header.reqid, 0, id);
      return true;
    }
    if (control.opcode != static_cast<uint32_t>(Control::CHECK_PID_SRVID)) return false;
    daemons.check(header.destnode == 2 && load<uint32_t>(control.data.data()) == 42);
    ++daemons.seen.controls;
    const bool alive = answers_.alive_times > 0;
    if (alive) --answers_.alive_times;
    daemons.reply_control(header.reqid, alive ? 0 : -1);
    return true;
  }
  void commit(FakeDaemons& daemons, const Header& header, const ReqCall& call) {
    daemons.check(held_);
    held_ = false;
    const auto buffer = parse_rec_buffer(call.data);
    daemons.check(buffer && buffer->db_id == 0x1234 && buffer->records.size() == 3);
    const BufferedRecord& sequence = buffer->records.back();
    daemons.check(load<uint64_t>(sequence.data.data()) == kSequenceNow + 1);
    daemons.check(load<uint64_t>(sequence.header.data()) == 8);  // the fake stores with 7
    for (const BufferedRecord& record : buffer->records) {
      if (as_text(record.key) == "k")
        daemons.check(load<uint64_t>(record.header.data()) == 8 && record.data.empty());
      if (as_text(record.key) == "n") daemons.check(load<uint64_t>(record.header.data()) == 1);
    }
    if (!answers_.silent) daemons.reply_call(header.reqid, answers_.commit, as_bytes("why"));
  }
  Answers answers_;
  bool held_ = false;
};

class TransactionTest : public ClientTest {
 protected:
  void begin(Answers answers = {}) {
    start(Persistent(std::move(answers)));
    ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_PERSISTENT, kPatience, &db), 0)
        << ctdb_error_text(client);
    ASSERT_EQ(ctdb_transaction_start(db, kPatience, &transaction), 0) << ctdb_error_text(client);
  }
  std::string seen(std::string_view key) {
    ctdb_blob value{};
    EXPECT_EQ(ctdb_transaction_fetch(transaction, blob_of(key), &value), 0);
    return text_of(value);
  }
  std::string read(std::string_view key) {
    ctdb_blob value{};
    EXPECT_EQ(ctdb_read(db, blob_of(key), 0, &value), 0);
    return text_of(value);
  }
  int change_and_commit(int timeout_ms = kPatience) {
    EXPECT_EQ(ctdb_transaction_delete(transaction, blob_of("k")), 0);
    EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("n"), blob_of("1")), 0);
    return ctdb_transaction_commit(transaction, timeout_ms);
  }
  ctdb_transaction* transaction = nullptr;
};

TEST_F(TransactionTest, SeesItsOwnChangesAndNobodyElseDoes) {
  begin();
  EXPECT_EQ(seen("k"), "old");
  EXPECT_EQ(seen("n"), "");
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("k"), blob_of("new")), 0);
  EXPECT_EQ(seen("k"), "new");
  EXPECT_EQ(read("k"), "old");
  EXPECT_EQ(ctdb_transaction_delete(transaction, blob_of("k")), 0);
  EXPECT_EQ(seen("k"), "");
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("n"), blob_of("x")), 0);
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("n"), blob_of("1")), 0);
  EXPECT_EQ(seen("n"), "1");
  EXPECT_EQ(ctdb_transaction_commit(transaction, kPatience), 0) << ctdb_error_text(client);
}

TEST_F(TransactionTest, AValueCanBeStoredFromItself) {
  begin();
  ctdb_blob value{};
  ASSERT_EQ(ctdb_transaction_fetch(transaction, blob_of("k"), &value), 0);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob_of("n"), value), 0);
  EXPECT_EQ(seen("n"), "old");
  ASSERT_EQ(ctdb_transaction_fetch(transaction, blob_of("n"), &value), 0);
  ASSERT_EQ(ctdb_transaction_store(transaction, blob_of("n"), value), 0);
  EXPECT_EQ(seen("n"), "old");
  ctdb_transaction_cancel(transaction);
}

TEST_F(TransactionTest, EndsOfACommit) {
  const std::pair<int32_t, int> kEnds[] = {{0, 0},
                                           {kCommitUnknown, CTDB_ERR_UNKNOWN},
                                           {kCommitConflict, CTDB_ERR_CONFLICT},
                                           {-1, CTDB_ERR_REMOTE}};
  for (const auto& [status, error] : kEnds) {
    Answers answers;
    answers.commit = status;
    begin(answers);
    EXPECT_EQ(change_and_commit(), error);
    if (error != 0) {
      EXPECT_STREQ(ctdb_error_text(client), "why");
    }
    ASSERT_EQ(ctdb_transaction_start(db, kPatience, &transaction), 0);
    ctdb_disconnect(client);
    client = nullptr;
  }
}

TEST_F(TransactionTest, ACommitThatIsNotAnsweredIsUnknown) {
  Answers answers;
  answers.silent = true;
  begin(answers);
  EXPECT_EQ(change_and_commit(50), CTDB_ERR_UNKNOWN);
}

TEST_F(TransactionTest, NothingChangedIsNotCommitted) {
  begin();
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("k"), blob_of("old")), 0);
  EXPECT_EQ(ctdb_transaction_commit(transaction, kPatience), 0);
  ASSERT_EQ(ctdb_transaction_start(db, kPatience, &transaction), 0);
  ctdb_transaction_cancel(transaction);
  ASSERT_EQ(ctdb_transaction_start(db, kPatience, &transaction), 0);
  ctdb_detach(db);
}

TEST_F(TransactionTest, WaitsForAClassicHolderThatLives) {
  Answers answers;
  answers.lock_record = of_smbd(0, 42, {});
  answers.alive_times = 5;
  begin(answers);
  EXPECT_EQ(change_and_commit(), 0);
}

TEST_F(TransactionTest, WaitingForAClassicHolderEndsInTime) {
  Answers answers;
  answers.lock_record = of_smbd(0, 42, {});
  answers.alive_times = UINT32_MAX;
  start(Persistent(answers));
  ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_PERSISTENT, kPatience, &db), 0);
  EXPECT_EQ(ctdb_transaction_start(db, 100, &transaction), CTDB_ERR_TIMEOUT);
}

TEST_F(TransactionTest, WhatIsRefusedAtOnce) {
  begin();
  ctdb_transaction* second = nullptr;
  EXPECT_EQ(ctdb_transaction_start(db, kPatience, &second), CTDB_ERR_BUSY);
  ctdb_record* record = nullptr;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), CTDB_ERR_INVALID);
  ctdb_reply reply{};
  EXPECT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_NULL, {nullptr, 0}, kPatience, &reply),
            CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_transaction_store(transaction, {nullptr, 0}, blob_of("v")), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_transaction_store(nullptr, blob_of("k"), blob_of("v")), CTDB_ERR_INVALID);
  const std::string big(CTDB_PAYLOAD_BYTES_MAX / 2, 'x');
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("b"), blob_of(big)), 0);
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("c"), blob_of(big)), CTDB_ERR_TOO_BIG);
  EXPECT_EQ(seen("c"), "");
  const std::string long_key(CTDB_KEY_BYTES_MAX + 1, 'k');
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of(long_key), blob_of("v")), CTDB_ERR_TOO_BIG);
  ctdb_transaction_cancel(transaction);
  ctdb_transaction_cancel(nullptr);
  ctdb_db* wrong = nullptr;
  EXPECT_EQ(ctdb_attach(client, "x.tdb", CTDB_ATTACH_PERSISTENT | CTDB_ATTACH_REPLICATED, 0, &wrong),
            CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_attach(client, "x.tdb", CTDB_ATTACH_PERSISTENT | 1, 0, &wrong), CTDB_ERR_INVALID);
}

// ---- from an event loop ----

struct Ends {
  int started = 0, committed = 0;
  int error = 1;
  ctdb_transaction* transaction = nullptr;
};

void on_start(ctdb_client*, int error, ctdb_transaction* transaction, void* data) {
  auto* ends = static_cast<Ends*>(data);
  ++ends->started;
  ends->error = error;
  ends->transaction = transaction;
}

void on_commit(ctdb_client*, int error, void* data) {
  auto* ends = static_cast<Ends*>(data);
  ++ends->committed;
  ends->error = error;
}

class TransactionLoopTest : public TransactionTest {
 protected:
  void attach(Answers answers = {}, FakeNode::Command on_command = {}) {
    start(Persistent(std::move(answers)), std::move(on_command));
    ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_PERSISTENT, kPatience, &db), 0)
        << ctdb_error_text(client);
  }
  void start_one() {
    const int before = ends.started;
    ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, nullptr), 0) << ctdb_error_text(client);
    EXPECT_EQ(ends.started, before) << "never from inside the call";
    ASSERT_TRUE(loop_until([&] { return ends.started > before; }));
    transaction = ends.transaction;
  }
  void change() {
    ASSERT_EQ(ctdb_transaction_delete(transaction, blob_of("k")), 0);
    ASSERT_EQ(ctdb_transaction_store(transaction, blob_of("n"), blob_of("1")), 0);
  }
  void commit_one() {
    const int before = ends.committed;
    ASSERT_EQ(ctdb_transaction_commit_send(transaction, on_commit, &ends, nullptr), 0)
        << ctdb_error_text(client);
    EXPECT_EQ(ends.committed, before);
    ASSERT_TRUE(loop_until([&] { return ends.committed > before; }));
  }
  Ends ends;
};

TEST_F(TransactionLoopTest, IsStartedAndCommitted) {
  attach();
  for (int round = 0; round < 3; ++round) {  // the first brings the database of the locks
    start_one();
    ASSERT_EQ(ends.error, 0) << ctdb_error_text(client);
    EXPECT_EQ(seen("k"), "old");
    change();
    commit_one();
    EXPECT_EQ(ends.error, 0);
  }
  start_one();
  EXPECT_EQ(ctdb_transaction_store(transaction, blob_of("k"), blob_of("old")), 0);
  commit_one();
  EXPECT_EQ(ends.error, 0) << "nothing was changed";
  ASSERT_EQ(ctdb_transaction_start(db, kPatience, &transaction), 0) << "and it is over";
}

TEST_F(TransactionLoopTest, EndsOfACommit) {
  const std::pair<int32_t, int> kEnds[] = {
      {kCommitUnknown, CTDB_ERR_UNKNOWN}, {kCommitConflict, CTDB_ERR_CONFLICT}, {-1, CTDB_ERR_REMOTE}};
  for (const auto& [status, error] : kEnds) {
    Answers answers;
    answers.commit = status;
    attach(answers);
    start_one();
    change();
    commit_one();
    EXPECT_EQ(ends.error, error);
    EXPECT_STREQ(ctdb_error_text(client), "why");
    ctdb_disconnect(client);
    client = nullptr;
  }
}

TEST_F(TransactionLoopTest, AClassicHolderThatLivesIsWaitedForWithoutBlocking) {
  Answers answers;
  answers.lock_record = of_smbd(0, 42, {});
  answers.alive_times = 5;
  attach(answers);
  start_one();
  EXPECT_EQ(ends.error, 0) << ctdb_error_text(client);
  change();
  commit_one();
  EXPECT_EQ(ends.error, 0);
}

// Whether it asks or pauses at that moment.
TEST_F(TransactionLoopTest, OneThatWaitsForAClassicHolderEndsWithTheConnection) {
  Answers answers;
  answers.lock_record = of_smbd(0, 42, {});
  answers.alive_times = UINT32_MAX;
  attach(answers, [](FakeDaemons& daemons, char) { daemons.hang_up(); });
  ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return node->seen().controls >= 5; }));
  node->command('h');
  ASSERT_TRUE(loop_until([&] { return ends.started > 0; }));
  EXPECT_EQ(ends.error, CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(ctdb_service(client, 0), CTDB_ERR_DISCONNECTED);
}

TEST_F(TransactionLoopTest, OneThatWaitsForAClassicHolderMayBeCancelledOrDetached) {
  Answers answers;
  answers.lock_record = of_smbd(0, 42, {});
  answers.alive_times = UINT32_MAX;
  attach(answers);
  uint32_t id = 0;
  ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, &id), 0);
  ASSERT_TRUE(loop_until([&] { return node->seen().controls >= 5; }));
  EXPECT_EQ(ctdb_cancel(client, id), 0);
  ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, &id), 0);
  ASSERT_TRUE(loop_until([&] { return node->seen().controls >= 10; }));
  ctdb_detach(db);
  int late = 0;  // an answer may be on its way
  while (late < 10 && ctdb_wait(client, 50) > 0) ++late;
  EXPECT_LT(late, 10) << "nothing is left of it";
  EXPECT_EQ(ends.started, 0);
}

TEST_F(TransactionLoopTest, OneThatIsCancelledLetsGo) {
  Answers answers;
  answers.silent_holds = 2;
  attach(answers);
  uint32_t id = 0;
  // Before the locks are there, and when the lock is waited for.
  ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, &id), 0);
  EXPECT_EQ(ctdb_cancel(client, id), 0);
  for (uint32_t waiting = 1; waiting <= 2; ++waiting) {
    ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, &id), 0);
    ctdb_transaction* second = nullptr;
    EXPECT_EQ(ctdb_transaction_start(db, kPatience, &second), CTDB_ERR_BUSY);
    EXPECT_EQ(ctdb_transaction_start_send(db, on_start, &ends, nullptr), CTDB_ERR_BUSY);
    ASSERT_TRUE(eventually([&] {
      ctdb_service(client, 0);
      return node->seen().calls == waiting;
    }));
    EXPECT_EQ(ctdb_cancel(client, id), 0);
    EXPECT_EQ(ctdb_cancel(client, id), CTDB_ERR_NOT_FOUND);
  }
  start_one();
  EXPECT_EQ(ends.error, 0);
  EXPECT_EQ(ends.started, 1);
  ASSERT_EQ(ctdb_transaction_commit_send(transaction, on_commit, &ends, nullptr), 0);
  ctdb_detach(db);
  while (ctdb_service(client, 0) > 0) {
  }
  EXPECT_EQ(ends.committed, 0) << "its database is gone";
}

TEST_F(TransactionLoopTest, TheLossOfTheConnectionEndsThem) {
  Answers answers;
  answers.silent = true;
  attach(answers);
  start_one();
  change();
  ASSERT_EQ(ctdb_transaction_commit_send(transaction, on_commit, &ends, nullptr), 0);
  ctdb_db* other = nullptr;  // the same database once more
  ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_PERSISTENT, kPatience, &other), 0);
  node->kill();
  ASSERT_TRUE(loop_until([&] { return ends.committed == 1; }));
  EXPECT_EQ(ends.error, CTDB_ERR_UNKNOWN);
  EXPECT_EQ(ctdb_transaction_start_send(other, on_start, &ends, nullptr), CTDB_ERR_DISCONNECTED);
}

TEST_F(TransactionLoopTest, OneThatWaitsEndsWithTheConnection) {
  Answers answers;
  answers.silent_holds = 1;
  attach(answers);
  ASSERT_EQ(ctdb_transaction_start_send(db, on_start, &ends, nullptr), 0);
  node->kill();  // whatever it was waiting for
  ASSERT_TRUE(loop_until([&] { return ends.started == 1; }));
  EXPECT_EQ(ends.error, CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(ends.transaction, nullptr);
}

TEST_F(TransactionLoopTest, WhatIsRefusedAtOnce) {
  attach();
  EXPECT_EQ(ctdb_transaction_start_send(db, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_transaction_start_send(nullptr, on_start, &ends, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_transaction_commit_send(nullptr, on_commit, &ends, nullptr), CTDB_ERR_INVALID);
  start_one();
  EXPECT_EQ(ctdb_transaction_commit_send(transaction, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(seen("k"), "old") << "it is still there";
  ctdb_transaction_cancel(transaction);
}

}  // namespace
}  // namespace ctdb::test
