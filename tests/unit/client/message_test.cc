// SPDX-License-Identifier: GPL-3.0-or-later
// Messages, controls, and what happens between blocking calls, callbacks and the event loop.
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/own_messages.h"
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

class MessageTest : public ClientTest {};

struct Inbox {
  std::string text;
  uint64_t last_srvid = 0;
};
void take(ctdb_client*, uint64_t srvid, ctdb_blob data, void* inbox) {
  static_cast<Inbox*>(inbox)->text += text_of(data) + " ";
  static_cast<Inbox*>(inbox)->last_srvid = srvid;
}

TEST_F(MessageTest, ArriveInOrderAtTheirHandler) {
  start();
  Inbox first;
  Inbox second;
  ASSERT_EQ(ctdb_register(client, 1, take, &first, kPatience), 0);
  ASSERT_EQ(ctdb_register(client, 2, take, &second, kPatience), 0);
  for (const char* text : {"a", "b", "c"}) {
    ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of(text)), 0);
    ASSERT_EQ(ctdb_send_message(client, kPnn, 2, blob_of(text + std::string("2"))), 0);
  }
  ASSERT_TRUE(loop_until([&] { return second.text.size() == 9; }));
  EXPECT_EQ(first.text, "a b c ");
  EXPECT_EQ(second.text, "a2 b2 c2 ");
  EXPECT_EQ(stats().messages_in, 6u);
}

TEST_F(MessageTest, EmptyMessageArrives) {
  start();
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  ASSERT_EQ(ctdb_send_message(client, kPnn, 1, {nullptr, 0}), 0);
  ASSERT_TRUE(loop_until([&] { return inbox.text == " "; }));
}

TEST_F(MessageTest, CatchAllHandlerSeesEveryService) {
  start({}, [](FakeDaemons& daemons, char) { daemons.message(4711, as_bytes("x")); });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, ~uint64_t{0}, take, &inbox, kPatience), 0);
  node->command('m');
  ASSERT_TRUE(loop_until([&] { return !inbox.text.empty(); }));
  EXPECT_EQ(inbox.last_srvid, 4711u);
}

TEST_F(MessageTest, DeregisteredHandlerIsNotRunAgain) {
  start({}, [](FakeDaemons& daemons, char) { daemons.message(1, as_bytes("late")); });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  EXPECT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), CTDB_ERR_EXISTS);
  ASSERT_EQ(ctdb_deregister(client, 1, kPatience), 0);
  EXPECT_EQ(ctdb_deregister(client, 1, kPatience), CTDB_ERR_NOT_FOUND);
  node->command('m');
  ASSERT_TRUE(loop_until([&] { return stats().stale == 1; }));
  EXPECT_EQ(inbox.text, "");
}

TEST_F(MessageTest, RefusedRegistrationLeavesNoHandler) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    daemons.reply_control(read_header(packet).reqid, -1, {}, "too many");
    return true;
  });
  Inbox inbox;
  EXPECT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), CTDB_ERR_REMOTE);
  EXPECT_EQ(ctdb_deregister(client, 1, kPatience), CTDB_ERR_NOT_FOUND);
  bool done = false;
  const auto refused = [](ctdb_client*, const ctdb_reply* reply, void* data) {
    EXPECT_EQ(reply->status, -1);
    EXPECT_STREQ(reply->text, "too many");
    *static_cast<bool*>(data) = true;
  };
  ASSERT_EQ(ctdb_register_send(client, 1, take, &inbox, refused, &done, nullptr), 0);
  ASSERT_TRUE(loop_until([&] { return done; }));
  EXPECT_EQ(ctdb_deregister(client, 1, kPatience), CTDB_ERR_NOT_FOUND);
}

