// SPDX-License-Identifier: GPL-3.0-or-later
// Functions on records: here, at the store, and what is said when the answer does not come.
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

class FunctionsTest : public ClientTest {
 protected:
  // The record is here.
  void take(std::string_view key) {
    ctdb_record* record = nullptr;
    ASSERT_EQ(ctdb_fetch_lock(db, blob_of(key), kPatience, &record), 0);
    ASSERT_EQ(ctdb_unlock(record), 0);
  }
  uint32_t functions() { return node->seen().functions; }
};

bool is_function(ByteView packet) {
  return read_header(packet).operation == static_cast<uint32_t>(Operation::REQ_CALL) &&
         is_changing_function(parse_req_call(packet)->callid);
}

FakeNode::Script answer(int32_t status, std::string_view data) {
  return [status, data](FakeDaemons& daemons, Peer, ByteView packet) {
    if (!is_function(packet)) return false;
    daemons.reply_call(read_header(packet).reqid, status, as_bytes(data));
    return true;
  };
}

FakeNode::Script silent() {
  return [](FakeDaemons&, Peer, ByteView packet) { return is_function(packet); };
}

struct Done {
  int calls = 0;
  int error = 0;
  int64_t number = 0;
  std::string text;
};
void note_value(ctdb_client*, int error, int64_t value, void* data) {
  auto* done = static_cast<Done*>(data);
  *done = {done->calls + 1, error, value, ""};
}
void note_size(ctdb_client*, int error, uint64_t size, void* data) {
  note_value(nullptr, error, static_cast<int64_t>(size), data);
}
void note_current(ctdb_client*, int error, ctdb_blob current, void* data) {
  auto* done = static_cast<Done*>(data);
  *done = {done->calls + 1, error, 0, text_of(current)};
}
void note_reply(ctdb_client*, const ctdb_reply* reply, void* data) {
  auto* done = static_cast<Done*>(data);
  *done = {done->calls + 1, reply->error, reply->status, reply->text};
}

TEST_F(FunctionsTest, OfAPluginAreTheStoresAlsoWhenTheRecordIsHere) {
  start_attached();
  take("k");
  ctdb_blob answer{};
  EXPECT_EQ(ctdb_call_function(db, blob_of("k"), "echo", blob_of("hello"), kPatience, &answer), 0);
  EXPECT_EQ(text_of(answer), "hello");
  EXPECT_EQ(functions(), 1u);
  EXPECT_EQ(ctdb_call_function(db, blob_of("k"), "echo", {}, kPatience, &answer), CTDB_ERR_UNEQUAL);
  EXPECT_EQ(ctdb_call_function(db, blob_of("k"), "echo", blob_of("x"), 0, &answer), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(ctdb_call_function(db, blob_of("k"), "other", {}, kPatience, nullptr), CTDB_ERR_NOT_FOUND);
  EXPECT_STREQ(ctdb_error_text(client), "there is no such function");
  for (const char* name : {"", "a b", static_cast<const char*>(nullptr)})
    EXPECT_EQ(ctdb_call_function(db, blob_of("k"), name, {}, kPatience, &answer), CTDB_ERR_INVALID);
  Done done;
  ASSERT_EQ(ctdb_call_function_send(db, blob_of("k"), "echo", blob_of("later"), note_current, &done, nullptr),
            0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.text, "later");
}

TEST_F(FunctionsTest, AddWhereTheRecordIs) {
  start_attached();
  int64_t value = 0;
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 5, kPatience, &value), 0) << ctdb_error_text(client);
  EXPECT_EQ(value, 5);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), -7, kPatience, &value), 0);
  EXPECT_EQ(value, -2);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), 0);
  EXPECT_EQ(functions(), 3u);
  EXPECT_EQ(stats().local_hits, 0u);
}

