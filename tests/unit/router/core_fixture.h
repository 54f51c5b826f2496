// SPDX-License-Identifier: GPL-3.0-or-later
// A router core of node 1 in a cluster of four (node 3 is deleted), with an output that remembers everything.
#ifndef CTDB_TESTS_UNIT_ROUTER_CORE_FIXTURE_H_
#define CTDB_TESTS_UNIT_ROUTER_CORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "ctdb-router/core/router.h"
#include "tests/unit/router/numbers.h"

namespace ctdb::test {

struct Sent {
  enum class Where { kClient, kStore, kRecoveryd, kLink } where;
  uint32_t to = 0;  // client, node, or the endpoint told to a daemon
  Lane lane = Lane::kData;
  Bytes packet;
  Header header() const { return read_header(packet); }
  bool is(Operation operation) const { return header().operation == static_cast<uint32_t>(operation); }
};

class RecordingOutput : public RouterOutput {
 public:
  void to_client(uint32_t client, ByteView packet) override {
    add(Sent::Where::kClient, client, Lane::kData, packet);
  }
  bool to_native_client(uint32_t client, ByteView packet) override {
    if (client != native) return false;
    to_client(client, packet);
    return true;
  }
  bool to_store(uint32_t endpoint, ByteView packet) override {
    add(Sent::Where::kStore, endpoint, Lane::kData, packet);
    return true;
  }
  bool to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) override {
    add(Sent::Where::kRecoveryd, endpoint, lane, packet);
    return true;
  }
  bool to_link(uint32_t pnn, Lane lane, ByteView packet) override {
    EXPECT_EQ(packet.size() % 8, 0u);
    add(Sent::Where::kLink, pnn, lane, packet);
    return true;
  }
  void close_client(uint32_t client) override { closed.push_back(client); }
  void close_classic_clients() override { ++classic_closed; }
  void set_quiet(bool value) override { quiet = value; }
  void shutdown() override { stopped = true; }
  int log_level() override { return level; }
  void set_log_level(int value) override { level = value; }
  OutsideFigures figures() override { return outside; }
  std::vector<LinkReport> links() override { return link_reports; }
  std::string settings() override { return daemons_settings; }
  std::string nodes_file(std::vector<RouterNode>& nodes) override {
    nodes = file_nodes;
    return file_fault;
  }
  std::string edit_nodes_file(const EditNodes& edit) override {
    edits.push_back(edit);
    return edit_fault;  // "": it is under way, if it is to be written
  }
  void set_peers(const NodeList& list) override { peers.push_back(list); }
  int64_t wall_clock_ns() override { return 1234567890123456789; }
  void log(const std::string& text) override { lines.push_back(text); }

  // What was sent since the last time this was asked.
  std::vector<Sent> take() { return std::exchange(sent_, {}); }

  uint32_t native = 0;  // the one native client
  std::vector<std::string> lines;
  std::vector<uint32_t> closed;
  int classic_closed = 0;
  bool quiet = false;
  bool stopped = false;
  int level = 3;
  OutsideFigures outside;
  std::vector<LinkReport> link_reports;
  std::string daemons_settings;
  std::vector<RouterNode> file_nodes;
  std::string file_fault;
  std::vector<EditNodes> edits;
  std::string edit_fault;
  std::vector<NodeList> peers;

 private:
  void add(Sent::Where where, uint32_t to, Lane lane, ByteView packet) {
    EXPECT_EQ(check_header(packet), HeaderFault::kNone);
    sent_.push_back({where, to, lane, to_bytes(packet)});
  }
  std::vector<Sent> sent_;
};

class CoreTest : public testing::Test {
 protected:
  static constexpr uint32_t kSelf = 1;
  static constexpr uint32_t kNodes = 4;
  static constexpr uint32_t kClient = 77;
  static constexpr uint32_t kOther = 78;

