// SPDX-License-Identifier: GPL-3.0-or-later
// What every transport must do (the promises of ctdb-router/transport/transport.h). A transport's test instantiates
// TransportConformance with a factory for nodes 0 to 2 of one cluster.
#ifndef CTDB_TESTS_UNIT_ROUTER_TRANSPORT_CONFORMANCE_H_
#define CTDB_TESTS_UNIT_ROUTER_TRANSPORT_CONFORMANCE_H_

#include <poll.h>

#include <algorithm>
#include <map>
#include <set>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/random.h"
#include "tests/unit/router/transport_world.h"

namespace ctdb::test {

struct ClusterKind {
  MakeTransport (*make)();  // called once per test: the returned function makes the nodes of one cluster
  LinkKind kind = LinkKind::kTcp;  // what start_pair() waits for; kNone: only that there is a link
};

class TransportConformance : public testing::TestWithParam<ClusterKind> {
 protected:
  TransportConformance() : make_(GetParam().make()) {}

  std::unique_ptr<TransportNode> start(uint32_t pnn) {
    return std::make_unique<TransportNode>(pnn, ++boot_id_, make_);
  }
  void start_pair() {
    a = start(0);
    b = start(1);
    ASSERT_TRUE(until([&] { return a->ups() == 1 && b->ups() == 1; }));
    const LinkKind kind = GetParam().kind;
    if (kind == LinkKind::kNone) return;
    ASSERT_TRUE(until([&] {
      return a->transport->report(1).kind == kind && b->transport->report(0).kind == kind;
    })) << a->transport->report(1).why;
  }
  bool until(const std::function<bool()>& condition) {
    std::vector<TransportNode*> nodes;
    for (const auto& node : {a.get(), b.get(), c.get()}) {
      if (node != nullptr) nodes.push_back(node);
    }
    return turn_until(nodes, condition);
  }
  // `b` reads no more, and what `a` has for it passes the high-water mark. Returns how many packets that took.
  uint32_t send_until_congested() {
    b->frozen = true;
    uint32_t sent = 0;
    while (a->transport->queued_bytes() <= kLinkQueueHighWaterBytes) {
      const bool queued = a->transport->send(1, Lane::kData, link_message(0, 1, ++sent, 100000));
      EXPECT_TRUE(queued);
      if (!queued) break;
      a->turn();
    }
    return sent;
  }
  // Ups and downs of `node` alternate, start with an up, never repeat a session, and frame all packets.
  static void expect_well_formed(const TransportNode& node) {
    std::map<uint32_t, uint64_t> up;
    std::set<uint64_t> seen;
    for (const LinkEvent& event : node.events) {
      if (event.kind == LinkEvent::Kind::kUp) {
        EXPECT_EQ(up.count(event.peer), 0u);
        EXPECT_TRUE(seen.insert(event.session).second) << "session used twice";
        up[event.peer] = event.session;
      } else if (event.kind == LinkEvent::Kind::kDown) {
        ASSERT_EQ(up.count(event.peer), 1u);
        EXPECT_EQ(up[event.peer], event.session);
        up.erase(event.peer);
      } else {
        EXPECT_EQ(up.count(event.peer), 1u) << "a packet outside of a session";
      }
    }
  }

  MakeTransport make_;
  uint64_t boot_id_ = 100;
  std::unique_ptr<TransportNode> a, b, c;
};

TEST_P(TransportConformance, ThreeNodesAreAllLinked) {
  a = start(0);
  b = start(1);
  c = start(2);
  EXPECT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2 && c->ups() == 2; }));
  expect_well_formed(*a);
  expect_well_formed(*b);
  expect_well_formed(*c);
}

TEST_P(TransportConformance, OrderOfStartingDoesNotMatter) {
  b = start(1);
  turn_for({b.get()}, 100 * kMillisecond);
  EXPECT_EQ(b->ups(), 0u);
  a = start(0);
  EXPECT_TRUE(until([&] { return a->ups() == 1 && b->ups() == 1; }));
}

TEST_P(TransportConformance, SendWithoutALinkSaysSo) {
  a = start(0);
  EXPECT_FALSE(a->transport->send(1, Lane::kData, link_message(0, 1, 1, 10)));
  EXPECT_EQ(a->transport->queued_bytes(), 0u);
}