TEST_F(FunctionsTest, AddHereIfTheRecordIsHere) {
  start_attached();
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, 0, nullptr), CTDB_ERR_TIMEOUT);
  take("k");
  int64_t value = 0;
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 5, 0, &value), 0);
  EXPECT_EQ(value, 5);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), INT64_MAX, 0, &value), CTDB_ERR_OVERFLOW);
  EXPECT_STREQ(ctdb_error_text(client), "the sum does not fit into 64 bits");
  EXPECT_EQ(value, 5);
  EXPECT_EQ(functions(), 0u);
  ctdb_record* record = nullptr;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 0, &record), 0) << "it is not left locked";
  EXPECT_EQ(text_of(ctdb_record_data(record)), std::string("\5\0\0\0\0\0\0\0", 8));
}

TEST_F(FunctionsTest, SwapHereAndThere) {
  start_attached();
  for (const bool here : {false, true}) {
    const char* key = here ? "here" : "there";
    if (here) take(key);
    ctdb_blob now{};
    EXPECT_EQ(ctdb_compare_and_swap(db, blob_of(key), blob_of("x"), blob_of("y"), kPatience, &now),
              CTDB_ERR_UNEQUAL);
    EXPECT_EQ(now.size, 0u);
    EXPECT_EQ(ctdb_compare_and_swap(db, blob_of(key), blob_of(""), blob_of("one"), kPatience, &now), 0);
    EXPECT_EQ(ctdb_compare_and_swap(db, blob_of(key), blob_of("no"), blob_of("two"), kPatience, &now),
              CTDB_ERR_UNEQUAL);
    EXPECT_EQ(text_of(now), "one");
    EXPECT_EQ(ctdb_compare_and_swap(db, blob_of(key), now, blob_of(""), kPatience, &now), 0)
        << "its own loan";
  }
  EXPECT_EQ(functions(), 4u);
  EXPECT_TRUE(eventually([&] { return node->seen().deletions == 1; })) << "of the one that is here";
}

TEST_F(FunctionsTest, AppendHereAndThere) {
  start_attached();
  for (const bool here : {false, true}) {
    const char* key = here ? "here" : "there";
    if (here) take(key);
    uint64_t size = 0;
    EXPECT_EQ(ctdb_append(db, blob_of(key), blob_of("ab"), kPatience, &size), 0);
    EXPECT_EQ(size, 2u);
    EXPECT_EQ(ctdb_append_if(db, blob_of(key), 1, blob_of("cd"), kPatience, &size), CTDB_ERR_UNEQUAL);
    EXPECT_EQ(size, 2u);
    EXPECT_EQ(ctdb_append_if(db, blob_of(key), 2, blob_of("cd"), kPatience, &size), 0);
    EXPECT_EQ(size, 4u);
    ctdb_blob value{};
    EXPECT_EQ(ctdb_read(db, blob_of(key), kPatience, &value), 0);
    EXPECT_EQ(text_of(value), "abcd");
    EXPECT_EQ(ctdb_add(db, blob_of(key), 1, kPatience, nullptr), CTDB_ERR_NO_COUNTER);
  }
}

TEST_F(FunctionsTest, CallBackForEventLoops) {
  start_attached();
  Done done;
  EXPECT_EQ(ctdb_add_send(db, blob_of("n"), 4, note_value, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(std::make_pair(done.error, done.number), std::make_pair(0, int64_t{4}));
  EXPECT_EQ(ctdb_append_send(db, blob_of("t"), blob_of("abc"), note_size, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 2; }));
  EXPECT_EQ(std::make_pair(done.error, done.number), std::make_pair(0, int64_t{3}));
  EXPECT_EQ(ctdb_append_if_send(db, blob_of("t"), 9, blob_of("abc"), note_size, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 3; }));
  EXPECT_EQ(std::make_pair(done.error, done.number), std::make_pair(int{CTDB_ERR_UNEQUAL}, int64_t{3}));
  EXPECT_EQ(
      ctdb_compare_and_swap_send(db, blob_of("t"), blob_of("x"), blob_of("y"), note_current, &done, nullptr),
      0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 4; }));
  EXPECT_EQ(done.error, CTDB_ERR_UNEQUAL);
  EXPECT_EQ(done.text, "abc");
  EXPECT_EQ(ctdb_add_send(db, blob_of("t"), 1, note_value, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 5; }));
  EXPECT_EQ(done.error, CTDB_ERR_NO_COUNTER);
}