  static std::string text_of(uint32_t pnn) { return pnn == 3 ? "" : "10.0.0." + std::to_string(pnn + 1); }
  static RouterOptions options() {
    RouterOptions out;
    out.pnn = kSelf;
    out.pid = 4711;
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn)
      out.nodes.push_back({Bytes(28, static_cast<uint8_t>(pnn)), pnn == 3, false, 0, text_of(pnn)});
    return out;
  }

  CoreTest() : router(options(), out) {
    router.on_client(kClient, 1000);
    router.on_client(kOther, 1001);
  }

  void link_up(uint32_t pnn, uint64_t session = 5) { router.on_link(pnn, true, session, now); }
  void link_down(uint32_t pnn) { router.on_link(pnn, false, 0, now); }
  void daemons_up() {
    router.on_daemon(Server::store, true, 1, now);
    router.on_daemon(Server::recoveryd, true, 2, now);
    out.take();
  }
  void cluster_state(ClusterState state) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(Operation::CLUSTER_STATE), kSelf, kSelf, 0},
              state.encode());
    router.on_daemon_packet(Server::recoveryd, 0, packet, now);
  }
  // All healthy, nodes 0 to 2 active, leader 0, generation 900.
  static ClusterState healthy() {
    ClusterState state;
    state.generation = 900;
    state.recovery_mode = CTDB_RECOVERY_NORMAL;
    state.runstate = CTDB_RUNSTATE_RUNNING;
    state.leader = 0;
    state.node_flags = {0, 0, 0, CTDB_NODE_DELETED};
    state.members = {0, 1, 2};
    return state;
  }

  static Bytes control(Control opcode, uint32_t destnode = CTDB_CURRENT_NODE, ByteView data = {},
                       uint32_t flags = 0, uint64_t srvid = 0, uint32_t reqid = 42) {
    Bytes packet;
    build(packet, {0, 0, 0, destnode, 0, reqid},
          ReqControl{static_cast<uint32_t>(opcode), srvid, 9999, flags, data});
    return packet;
  }
  static Bytes message(uint64_t srvid, uint32_t destnode, std::string_view text = "hello") {
    Bytes packet;
    build(packet, {0, 0, 0, destnode, 0, 0}, ReqMessage{srvid, as_bytes(text)});
    return packet;
  }

  void from_client(Bytes packet, uint32_t client = kClient) { router.on_client_packet(client, packet, now); }
  // A packet of node `pnn` to us.
  bool from_link(uint32_t pnn, Bytes packet) {
    store(packet.data() + CTDB_OFF_SRCNODE, pnn);
    store(packet.data() + CTDB_OFF_DESTNODE, kSelf);
    return router.on_link_packet(pnn, packet, now);
  }
  void from_daemon(Server from, uint32_t endpoint, Bytes packet) {
    router.on_daemon_packet(from, endpoint, packet, now);
  }
  void listen(uint64_t srvid, uint32_t client = kClient) {
    from_client(control(Control::REGISTER_SRVID, CTDB_CURRENT_NODE, {}, 0, srvid), client);
    out.take();
  }

  // The only thing sent is a control's answer to `client`; returns it. The packet stays in `last`.
  ReplyControl answer(uint32_t client = kClient, uint32_t reqid = 42) {
    const std::vector<Sent> sent = out.take();
    EXPECT_EQ(sent.size(), 1u);
    if (sent.size() != 1) return {};
    EXPECT_EQ(sent[0].where, Sent::Where::kClient);
    EXPECT_EQ(sent[0].to, client);
    last = sent[0].packet;
    EXPECT_EQ(read_header(last).operation, static_cast<uint32_t>(Operation::REPLY_CONTROL));
    EXPECT_EQ(read_header(last).reqid, reqid);
    EXPECT_EQ(read_header(last).srcnode, kSelf);
    EXPECT_EQ(read_header(last).destnode, 0u);
    return parse_reply_control(last).value_or(ReplyControl{-999, {}, {}});
  }
  ReplyControl ask(Control opcode, ByteView data = {}, uint64_t srvid = 0) {
    from_client(control(opcode, CTDB_CURRENT_NODE, data, 0, srvid));
    return answer();
  }
  // The only thing sent.
  Sent only() {
    std::vector<Sent> sent = out.take();
    EXPECT_EQ(sent.size(), 1u);
    return sent.size() == 1 ? sent[0]
                            : Sent{Sent::Where::kClient, 0, Lane::kData, Bytes(CTDB_HEADER_SIZE, 0)};
  }

  RecordingOutput out;
  Router router;
  TimeNs now = 100 * kSecond;
  Bytes last;
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_CORE_FIXTURE_H_
