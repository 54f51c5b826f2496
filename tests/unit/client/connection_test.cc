// SPDX-License-Identifier: GPL-3.0-or-later
// Connecting, losing the connection, forks, restarts of the store, daemons that break the rules.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "libctdbipc/wire/error_texts.h"
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

class ConnectionTest : public ClientTest {};

TEST_F(ConnectionTest, KnowsItsNodeWithoutAsking) {
  start();
  uint32_t pnn = 99;
  EXPECT_EQ(ctdb_pnn(client, &pnn), 0);
  EXPECT_EQ(pnn, kPnn);
  EXPECT_EQ(node->seen().controls, 0u);
}

// One that is killed behind its first lock is no client that writes in place.
TEST_F(ConnectionTest, SaysWhichThreadItIsBeforeItLocksAnything) {
  start({}, [thread = static_cast<uint32_t>(gettid())](FakeDaemons& daemons, char) {
    daemons.check(daemons.client().channels[static_cast<size_t>(Peer::kStore)]->peer_notes().lock_word ==
                  thread);
  });
  node->command('n');
}

TEST_F(ConnectionTest, WaitsForTheRouterForEver) {
  FakeNode other;
  EXPECT_EQ(ctdb_connect(other.setup_socket().c_str(), -1, &client), 0) << ctdb_error_text(nullptr);
}

TEST_F(ConnectionTest, SaysWhyItCannotConnect) {
  ctdb_client* none = nullptr;
  EXPECT_EQ(ctdb_connect("/nonexistent/setup.socket", 100, &none), CTDB_ERR_SYSTEM);
  EXPECT_NE(std::string(ctdb_error_text(nullptr)).find("/nonexistent/setup.socket"), std::string::npos);
  EXPECT_EQ(none, nullptr);
}

// `left`: so many may still be opened.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t left) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd next(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit limit{static_cast<rlim_t>(next.get()) + left, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ConnectionTest, SaysThatThereAreNoDescriptorsLeft) {
  FakeNode other;
  for (const rlim_t left : {0u, 1u, 2u, 3u, 6u, 9u}) {
    const FewDescriptors few(left);
    EXPECT_EQ(ctdb_connect(other.setup_socket().c_str(), kPatience, &client), CTDB_ERR_SYSTEM) << left;
    EXPECT_NE(std::string(ctdb_error_text(nullptr)).find("Too many open files"), std::string::npos)
        << ctdb_error_text(nullptr);
  }
}

TEST_F(ConnectionTest, TakesTheSocketFromTheEnvironment) {
  FakeNode other;
  setenv("CTDB_SETUP_SOCKET", other.setup_socket().c_str(), 1);
  EXPECT_EQ(ctdb_connect(nullptr, kPatience, &client), 0);
  unsetenv("CTDB_SETUP_SOCKET");
}

