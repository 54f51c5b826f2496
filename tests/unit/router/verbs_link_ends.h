// SPDX-License-Identifier: GPL-3.0-or-later
// Two ends of a link without devices: what each tells the other goes through queues that the test moves, loses and fails.
#ifndef CTDB_TESTS_UNIT_ROUTER_VERBS_LINK_ENDS_H_
#define CTDB_TESTS_UNIT_ROUTER_VERBS_LINK_ENDS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "ctdb-router/transport/verbs/verbs_link.h"
#include "libctdbipc/base/random.h"
#include "tests/unit/router/transport_world.h"

namespace ctdb::test {

struct Told {
  Operation operation;  // HELLO: a packet of the data lane
  Bytes bytes;
};

class Side final : public VerbsLinkOutput {
 public:
  Side(uint32_t pnn, bool records) : link(*this, records), pnn_(pnn) {}

  Result<QueuePair> make_queue_pair() override {
    if (!why_no_pair.empty()) return fail(why_no_pair_code, why_no_pair);
    have_pair = true;
    connecting = connected = false;
    chunks.clear();
    QueuePair pair{0, 0x11, 1, 0, 3, kChunkWindow, kChunkBytes, {1}};
    if (change_pair) change_pair(pair);
    return pair;
  }
  Result<void> connect(const QueuePair&) override {
    EXPECT_TRUE(have_pair);
    connecting = true;
    return {};
  }
  // The device has done what connect() began.
  void finish_connect(TimeNs now) {
    if (!std::exchange(connecting, false)) return;
    connected = why_not_connected.empty();
    link.on_connected(why_not_connected, now);
  }
  void drop_queue_pair() override {
    EXPECT_TRUE(have_pair);
    have_pair = connecting = connected = false;
  }
  bool post(const ChunkHeader& header, ByteView payload, ChunkPost how) override {
    EXPECT_TRUE(connected);
    Bytes chunk(kChunkHeaderBytes);
    const ChunkHeaderBytes bytes = encode_chunk_header(header);
    std::copy(bytes.begin(), bytes.end(), chunk.begin());
    chunk.insert(chunk.end(), payload.begin(), payload.end());
    chunks.push_back(chunk);
    wakes.push_back(how.wakes);
    if (how.signalled) signals.push_back(header.sequence);
    return !refuse_posts;
  }
  void tell(Lane lane, Operation operation, const Bytes& payload) override {
    tcp[static_cast<size_t>(lane)].push_back({operation, payload});
  }
  void send_by_tcp(ByteView packet) override { tcp[1].push_back({Operation::HELLO, to_bytes(packet)}); }
  bool deliver(MutableBytes packet) override {
    got.push_back(read_header(packet).reqid);
    return true;
  }
  void cut(const std::string& why) override { why_cut = why; }
  void risen() override { ++rises; }
  void fallen(const std::string&) override {}

  void send(size_t payload) {
    const Bytes packet = link_message(pnn_, 1 - pnn_, ++sent, payload);
    if (!link.send(packet)) send_by_tcp(packet);
  }

  VerbsLink link;
  std::deque<Told> tcp[2];
  std::deque<Bytes> chunks;  // on the wire
  std::vector<uint64_t> signals;
  std::vector<bool> wakes;    // of each chunk: whether the other side is woken for it
  std::vector<uint32_t> got;  // reqids of packets that came, either way
  uint32_t sent = 0;
  bool have_pair = false, connecting = false, connected = false, refuse_posts = false;
  int rises = 0;
  std::string why_no_pair, why_not_connected, why_cut;
  ErrorCode why_no_pair_code = ErrorCode::kNotFound;
  std::function<void(QueuePair&)> change_pair;

 private:
  const uint32_t pnn_;
};

// Both ends and what is between them.
class Ends {
 public:
  void link_up() {
    b.link.on_up(true, true, now);  // node 1 makes the offers
    a.link.on_up(false, true, now);
  }
  // One message of the lane, if there is one.
  void move_tcp(Side& from, Side& to, size_t lane) {
    if (from.tcp[lane].empty()) return;
    const Told told = from.tcp[lane].front();
    from.tcp[lane].pop_front();
    if (told.operation == Operation::HELLO) {
      to.got.push_back(read_header(told.bytes).reqid);
    } else if (!to.link.on_told(told.operation, told.bytes, now)) {
      to.why_cut = "it was told something impossible";
    }
    if (!connects_are_slow) to.finish_connect(now);
  }
  void move_chunk(Side& from, Side& to) {
    if (from.chunks.empty()) return;
    const Bytes chunk = from.chunks.front();
    from.chunks.pop_front();
    if (to.connected) to.link.on_chunk(chunk, now);
    from.link.on_sent(decode_chunk_header(chunk)->sequence);
  }
  void turn() {
    for (Side* side : {&a, &b}) {
      side->link.tick(now);
      side->link.flush(now);
      Side& other = side == &a ? b : a;
      for (const size_t lane : {0u, 1u}) move_tcp(*side, other, lane);
      if (!connects_are_slow) other.finish_connect(now);
      for (int i = 0; i < 8; ++i) move_chunk(*side, other);
    }
  }
  void settle() {
    for (int i = 0; i < 200; ++i) turn();
  }
  void rise() {
    link_up();
    settle();
    ASSERT_TRUE(a.link.on_verbs() && b.link.on_verbs()) << why(a) << why(b);
  }
  std::string why(const Side& side) const {
    LinkReport report;
    side.link.describe(report, now);
    return report.why;
  }
  static std::vector<uint32_t> first(uint32_t count) {
    std::vector<uint32_t> out(count);
    for (uint32_t i = 0; i < count; ++i) out[i] = i + 1;
    return out;
  }
  void expect_fallen(const std::string& reason) {
    EXPECT_FALSE(a.link.on_verbs());
    EXPECT_NE(why(a).find(reason), std::string::npos) << why(a);
    EXPECT_EQ(a.why_cut + b.why_cut, "") << "TCP is not concerned";
  }
  // `a` is given this instead of b's next chunk.
  void forge(const std::function<void(Bytes&)>& change) {
    b.send(100);
    b.link.flush(now);
    ASSERT_FALSE(b.chunks.empty());
    change(b.chunks.front());
    move_chunk(b, a);
  }

  TimeNs now = kSecond;
  bool connects_are_slow = false;  // finish_connect() is the test's to call
  Side a{0, true}, b{1, true};

  // One thing that happens on one side.
  void step_at_random(Random& random) {
    Side& side = random.one_in(2) ? a : b;
    Side& other = &side == &a ? b : a;
    switch (random.below(9)) {
      case 0:
      case 1:
        return side.send(random.one_in(10) ? random.below(30000) : random.below(500));
      case 2:
      case 3:
        return side.link.flush(now);
      case 4:
        return move_tcp(side, other, random.below(2));
      case 5:
        return move_chunk(side, other);
      case 6:
        now += static_cast<TimeNs>(random.below(20)) * kMillisecond;
        return side.link.tick(now);
      case 7:
        return side.finish_connect(now);
      default:
        if (!random.one_in(60)) return;
        side.link.on_failed("a random failure", now);
        side.chunks.clear();
    }
  }
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_VERBS_LINK_ENDS_H_
