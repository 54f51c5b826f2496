// SPDX-License-Identifier: GPL-3.0-or-later
// Transports of several nodes in one process, each with a loop of its own that the test turns: a node that is frozen
// is one whose loop is not turned.
#ifndef CTDB_TESTS_UNIT_ROUTER_TRANSPORT_WORLD_H_
#define CTDB_TESTS_UNIT_ROUTER_TRANSPORT_WORLD_H_

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ctdb-router/transport/transport.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb::test {

using MakeTransport = std::function<std::unique_ptr<Transport>(uint32_t pnn, uint64_t boot_id,
                                                               EventLoop& loop, TransportEvents& events)>;

struct LinkEvent {
  enum class Kind { kUp, kDown, kPacket } kind;
  uint32_t peer = 0;
  uint64_t session = 0;
  Bytes packet;
};

// A loop that always has work looks at its descriptors in every fourth round; the fifth writes what came of it.
inline constexpr int kRoundsPerTurn = 5;

class TransportNode : public TransportEvents {
 public:
  TransportNode(uint32_t pnn, uint64_t boot_id, const MakeTransport& make) {
    Result<std::unique_ptr<EventLoop>> loop = EventLoop::create();
    EXPECT_TRUE(loop);
    loop_ = std::move(*loop);
    loop_->add_flush_hook([this] {
      transport->flush();
      if (++rounds_ == kRoundsPerTurn) loop_->stop();
    });
    loop_->add_idle_hook([] { return true; });
    transport = make(pnn, boot_id, *loop_, *this);
    const Result<void> started = transport->start();
    EXPECT_TRUE(started) << started.error().text();
  }
  ~TransportNode() override { transport.reset(); }

  // One turn of the loop; never sleeps.
  void turn() {
    if (frozen) return;
    rounds_ = 0;
    EXPECT_TRUE(loop_->run());
  }

  void on_up(uint32_t peer, uint64_t session) override { add({LinkEvent::Kind::kUp, peer, session, {}}); }
  void on_down(uint32_t peer, uint64_t session, const std::string& why) override {
    why_down = why;
    add({LinkEvent::Kind::kDown, peer, session, {}});
  }
  bool on_packet(uint32_t peer, MutableBytes packet) override {
    EXPECT_EQ(check_header(packet), HeaderFault::kNone);
    add({LinkEvent::Kind::kPacket, peer, 0, to_bytes(packet)});
    came_over[read_header(packet).reqid] = transport->carried_by();
    return !refuse_packets;
  }

  void on_lost(uint32_t peer, ByteView packet) override {
    EXPECT_EQ(events.back().kind, LinkEvent::Kind::kDown);
    EXPECT_EQ(events.back().peer, peer);
    lost.push_back(read_header(packet).reqid);
  }

  void on_record_stream(uint32_t peer, UniqueFd stream) override {
    EXPECT_GT(ups(), downs()) << "only while the link is up";
    stream_peers.push_back(peer);
    streams.push_back(std::move(stream));
  }

  void on_record_stream_unwanted(uint32_t) override { ++streams_unwanted; }

  size_t count(LinkEvent::Kind kind) const {
    size_t found = 0;
    for (const LinkEvent& event : events) found += event.kind == kind ? 1 : 0;
    return found;
  }
  size_t ups() const { return count(LinkEvent::Kind::kUp); }
  size_t downs() const { return count(LinkEvent::Kind::kDown); }
  size_t packets() const { return count(LinkEvent::Kind::kPacket); }
  // Reqids of the packets that came, in order.
  std::vector<uint32_t> reqids() const {
    std::vector<uint32_t> out;
    for (const LinkEvent& event : events) {
      if (event.kind == LinkEvent::Kind::kPacket) out.push_back(read_header(event.packet).reqid);
    }
    return out;
  }

  std::unique_ptr<Transport> transport;
  std::vector<LinkEvent> events;
  std::vector<UniqueFd> streams;
  std::vector<uint32_t> stream_peers;
  size_t streams_unwanted = 0;
  std::vector<uint32_t> lost;              // reqids
  std::map<uint32_t, LinkKind> came_over;  // by reqid
  std::string why_down;
  bool frozen = false;
  bool refuse_packets = false;

 private:
  void add(LinkEvent event) { events.push_back(std::move(event)); }
  std::unique_ptr<EventLoop> loop_;
  int rounds_ = 0;
};

inline TimeNs test_clock() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// Turns the nodes until `condition` holds. False: it did not within a generous time.
inline bool turn_until(const std::vector<TransportNode*>& nodes, const std::function<bool()>& condition,
                       TimeNs limit = 60 * kSecond) {
  const TimeNs end = test_clock() + limit;
  while (!condition()) {
    if (test_clock() > end) return false;
    for (TransportNode* node : nodes) node->turn();
    usleep(100);
  }
  return true;
}
// And so often that what one of them says reaches the others, however little of the time a busy machine leaves.
inline void turn_for(const std::vector<TransportNode*>& nodes, TimeNs time) {
  const TimeNs end = test_clock() + time;
  int looks = 0;
  turn_until(nodes, [&] { return ++looks > 20 && test_clock() > end; });
}

// A message of `payload` bytes, as large as they come with the padding of links.
inline Bytes link_message(uint32_t from, uint32_t to, uint32_t reqid, size_t payload) {
  Bytes packet;
  build(packet, {0, 0, 0, to, from, reqid}, ReqMessage{reqid, Bytes(payload, static_cast<uint8_t>(reqid))});
  return packet;
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_TRANSPORT_WORLD_H_
