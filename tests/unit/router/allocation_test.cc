// SPDX-License-Identifier: GPL-3.0-or-later
// The packet path of the core does not allocate after warm-up.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "ctdb-router/core/router.h"

namespace {

size_t allocations = 0;

}  // namespace

// Out of line: inlined, the compiler sees malloc beside delete and warns.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* at = std::malloc(size)) return at;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}
[[gnu::noinline]] void operator delete(void* at, size_t) noexcept {
  std::free(at);
}

namespace ctdb {
namespace {

class CountingOutput : public RouterOutput {
 public:
  void to_client(uint32_t, ByteView) override { ++packets; }
  bool to_native_client(uint32_t, ByteView) override { return ++packets > 0; }
  bool to_store(uint32_t, ByteView packet) override { return keep(packet); }
  bool to_recoveryd(Lane, uint32_t, ByteView) override { return true; }
  bool to_link(uint32_t, Lane, ByteView packet) override { return keep(packet); }
  void set_quiet(bool) override {}
  void shutdown() override {}
  int log_level() override { return 0; }
  void set_log_level(int) override {}
  OutsideFigures figures() override { return {}; }
  std::string nodes_file(std::vector<RouterNode>&) override { return "there is none"; }
  std::string edit_nodes_file(const EditNodes&) override { return "there is none"; }
  void set_peers(const NodeList&) override {}
  int64_t wall_clock_ns() override { return 0; }
  void log(const std::string&) override {}

  bool keep(ByteView packet) {
    ++packets;
    reqid = read_header(packet).reqid;
    return true;
  }
  size_t packets = 0;
  uint32_t reqid = 0;
};

class Allocations : public testing::Test {
 protected:
  static RouterOptions options() {
    RouterOptions out;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) out.nodes.push_back({Bytes(28), false, false, 0, "10.0.0.1"});
    return out;
  }
  Allocations() : router(options(), output) {
    router.on_client(1, 100);
    router.on_link(1, true, 1, 0);
    router.on_link(2, true, 1, 0);
    router.on_daemon(Server::store, true, 1, 0);
    Bytes packet;
    build(packet, {0, 0, 0, CTDB_CURRENT_NODE, 0, 1},
          ReqControl{static_cast<uint32_t>(Control::REGISTER_SRVID), 5, 0, 0, {}});
    router.on_client_packet(1, packet, 0);
  }
  // How often `turn` allocates once it has run a few times.
  template <typename Turn>
  size_t count(Turn turn) {
    for (int i = 0; i < 10; ++i) turn();
    const size_t before = allocations;
    for (int i = 0; i < 100; ++i) turn();
    return allocations - before;
  }

  CountingOutput output;
  Router router;
};

TEST_F(Allocations, MessagesToNodesBroadcastsAndListeners) {
  Bytes model;
  for (const uint32_t address : {1u, 0u, CTDB_BROADCAST_CONNECTED}) {
    build(model, {0, 0, 0, address, 0, 0}, ReqMessage{5, as_bytes("some text")});
    Bytes packet = model;
    EXPECT_EQ(count([&] {
                packet = model;
                router.on_client_packet(1, packet, 0);
              }),
              0u)
        << address;
  }
  EXPECT_EQ(output.packets, 2 + 110u * (1 + 1 + 3)) << "and what the daemons get when they connect";
}

TEST_F(Allocations, MessagesFromNodes) {
  Bytes model;
  build(model, {0, 0, 0, 0, 1, 0}, ReqMessage{5, as_bytes("some text")});
  Bytes packet = model;
  EXPECT_EQ(count([&] {
              packet = model;
              router.on_link_packet(1, packet, 0);
            }),
            0u);
}

TEST_F(Allocations, ControlsToNodesAndTheirAnswers) {
  Bytes model;
  build(model, {0, 0, 0, 2, 0, 9}, ReqControl{static_cast<uint32_t>(Control::PING), 0, 0, 0, {}});
  Bytes packet = model;
  Bytes answer;
  EXPECT_EQ(count([&] {
              packet = model;
              router.on_client_packet(1, packet, 0);
              build(answer, {0, 0, 0, 0, 2, output.reqid}, ReplyControl{0, {}, {}});
              router.on_link_packet(2, answer, 0);
            }),
            0u);
  EXPECT_EQ(router.requests_in_flight(), 0u);
}

TEST_F(Allocations, CallsOfClassicClients) {
  Bytes model;
  build(model, {0, 0, 0, 0, 0, 9}, ReqCall{1, 5, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  Bytes packet = model;
  Bytes answer;
  EXPECT_EQ(count([&] {
              packet = model;
              router.on_client_packet(1, packet, 0);
              build(answer, {0, 0, 0, 0, 0, output.reqid}, ReplyCall{0, as_bytes("value")});
              router.on_daemon_packet(Server::store, 1, answer, 0);
            }),
            0u);
}

TEST_F(Allocations, RecordPackets) {
  Bytes model;
  build(model, {0, 0, 0, 0, 1, 9}, ReplyDmaster{5, 1, 0, as_bytes("key"), as_bytes("value")});
  Bytes packet = model;
  EXPECT_EQ(count([&] {
              packet = model;
              router.on_link_packet(1, packet, 0);
              set_destnode(packet, 2);
              router.on_daemon_packet(Server::store, 0, packet, 0);
            }),
            0u);
}

}  // namespace
}  // namespace ctdb
