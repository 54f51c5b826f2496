// SPDX-License-Identifier: GPL-3.0-or-later
// Databases with copies: what an unlock asks of the store, and how it ends.
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

class CopiesTest : public ClientTest {
 protected:
  void attach(uint32_t copies) {
    ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_COPIES(copies), kPatience, &db), 0);
  }
  ctdb_record* changed(std::string_view key) {
    ctdb_record* record = nullptr;
    EXPECT_EQ(ctdb_fetch_lock(db, blob_of(key), kPatience, &record), 0);
    EXPECT_EQ(ctdb_store(record, blob_of("v")), 0);
    return record;
  }
};

// Answers calls for copies with `status`.
FakeNode::Script answer_copies(int32_t status) {
  return [status](FakeDaemons& daemons, Peer, ByteView packet) {
    const Header header = read_header(packet);
    if (header.operation != static_cast<uint32_t>(Operation::REQ_CALL)) return false;
    if (parse_req_call(packet)->callid != CTDB_FUNC_COPY) return false;
    daemons.reply_call(header.reqid, status);
    return true;
  };
}

FakeNode::Script silent_about_copies() {
  return [](FakeDaemons& daemons, Peer, ByteView packet) {
    if (read_header(packet).operation != static_cast<uint32_t>(Operation::REQ_CALL)) return false;
    if (parse_req_call(packet)->callid != CTDB_FUNC_COPY) return false;
    daemons.held.push_back(to_bytes(packet));
    return true;
  };
}

struct Done {
  int calls = 0;
  int error = 0;
  uint32_t copies = 0;
};
void note(ctdb_client*, int error, uint32_t copies, void* data) {
  auto* done = static_cast<Done*>(data);
  *done = {done->calls + 1, error, copies};
}

TEST_F(CopiesTest, AChangeIsWaitedForAndNothingElse) {
  start();
  attach(3);
  uint32_t copies = 0;
  EXPECT_EQ(ctdb_db_copies(db, &copies), 0);
  EXPECT_EQ(copies, 3u);
  ctdb_record* record = changed("k");
  EXPECT_EQ(ctdb_unlock_copied(record, kPatience, &copies), 0);
  EXPECT_EQ(copies, 3u);
  EXPECT_EQ(node->seen().copied, 1u);
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &record), 0);
  EXPECT_EQ(ctdb_unlock_copied(record, kPatience, &copies), 0);
  EXPECT_EQ(copies, 1u) << "nothing was changed";
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &record), 0);
  EXPECT_EQ(ctdb_delete(record), 0);
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(node->seen().copied, 2u);
}

TEST_F(CopiesTest, WithoutCopiesNobodyIsAsked) {
  start_attached();
  EXPECT_EQ(ctdb_unlock(changed("k")), 0);
  Done done;
  ASSERT_EQ(ctdb_unlock_send(changed("k"), note, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.copies, 1u);
  EXPECT_EQ(node->seen().copied, 0u);
}

TEST_F(CopiesTest, SaysThatTheChangeMayBeLost) {
  start(answer_copies(-1));
  attach(2);
  EXPECT_EQ(ctdb_unlock(changed("k")), CTDB_ERR_NOT_COPIED);
  Done done;
  ASSERT_EQ(ctdb_unlock_send(changed("k"), note, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_NOT_COPIED);
}

TEST_F(CopiesTest, UnlocksAlsoWhenTheTimeIsOver) {
  start(silent_about_copies());
  attach(2);
  uint32_t copies = 7;
  EXPECT_EQ(ctdb_unlock_copied(changed("k"), 10, &copies), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(copies, 7u);
  ctdb_record* record = nullptr;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &record), 0);
  EXPECT_EQ(text_of(ctdb_record_data(record)), "v");
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(CopiesTest, IsPutToTheStoreThatComesNext) {
  bool first = true;
  start(
      [first](FakeDaemons&, Peer, ByteView packet) mutable {
        const bool copy = read_header(packet).operation == static_cast<uint32_t>(Operation::REQ_CALL) &&
                          parse_req_call(packet)->callid == CTDB_FUNC_COPY;
        return copy && std::exchange(first, false);
      },
      [](FakeDaemons& daemons, char) { daemons.replace_store(); });
  attach(2);
  Done done;
  ASSERT_EQ(ctdb_unlock_send(changed("k"), note, &done, nullptr), 0);
  node->command('r');
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.copies, 2u);
}

TEST_F(CopiesTest, WhatIsPendingEndsWithTheConnection) {
  start(silent_about_copies(), [](FakeDaemons& daemons, char) { daemons.hang_up(); });
  attach(2);
  Done done;
  ASSERT_EQ(ctdb_unlock_send(changed("k"), note, &done, nullptr), 0);
  node->command('h');
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_DISCONNECTED);
}

}  // namespace
}  // namespace ctdb::test