// The router keeps two registrations of one service apart: of one that it has and nobody knows of, messages would come twice later.
TEST_F(MessageTest, ARegistrationThatWasNotAnsweredInTimeIsTakenBack) {
  start(
      [](FakeDaemons& daemons, Peer, ByteView packet) {
        const ReqControl control = *parse_req_control(packet);
        if (control.opcode != static_cast<uint32_t>(Control::REGISTER_SRVID)) return false;
        daemons.client().srvids.insert(control.srvid);
        return true;
      },
      [](FakeDaemons& daemons, char) { daemons.check(daemons.client().srvids.empty()); });
  Inbox inbox;
  EXPECT_EQ(ctdb_register(client, 1, take, &inbox, 20), CTDB_ERR_TIMEOUT);
  EXPECT_TRUE(eventually([&] { return node->seen().held_back == 1 && node->seen().controls == 1; }));
  node->command('c');
}

TEST_F(MessageTest, ARegistrationThatFailedIsNotBroughtBackByReconnecting) {
  start(
      [](FakeDaemons& daemons, Peer, ByteView packet) {
        const uint32_t opcode = parse_req_control(packet)->opcode;
        return daemons.seen.clients == 1 && opcode == static_cast<uint32_t>(Control::REGISTER_SRVID);
      },
      [](FakeDaemons& daemons, char) { daemons.check(daemons.client().srvids.empty()); });
  Inbox inbox;
  int error = 0;
  const auto done = [](ctdb_client*, const ctdb_reply* reply, void* data) {
    *static_cast<int*>(data) = reply->error;
  };
  ASSERT_EQ(ctdb_register_send(client, 1, take, &inbox, done, &error, nullptr), 0);
  node->kill();
  node->start();
  ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_DISCONNECTED);
  ASSERT_EQ(ctdb_reconnect(client, kPatience), 0);
  ASSERT_TRUE(loop_until([&] { return error != 0; }));
  EXPECT_EQ(error, CTDB_ERR_DISCONNECTED);
  ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  node->command('c');
}

TEST_F(MessageTest, ARegistrationEndsThoughNobodyCanWaitForIt) {
  start_attached({}, [](FakeDaemons& daemons, char) { daemons.check(daemons.client().srvids.empty()); });
  Inbox inbox;
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0);
  const uint32_t before = node->seen().controls;
  EXPECT_EQ(ctdb_deregister(client, 1, kPatience), CTDB_ERR_BUSY);
  EXPECT_TRUE(eventually([&] { return node->seen().controls == before + 1; }));
  node->command('c');
  EXPECT_EQ(ctdb_unlock(record), 0);
}

TEST_F(MessageTest, MalformedMessageIsIgnored) {
  start({}, [](FakeDaemons& daemons, char) {
    Bytes packet;
    build(packet, Header{}, ReqMessage{1, as_bytes("abcd")});
    store(packet.data() + 40, uint32_t{1000});  // datalen beyond the packet
    daemons.send(Peer::kRouter, packet);
    daemons.message(1, as_bytes("good"));
  });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  node->command('m');
  ASSERT_TRUE(loop_until([&] { return !inbox.text.empty(); }));
  EXPECT_EQ(inbox.text, "good ");
  EXPECT_EQ(stats().malformed, 1u);
}

std::vector<ctdb_undelivered>& reports(void* data) {
  return *static_cast<std::vector<ctdb_undelivered>*>(data);
}
void take_report(ctdb_client*, const ctdb_undelivered* message, void* data) {
  reports(data).push_back(*message);
}

// Answers every message with a report of its failure, before the answer to the next control.
bool fail_messages(FakeDaemons& daemons, Peer, ByteView packet) {
  const std::optional<ReqMessage> message = parse_req_message(packet);
  const Header header = read_header(packet);
  if (!message || header.operation != static_cast<uint32_t>(Operation::REQ_MESSAGE)) return false;
  Bytes report;
  build_own(report, {0, 0, static_cast<uint32_t>(Operation::MESSAGE_FAILED), 0, kPnn, header.reqid},
            MessageFailed{MessageFault::kNoLink, header.destnode, message->srvid}.encode());
  daemons.send(Peer::kRouter, report);
  return true;
}