TEST_P(TransportConformance, PacketsArriveWholeInOrderOnce) {
  start_pair();
  Random random(7);
  std::vector<uint32_t> expected;
  for (uint32_t i = 1; i <= 3000; ++i) {
    const size_t size = random.one_in(50) ? random.below(300000) : random.below(400);
    EXPECT_TRUE(a->transport->send(1, Lane::kData, link_message(0, 1, i, size)));
    EXPECT_TRUE(b->transport->send(0, Lane::kData, link_message(1, 0, i, random.below(400))));
    expected.push_back(i);
    if (random.one_in(20)) {
      a->turn();
      b->turn();
    }
  }
  EXPECT_TRUE(until([&] { return a->packets() == 3000 && b->packets() == 3000; }));
  EXPECT_EQ(a->reqids(), expected);
  EXPECT_EQ(b->reqids(), expected);
  for (const LinkEvent& event : b->events) {
    if (event.kind != LinkEvent::Kind::kPacket) continue;
    const std::optional<ReqMessage> message = parse_req_message(event.packet);
    ASSERT_TRUE(message);
    const uint8_t fill = static_cast<uint8_t>(message->srvid);
    EXPECT_TRUE(
        std::all_of(message->data.begin(), message->data.end(), [&](uint8_t x) { return x == fill; }));
  }
  EXPECT_EQ(a->transport->queued_bytes(), 0u);
  expect_well_formed(*a);
  expect_well_formed(*b);
}

TEST_P(TransportConformance, TheLargestPacketArrives) {
  start_pair();
  const size_t payload = kPacketBytesMax - CTDB_REQ_MESSAGE_FIXED - 4;
  const Bytes packet = link_message(0, 1, 9, payload);
  ASSERT_EQ(packet.size(), kPacketBytesMax);
  EXPECT_TRUE(a->transport->send(1, Lane::kData, packet));
  EXPECT_TRUE(until([&] { return b->packets() == 1; }));
  EXPECT_EQ(b->events.back().packet, packet);
}

TEST_P(TransportConformance, ControlOvertakesQueuedData) {
  start_pair();
  for (uint32_t i = 1; i <= 200; ++i) a->transport->send(1, Lane::kData, link_message(0, 1, i, 50000));
  a->turn();  // a part of it is on its way
  a->transport->send(1, Lane::kControl, link_message(0, 1, 1000, 10));
  EXPECT_TRUE(until([&] { return b->packets() == 201; }));
  std::vector<uint32_t> reqids = b->reqids();
  EXPECT_NE(reqids.back(), 1000u);
  std::erase(reqids, 1000u);
  EXPECT_TRUE(std::is_sorted(reqids.begin(), reqids.end())) << "data keeps its order";
}

TEST_P(TransportConformance, ARestartIsADownAndAnUpWithAnotherSession) {
  start_pair();
  for (int round = 0; round < 3; ++round) {
    const size_t ups = a->ups();
    b.reset();
    b = start(1);
    EXPECT_TRUE(until([&] { return a->ups() == ups + 1 && b->ups() == 1; }));
    EXPECT_EQ(a->downs(), ups);
    a->transport->send(1, Lane::kData, link_message(0, 1, 5, 5));
    EXPECT_TRUE(until([&] { return b->packets() == 1; }));
  }
  expect_well_formed(*a);
  const size_t ups = b->ups();
  a.reset();
  a = start(0);
  EXPECT_TRUE(until([&] { return a->ups() == 1 && b->ups() == ups + 1; }));
  expect_well_formed(*b);
}

TEST_P(TransportConformance, ARefusedPacketCutsTheLink) {
  start_pair();
  b->refuse_packets = true;
  a->transport->send(1, Lane::kData, link_message(0, 1, 1, 5));
  a->transport->send(1, Lane::kData, link_message(0, 1, 2, 5));
  EXPECT_TRUE(until([&] { return b->downs() == 1 && a->downs() == 1 && a->ups() == 2 && b->ups() == 2; }));
  EXPECT_EQ(b->packets(), 1u) << "nothing of that session comes after";
  b->refuse_packets = false;
  a->transport->send(1, Lane::kData, link_message(0, 1, 3, 5));
  EXPECT_TRUE(until([&] { return b->packets() == 2; }));
  EXPECT_EQ(b->transport->figures().resets, 1u);
  expect_well_formed(*a);
  expect_well_formed(*b);
}

