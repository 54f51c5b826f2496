// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-router around its core: owns sockets, channels and links, turns what happens on them into the core's events
// and the core's output into bytes. Composed of parts with one subject each; this one joins them.
//
// A turn: timers, channels and descriptors feed the core; then end_of_turn() writes once per link and per client, decides
// about back-pressure, sets the core's timer and publishes counters; then the loop rings the channels' bells.
#ifndef CTDB_ROUTER_SHELL_SHELL_H_
#define CTDB_ROUTER_SHELL_SHELL_H_

#include <memory>
#include <string>
#include <vector>

#include "ctdb-router/core/router.h"
#include "ctdb-router/shell/classic_clients.h"
#include "ctdb-router/shell/counters_publisher.h"
#include "ctdb-router/shell/daemons.h"
#include "ctdb-router/shell/native_clients.h"
#include "ctdb-router/shell/setup_server.h"
#include "ctdb-router/transport/cluster_key.h"
#include "ctdb-router/transport/transport.h"
#include "libctdbipc/runtime/capture_tap.h"
#include "libctdbipc/runtime/daemon.h"
#include "libctdbipc/runtime/hook_points.h"
#include "libctdbipc/runtime/spin.h"
#include "libctdbipc/runtime/work_thread.h"

namespace ctdb {

// What the core wants to know of each line of the nodes file.
std::vector<RouterNode> router_nodes(const std::vector<NodeAddress>& nodes, uint16_t port);

class RouterShell : public DaemonShell, RouterOutput, TransportEvents, ClientEvents, DaemonEvents {
 public:
  // `boot_id` is random, one per start of the router. The context outlives the shell.
  static Result<std::unique_ptr<RouterShell>> create(DaemonContext& context, uint64_t boot_id);
  ~RouterShell() override;
  std::string reload() override;  // the nodes file

 private:
  RouterShell(DaemonContext& context, uint64_t boot_id, ClusterKey key);
  Result<void> start();
  void await_clients();
  void release_links();
  void leave();
  void end_of_turn();
  void hold_senders_back();
  size_t queued_bytes(uint32_t client) {
    return classic_.queued_bytes(client) + native_.queued_bytes(client);
  }
  void look_for_crowd(uint32_t client);
  void look_for_room();
  void tell_store_of_crowd(uint32_t client, ConnectionFrame kind);
  void set_tick_timer();
  void publish();
  std::string status_text() const;

  // RouterOutput
  void to_client(uint32_t client, ByteView packet) override;
  bool to_native_client(uint32_t client, ByteView packet) override;
  bool to_store(uint32_t endpoint, ByteView packet) override;
  bool to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) override;
  bool to_link(uint32_t pnn, Lane lane, ByteView packet) override;
  void close_client(uint32_t client) override;
  void close_classic_clients() override;
  void set_quiet(bool quiet) override;
  void shutdown() override;
  int log_level() override;
  void set_log_level(int level) override;
  OutsideFigures figures() override;
  std::vector<LinkReport> links() override;
  std::string settings() override;
  std::string nodes_file(std::vector<RouterNode>& nodes) override;
  std::string edit_nodes_file(const EditNodes& edit) override;
  std::string write_nodes_file(const EditNodes& edit, const std::string& text);
  void set_peers(const NodeList& peers) override;
  int64_t wall_clock_ns() override;
  void log(const std::string& text) override;

  // TransportEvents
  void on_up(uint32_t pnn, uint64_t session) override;
  void on_down(uint32_t pnn, uint64_t session, const std::string& why) override;
  bool on_packet(uint32_t pnn, MutableBytes packet) override;
  void on_lost(uint32_t pnn, ByteView packet) override;
  void on_record_stream(uint32_t pnn, UniqueFd stream) override;
  void on_record_stream_unwanted(uint32_t pnn) override;
  void on_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) override;
  void on_gone(uint32_t pnn) override;

  // ClientEvents
  void on_client(uint32_t id, int32_t pid) override;
  void on_client_packet(uint32_t id, MutableBytes packet) override;
  void on_client_gone(uint32_t id) override;
  Bytes registrations_of(uint32_t id, size_t bytes_max) override {
    return router_->registrations(id, bytes_max);
  }
  bool has_traverse(uint32_t id) override { return router_->has_traverse(id); }
  void on_client_restored(uint32_t id, ByteView registrations,
                          std::span<const UnansweredControl> unanswered) override {
    router_->restore_client(id, registrations, unanswered, loop_.now());
  }

  // DaemonEvents
  void on_daemon(Server who, bool up, uint64_t instance) override;
  void on_daemon_packet(Server from, uint32_t endpoint, MutableBytes packet) override;
  void on_connection_frame(FrameInfo info, MutableBytes packet) override;
  void on_connection_frame_sent(FrameInfo info, ByteView packet) override;
  void on_connections_lost(bool dead) override;
  void on_store_cut_client(uint32_t id) override;
  void on_kept(SetupMessage& message) override;
  void on_stream_report(uint32_t pnn, bool broken) override;
  void on_keeper_holds(uint32_t pnn, uint32_t number) override;
  void on_keeper() override;

  CaptureLink way_of_link() const;

  DaemonContext& context_;
  EventLoop& loop_;
  const HookPoints hooks_{"ctdb-router"};
  std::unique_ptr<Router> router_;
  std::unique_ptr<Transport> transport_;
  CaptureTap capture_;
  Spin spin_;
  EndpointIds ids_;
  Daemons daemons_;
  ClassicClients classic_;
  NativeClients native_;
  SetupServer setup_;
  CountersPublisher publisher_;
  NodeList peers_;            // nodes there are to be links to
  std::vector<bool> linked_;  // by pnn; never fewer than there are peers
  bool quiet_ = false;
  EventLoop::TimerId leaving_ = 0;     // told to end, and does so then at the latest
  EventLoop::TimerId links_held_ = 0;  // until then, or until the last router's clients are here
  bool held_back_ = false;
  std::vector<uint32_t> crowded_;  // clients whose traverses the store rests from
  uint64_t changes_ = 0;           // of links, clients and daemons
  TimeNs tick_at_ = kNever;
  EventLoop::TimerId tick_timer_ = 0;
  std::unique_ptr<WorkThread> disk_;  // from the first change of the nodes file on
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_SHELL_H_