TEST_F(ConnectionTest, RefusesNonsense) {
  start();
  EXPECT_EQ(ctdb_connect(node->setup_socket().c_str(), 100, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_connect(node->setup_socket().c_str(), -2, &client), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_fd(nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_service(nullptr, 0), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_service(client, -1), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_pnn(client, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_set_spin(client, 3), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_get_stats(client, nullptr, 0), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_cancel(client, 12345), CTDB_ERR_NOT_FOUND);
  ctdb_disconnect(nullptr);
  ctdb_detach(nullptr);
}

TEST_F(ConnectionTest, IdleClientLeavesItsDescriptorQuiet) {
  start();
  EXPECT_FALSE(fd_ready());
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_EQ(ctdb_service(client, 0), 0);
  EXPECT_FALSE(fd_ready());
}

TEST_F(ConnectionTest, LossEndsPendingRequestsOnceAndIsThenReported) {
  start([](FakeDaemons&, Peer, ByteView) { return true; });
  int answers = 0;
  int error = 0;
  std::pair<int*, int*> seen{&answers, &error};
  const ctdb_control_request ping{CTDB_PNN_CURRENT, 3, 0, 0, {nullptr, 0}};
  const auto done = [](ctdb_client*, const ctdb_reply* reply, void* data) {
    auto* out = static_cast<std::pair<int*, int*>*>(data);
    ++*out->first;
    *out->second = reply->error;
  };
  for (int i = 0; i < 3; ++i) ASSERT_EQ(ctdb_control_send(client, &ping, done, &seen, nullptr), 0);
  node->kill();
  ASSERT_TRUE(loop_until([&] { return answers == 3; }));
  EXPECT_EQ(error, CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(ctdb_service(client, 0), CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(answers, 3);
  EXPECT_FALSE(fd_ready()) << "a program that has been told must not be woken for ever";
  EXPECT_EQ(ctdb_ping(client, 0, kPatience), CTDB_ERR_DISCONNECTED);
  EXPECT_STRNE(ctdb_error_text(client), "");
}

TEST_F(ConnectionTest, LossEndsABlockingCall) {
  start([](FakeDaemons& daemons, Peer, ByteView) {
    daemons.hang_up();
    return true;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, -1), CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(ctdb_service(client, 0), CTDB_ERR_DISCONNECTED);
}

TEST_F(ConnectionTest, ReconnectBringsHandlersAndDatabasesBack) {
  start_attached();
  int messages = 0;
  const auto count = [](ctdb_client*, uint64_t, ctdb_blob, void* data) { ++*static_cast<int*>(data); };
  ASSERT_EQ(ctdb_register(client, 77, count, &messages, kPatience), 0);
  node->kill();
  ASSERT_TRUE(loop_until([&] { return ctdb_service(client, 0) == CTDB_ERR_DISCONNECTED; }));
  EXPECT_EQ(ctdb_reconnect(client, kPatience), CTDB_ERR_SYSTEM) << "nobody listens";
  node->start();
  ASSERT_EQ(ctdb_reconnect(client, kPatience), 0) << ctdb_error_text(client);
  EXPECT_EQ(ctdb_reconnect(client, kPatience), 0) << "nothing to do";
  ASSERT_EQ(ctdb_send_message(client, CTDB_PNN_CURRENT, 77, blob_of("x")), 0);
  ASSERT_TRUE(loop_until([&] { return messages == 1; }));
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0) << ctdb_error_text(client);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(ConnectionTest, ReconnectWaitsForTheStore) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    // In its second life the store comes late.
    if (peer != Peer::kRouter || daemons.seen.clients == 1 || daemons.held.size() == 3) return false;
    daemons.held.emplace_back();
    daemons.reply_control(read_header(packet).reqid, -1, {}, "ctdb-store is not running");
    return true;
  });
  node->kill();
  ASSERT_TRUE(loop_until([&] { return ctdb_service(client, 0) == CTDB_ERR_DISCONNECTED; }));
  node->start();
  ASSERT_EQ(ctdb_reconnect(client, kPatience), 0) << ctdb_error_text(client);
  EXPECT_EQ(node->seen().held_back, 3u);
}

TEST_F(ConnectionTest, ReconnectRestsBetweenItsAttemptsAlsoWhenAnAnswerIsToBeHandedOut) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kRouter) return false;
    const ReqControl control = *parse_req_control(packet);
    if (control.opcode == static_cast<uint32_t>(Control::PING)) return true;
    if (daemons.seen.clients > 1) daemons.reply_control(read_header(packet).reqid, -1, {}, "not now");
    return daemons.seen.clients > 1;
  });
  int error = 0;
  const auto done = [](ctdb_client*, const ctdb_reply* reply, void* data) {
    *static_cast<int*>(data) = reply->error;
  };
  const ctdb_control_request ping{CTDB_PNN_CURRENT, 3, 0, 0, {nullptr, 0}};
  ASSERT_EQ(ctdb_control_send(client, &ping, done, &error, nullptr), 0);
  node->kill();
  node->start();
  ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_DISCONNECTED);
  const uint32_t before = node->seen().held_back;
  EXPECT_NE(ctdb_reconnect(client, 200), 0);
  EXPECT_LT(node->seen().held_back - before, 20u);
  ASSERT_TRUE(loop_until([&] { return error == CTDB_ERR_DISCONNECTED; }));
}

// Says to every control that there is no store, until something is held.
bool no_store(FakeDaemons& daemons, Peer peer, ByteView packet) {
  if (peer != Peer::kRouter || !daemons.held.empty()) return false;
  daemons.reply_control(read_header(packet).reqid, -1, {}, kStoreNotRunning);
  return true;
}
void store_comes(FakeDaemons& daemons, char) {
  daemons.held.emplace_back();
  daemons.replace_store();
}

TEST_F(ConnectionTest, AttachWaitsForAStore) {
  start([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (daemons.seen.controls == 3) daemons.held.emplace_back();
    ++daemons.seen.controls;
    return no_store(daemons, peer, packet);
  });
  ASSERT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), 0) << ctdb_error_text(client);
}

