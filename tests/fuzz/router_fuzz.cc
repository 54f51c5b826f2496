// SPDX-License-Identifier: GPL-3.0-or-later
// The router's core, node 1 of 4, with two clients, both daemons and two links: packets from each of them in any order,
// while clients, daemons and links come and go.
#include "ctdb-router/core/router.h"
#include "tests/fuzz/event_input.h"

namespace ctdb {
namespace {

constexpr uint32_t kSelf = 1;
constexpr uint32_t kNodes = 4;
constexpr uint32_t kClients = 3;

void check_packet(ByteView packet) {
  FUZZ_CHECK(check_header(packet) == HeaderFault::kNone);
}

// Believes nothing: what leaves the router is a whole packet.
class Output : public RouterOutput {
 public:
  void to_client(uint32_t, ByteView packet) override { check_packet(packet); }
  bool to_native_client(uint32_t client, ByteView packet) override {
    check_packet(packet);
    return client % 2 == 0;
  }
  bool to_store(uint32_t, ByteView packet) override { return check_packet(packet), store_up; }
  bool to_recoveryd(Lane, uint32_t, ByteView packet) override { return check_packet(packet), recoveryd_up; }
  bool to_link(uint32_t pnn, Lane, ByteView packet) override {
    check_packet(packet);
    FUZZ_CHECK(packet.size() % 8 == 0);
    FUZZ_CHECK(pnn < kNodes && pnn != kSelf);
    return link_up[pnn];
  }
  void set_quiet(bool) override {}
  void shutdown() override {}
  int log_level() override { return 2; }
  void set_log_level(int) override {}
  OutsideFigures figures() override { return {}; }
  std::string nodes_file(std::vector<RouterNode>&) override { return "there is none"; }
  std::string edit_nodes_file(const EditNodes&) override { return "there is none"; }
  void set_peers(const NodeList&) override {}
  int64_t wall_clock_ns() override { return 1; }
  void log(const std::string&) override {}

  bool store_up = true;
  bool recoveryd_up = true;
  bool link_up[kNodes] = {true, false, true, false};
};

RouterOptions options() {
  RouterOptions out;
  out.pnn = kSelf;
  for (uint32_t pnn = 0; pnn < kNodes; ++pnn)
    out.nodes.push_back({Bytes(28, 1), pnn == 3, false, 0, pnn == 3 ? "" : "10.0.0.1"});
  return out;
}

class World {
 public:
  World() : router_(options(), output_) {
    for (uint32_t client = 1; client <= kClients; ++client) router_.on_client(client, 1000);
    router_.on_daemon(Server::store, true, ++instance_, now_);
    router_.on_daemon(Server::recoveryd, true, ++instance_, now_);
    router_.on_link(0, true, ++instance_, now_);
    router_.on_link(2, true, ++instance_, now_);
    ClusterState state;
    state.generation = 79;
    state.recovery_mode = CTDB_RECOVERY_NORMAL;
    state.runstate = CTDB_RUNSTATE_RUNNING;
    state.leader = 0;
    state.node_flags = {0, 0, 0, CTDB_NODE_DELETED};
    state.members = {0, 1, 2};
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(Operation::CLUSTER_STATE), kSelf, kSelf, 0},
              state.encode());
    router_.on_daemon_packet(Server::recoveryd, 0, packet, now_);
  }

  void step(FuzzEvent& event) {
    now_ += kMillisecond;
    switch (event.kind % 8) {
      case 0:
      case 1:
        return client_packet(event);
      case 2:
      case 3:
        return link_packet(event);
      case 4:
        return router_.on_daemon_packet(Server::store, event.argument % (kClients + 1), event.packet, now_);
      case 5:
        return router_.on_daemon_packet(Server::recoveryd, event.argument % (kClients + 1), event.packet,
                                        now_);
      case 6:
        return come_or_go(event.argument);
      default:
        return pass(event.argument * kSecond);
    }
  }
  const Router& router() const { return router_; }

 private:
  uint32_t client(uint8_t argument) { return first_client_ + argument % kClients; }
  void client_packet(FuzzEvent& event) {
    router_.on_client_packet(client(event.argument), event.packet, now_);
  }
  void link_packet(FuzzEvent& event) {
    const uint32_t pnn = event.argument % 2 == 0 ? 0 : 2;
    if (!output_.link_up[pnn]) return;
    if (event.argument < 200) {
      set_srcnode(event.packet, pnn);
      set_destnode(event.packet, kSelf);
    }
    if (router_.on_link_packet(pnn, event.packet, now_)) return;
    output_.link_up[pnn] = false;
    router_.on_link(pnn, false, 0, now_);
  }
  void come_or_go(uint8_t argument) {
    const uint32_t pnn = argument % 2 == 0 ? 0 : 2;
    switch (argument / 2 % 4) {
      case 0:
        output_.link_up[pnn] = !output_.link_up[pnn];
        return router_.on_link(pnn, output_.link_up[pnn], ++instance_, now_);
      case 1:
        output_.store_up = !output_.store_up;
        return router_.on_daemon(Server::store, output_.store_up, ++instance_, now_);
      case 2:
        output_.recoveryd_up = !output_.recoveryd_up;
        return router_.on_daemon(Server::recoveryd, output_.recoveryd_up, ++instance_, now_);
      default:
        router_.on_client_gone(first_client_++, now_);  // ids are not used again
        return router_.on_client(first_client_ + kClients - 1, 1000);
    }
  }
  void pass(TimeNs time) {
    now_ += time;
    if (router_.next_deadline() <= now_) router_.tick(now_);
  }

  Output output_;
  Router router_;
  TimeNs now_ = kSecond;
  uint64_t instance_ = 0;
  uint32_t first_client_ = 1;
};

}  // namespace
}  // namespace ctdb

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ctdb::World world;
  ctdb::FuzzEvents events({data, size});
  ctdb::FuzzEvent event;
  for (int i = 0; i < 200 && events.next(event, i % 2 == 0 || (data[0] & 2) != 0); ++i) {
    if (event.kind % 8 == 2 || event.kind % 8 == 3) event.packet.resize(event.packet.size() & ~size_t{7});
    ctdb::store(event.packet.data(), static_cast<uint32_t>(event.packet.size()));
    world.step(event);
  }
  FUZZ_CHECK(world.router().requests_in_flight() <= 200 * ctdb::kNodes);
  return 0;
}
