// SPDX-License-Identifier: GPL-3.0-or-later
// Two nodes whose link may rise to verbs, over the fake devices, and somebody between them: what they tell each other by TCP and what
// arrives in receive buffers is changed, replaced and forged, queue pairs and credits too, while devices fail. Each side is the
// other's hostile peer. Where nothing was changed and the link stayed up, all packets arrive, once and in order.
// Input: events {u8 kind, u8 argument}, some with more.
#include <deque>
#include <memory>
#include <string>

#include "ctdb-router/transport/verbs/verbs_transport.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/wire/packet.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/turned_loop.h"
#include "tests/verbs/fake_ibverbs.h"

namespace ctdb {
namespace {

constexpr size_t kPayloadMax = 9000;

// Written over the next message that a device delivers.
struct Change {
  size_t offset = 0;
  Bytes bytes;
  size_t size = 0;  // of the message then; 0: as it is
};
std::deque<Change> changes;

size_t change_message(uint8_t* message, size_t size) {
  if (changes.empty()) return size;
  const Change change = std::move(changes.front());
  changes.pop_front();
  for (size_t i = 0; i < change.bytes.size(); ++i) message[(change.offset + i) % 4096] = change.bytes[i];
  return change.size != 0 ? change.size : size;
}

// One end of the TCP link: what it wrote waits until the test moves it.
class Wire final : public Transport {
 public:
  explicit Wire(TransportEvents& owner) : events(owner) {}
  Result<void> start() override { return {}; }
  bool send(uint32_t, Lane lane, ByteView packet) override {
    FUZZ_CHECK(check_header(packet) == HeaderFault::kNone);
    if (up) written[static_cast<size_t>(lane)].push_back(to_bytes(packet));
    return up;
  }
  void flush() override {}
  size_t queued_bytes() const override { return 0; }
  void set_peers(const NodeList&) override {}
  void set_quiet(bool) override {}
  const TransportFigures& figures() const override { return figures_; }
  void cut(uint32_t pnn, const std::string& why) override {
    if (!std::exchange(up, false)) return;
    for (auto& lane : written) lane.clear();
    events.on_down(pnn, 1, why);
  }
  size_t queued_bytes(uint32_t) const override { return 0; }
  uint32_t version(uint32_t) const override { return up ? kLinkVersionVerbs : 0; }
  std::string refusal(uint32_t) const override { return ""; }
  LinkReport report(uint32_t pnn) const override {
    LinkReport report;
    report.node = pnn;
    return report;
  }
  uint64_t new_session() override { return 1; }

  TransportEvents& events;
  bool up = false;
  std::deque<Bytes> written[2];

 private:
  TransportFigures figures_;
};

// A node, and what it got.
class Node final : public TransportEvents {
 public:
  explicit Node(uint32_t own) : pnn(own), peer(1 - own) {
    VerbsTransportOptions options;
    options.pnn = own;
    options.address = "127.0.0." + std::to_string(own + 1);
    options.nodes = {{0, "127.0.0.1", false}, {1, "127.0.0.2", false}};
    transport = make_verbs_transport(options, loop, *this, [this](TransportEvents& inner) {
      auto made = std::make_unique<Wire>(inner);
      wire = made.get();
      return made;
    });
  }
  ~Node() override {
    transport.reset();
    FUZZ_CHECK(loop.empty());
  }
  void on_up(uint32_t, uint64_t) override {}
  void on_down(uint32_t, uint64_t, const std::string&) override { ++downs; }
  bool on_packet(uint32_t from, MutableBytes packet) override {
    FUZZ_CHECK(from == peer && check_header(packet) == HeaderFault::kNone && packet.size() % 8 == 0);
    const Header header = read_header(packet);
    in_order = in_order && header.reqid == ++got;
    return header.srcnode == peer && header.destnode == pnn;
  }
  void on_lost(uint32_t, ByteView packet) override { FUZZ_CHECK(check_header(packet) == HeaderFault::kNone); }

  void send(size_t size) {
    Bytes packet;
    build(packet, {0, 0, 0, peer, pnn, sent + 1}, ReqMessage{7, Bytes(size, static_cast<uint8_t>(sent))});
    if (transport->send(peer, Lane::kData, packet)) ++sent;
  }
  // A queue pair that is being connected is waited for: what comes next is the same in every run.
  void turn() {
    loop.turn(false);
    transport->flush();
    while (transport->report(peer).why == "its queue pair is being connected") {
      loop.turn(true);
      transport->flush();
    }
  }

  const uint32_t pnn, peer;
  TurnedLoop loop;
  std::unique_ptr<Transport> transport;
  Wire* wire = nullptr;
  uint32_t sent = 0, got = 0, downs = 0;
  bool in_order = true;
};

class World {
 public:
  explicit World(Reader& input) : input_(input) {
    fake_verbs_reset();
    changes.clear();
    fake_verbs_tamper(change_message);
    link_up();
  }