TEST_P(TransportConformance, QuietClosesAllLinksAndOpensNone) {
  a = start(0);
  b = start(1);
  c = start(2);
  ASSERT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2 && c->ups() == 2; }));
  b->transport->set_quiet(true);
  EXPECT_EQ(b->downs(), 2u);
  EXPECT_TRUE(until([&] { return a->downs() == 1 && c->downs() == 1; }));
  turn_for({a.get(), b.get(), c.get()}, 300 * kMillisecond);
  EXPECT_EQ(a->ups(), 2u);
  EXPECT_EQ(b->ups(), 2u);
  EXPECT_FALSE(b->transport->send(0, Lane::kData, link_message(1, 0, 1, 5)));
  EXPECT_TRUE(a->transport->send(2, Lane::kData, link_message(0, 2, 1, 5))) << "others are not concerned";
  b->transport->set_quiet(false);
  EXPECT_TRUE(until([&] { return b->ups() == 4 && a->ups() == 3 && c->ups() == 3; }));
  for (const TransportNode* node : {a.get(), b.get(), c.get()}) expect_well_formed(*node);
}

TEST_P(TransportConformance, APeerThatDoesNotReadFillsTheQueueAndIsCut) {
  start_pair();
  b->frozen = true;
  const Bytes packet = link_message(0, 1, 1, 1u << 20);
  while (a->transport->queued_bytes() <= kLinkQueueHighWaterBytes) {
    ASSERT_TRUE(a->transport->send(1, Lane::kData, packet));
    a->turn();
  }
  EXPECT_EQ(a->downs(), 0u) << "this is when the owner holds its senders back";
  size_t sent = 0;
  while (a->transport->send(1, Lane::kData, packet)) ASSERT_LE(++sent, kLinkQueueBytesMax / packet.size());
  EXPECT_EQ(a->downs(), 0u) << "never out of send()";
  a->turn();
  EXPECT_EQ(a->downs(), 1u);
  EXPECT_EQ(a->transport->queued_bytes(), 0u);
  b->frozen = false;
  EXPECT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2; }));
  expect_well_formed(*a);
  expect_well_formed(*b);
}

TEST_P(TransportConformance, WhatWaitedForALinkThatEndedComesBack) {
  start_pair();
  const uint32_t sent = send_until_congested();
  a->transport->set_quiet(true);
  ASSERT_EQ(a->downs(), 1u);
  ASSERT_FALSE(a->lost.empty());
  EXPECT_EQ(a->lost.back(), sent);
  for (size_t i = 0; i < a->lost.size(); ++i) EXPECT_EQ(a->lost[i], sent - a->lost.size() + i + 1);
  b->frozen = false;
  EXPECT_TRUE(until([&] { return b->downs() == 1; }));
  EXPECT_LE(b->packets() + a->lost.size(), sent) << "none of them arrived";
}

TEST_P(TransportConformance, QueuesDrainWhenThePeerReadsAgain) {
  start_pair();
  const uint32_t sent = send_until_congested();
  b->frozen = false;
  EXPECT_TRUE(until([&] { return b->packets() == sent; }));
  EXPECT_EQ(a->transport->queued_bytes(), 0u);
  EXPECT_EQ(a->downs(), 0u);
}

// A stream that joins `from` and `to`: bytes come out whole, and nothing else does.
inline void expect_joined(const UniqueFd& from, const UniqueFd& to) {
  const char text[] = "for the store";
  EXPECT_EQ(write(from.get(), text, sizeof text), static_cast<ssize_t>(sizeof text));
  pollfd readable{to.get(), POLLIN, 0};
  EXPECT_EQ(poll(&readable, 1, 60000), 1);
  char got[100] = {};
  EXPECT_EQ(read(to.get(), got, sizeof got), static_cast<ssize_t>(sizeof text));
  EXPECT_STREQ(got, text);
}

TEST_P(TransportConformance, RecordStreamsJoinNodesThatBothHaveAStore) {
  start_pair();
  a->transport->want_record_streams(true);
  turn_for({a.get(), b.get()}, 100 * kMillisecond);
  EXPECT_TRUE(a->streams.empty()) << "the other has none";
  b->transport->want_record_streams(true);
  ASSERT_TRUE(until([&] { return a->streams.size() == 1 && b->streams.size() == 1; }));
  EXPECT_EQ(a->stream_peers[0], 1u);
  EXPECT_EQ(b->stream_peers[0], 0u);
  expect_joined(a->streams[0], b->streams[0]);
  expect_joined(b->streams[0], a->streams[0]);
  EXPECT_EQ(a->ups(), 1u) << "the link stays what it was";
  EXPECT_EQ(a->downs(), 0u);
}