TEST_F(MessageTest, ThatWasNotDeliveredIsReported) {
  start(fail_messages);
  std::vector<ctdb_undelivered> got;
  ASSERT_EQ(ctdb_on_undelivered(client, take_report, &got), 0);
  ASSERT_EQ(ctdb_send_message(client, 7, 11, blob_of("a")), 0);
  ASSERT_EQ(ctdb_send_message_tagged(client, 8, 12, blob_of("b"), 4711), 0);
  ASSERT_TRUE(loop_until([&] { return got.size() == 2; }));
  EXPECT_EQ(got[0].pnn, 7u);
  EXPECT_EQ(got[0].srvid, 11u);
  EXPECT_EQ(got[0].tag, 0u);
  EXPECT_EQ(got[1].pnn, 8u);
  EXPECT_EQ(got[1].tag, 4711u);
  EXPECT_EQ(got[1].reason, CTDB_UNDELIVERED_NO_LINK);
  EXPECT_STREQ(ctdb_undelivered_text(got[1].reason), "the node cannot be reached");
  ASSERT_EQ(ctdb_on_undelivered(client, nullptr, nullptr), 0);
  ASSERT_EQ(ctdb_send_message(client, 7, 11, blob_of("c")), 0);
  ASSERT_TRUE(loop_until([&] { return stats().undelivered == 3; }));
  EXPECT_EQ(got.size(), 2u);
  EXPECT_EQ(stats().malformed, 0u);
}

TEST_F(MessageTest, AReportDoesNotEndARequestThatHasItsTagAsItsNumber) {
  start([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && control->opcode == static_cast<uint32_t>(Control::PING)) {
      Bytes report;
      build_own(report,
                {0, 0, static_cast<uint32_t>(Operation::MESSAGE_FAILED), 0, kPnn, read_header(packet).reqid},
                MessageFailed{MessageFault::kNobody, kPnn, 5}.encode());
      daemons.send(peer, report);
    }
    return false;
  });
  std::vector<ctdb_undelivered> got;
  ASSERT_EQ(ctdb_on_undelivered(client, take_report, &got), 0);
  ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_TRUE(got.empty()) << "not out of a blocking call";
  ASSERT_TRUE(loop_until([&] { return got.size() == 1; }));
}

TEST_F(MessageTest, KeptForTheEventLoopWhileACallBlocks) {
  // Three messages arrive before the answer the blocking call waits for.
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && control->opcode == static_cast<uint32_t>(Control::PING)) {
      for (const char* text : {"1", "2", "3"}) daemons.message(1, as_bytes(text));
    }
    return false;
  });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_EQ(inbox.text, "") << "blocking calls run no callbacks";
  EXPECT_TRUE(fd_ready()) << "but leave the descriptor ready";
  EXPECT_EQ(ctdb_service(client, 2), 2);
  EXPECT_EQ(inbox.text, "1 2 ");
  EXPECT_TRUE(fd_ready());
  EXPECT_EQ(ctdb_service(client, 2), 1);
  EXPECT_EQ(inbox.text, "1 2 3 ");
  EXPECT_FALSE(fd_ready());
}

TEST_F(MessageTest, ThatPileUpWhileACallBlocksAreBoundedByTheirBytesToo) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    const std::optional<ReqControl> control = parse_req_control(packet);
    if (control && control->opcode == static_cast<uint32_t>(Control::PING)) {
      for (size_t bytes = 0; bytes <= 256u << 20; bytes += CTDB_PAYLOAD_BYTES_MAX)
        daemons.message(1, Bytes(CTDB_PAYLOAD_BYTES_MAX));
    }
    return false;
  });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), CTDB_ERR_DISCONNECTED);
  EXPECT_STREQ(ctdb_error_text(client), "too many messages arrived during a blocking call");
}