TEST_F(FunctionsTest, AsRequestsHaveStatusAndText) {
  start_attached();
  ctdb_reply reply;
  const std::string one("\1\0\0\0\0\0\0\0", 8);
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_ADD, blob_of(one), kPatience, &reply), 0);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(text_of(reply.data), one);
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_ADD, blob_of("short"), kPatience, &reply), 0);
  EXPECT_EQ(reply.status, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_STREQ(reply.text, "the argument is malformed");
  EXPECT_EQ(reply.data.size, 0u);
  take("k");
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_ADD, blob_of("short"), kPatience, &reply), 0);
  EXPECT_EQ(reply.status, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_STREQ(reply.text, "the argument is malformed");
  Done done;
  ASSERT_EQ(ctdb_request_send(db, blob_of("k"), CTDB_CALL_ADD, blob_of("short"), note_reply, &done, nullptr),
            0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.number, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  EXPECT_EQ(done.text, "the argument is malformed");
}

TEST_F(FunctionsTest, RefuseWhatMakesNoSense) {
  start_attached();
  const ctdb_blob broken{nullptr, 3};
  const std::string large(CTDB_KEY_BYTES_MAX + 1, 'k');
  int64_t value = 7;
  EXPECT_EQ(ctdb_add(nullptr, blob_of("k"), 1, -1, &value), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_add(db, blob_of(""), 1, -1, &value), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, -2, &value), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_add(db, blob_of(large), 1, -1, &value), CTDB_ERR_TOO_BIG);
  EXPECT_EQ(ctdb_append(db, blob_of("k"), broken, -1, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_append_if(db, blob_of("k"), 0, broken, -1, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_compare_and_swap(db, blob_of("k"), broken, blob_of(""), -1, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_add_send(db, blob_of("k"), 1, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(value, 7);
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("x"), kPatience, &record), 0);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, -1, &value), CTDB_ERR_BUSY);
  ctdb_unlock(record);
}

TEST_F(FunctionsTest, SizesWhoseSumWrapsAreTooBig) {
  start_attached();
  const ctdb_blob key = blob_of("k");
  const ctdb_blob some = blob_of("1234567890");
  for (const size_t size : {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX - 10, SIZE_MAX - 70}) {
    const ctdb_blob huge{"x", size};
    ctdb_reply reply;
    EXPECT_EQ(ctdb_compare_and_swap(db, key, huge, some, 0, nullptr), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_compare_and_swap_send(db, key, some, huge, note_current, nullptr, nullptr),
              CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_append(db, key, huge, 0, nullptr), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_append_if(db, key, 0, huge, 0, nullptr), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_append_if_send(db, key, 0, huge, note_size, nullptr, nullptr), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_call_function(db, key, "echo", huge, 0, nullptr), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_request(db, key, CTDB_CALL_NULL, huge, 0, &reply), CTDB_ERR_TOO_BIG);
    EXPECT_EQ(ctdb_request_send(db, some, 1, huge, note_reply, nullptr, nullptr), CTDB_ERR_TOO_BIG);
  }
}

TEST_F(FunctionsTest, KeepTheMarkOfARecordThatMayBeOlder) {
  start_attached([](FakeDaemons& daemons, Peer, ByteView packet) {
    if (read_header(packet).operation != static_cast<uint32_t>(Operation::REQ_CALL)) return false;
    if (is_function(packet)) return false;
    daemons.put_record(parse_req_call(packet)->key, kPnn, {}, CTDB_RECORD_MAY_BE_OLDER);
    daemons.reply_call(read_header(packet).reqid, 0);
    return true;
  });
  take("k");
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), 0);
  EXPECT_EQ(functions(), 1u) << "the store's";
}

TEST_F(FunctionsTest, WithCopiesTheStoreIsAsked) {
  start();
  ASSERT_EQ(ctdb_attach(client, "test.tdb", CTDB_ATTACH_COPIES(2), kPatience, &db), 0);
  take("k");
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), 0);
  EXPECT_EQ(functions(), 1u);
}

