// SPDX-License-Identifier: GPL-3.0-or-later
// A traverse whose store dies: the client is told.
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

constexpr uint64_t kSrvid = 0xBE00000000000017ull;
constexpr uint32_t kReqid = 5;

class TraverseTest : public CoreTest {
 protected:
  TraverseTest() { daemons_up(); }

  static Bytes start_data() {
    Bytes data;
    Writer w(data);
    w.u32(0x1234);
    w.u32(kReqid);
    w.u64(kSrvid);
    return data;
  }
  // The client asks; returns the reqid the store was asked with.
  uint32_t ask_store() {
    from_client(control(Control::TRAVERSE_START, CTDB_CURRENT_NODE, start_data()));
    return only().header().reqid;
  }
  void store_answers(uint32_t reqid, int32_t status) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, kSelf, reqid}, ReplyControl{status, {}, {}});
    from_daemon(Server::store, kClient, packet);
    out.take();
  }
  void store_sends(ByteView key, ByteView value) {
    Bytes data, packet;
    Writer w(data);
    w.u32(static_cast<uint32_t>(16 + key.size() + value.size()));
    w.u32(kReqid);
    w.u32(static_cast<uint32_t>(key.size()));
    w.u32(static_cast<uint32_t>(value.size()));
    w.bytes(key);
    w.bytes(value);
    build(packet, {0, 0, 0, 0, kSelf, 0}, ReqMessage{kSrvid, data});
    from_daemon(Server::store, kClient, packet);
    out.take();
  }
  std::vector<Sent> store_dies() {
    router.on_daemon(Server::store, false, 1, now);
    std::vector<Sent> sent = out.take();
    std::erase_if(sent, [](const Sent& one) { return one.where != Sent::Where::kClient; });
    return sent;
  }
};

TEST_F(TraverseTest, ADyingStoreFailsAnAcceptedTraverse) {
  store_answers(ask_store(), 0);
  store_sends(as_bytes("key"), Bytes(30, 1));
  const std::vector<Sent> sent = store_dies();
  ASSERT_EQ(sent.size(), 2u);
  for (const Sent& one : sent) {
    EXPECT_EQ(one.to, kClient);
    const ReqMessage message = *parse_req_message(one.packet);
    EXPECT_EQ(message.srvid, kSrvid);
    EXPECT_EQ(load<uint32_t>(message.data.data() + 4), kReqid);
    EXPECT_EQ(load<uint32_t>(message.data.data() + 12), 0u);  // no room for a record header
  }
  EXPECT_NE(load<uint32_t>(parse_req_message(sent[0].packet)->data.data() + 8), 0u);
  EXPECT_EQ(load<uint32_t>(parse_req_message(sent[1].packet)->data.data() + 8), 0u);  // end marker
}

TEST_F(TraverseTest, OneThatHasEndedIsForgotten) {
  store_answers(ask_store(), 0);
  store_sends({}, {});
  EXPECT_TRUE(store_dies().empty());
}

TEST_F(TraverseTest, OneThatWasRefusedIsForgotten) {
  store_answers(ask_store(), -1);
  EXPECT_TRUE(store_dies().empty());
}

TEST_F(TraverseTest, OneThatWasNotAnsweredYetGetsAnErrorOnly) {
  ask_store();
  const std::vector<Sent> sent = store_dies();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].is(Operation::REPLY_CONTROL));
  EXPECT_EQ(parse_reply_control(sent[0].packet)->status, -1);
}

TEST_F(TraverseTest, AClientThatIsGoneIsForgotten) {
  store_answers(ask_store(), 0);
  router.on_client_gone(kClient, now);
  out.take();
  EXPECT_TRUE(store_dies().empty());
}

}  // namespace
}  // namespace ctdb::test