TEST_F(MessageTest, MessagesDoNotDisturbACallToTheStore) {
  start_attached([](FakeDaemons& daemons, Peer peer, ByteView) {
    if (peer == Peer::kStore) {
      for (int i = 0; i < 100; ++i) daemons.message(1, as_bytes("m"));
    }
    return false;
  });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  ctdb_record* record = nullptr;
  ASSERT_EQ(ctdb_fetch_lock(db, blob_of("k"), kPatience, &record), 0);
  ASSERT_EQ(ctdb_unlock(record), 0);
  EXPECT_EQ(inbox.text, "");
  ASSERT_TRUE(loop_until([&] { return inbox.text.size() == 200; }));
}

TEST_F(MessageTest, HandlerMayMakeBlockingCalls) {
  start();
  static int nested_error;
  static std::string seen;
  nested_error = -1;
  seen.clear();
  const auto handler = [](ctdb_client* c, uint64_t, ctdb_blob data, void*) {
    if (text_of(data) == "first") nested_error = ctdb_ping(c, CTDB_PNN_CURRENT, kPatience);
    EXPECT_EQ(ctdb_service(c, 0), CTDB_ERR_BUSY);
    seen += text_of(data) + " ";  // the loan survives the nested call
  };
  ASSERT_EQ(ctdb_register(client, 1, handler, nullptr, kPatience), 0);
  ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of("first")), 0);
  ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of("second")), 0);
  ASSERT_TRUE(loop_until([&] { return seen == "first second "; }));
  EXPECT_EQ(nested_error, 0);
}

TEST_F(MessageTest, HandlerMayDisconnect) {
  start();
  static bool ran;
  ran = false;
  const auto handler = [](ctdb_client* c, uint64_t, ctdb_blob, void*) {
    ctdb_disconnect(c);
    EXPECT_EQ(ctdb_ping(c, 0, 0), CTDB_ERR_INVALID);
    ran = true;
  };
  ASSERT_EQ(ctdb_register(client, 1, handler, nullptr, kPatience), 0);
  ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of("x")), 0);
  while (!ran) {
    ASSERT_TRUE(fd_ready(kPatience));
    ctdb_service(client, 0);
  }
  client = nullptr;
  EXPECT_TRUE(eventually([&] { return node->seen().hung_up == 1; }));
}

TEST_F(MessageTest, MoreThanTheRingHoldsIsQueuedThenRefusedAndNothingIsLost) {
  // The daemon does not read until it is told to.
  start([](FakeDaemons& daemons, Peer, ByteView) {
    if (daemons.held.empty()) {
      daemons.held.emplace_back();
      while (daemons.seen.deletions == 0) usleep(1000);
    }
    return false;
  });
  const Bytes data(1000, 1);
  uint32_t sent = 0;
  int error = 0;
  while ((error = ctdb_send_message(client, kPnn, 1, {data.data(), data.size()})) == 0) ++sent;
  EXPECT_EQ(error, CTDB_ERR_FULL);
  EXPECT_GT(sent, 1000u);
  EXPECT_EQ(ctdb_flush(client, 10), CTDB_ERR_TIMEOUT);
  node->seen().deletions = 1;  // go on
  EXPECT_EQ(ctdb_flush(client, kPatience), 0);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_TRUE(eventually([&] { return node->seen().messages == sent; }));
}

TEST_F(MessageTest, TooBigIsRefused) {
  start();
  const Bytes data(CTDB_PAYLOAD_BYTES_MAX + 1);
  EXPECT_EQ(ctdb_send_message(client, kPnn, 1, {data.data(), data.size()}), CTDB_ERR_TOO_BIG);
  EXPECT_EQ(ctdb_send_message(client, kPnn, 1, {nullptr, 1}), CTDB_ERR_INVALID);
}