// ---- answers that do not come ----

TEST_F(FunctionsTest, SayWhatTheStoreSays) {
  start_attached(answer(CTDB_FUNC_STATUS_UNKNOWN, "nobody knows"));
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_UNKNOWN);
  ctdb_reply reply;
  EXPECT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_APPEND, blob_of("x"), kPatience, &reply),
            CTDB_ERR_UNKNOWN);
  Done done;
  EXPECT_EQ(ctdb_add_send(db, blob_of("k"), 1, note_value, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_UNKNOWN);
}

TEST_F(FunctionsTest, AnAnswerThatIsNoNumberIsMalformed) {
  start_attached(answer(0, "abc"));
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_PROTOCOL);
  Done done;
  EXPECT_EQ(ctdb_append_send(db, blob_of("k"), blob_of("x"), note_size, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_PROTOCOL);
}

TEST_F(FunctionsTest, RefusedByTheStoreIsTold) {
  start_attached(answer(CTDB_FUNC_STATUS_REFUSED, "the store refused the call"));
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_REMOTE);
  EXPECT_STREQ(ctdb_error_text(client), "the store refused the call");
}

TEST_F(FunctionsTest, AfterATimeOutNobodyKnows) {
  start_attached(silent());
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, 20, nullptr), CTDB_ERR_UNKNOWN);
  EXPECT_STREQ(ctdb_error_text(client), "not answered within the time");
}

TEST_F(FunctionsTest, ARestartedStoreDoesNotGetThemAgain) {
  start_attached([](FakeDaemons& daemons, Peer, ByteView packet) {
    if (!is_function(packet)) return false;
    ++daemons.seen.functions;
    daemons.replace_store();
    return true;
  });
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_UNKNOWN);
  EXPECT_EQ(functions(), 1u);
  Done done;
  EXPECT_EQ(ctdb_add_send(db, blob_of("k"), 1, note_value, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_UNKNOWN);
  EXPECT_EQ(functions(), 2u);
  EXPECT_EQ(ctdb_ping(client, kPnn, kPatience), 0) << "the connection is as it was";
}

TEST_F(FunctionsTest, ACallThatWaitsMeanwhileSleeps) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    const bool ping =
        peer == Peer::kRouter && parse_req_control(packet)->opcode == static_cast<uint32_t>(Control::PING);
    if (ping) daemons.replace_store();
    return ping || is_function(packet);
  });
  Done done;
  ASSERT_EQ(ctdb_add_send(db, blob_of("k"), 1, note_value, &done, nullptr), 0);
  const uint64_t before = stats().sleeps;
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, 100), CTDB_ERR_TIMEOUT);
  EXPECT_LT(stats().sleeps - before, 20u) << "what is to be handed out later does not wake it";
  ASSERT_TRUE(loop_until([&] { return done.calls == 1; }));
  EXPECT_EQ(done.error, CTDB_ERR_UNKNOWN);
}

TEST_F(FunctionsTest, OneThatNoStoreHasSeenWaitsForAStore) {
  start(
      {}, [](FakeDaemons& daemons, char) { daemons.replace_store(); }, true);
  node->command('s');
  ASSERT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), 0);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), 0);
  EXPECT_EQ(functions(), 1u);
}

TEST_F(FunctionsTest, ALostRouterLeavesThemUnknown) {
  start_attached([](FakeDaemons& daemons, Peer, ByteView packet) {
    if (!is_function(packet)) return false;
    daemons.hang_up();
    return true;
  });
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_UNKNOWN);
  EXPECT_EQ(ctdb_add(db, blob_of("k"), 1, kPatience, nullptr), CTDB_ERR_DISCONNECTED);
  Done done;
  EXPECT_EQ(ctdb_add_send(db, blob_of("k"), 1, note_value, &done, nullptr), CTDB_ERR_DISCONNECTED);
}

}  // namespace
}  // namespace ctdb::test