TEST_F(ConnectionTest, AttachWaitsForAStoreAsLongAsItMay) {
  start(no_store);
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, 50, &db), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(ctdb_attach(client, "test.tdb", 0, 0, &db), CTDB_ERR_TIMEOUT);
}

void attached(ctdb_client*, int error, ctdb_db* got, void* data) {
  EXPECT_EQ(error, 0);
  *static_cast<ctdb_db**>(data) = got;
}

TEST_F(ConnectionTest, AttachSentWhileThereIsNoStoreGoesToTheNextOne) {
  start(no_store, store_comes);
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, attached, &db, nullptr), 0);
  ASSERT_TRUE(eventually([&] { return node->seen().held_back == 1; }));
  ctdb_service(client, 0);
  EXPECT_EQ(db, nullptr);
  node->command('s');
  ASSERT_TRUE(loop_until([&] { return db != nullptr; }));
}

TEST_F(ConnectionTest, AttachIsNotForgottenWhenTheStoreComesBeforeTheAnswer) {
  start(no_store, store_comes);
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, attached, &db, nullptr), 0);
  ASSERT_TRUE(eventually([&] { return node->seen().held_back == 1; }));
  node->command('s');  // the client sees this first
  ASSERT_TRUE(loop_until([&] { return db != nullptr; }));
}

TEST_F(ConnectionTest, AttachThatWaitsForAStoreMayBeCancelledAndEndsWithTheConnection) {
  start(no_store);
  uint32_t id = 0;
  const auto never = [](ctdb_client*, int, ctdb_db*, void*) { ADD_FAILURE(); };
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, never, nullptr, &id), 0);
  ASSERT_TRUE(eventually([&] { return node->seen().held_back == 1; }));
  ctdb_service(client, 0);
  EXPECT_EQ(ctdb_cancel(client, id), 0);
  int result = 0;
  const auto lost = [](ctdb_client*, int error, ctdb_db*, void* data) { *static_cast<int*>(data) = error; };
  ASSERT_EQ(ctdb_attach_send(client, "test.tdb", 0, lost, &result, nullptr), 0);
  ASSERT_TRUE(eventually([&] { return node->seen().held_back == 2; }));
  ctdb_service(client, 0);
  node->kill();
  ASSERT_TRUE(loop_until([&] { return result != 0; }));
  EXPECT_EQ(result, CTDB_ERR_DISCONNECTED);
}

TEST_F(ConnectionTest, CallsWaitForAStoreThatIsNotThereYet) {
  start(
      {}, [](FakeDaemons& daemons, char) { daemons.replace_store(); }, true);
  ASSERT_EQ(ctdb_attach(client, "test.tdb", 0, kPatience, &db), 0) << ctdb_error_text(client);
  ctdb_record* record = nullptr;
  EXPECT_EQ(ctdb_fetch_lock(db, blob_of("k"), 20, &record), CTDB_ERR_TIMEOUT);
  bool done = false;
  const auto locked = [](ctdb_client*, int error, ctdb_record* got, void* data) {
    ASSERT_EQ(error, 0);
    EXPECT_EQ(ctdb_unlock(got), 0);
    *static_cast<bool*>(data) = true;
  };
  ASSERT_EQ(ctdb_fetch_lock_send(db, blob_of("k"), locked, &done, nullptr), 0);
  node->command('r');
  ASSERT_TRUE(loop_until([&] { return done; }));
}

TEST_F(ConnectionTest, UnansweredCallsGoToARestartedStore) {
  // The first store swallows every call; the new one answers.
  start_attached(
      [](FakeDaemons& daemons, Peer peer, ByteView) { return peer == Peer::kStore && daemons.held.empty(); },
      [](FakeDaemons& daemons, char) {
        daemons.held.emplace_back();
        daemons.replace_store();
      });
  int done = 0;
  const auto answered = [](ctdb_client*, const ctdb_reply* reply, void* data) {
    EXPECT_EQ(reply->error, 0);
    ++*static_cast<int*>(data);
  };
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_EQ(ctdb_request_send(db, blob_of(key), CTDB_CALL_NULL, {}, answered, &done, nullptr), 0);
  }
  ASSERT_TRUE(eventually([&] { return node->seen().held_back == 3; }));
  node->command('r');
  ASSERT_TRUE(loop_until([&] { return done == 3; }));
  EXPECT_EQ(stats().calls, 3u) << "repetitions are not calls";
}

