// SPDX-License-Identifier: GPL-3.0-or-later
// The membership core, node 1 of 3: packets of its router, its store, its peers and of clients in any order, restarts
// from what it had persisted, time passing in between.
#include <memory>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "tests/fuzz/event_input.h"

namespace ctdb {
namespace {

constexpr uint32_t kSelf = 1;

class Output : public RecoverydOutput {
 public:
  void to_router(RecoverydLane, uint32_t, ByteView packet) override {
    FUZZ_CHECK(up);
    FUZZ_CHECK(check_header(packet) == HeaderFault::kNone);
  }
  bool persist(ByteView bytes) override {
    durable = to_bytes(bytes);
    return true;
  }
  TimeNs serve_until() override { return 0; }
  bool set_serve_until(TimeNs, TimeNs) override { return true; }
  bool records_taken() override { return true; }
  bool being_fenced() override { return false; }
  TimeNs store_beat() override { return kNever / 2; }
  void want_lock(bool) override {}
  void access_register(uint64_t, ByteView) override {}
  int64_t wall_clock_ns() override { return 1; }
  void log(RecoverydLog, const std::string&) override {}
  bool up = false;
  Bytes durable;
};

class World {
 public:
  explicit World(bool quorum) : quorum_(quorum) { start({}); }

  void step(FuzzEvent& event) {
    now_ += kMillisecond;
    const uint8_t argument = event.argument;
    switch (event.kind % 8) {
      case 0:
      case 1:  // a peer
        set_srcnode(event.packet, argument % 2 == 0 ? 0 : 2);
        set_destnode(event.packet, kSelf);
        return node_->on_packet(RecoverydLane::kControl, 0, event.packet, now_);
      case 2:  // a daemon of this node
        set_srcnode(event.packet, kSelf);
        set_destnode(event.packet, kSelf);
        return node_->on_packet(argument % 4 == 0 ? RecoverydLane::kData : RecoverydLane::kControl, 0,
                                event.packet, now_);
      case 3:
        return node_->on_packet(RecoverydLane::kData, argument % 4, event.packet, now_);
      case 4:
        return node_->on_packet(RecoverydLane::kControl, argument % 4, event.packet, now_);
      case 5:
        return link(argument);
      case 6:
        if (argument % 4 == 0) return start(to_bytes(event.packet));  // somebody wrote over its state
        return start(output_.durable);
      default:
        return pass(argument * 10 * kMillisecond);
    }
  }

 private:
  void start(Bytes durable) {
    RecoverydOptions options;
    options.pnn = kSelf;
    options.nodes = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
    options.majority_quorum = quorum_;
    output_.up = false;
    node_ = std::make_unique<ClusterNode>(options, random_, output_, durable, now_);
    output_.up = true;
    node_->on_router_up(now_);
    link(0);
    link(1);
    own(Operation::DAEMON_STATE, DaemonState{DaemonRole::kStore, true, 1}.encode());
  }
  void link(uint8_t argument) {
    LinkState state;
    state.pnn = argument % 2 == 0 ? 0 : 2;
    state.up = argument / 2 % 2 == 0;
    state.session = ++session_;
    own(Operation::LINK_STATE, state.encode());
  }
  void own(Operation operation, const Bytes& payload) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), kSelf, kSelf, 0}, payload);
    node_->on_packet(RecoverydLane::kControl, 0, packet, now_);
  }
  void pass(TimeNs time) {
    const TimeNs until = now_ + time;
    for (int i = 0; i < 1000 && node_->next_deadline() <= until; ++i) {
      now_ = std::max(now_, node_->next_deadline());
      node_->tick(now_);
    }
    FUZZ_CHECK(node_->next_deadline() > until);  // no deadline that is always due
    now_ = until;
  }

  const bool quorum_;
  Random random_{1};
  Output output_;
  std::unique_ptr<ClusterNode> node_;
  TimeNs now_ = kSecond;
  uint64_t session_ = 0;
};

}  // namespace
}  // namespace ctdb

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::World world(size % 2 == 0);
  ctdb::FuzzEvents events({data, size});
  ctdb::FuzzEvent event;
  for (int i = 0; i < 200 && events.next(event, true); ++i) world.step(event);
  return 0;
}