TEST_F(MessageTest, LargestMessagesGoThroughInOrder) {
  // There and back, with small ones in between; the ring holds a small part of one.
  start();
  static std::vector<size_t> sizes;
  sizes.clear();
  const auto note = [](ctdb_client*, uint64_t, ctdb_blob data, void*) { sizes.push_back(data.size); };
  ASSERT_EQ(ctdb_register(client, 1, note, nullptr, kPatience), 0);
  const Bytes data(CTDB_PAYLOAD_BYTES_MAX, 7);
  const std::vector<size_t> wanted = {10, data.size(), 11, data.size(), 12};
  for (const size_t size : wanted) {
    while (ctdb_send_message(client, kPnn, 1, {data.data(), size}) == CTDB_ERR_FULL) {
      ASSERT_GE(ctdb_wait(client, kPatience), 0);
    }
  }
  ASSERT_TRUE(loop_until([&] { return sizes.size() == wanted.size(); }));
  EXPECT_EQ(sizes, wanted);
}

// ---- controls ----

TEST_F(MessageTest, ControlGivesStatusDataAndText) {
  start([](FakeDaemons& daemons, Peer, ByteView packet) {
    const ReqControl control = *parse_req_control(packet);
    daemons.check(control.opcode == 91 && read_header(packet).destnode == 3);
    daemons.reply_control(read_header(packet).reqid, 17, control.data, "words");
    return true;
  });
  ctdb_reply reply;
  const ctdb_control_request control{3, 91, 0, 0, blob_of("payload")};
  ASSERT_EQ(ctdb_control(client, &control, kPatience, &reply), 0);
  EXPECT_EQ(reply.status, 17);
  EXPECT_EQ(text_of(reply.data), "payload");
  EXPECT_STREQ(reply.text, "words");
}

TEST_F(MessageTest, PingOfAnUnreachableNodeRepeatsTheRouter) {
  start();
  EXPECT_EQ(ctdb_ping(client, kPnn, kPatience), 0);
  EXPECT_EQ(ctdb_ping(client, 5, kPatience), CTDB_ERR_REMOTE);
  EXPECT_STREQ(ctdb_error_text(client), "ctdb_control to disconnected node");
}

TEST_F(MessageTest, GroupsNeedNoreply) {
  start();
  ctdb_reply reply;
  ctdb_control_request control{CTDB_PNN_ALL, 3, 0, 0, {}};
  const auto never = [](ctdb_client*, const ctdb_reply*, void*) {};
  EXPECT_EQ(ctdb_control(client, &control, kPatience, &reply), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CONNECTED, kPatience), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_control_send(client, &control, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
  control.flags = CTDB_CONTROL_FLAG_NOREPLY;
  EXPECT_EQ(ctdb_control(client, &control, kPatience, &reply), 0);
  EXPECT_EQ(ctdb_control_send(client, &control, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(ctdb_control_send(client, &control, never, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_control(client, nullptr, kPatience, &reply), CTDB_ERR_INVALID);
}

TEST_F(MessageTest, ControlTimesOut) {
  start([](FakeDaemons&, Peer, ByteView) { return true; });
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, 10), CTDB_ERR_TIMEOUT);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, 0), CTDB_ERR_TIMEOUT);
}

TEST_F(MessageTest, WaitHandlesWhatComes) {
  start({}, [](FakeDaemons& daemons, char) { daemons.message(1, as_bytes("x")); });
  Inbox inbox;
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  for (const int mode : {CTDB_SPIN_NEVER, CTDB_SPIN_ADAPTIVE, CTDB_SPIN_ALWAYS}) {
    inbox.text.clear();
    ASSERT_EQ(ctdb_set_spin(client, mode), 0);
    EXPECT_EQ(ctdb_wait(client, 0), 0);
    EXPECT_EQ(ctdb_wait(client, 5), 0);
    node->command('m');
    EXPECT_EQ(ctdb_wait(client, kPatience), 1);
    EXPECT_EQ(inbox.text, "x ");
  }
  EXPECT_FALSE(fd_ready());
  EXPECT_EQ(ctdb_wait(client, -2), CTDB_ERR_INVALID);
  node->kill();
  EXPECT_EQ(ctdb_wait(client, kPatience), CTDB_ERR_DISCONNECTED);
}