TEST_F(ConnectionTest, EverythingUnansweredGoesToARestartedStoreHoweverMuchItIs) {
  // The old store swallows them all; together they are far more than ring and queue hold.
  start_attached(
      [](FakeDaemons& daemons, Peer peer, ByteView) { return peer == Peer::kStore && daemons.held.empty(); },
      [](FakeDaemons& daemons, char) {
        daemons.held.emplace_back();
        daemons.replace_store();
      });
  static int done;
  done = 0;
  const auto answered = [](ctdb_client*, const ctdb_reply* reply, void*) {
    done += reply->error == 0 ? 1 : 1000;
  };
  const Bytes argument(100000, 7);
  int sent = 0;
  for (; sent < 100; ++sent) {
    while (ctdb_request_send(db, blob_of("k"), CTDB_CALL_NULL, {argument.data(), argument.size()}, answered,
                             nullptr, nullptr) == CTDB_ERR_FULL) {
      ASSERT_EQ(ctdb_flush(client, kPatience), 0);
    }
  }
  node->command('r');
  ASSERT_TRUE(loop_until([&] { return done >= sent; }));
  EXPECT_EQ(done, sent);
}

TEST_F(ConnectionTest, BlockingCallGoesToARestartedStore) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView) {
    if (peer != Peer::kStore || !daemons.held.empty()) return false;
    daemons.held.emplace_back();
    daemons.replace_store();
    return true;
  });
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0) << ctdb_error_text(client);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(ConnectionTest, AnswersTheOldStoreCommittedAreTaken) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (peer != Peer::kStore) return false;
    // A second answer, from the new store, would carry another status.
    daemons.reply_call(read_header(packet).reqid, daemons.held.empty() ? 11 : 22);
    if (daemons.held.empty()) daemons.replace_store();
    daemons.held.emplace_back();
    return true;
  });
  ctdb_reply reply;
  ASSERT_EQ(ctdb_request(db, blob_of("k"), CTDB_CALL_NULL, {}, kPatience, &reply), 0);
  EXPECT_EQ(reply.status, 11);
}

TEST_F(ConnectionTest, FollowsADatabaseFileThatWasMadeAnew) {
  start_attached();
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0);
  ASSERT_EQ(ctdb_store(record, blob_of("old")), 0);
  ASSERT_EQ(ctdb_unlock(record), 0);
  node->kill();
  unlink(node->database_path().c_str());
  node->start();
  ASSERT_TRUE(loop_until([&] { return ctdb_service(client, 0) == CTDB_ERR_DISCONNECTED; }));
  ASSERT_EQ(ctdb_reconnect(client, kPatience), 0) << ctdb_error_text(client);
  ctdb_blob value;
  ASSERT_EQ(ctdb_read(db, blob_of("k"), kPatience, &value), 0);
  EXPECT_EQ(text_of(value), "");
}

// ---- daemons that break the rules ----

TEST_F(ConnectionTest, ScribbledRingEndsTheConnectionNotTheProgram) {
  start([](FakeDaemons& daemons, Peer, ByteView) {
    Bytes junk(64, 0xAB);  // not a packet at all
    daemons.send(Peer::kRouter, junk);
    daemons.hang_up();
    return true;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, -1), CTDB_ERR_DISCONNECTED);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, -1), CTDB_ERR_DISCONNECTED);
}

TEST_F(ConnectionTest, PacketsThatAreNoneAreCountedAndIgnored) {
  start([](FakeDaemons& daemons, Peer, ByteView) {
    for (size_t bytes : {1u, 8u, 31u, 32u, 200u}) daemons.send(Peer::kRouter, Bytes(bytes, 0x5A));
    return false;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  ASSERT_TRUE(loop_until([&] { return stats().malformed == 5; }));
}

TEST_F(ConnectionTest, AnswerWithImpossibleLengthsIsAnError) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    Bytes reply;
    Header header;
    header.reqid = read_header(packet).reqid;
    build(reply, header, ReplyControl{0, {}, {}});
    store(reply.data() + 36, uint32_t{0xFFFFFFF0});  // datalen
    daemons.send(Peer::kRouter, reply);
    return true;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_PROTOCOL);
  EXPECT_EQ(stats().malformed, 1u);
}

TEST_F(ConnectionTest, AnswerOfTheWrongKindIsAnError) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    Bytes reply;
    Header header;
    header.reqid = read_header(packet).reqid;
    build(reply, header, ReplyCall{0, {}});
    daemons.send(Peer::kRouter, reply);
    return true;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_PROTOCOL);
}

