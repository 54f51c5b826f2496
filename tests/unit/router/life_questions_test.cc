// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a client lives is not denied before it is certain enough: its router may just be restarted.
#include "tests/unit/router/core_fixture.h"

namespace ctdb::test {
namespace {

class LifeQuestionsTest : public CoreTest {
 protected:
  void ask(uint32_t node, uint32_t client = kClient) {
    const uint8_t pid[4] = {1, 0, 0, 0};
    from_client(control(Control::PROCESS_EXISTS, node, pid), client);
  }
  static Bytes yes(uint32_t reqid) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReplyControl{0, {}, {}});
    return packet;
  }
};

TEST_F(LifeQuestionsTest, WaitForALinkThatHasJustEnded) {
  link_up(2);
  link_down(2);
  out.take();
  ask(2);
  EXPECT_TRUE(out.take().empty());
  link_up(2);
  const Sent sent = only();
  ASSERT_EQ(sent.where, Sent::Where::kLink);
  EXPECT_TRUE(from_link(2, yes(sent.header().reqid)));
  EXPECT_EQ(answer().status, 0);
  EXPECT_EQ(router.requests_in_flight(), 0u);
}

TEST_F(LifeQuestionsTest, WaitAlsoWhenTheNodesFileWasReadAgainMeanwhile) {
  link_up(2);
  link_down(2);
  out.file_nodes = options().nodes;
  EXPECT_EQ(router.reload_nodes(), "");
  out.take();
  ask(2);
  EXPECT_TRUE(out.take().empty());
}

TEST_F(LifeQuestionsTest, ThatWereOnTheWayAreAskedAgain) {
  link_up(2);
  ask(2);
  const uint32_t first = only().header().reqid;
  link_down(2);
  EXPECT_TRUE(out.take().empty());
  link_up(2);
  const Sent sent = only();
  EXPECT_NE(sent.header().reqid, first);
  EXPECT_TRUE(from_link(2, yes(sent.header().reqid)));
  EXPECT_EQ(answer().status, 0);
}

TEST_F(LifeQuestionsTest, AreDeniedWhenTheNodeDoesNotComeBack) {
  link_up(2);
  link_down(2);
  out.take();
  ask(2);
  EXPECT_EQ(router.next_deadline(), now + 2 * kSecond);
  now += 2 * kSecond;
  router.tick(now);
  EXPECT_EQ(answer().status, -1);
  ask(2);
  EXPECT_EQ(answer().status, -1) << "and from then on at once";
  EXPECT_EQ(router.next_deadline(), kNever);
}

TEST_F(LifeQuestionsTest, AreDeniedAtOnceWhenTheNodeIsProvedToBeDead) {
  link_up(2);
  link_down(2);
  out.take();
  ask(2);
  router.on_gone(2);
  EXPECT_EQ(answer().status, -1);
}

TEST_F(LifeQuestionsTest, OtherControlsDoNotWait) {
  link_up(2);
  link_down(2);
  out.take();
  from_client(control(Control::PING, 2));
  EXPECT_EQ(answer().status, -1);
}

// Who hears no takes what the other had.
TEST_F(LifeQuestionsTest, OfOneSenderTakeNobodyElsesRoom) {
  link_up(2);
  link_down(2);
  out.take();
  for (int i = 0; i < 4096; ++i) ask(2);
  EXPECT_TRUE(out.take().empty());
  ask(2);
  EXPECT_EQ(answer().status, -1);
  ask(2, kOther);
  EXPECT_TRUE(out.take().empty()) << "it waits";
}

TEST_F(LifeQuestionsTest, MalformedOnesDoNotWaitWithAllTheirBytes) {
  router.await_clients(now + kSecond);
  for (const Control opcode : {Control::PROCESS_EXISTS, Control::CHECK_PID_SRVID}) {
    from_client(control(opcode, CTDB_CURRENT_NODE, Bytes(1u << 20)));
    EXPECT_EQ(answer().status, -1);
  }
}

TEST_F(LifeQuestionsTest, WaitForTheLastRoutersClients) {
  router.await_clients(now + kSecond);
  ask(CTDB_CURRENT_NODE);
  EXPECT_TRUE(out.take().empty());
  router.on_client(99, 1);
  router.on_clients_back(now);
  EXPECT_EQ(answer().status, 0);
}

TEST_F(LifeQuestionsTest, OfAClientThatHasLeftAreForgotten) {
  link_up(2);
  link_down(2);
  ask(2);
  router.on_client_gone(kClient, now);
  out.take();
  now += 2 * kSecond;
  router.tick(now);
  EXPECT_TRUE(out.take().empty());
}

}  // namespace
}  // namespace ctdb::test