TEST_P(TransportConformance, ANewLinkBringsANewRecordStream) {
  start_pair();
  a->transport->want_record_streams(true);
  b->transport->want_record_streams(true);
  ASSERT_TRUE(until([&] { return a->streams.size() == 1 && b->streams.size() == 1; }));
  b.reset();
  b = start(1);
  b->transport->want_record_streams(true);
  ASSERT_TRUE(until([&] { return a->streams.size() == 2 && b->streams.size() == 1; }));
  expect_joined(b->streams[0], a->streams[1]);
}

TEST_P(TransportConformance, ARecordStreamThatBrokeIsMadeAgain) {
  start_pair();
  a->transport->want_record_streams(true);
  b->transport->want_record_streams(true);
  ASSERT_TRUE(until([&] { return a->streams.size() == 1 && b->streams.size() == 1; }));
  a->streams[0].reset();
  b->streams[0].reset();
  a->transport->remake_record_stream(1);
  b->transport->remake_record_stream(0);
  ASSERT_TRUE(until([&] { return a->streams.size() == 2 && b->streams.size() == 2; }));
  expect_joined(a->streams[1], b->streams[1]);
  EXPECT_EQ(a->downs() + b->downs(), 0u);
}

TEST_P(TransportConformance, SessionNumbersAreNeverUsedTwice) {
  start_pair();
  std::set<uint64_t> sessions;
  for (const LinkEvent& event : a->events) sessions.insert(event.session);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(sessions.insert(a->transport->new_session()).second);
}

TEST_P(TransportConformance, PingsKeepAnIdleLinkUpAndFindADeadPeer) {
  start_pair();
  EXPECT_TRUE(until([&] {
    return a->transport->figures().keepalives_in >= 3 && b->transport->figures().keepalives_in >= 3;
  }));
  EXPECT_EQ(a->downs() + b->downs(), 0u);
  b->frozen = true;
  EXPECT_TRUE(until([&] { return a->downs() == 1; }));
  b->frozen = false;
  EXPECT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2 && b->downs() == 1; }));
  expect_well_formed(*a);
  expect_well_formed(*b);
}

// ---- nodes that come and go ----

TEST_P(TransportConformance, APeerThatIsWantedNoMoreIsCutAndStaysAway) {
  start_pair();
  a->transport->set_peers({"", ""});
  ASSERT_TRUE(until([&] { return a->downs() == 1 && b->downs() == 1; }));
  EXPECT_FALSE(a->transport->send(1, Lane::kData, link_message(0, 1, 1, 10)));
  const uint64_t refused = a->transport->figures().refused;
  ASSERT_TRUE(until([&] { return a->transport->figures().refused >= refused + 3; })) << "it dials in vain";
  EXPECT_EQ(a->ups(), 1u);
  a->transport->set_peers({"", "127.0.0.2"});
  ASSERT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2; })) << "it is wanted again";
  expect_well_formed(*a);
  expect_well_formed(*b);
}

TEST_P(TransportConformance, APeerThatWasWantedNoMoreIsNotDialled) {
  start_pair();
  b->transport->set_peers({"", ""});
  ASSERT_TRUE(until([&] { return a->downs() == 1 && b->downs() == 1; }));
  b->transport->set_peers({"127.0.0.1", ""});
  ASSERT_TRUE(until([&] { return a->ups() == 2 && b->ups() == 2; }));
}

TEST_P(TransportConformance, ANumberThatWasNotThereAtTheStartGetsALink) {
  start_pair();
  a->transport->set_peers({"", "127.0.0.2", "127.0.0.3", "127.0.0.4"});
  b->transport->set_peers({"127.0.0.1", "", "", "", "127.0.0.5"});
  a->turn();
  b->turn();
  EXPECT_EQ(a->downs() + b->downs(), 0u) << "the others are left alone";
  c = start(2);
  EXPECT_TRUE(until([&] { return c->ups() == 1 && a->ups() == 2; }));
  EXPECT_EQ(b->ups(), 1u) << "it has node 2 in its list no more";
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_TRANSPORT_CONFORMANCE_H_