TEST_F(MessageTest, SpinningCallsWorkToo) {
  start();
  for (const int mode : {CTDB_SPIN_ADAPTIVE, CTDB_SPIN_ALWAYS, CTDB_SPIN_NEVER}) {
    ASSERT_EQ(ctdb_set_spin(client, mode), 0);
    for (int i = 0; i < 50; ++i) ASSERT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  }
  EXPECT_EQ(ctdb_service(client, 0), 0);
  EXPECT_FALSE(fd_ready());
}

// ---- another router ----

// Keeps the first control of each kind to itself, as a router that dies with it; 'r': another one is there, which knows no registrations.
bool swallow_first(FakeDaemons& daemons, Peer, ByteView packet) {
  const std::optional<ReqControl> control = parse_req_control(packet);
  if (!control || control->opcode == static_cast<uint32_t>(Control::REGISTER_SRVID)) return false;
  for (const Bytes& held : daemons.held) {
    if (parse_req_control(held)->opcode == control->opcode) return false;
  }
  daemons.held.push_back(to_bytes(packet));
  return true;
}
void replace_router(FakeDaemons& daemons, char) {
  FakeDaemons::Client& client = daemons.client();
  client.srvids.clear();
  SetupMessage replaced;
  replaced.kind = SetupKind::kRouterReplaced;
  replaced.uid = static_cast<uint32_t>(client.channels[0]->read_position());
  daemons.check(send_setup(client.socket.get(), replaced).has_value());
}
void count_restart(ctdb_client*, void* count) {
  ++*static_cast<int*>(count);
}
void take_error(ctdb_client*, const ctdb_reply* reply, void* error) {
  *static_cast<int*>(error) = reply->error;
}

TEST_F(MessageTest, AnotherRouterGetsAgainWhatChangesNothing) {
  start(swallow_first, replace_router);
  int restarts = 0;
  Inbox inbox;
  ASSERT_EQ(ctdb_on_restart(client, count_restart, &restarts), 0);
  ASSERT_EQ(ctdb_register(client, 1, take, &inbox, kPatience), 0);
  int asked = 1;
  int changed = 1;
  const auto number = [](Control control) { return static_cast<uint32_t>(control); };
  const ctdb_control_request ask{CTDB_PNN_CURRENT, number(Control::PING), 0, 0, {nullptr, 0}};
  const ctdb_control_request change{CTDB_PNN_CURRENT, number(Control::SET_DEBUG), 0, 0, {nullptr, 0}};
  ASSERT_EQ(ctdb_control_send(client, &ask, take_error, &asked, nullptr), 0);
  ASSERT_EQ(ctdb_control_send(client, &change, take_error, &changed, nullptr), 0);
  ASSERT_TRUE(eventually([this] { return node->seen().held_back == 2; }));
  node->command('r');
  ASSERT_TRUE(loop_until([&] { return asked != 1 && changed != 1 && restarts == 1; }));
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(changed, CTDB_ERR_UNKNOWN);
  EXPECT_EQ(stats().router_restarts, 1u);
  // What was registered is so again.
  ASSERT_EQ(ctdb_send_message(client, kPnn, 1, blob_of("here")), 0);
  ASSERT_TRUE(loop_until([&] { return inbox.text == "here "; }));
  EXPECT_EQ(node->seen().wrong, 0u);
}

TEST_F(MessageTest, ABlockingCallIsNotEndedByAnotherRouter) {
  start([](FakeDaemons& daemons, Peer peer, ByteView packet) {
    if (!swallow_first(daemons, peer, packet)) return false;
    replace_router(daemons, 'r');
    return true;
  });
  int restarts = 0;
  ASSERT_EQ(ctdb_on_restart(client, count_restart, &restarts), 0);
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, kPatience), 0);
  EXPECT_EQ(restarts, 0) << "callbacks run in ctdb_service() only";
  ASSERT_TRUE(loop_until([&] { return restarts == 1; }));
}

}  // namespace
}  // namespace ctdb::test
