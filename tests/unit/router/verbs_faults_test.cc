// SPDX-License-Identifier: GPL-3.0-or-later
// The whole transport over the fake devices: every fault a device can have, with traffic both ways.
#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "tests/unit/router/verbs_devices.h"
#include "tests/unit/router/verbs_fixture.h"

namespace ctdb::test {
namespace {

TEST_F(VerbsFaults, DataGoesOverVerbsOnly) {
  start_on_verbs();
  const LinkReport before = report(*a);
  send_some();
  expect_all();
  EXPECT_EQ(report(*a).tcp_out, before.tcp_out);
  EXPECT_EQ(report(*a).tcp_in, before.tcp_in);
  EXPECT_EQ(report(*a).verbs_out, before.verbs_out + 100);
  EXPECT_EQ(report(*a).verbs_in, before.verbs_in + 100);
}

TEST_F(VerbsFaults, EveryErrorOfASendFallsBack) {
  for (const ibv_wc_status status :
       {IBV_WC_LOC_LEN_ERR, IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR, IBV_WC_WR_FLUSH_ERR,
        IBV_WC_BAD_RESP_ERR, IBV_WC_LOC_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR, IBV_WC_REM_ACCESS_ERR,
        IBV_WC_REM_OP_ERR, IBV_WC_RETRY_EXC_ERR, IBV_WC_RNR_RETRY_EXC_ERR, IBV_WC_REM_ABORT_ERR,
        IBV_WC_FATAL_ERR, IBV_WC_RESP_TIMEOUT_ERR, IBV_WC_GENERAL_ERR}) {
    SCOPED_TRACE(status);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    expect_fall_and_rise(
        [&] {
          fake_verbs_hold(1);
          a->turn();
          b->turn();
          fake_verbs_fail_sends(status);
        },
        "sending failed: status " + std::to_string(status));
  }
}

TEST_F(VerbsFaults, EveryErrorOfAReceiveFallsBack) {
  for (const ibv_wc_status status : {IBV_WC_LOC_LEN_ERR, IBV_WC_LOC_QP_OP_ERR, IBV_WC_LOC_PROT_ERR,
                                     IBV_WC_WR_FLUSH_ERR, IBV_WC_LOC_ACCESS_ERR, IBV_WC_REM_INV_REQ_ERR,
                                     IBV_WC_REM_ABORT_ERR, IBV_WC_FATAL_ERR, IBV_WC_GENERAL_ERR}) {
    SCOPED_TRACE(status);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    expect_fall_and_rise([&] { fake_verbs_fail_next_receive(1, status); }, "failed: status ");
  }
}

// The kernel looks for a link-layer address meanwhile. The loop goes on, or this test would stand still.
TEST_F(VerbsFaults, AConnectThatBlocksHoldsNobodyUp) {
  fake_verbs_hold_connects(1);
  start();
  ASSERT_TRUE(until([&] { return why(*a).find("is being connected") != std::string::npos; })) << why(*a);
  send_some();
  expect_all();
  EXPECT_TRUE(both_on(LinkKind::kTcp));
  fake_verbs_hold_connects(0);
  ASSERT_TRUE(until([&] { return both_on(LinkKind::kVerbs); })) << why(*a) << why(*b);
  send_some();
  expect_all();
}

TEST_F(VerbsFaults, WhatIsDroppedWhileItIsBeingConnectedIsLetGoAfterwards) {
  for (const ibv_event_type type : {IBV_EVENT_PORT_ERR, IBV_EVENT_DEVICE_FATAL}) {
    SCOPED_TRACE(type);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    fake_verbs_hold_connects(1);
    start();
    ASSERT_TRUE(until([&] { return why(*a).find("is being connected") != std::string::npos; })) << why(*a);
    fake_verbs_raise(0, type);
    ASSERT_TRUE(until([&] { return why(*a).find("is being connected") == std::string::npos; }));
    send_some();
    expect_all();
    EXPECT_EQ(fake_verbs_counts_now().contexts, 2u) << "the kernel still has it";
    fake_verbs_hold_connects(0);
    ASSERT_TRUE(until([&] { return both_on(LinkKind::kVerbs); })) << why(*a) << why(*b);
    send_some();
    expect_all();
    ASSERT_TRUE(until([&] { return fake_verbs_counts_now().pairs == 2; })) << "the first one is destroyed";
  }
}

TEST_F(VerbsFaults, AWireThatSwallowsEverythingIsFoundByHeartbeat) {
  start_on_verbs();
  fake_verbs_hold(1);  // both sides only wait now
  EXPECT_TRUE(until([&] { return both_on(LinkKind::kTcp); }));
  fake_verbs_hold(0);
  send_some();
  expect_all();
  EXPECT_TRUE(until([&] { return both_on(LinkKind::kVerbs); }));
}

TEST_F(VerbsFaults, DelayedMessagesArrive) {
  start_on_verbs();
  fake_verbs_hold(1);
  send_some();
  for (int i = 0; i < 3; ++i) a->turn(), b->turn();
  fake_verbs_hold(0);
  expect_all();
  EXPECT_EQ(report(*a).falls, 0u);
}

TEST_F(VerbsFaults, APeerThatDiesTakesTheLinkDown) {
  start_on_verbs();
  b.reset();
  ASSERT_TRUE(turn_until({a.get()}, [&] { return a->downs() == 1; }));
  b = std::make_unique<TransportNode>(1, 102, make_);
  ASSERT_TRUE(until([&] { return a->ups() == 2 && both_on(LinkKind::kVerbs); }));
  send_some();
  ASSERT_TRUE(until([&] { return a->packets() == sent_ && b->packets() == sent_; }));
}

TEST_F(VerbsFaults, EventsOfAQueuePairFallBack) {
  for (const ibv_event_type type :
       {IBV_EVENT_QP_FATAL, IBV_EVENT_QP_REQ_ERR, IBV_EVENT_QP_ACCESS_ERR, IBV_EVENT_QP_LAST_WQE_REACHED}) {
    SCOPED_TRACE(type);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    expect_fall_and_rise([&] { fake_verbs_raise(0, type); }, "event " + std::to_string(type));
  }
}

TEST_F(VerbsFaults, ADeviceThatFailsIsOpenedAnew) {
  for (const ibv_event_type type : {IBV_EVENT_DEVICE_FATAL, IBV_EVENT_CQ_ERR, IBV_EVENT_SRQ_ERR}) {
    SCOPED_TRACE(type);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    expect_fall_and_rise([&] { fake_verbs_raise(1, type); }, "the RDMA device failed");
  }
}

TEST_F(VerbsFaults, APortThatGoesDownAndUp) {
  start_on_verbs();
  send_some();
  fake_verbs_set_port(0, 0);
  EXPECT_TRUE(until([&] { return both_on(LinkKind::kTcp); }));
  send_some();
  expect_all();
  EXPECT_TRUE(until([&] { return why(*a).find("port 1 of RDMA device fake0 is down") != std::string::npos; }))
      << why(*a);
  fake_verbs_set_port(0, 1);
  EXPECT_TRUE(until([&] { return both_on(LinkKind::kVerbs); }));
  send_some();
  expect_all();
}

TEST_F(VerbsFaults, WhatCarriesAPacketIsKnown) {
  start_on_verbs();
  a->transport->send(1, Lane::kData, link_message(0, 1, 1, 100));
  EXPECT_EQ(a->transport->carried_by(), LinkKind::kVerbs);
  a->transport->send(1, Lane::kControl, link_message(0, 1, 2, 100));
  EXPECT_EQ(a->transport->carried_by(), LinkKind::kTcp);
  ASSERT_TRUE(until([&] { return b->packets() == 2; }));
  EXPECT_EQ(b->came_over, (std::map<uint32_t, LinkKind>{{1, LinkKind::kVerbs}, {2, LinkKind::kTcp}}));
}

TEST_F(VerbsFaults, EventsOfNoConsequence) {
  start_on_verbs();
  for (const ibv_event_type type : {IBV_EVENT_SRQ_LIMIT_REACHED, IBV_EVENT_LID_CHANGE, IBV_EVENT_PKEY_CHANGE,
                                    IBV_EVENT_SM_CHANGE, IBV_EVENT_CLIENT_REREGISTER, IBV_EVENT_GID_CHANGE})
    fake_verbs_raise(0, type);
  send_some();
  expect_all();
  EXPECT_EQ(report(*a).falls, 0u);
}

TEST_F(VerbsFaults, AnAddressThatMovesToAnotherIndexIsLookedFor) {
  start_on_verbs();
  fake_verbs_move_gid(3);
  for (const int device : {0, 1}) fake_verbs_raise(device, IBV_EVENT_GID_CHANGE);
  send_some();
  expect_all();
  EXPECT_TRUE(until([&] { return report(*a).falls > 0 && both_on(LinkKind::kVerbs); })) << why(*a) << why(*b);
  send_some();
  expect_all();
}

TEST_F(VerbsFaults, CallsThatFailInTheMiddle) {
  for (const char* call : {"ibv_post_send", "ibv_poll_cq", "ibv_req_notify_cq", "ibv_post_srq_recv"}) {
    SCOPED_TRACE(call);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    start_on_verbs();
    send_some();
    fake_verbs_break(call, ENOMEM);
    ASSERT_TRUE(until([&] { return report(*a).falls + report(*b).falls > 0; }));
    fake_verbs_break(call, 0);
    send_some();
    expect_all();
    EXPECT_TRUE(until([&] { return both_on(LinkKind::kVerbs); })) << why(*a) << why(*b);
  }
}

TEST_F(VerbsFaults, WhatTheMachineLacksIsSaidAndTcpIsUsed) {
  const std::vector<std::pair<const char*, const char*>> kinds = {
      {"ibv_open_device", "/dev/infiniband"}, {"ibv_alloc_pd", "protection domain"},
      {"ibv_reg_mr", "LimitMEMLOCK"},         {"ibv_create_comp_channel", "channel"},
      {"ibv_create_cq", "completion queue"},  {"ibv_create_srq", "receive queue"},
      {"ibv_create_qp", "queue pair"},        {"ibv_modify_qp", "queue pair"},
      {"ibv_query_port", "device"},           {"ibv_post_srq_recv", "receive queue"},
  };
  for (const auto& kind : kinds) {
    const char* call = kind.first;
    const char* reason = kind.second;
    SCOPED_TRACE(call);
    a.reset();
    b.reset();
    sent_ = 0;
    fake_verbs_reset();
    fake_verbs_break(call, ENOMEM);
    start();
    ASSERT_TRUE(until([&] { return why(*b).find(reason) != std::string::npos; })) << why(*b);
    send_some();
    expect_all();
    EXPECT_TRUE(both_on(LinkKind::kTcp));
  }
}

// The library itself would wait seconds for it.
TEST_F(VerbsFaults, ADeviceFileThatIsMissingIsNotWaitedFor) {
  fake_verbs_lose_file(0);
  start();
  ASSERT_TRUE(until([&] { return why(*a).find("restart it") != std::string::npos; })) << why(*a);
  EXPECT_NE(why(*a).find("No such file"), std::string::npos) << why(*a);
  ASSERT_TRUE(until([&] { return report(*b).attempts >= 4; })) << "it is asked again and again";
  EXPECT_EQ(fake_verbs_counts_now().opens, 6u) << "all but that one, by each node";
  EXPECT_EQ(fake_verbs_counts_now().lists, 2u) << "one look for each node";
  send_some();
  expect_all();
}

// Node 0 reaches node 1 from fake2's address, whatever its own is.
TEST_F(VerbsFaults, TheRouteToThePeerSaysWhichDevice) {
  make_ = make_verbs_cluster(VerbsConfig{}, [](const std::string& own, const std::string&) {
    return own == tcp_node_address(0) ? "127.0.0.3" : own;
  });
  start_on_verbs();
  send_some();
  expect_all();
  fake_verbs_set_port(2, 0);
  EXPECT_TRUE(until([&] { return why(*a).find("fake2 is down") != std::string::npos; })) << why(*a);
}

TEST_F(VerbsFaults, WhereNoRouteBeginsAtADeviceTheOwnAddressDoes) {
  make_ =
      make_verbs_cluster(VerbsConfig{}, [](const std::string&, const std::string&) { return "10.9.9.9"; });
  start_on_verbs();
}

// One completion queue and one receive queue are of one device: the route to the lowest node decides, others say why not.
TEST_F(VerbsFaults, ARouteThatBeginsElsewhereStaysOnTcpAndSaysWhy) {
  make_ = make_verbs_cluster(VerbsConfig{}, [](const std::string& own, const std::string& peer) {
    if (own != tcp_node_address(1)) return own;
    return std::string(peer == tcp_node_address(0) ? "127.0.0.4" : "10.9.9.9");
  });
  a = std::make_unique<TransportNode>(2, 102, make_);
  b = std::make_unique<TransportNode>(1, 101, make_);
  ASSERT_TRUE(until([&] {
    return b->transport->report(2).why.find("begins at 10.9.9.9") != std::string::npos;
  })) << b->transport->report(2).why;
  EXPECT_NE(b->transport->report(2).why.find("not on RDMA device fake3"), std::string::npos);
}

TEST_F(VerbsFaults, TheKernelKnowsRoutes) {
  EXPECT_EQ(source_towards("127.0.0.7", "127.0.0.1"), "127.0.0.7") << "it is on this machine";
  EXPECT_EQ(source_towards("10.9.9.9", "no address"), "10.9.9.9");
}

TEST_F(VerbsFaults, MemoryThatIsBeingGivenBackIsNotGone) {
  LoneDevice lone(VerbsConfig{}, "127.0.0.1");
  Result<QueuePair> made = lone.device->create(lone.from);
  ASSERT_TRUE(made);
  EXPECT_EQ(lone.device->create(lone.from).error().code, ErrorCode::kLimit)
      << "one link is all there is room for";
  int drops = 0;
  while (made && drops < 100) {
    lone.device->drop(made->number);
    ++drops;
    made = lone.device->create(lone.from);
  }
  EXPECT_GE(drops, 2);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kTimeout) << made.error().text();
}

TEST_F(VerbsFaults, AReceiveQueueThatRunsLowIsTold) {
  LoneDevice c(VerbsConfig{}, "127.0.0.1"), d(VerbsConfig{}, "127.0.0.2");
  expect_low_receive_queue_is_told(c, d);
}

TEST_F(VerbsFaults, ChildrenDoNoHarm) {
  LoneDevice c(VerbsConfig{}, "127.0.0.1"), d(VerbsConfig{}, "127.0.0.2");
  expect_children_do_no_harm(c, d);
}

// What a link's end causes is sent in the same turn.
class Answering final : public TransportNode {
 public:
  using TransportNode::TransportNode;
  void on_down(uint32_t peer, uint64_t session, const std::string& why) override {
    TransportNode::on_down(peer, session, why);
    if (peer != 2) return;
    EXPECT_TRUE(transport->send(1, Lane::kData, link_message(0, 1, 1, 128)));
  }
};

TEST_F(VerbsFaults, WhatIsSentWhileTcpIsFlushedDoesNotWait) {
  auto answering = std::make_unique<Answering>(0, 100, make_);
  TransportNode* first = answering.get();
  a = std::move(answering);
  b = std::make_unique<TransportNode>(1, 101, make_);
  auto c = std::make_unique<TransportNode>(2, 102, make_);
  ASSERT_TRUE(turn_until({first, b.get(), c.get()}, [&] {
    return both_on(LinkKind::kVerbs) && first->transport->report(2).kind == LinkKind::kVerbs;
  }));
  c.reset();
  // The second write to a socket that the other side has closed fails inside the flush.
  fake_verbs_counts before{};
  ASSERT_TRUE(turn_until({}, [&] {
    before = fake_verbs_counts_now();
    first->transport->send(2, Lane::kControl, link_message(0, 2, 1, 128));
    first->transport->flush();
    return first->downs() == 1;
  }));
  EXPECT_EQ(fake_verbs_counts_now().doorbells, before.doorbells + 1);
  ASSERT_TRUE(until([&] { return b->packets() == 1; }));
}

TEST_F(VerbsFaults, NoDevice) {
  fake_verbs_set_devices(0, 0);
  start();
  ASSERT_TRUE(until([&] { return why(*a).find("no RDMA device") != std::string::npos; }));
  send_some();
  expect_all();
}

TEST_F(VerbsFaults, ACompletionQueueThatIsTooShort) {
  fake_verbs_set_cq_max(16);
  start();
  ASSERT_TRUE(until([&] { return why(*b).find("completion queue long enough") != std::string::npos; }));
}

TEST_F(VerbsFaults, GapsInTheNumbersOfNodesTakeNoMemory) {
  const uint16_t port = free_port();
  make_ = [port](uint32_t pnn, uint64_t boot_id, EventLoop& loop, TransportEvents& events) {
    TcpOptions tcp = tcp_options(pnn, boot_id, port);
    while (tcp.nodes.size() < kNodesMax)
      tcp.nodes.push_back({static_cast<uint32_t>(tcp.nodes.size()), "", true, false});
    return make_verbs_transport({pnn, tcp_node_address(pnn), tcp.nodes, VerbsConfig{}, {}}, loop, events,
                                [&](TransportEvents& inner) { return make_tcp_transport(tcp, loop, inner); });
  };
  fake_verbs_set_cq_max(1024);
  start_on_verbs();
}

TEST_F(VerbsFaults, DevicesThatTakeNothingInline) {
  fake_verbs_set_inline_max(0);
  start_on_verbs();
  send_some();
  expect_all();
}

TEST_F(VerbsFaults, DevicesThatDoNotSayWhenAQueuePairIsDone) {
  fake_verbs_tell_last_receive(0);
  expect_fall_and_rise([&] { fake_verbs_raise(0, IBV_EVENT_QP_FATAL); }, "event");
}

TEST_F(VerbsFaults, GarbageInReceiveBuffers) {
  expect_fall_and_rise(
      [&] {
        fake_verbs_tamper([](uint8_t* message, size_t) -> size_t {
          message[0] ^= 0xff;
          return 8;
        });
      },
      "garbage");
}

TEST_F(VerbsFaults, MessagesLargerThanABufferAreAnErrorOfTheDevice) {
  expect_fall_and_rise([&] { fake_verbs_tamper([](uint8_t*, size_t) -> size_t { return 65000; }); },
                       "failed");
}

TEST_F(VerbsFaults, SwitchedOffOnOneSide) {
  VerbsConfig off;
  off.enabled = false;
  for (const uint32_t which : {0u, 1u}) {
    a.reset();
    b.reset();
    make_ = make_verbs_cluster([&](uint32_t pnn) { return pnn == which ? off : VerbsConfig{}; });
    start();
    ASSERT_TRUE(until([&] {
      return why(*a).find("switched off") != std::string::npos &&
             why(*b).find("switched off") != std::string::npos;
    })) << why(*a)
        << why(*b);
  }
}

// Wake-ups, doorbells and system calls of one small message when all is idle: the sleep and one read of the completion channel.
TEST_F(VerbsFaults, AMessageCostsOneDoorbellAndOneWakeUp) {
  start_on_verbs();
  turn_for({a.get(), b.get()}, 50 * kMillisecond);
  const fake_verbs_counts before = fake_verbs_counts_now();
  const LinkReport pings = report(*a);
  const TimeNs start = test_clock();
  constexpr uint32_t kMessages = 50;
  for (uint32_t i = 1; i <= kMessages; ++i) {
    a->transport->send(1, Lane::kData, link_message(0, 1, i, 128));
    ASSERT_TRUE(until([&] { return b->packets() == i; }));
  }
  const fake_verbs_counts after = fake_verbs_counts_now();
  // Heart-beats and credits come on top.
  const uint64_t others = after.messages - before.messages - kMessages;
  // Each side's heart-beat and its answer, five times a second.
  const auto beats = static_cast<uint64_t>(4 * (1 + (test_clock() - start) / (200 * kMillisecond)));
  EXPECT_LE(after.doorbells - before.doorbells, kMessages + others);
  EXPECT_LE(after.wakeups - before.wakeups, kMessages + 2 * others);
  EXPECT_EQ(after.event_reads - before.event_reads, after.wakeups - before.wakeups);
  EXPECT_LE(others, beats + kMessages / 8);
  EXPECT_EQ(report(*a).falls, pings.falls);
}

TEST_F(VerbsFaults, UnderLoadMessagesShareWakeUps) {
  start_on_verbs();
  const fake_verbs_counts before = fake_verbs_counts_now();
  for (uint32_t i = 1; i <= 1000; ++i) a->transport->send(1, Lane::kData, link_message(0, 1, i, 128));
  ASSERT_TRUE(until([&] { return b->packets() == 1000; }));
  EXPECT_LT(fake_verbs_counts_now().wakeups - before.wakeups, 200u);
  EXPECT_LT(fake_verbs_counts_now().notifies - before.notifies, 400u);
}

// Large packets fill the device's queue of sends: whoever waits for room must not ask again and again.
TEST_F(VerbsFaults, WaitingForRoomIsNoSpinning) {
  start_on_verbs();
  const fake_verbs_counts before = fake_verbs_counts_now();
  for (uint32_t i = 1; i <= 100; ++i) a->transport->send(1, Lane::kData, link_message(0, 1, i, 100000));
  ASSERT_TRUE(until([&] { return b->packets() == 100; }));
  const uint64_t messages = fake_verbs_counts_now().messages - before.messages;
  EXPECT_LT(fake_verbs_counts_now().solicited - before.solicited, messages / 3)
      << "chunks of one packet share them";
  EXPECT_LT(fake_verbs_counts_now().notifies - before.notifies, messages);
}

TEST_F(VerbsFaults, RecordPacketsTakeTheLinkWhileItIsOnVerbs) {
  start_on_verbs();
  a->transport->want_record_streams(true);
  b->transport->want_record_streams(true);
  send_some();
  expect_all();
  EXPECT_TRUE(a->streams.empty() && b->streams.empty());
  fake_verbs_set_port(1, 0);  // and nothing better comes
  ASSERT_TRUE(until([&] { return a->streams.size() == 1 && b->streams.size() == 1; }));
  fake_verbs_set_port(1, 1);
  ASSERT_TRUE(until([&] { return both_on(LinkKind::kVerbs) && b->streams_unwanted == 1; }));
}

}  // namespace
}  // namespace ctdb::test
