// SPDX-License-Identifier: GPL-3.0-or-later
// Reading records: from the local file, or brought there.
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

class ReadTest : public ClientTest {};

void note_answer(ctdb_client*, const ctdb_reply* reply, void* data) {
  *static_cast<std::string*>(data) += std::to_string(reply->status) + ":" + text_of(reply->data) + " ";
}

TEST_F(ReadTest, ReadOnlyCopyIsReadLocally) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    daemons.put_record(as_bytes("k"), kOtherPnn, as_bytes("copy"), CTDB_RECORD_RO_HAVE_READONLY);
  });
  node->command('p');
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), 0, &value), 0);
  EXPECT_EQ(text_of(value), "copy");
  EXPECT_EQ(node->seen().calls, 0u);
}

// A list whose records name the next one.
TEST_F(ReadTest, TheLastValueMayBeTheKeyOfTheNextRead) {
  start_attached({}, [](FakeDaemons& daemons, char) {
    daemons.put_record(as_bytes("first"), kPnn, as_bytes("second"));
    daemons.put_record(as_bytes("second"), kOtherPnn, as_bytes("end"));  // it has left
  });
  for (const bool blocking : {true, false}) {
    node->command('p');
    ctdb_blob value;
    ASSERT_EQ(ctdb_read(db, blob_of("first"), kPatience, &value), 0);
    ASSERT_EQ(text_of(value), "second");
    std::string answer;
    if (blocking) {
      ASSERT_EQ(ctdb_read(db, value, kPatience, &value), 0);
      answer = "0:" + text_of(value) + " ";
    } else {
      ASSERT_EQ(ctdb_request_send(db, value, CTDB_CALL_FETCH, {}, note_answer, &answer, nullptr), 0);
      ASSERT_TRUE(loop_until([&] { return !answer.empty(); }));
    }
    EXPECT_EQ(answer, "0:end ");
  }
}

TEST_F(ReadTest, ReadBringsTheRecordHere) {
  // A read-only copy would do, too.
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore) return false;
    const ReqCall call = *parse_req_call(packet);
    daemons.check(call.callid == CTDB_FUNC_NULL);
    daemons.check(call.flags == 5u);
    daemons.put_record(call.key, kOtherPnn, as_bytes("far"));
    daemons.held.emplace_back();
    if (daemons.held.size() > 1) return false;
    daemons.reply_call(read_header(packet).reqid, 0);
    return true;
  });
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), kPatience, &value), 0);
  EXPECT_EQ(text_of(value), "far");
  EXPECT_EQ(stats().calls, 2u);
  std::string answer;
  ASSERT_EQ(ctdb_request_send(db, blob_of("other"), CTDB_CALL_FETCH, {}, note_answer, &answer, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return !answer.empty(); }));
  EXPECT_EQ(answer, "0:far ");
}

}  // namespace
}  // namespace ctdb::test