  void step() {
    const uint8_t kind = input_.u8();
    const uint8_t argument = input_.u8();
    Node& node = argument % 2 == 0 ? a_ : b_;
    switch (kind % 9) {
      case 0:
        return node.send(input_.u16() % kPayloadMax);
      case 1:
        return node.turn();
      case 2:
        return move(node, argument / 2 % 2, 1u + argument / 4 % 8);
      case 3:
        return pass(argument * 2 * kMillisecond);
      case 4:
        return change_next_message();
      case 5:
        return change_told(node, argument);
      case 6:
        return forge(node, argument);
      case 7:
        return fault(argument);
      default:
        return settle();
    }
  }
  void finish() {
    fake_verbs_hold(0);
    for (const int device : {0, 1}) fake_verbs_set_port(device, 1);
    for (int i = 0; i < 20; ++i) {
      settle();
      pass(100 * kMillisecond);
    }
    const fake_verbs_counts counts = fake_verbs_counts_now();
    FUZZ_CHECK(counts.misuses == 0 && counts.lost_receives == 0);
    if (changed_ || a_.downs + b_.downs > 0) return;
    FUZZ_CHECK(counts.dry == 0);
    FUZZ_CHECK(a_.in_order && b_.in_order && a_.got == b_.sent && b_.got == a_.sent);
  }

 private:
  Node& other(const Node& node) { return &node == &a_ ? b_ : a_; }
  void link_up() {
    for (Node* node : {&a_, &b_}) {
      node->wire->cut(node->peer, "it is made again");
      node->wire->up = true;
    }
    for (Node* node : {&a_, &b_}) node->wire->events.on_up(node->peer, 1);
  }
  // A packet of one end that is impossible ends the link for both.
  void move(Node& from, size_t lane, size_t count) {
    Node& to = other(from);
    std::deque<Bytes>& written = from.wire->written[lane];
    for (; count > 0 && !written.empty() && to.wire->up; --count) {
      Bytes packet = std::move(written.front());
      written.pop_front();
      if (!to.wire->events.on_packet(from.pnn, packet)) to.wire->cut(from.pnn, "impossible");
    }
    if (!a_.wire->up || !b_.wire->up) link_up();
  }
  void pass(TimeNs time) {
    a_.loop.pass(time);
    b_.loop.pass(time);
  }
  void settle() {
    for (int i = 0; i < 4; ++i) {
      for (Node* node : {&a_, &b_}) {
        node->turn();
        for (const size_t lane : {0u, 1u}) move(*node, lane, 100);
      }
      pass(kMillisecond);
    }
  }
  Bytes some_bytes() {
    const size_t size = input_.u8();
    return to_bytes(input_.bytes(std::min(size, input_.left())));
  }
  void change_next_message() {
    changed_ = true;
    Change change{input_.u16() % size_t{4096}, some_bytes(), 0};
    if (change.bytes.size() % 2 == 1) change.size = 1 + input_.u16();
    changes.push_back(std::move(change));
  }
  // In what the node has said by TCP, after the header.
  void change_told(Node& node, uint8_t argument) {
    std::deque<Bytes>& written = node.wire->written[argument / 2 % 2];
    const size_t offset = CTDB_HEADER_SIZE + input_.u8();
    const Bytes bytes = some_bytes();
    if (written.empty()) return;
    changed_ = true;
    Bytes& packet = written.front();
    for (size_t i = 0; i < bytes.size() && offset + i < packet.size(); ++i) packet[offset + i] = bytes[i];
  }
  // A message about the link that the node never sent.
  void forge(Node& node, uint8_t argument) {
    changed_ = true;
    Bytes packet;
    const uint32_t operation = static_cast<uint32_t>(Operation::VERBS_OFFER) + argument / 4 % 4;
    build_own(packet, {0, 0, operation, node.peer, node.pnn, 0}, some_bytes());
    if (node.wire->up) node.wire->written[argument / 2 % 2].push_back(std::move(packet));
  }
  void fault(uint8_t argument) {
    const int device = argument % 2;
    switch (argument / 2 % 8) {
      case 0:
        return fake_verbs_hold(1);
      case 1:
        return fake_verbs_hold(0);
      case 2:
        return fake_verbs_fail_sends(IBV_WC_RETRY_EXC_ERR);
      case 3:
        return fake_verbs_fail_next_receive(device, IBV_WC_LOC_LEN_ERR);
      case 4:
        return fake_verbs_set_port(device, 0);
      case 5:
        return fake_verbs_set_port(device, 1);
      case 6:
        return fake_verbs_raise(device, IBV_EVENT_QP_FATAL);
      default:
        return fake_verbs_raise(device, IBV_EVENT_DEVICE_FATAL);
    }
  }

  Reader& input_;
  Node a_{0}, b_{1};
  bool changed_ = false;
};

}  // namespace
}  // namespace ctdb

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = (ctdb::log_set_level(ctdb::LogLevel::kError), true);
  FUZZ_CHECK(quiet);
  ctdb::Reader input({data, size});
  ctdb::World world(input);
  for (int i = 0; i < 300 && input.left() >= 2; ++i) world.step();
  world.finish();
  return 0;
}