TEST_F(ConnectionTest, UnknownAndRepeatedAnswersAreIgnored) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    const uint32_t reqid = read_header(packet).reqid;
    daemons.reply_control(reqid ^ 0x00F00000, 5);
    daemons.reply_control(0, 5);
    daemons.reply_control(reqid, 0);
    daemons.reply_control(reqid, -1);
    return true;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  ASSERT_TRUE(loop_until([&] { return stats().stale == 3; }));
}

// ---- forks ----

int in_child(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(ConnectionTest, ChildIsToldThatTheClientIsNotItsOwn) {
  start_attached();
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0);
  EXPECT_EQ(in_child([&] {
              ctdb_record* other = nullptr;
              return ctdb_ping(client, 0, 0) == CTDB_ERR_FORKED &&
                     ctdb_service(client, 0) == CTDB_ERR_FORKED &&
                     ctdb_fetch_lock(db, blob_of("x"), 0, &other) == CTDB_ERR_FORKED &&
                     ctdb_store(record, blob_of("x")) == CTDB_ERR_FORKED &&
                     ctdb_unlock(record) == CTDB_ERR_FORKED && ctdb_fd(client) == CTDB_ERR_FORKED;
            }),
            0);
  EXPECT_EQ(ctdb_store(record, blob_of("mine")), 0);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(ConnectionTest, ChildFreesItsCopyWithoutDisturbingTheParent) {
  start_attached();
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0);
  EXPECT_EQ(in_child([&] {
              ctdb_disconnect(client);
              return true;
            }),
            0);
  // Still locked: another process does not get the chain.
  EXPECT_EQ(in_child([&] {
              const int flags = TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING;
              ctdb_disconnect(client);
              tdb_context* tdb = tdb_open(node->database_path().c_str(), 0, flags, O_RDWR, 0);
              uint8_t key[] = {'k'};
              return tdb != nullptr && tdb_chainlock_nonblock(tdb, {key, 1}) != 0;
            }),
            0);
  EXPECT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k2"), kPatience, &record), 0);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

struct Forking {
  bool child_disconnects = false;
  pid_t child = -1;
  int messages = 0;
};
void fork_at_first(ctdb_client* client, uint64_t, ctdb_blob, void* data) {
  auto* forking = static_cast<Forking*>(data);
  if (++forking->messages > 1) return;
  forking->child = fork();
  if (forking->child == 0 && forking->child_disconnects) ctdb_disconnect(client);
}

TEST_F(ConnectionTest, ChildMadeInACallbackTakesNothingOfTheParents) {
  start({}, [](FakeDaemons& daemons, char) {
    for (const char* text : {"first", "second"}) daemons.message(7, as_bytes(text));
  });
  for (const bool child_disconnects : {false, true}) {
    Forking forking{child_disconnects};
    ASSERT_EQ(ctdb_register(client, 7, fork_at_first, &forking, kPatience), 0);
    node->command('m');
    ASSERT_TRUE(fd_ready(kPatience));
    const int handled = ctdb_service(client, 0);
    if (forking.child == 0) _exit(handled == CTDB_ERR_FORKED && forking.messages == 1 ? 0 : 1);
    EXPECT_EQ(handled, 2);
    int status = -1;
    waitpid(forking.child, &status, 0);
    EXPECT_EQ(status, 0) << (child_disconnects ? "disconnected" : "left as it is");
    ASSERT_EQ(ctdb_deregister(client, 7, kPatience), 0);
  }
}

TEST_F(ConnectionTest, ChildConnectsAndAttachesAnew) {
  start_attached();
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("held"), kPatience, &record), 0);
  EXPECT_EQ(in_child([&] {
              ctdb_client* own = nullptr;
              ctdb_db* own_db = nullptr;
              ctdb_record* own_record = nullptr;
              if (ctdb_connect(node->setup_socket().c_str(), kPatience, &own) != 0) return false;
              if (ctdb_attach(own, "test.tdb", 0, kPatience, &own_db) != 0) return false;
              if (ctdb_fetch_lock(own_db, blob_of("other"), kPatience, &own_record) != 0) return false;
              if (ctdb_store(own_record, blob_of("child")) != 0 || ctdb_unlock(own_record) != 0) return false;
              ctdb_disconnect(client);
              ctdb_disconnect(own);
              return true;
            }),
            0);
  EXPECT_EQ(ctdb_unlock(record), 0);
}

}  // namespace
}  // namespace ctdb::test
