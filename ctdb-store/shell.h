// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-store around its core: the channels to the router and to native clients, the database files, the lock workers,
// the core's timer and work, counters. Lives in the event loop of daemon_main().
//
// Invariants:
//  1. The core is made when the router has answered for the first time: only the router knows whether this is a
//     restart that takes its files up again.
//  2. Channels of clients go with the connection to the router, and so does everything they asked; but not those of native clients that
//     are kept for the next router (kept_clients.h).
//  3. Before anything is served the node page is looked at: past the lease, or when the keeper has fenced, the core stops.
//  4. While a peer or the router does not keep up, clients are not read here and the core's long work rests: queues
//     end a little above kLinkQueueHighWaterBytes.
//  5. A client whose frames break the rules loses its channel; nobody else notices.
#ifndef CTDB_STORE_SHELL_H_
#define CTDB_STORE_SHELL_H_

#include <memory>
#include <string>
#include <unordered_map>

#include "ctdb-store/adopted_clients.h"
#include "ctdb-store/backend/commit_workers.h"
#include "ctdb-store/backend/function_plugins.h"
#include "ctdb-store/backend/lock_workers.h"
#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/backend/tdb_file.h"
#include "ctdb-store/core/store.h"
#include "ctdb-store/keeper_link.h"
#include "ctdb-store/kept_clients.h"
#include "ctdb-store/peer_streams.h"
#include "libctdbipc/ring/boot_time.h"
#include "libctdbipc/runtime/capture_tap.h"
#include "libctdbipc/runtime/channel_queue.h"
#include "libctdbipc/runtime/daemon.h"
#include "libctdbipc/runtime/hook_points.h"
#include "libctdbipc/runtime/publish_pace.h"
#include "libctdbipc/runtime/router_link.h"
#include "libctdbipc/runtime/spin.h"

namespace ctdb {

class StoreShell : public DaemonShell, StoreOutput {
 public:
  // Loads plug-ins, and forks the lock workers' spawner. `context` outlives the shell.
  static Result<std::unique_ptr<StoreShell>> create(DaemonContext& context);
  ~StoreShell() override;

 private:
  explicit StoreShell(DaemonContext& context);
  Result<void> start();
  Result<void> load_functions();

  // The router's connection
  Result<void> on_router_up(SetupMessage& reply);
  void on_setup_message(SetupMessage& message);
  void on_router_down();
  void attach_client(SetupMessage& message);
  void cut_client(uint32_t endpoint, const char* why);
  void end_client(uint32_t endpoint);
  void tell_router(SetupKind kind, uint32_t endpoint, uint32_t number = 0);
  PeerStreams::Handlers stream_handlers();
  AdoptedClients::Handlers adopted_handlers();
  void on_router_frame(const Channel::Frame& frame);
  void on_client_frame(uint32_t endpoint, const Channel::Frame& frame);

  // StoreOutput
  void to_router(uint32_t endpoint, ByteView packet) override;
  void to_client(uint32_t endpoint, ByteView packet) override;
  void lock_chain(uint64_t ticket, const RecordFile& file, ByteView key) override;
  void unlock_chain(uint64_t ticket) override;
  void set_serving(bool on) override { page_.set_serving(on, gate_.known); }
  void set_prepared(uint32_t generation, bool empty_handed) override {
    page_.set_prepared(generation, empty_handed);
  }
  uint64_t serving_epoch() const override { return page_.serving_epoch(); }
  bool is_native_thread(uint32_t thread) const override;
  bool lease_lasts() const override { return boot_time() < page_.serve_until(); }
  bool records_taken() const override { return page_.records_taken(); }
  void log(StoreLog level, const std::string& text) override;
  bool congested() const override;

  // The node page
  void on_new_keeper();
  void obey_page() {
    if (loop_.now() >= page_.serve_until() || gate_.shut()) stop_serving();
  }
  void stop_serving();
  void turn_page();

  // The end: records first
  void leave();
  void go_on_leaving();
  void left();

  // Time and counters
  void end_of_turn();
  void hold_clients_back();
  void set_tick_timer();
  bool work_a_slice();
  void publish();
  std::string status_text() const;

  DaemonContext& context_;
  EventLoop& loop_;
  const HookPoints hooks_{"ctdb-store"};
  NodePage& page_;
  FenceGate gate_;
  KeeperLink keeper_;
  EventLoop::TimerId page_timer_ = 0;
  std::unique_ptr<FunctionPlugins> functions_;
  std::unique_ptr<LockWorkers> workers_;
  std::unique_ptr<CommitWorkers> commits_;
  std::unique_ptr<RecordFiles> files_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ChannelQueue> router_;
  std::unordered_map<uint32_t, std::unique_ptr<ChannelQueue>> clients_;
  std::vector<uint32_t> ended_threads_;  // of native clients, the last ones; a ring
  size_t ended_next_ = 0;
  CaptureTap capture_;
  Spin spin_;
  RouterLink link_;
  PeerStreams streams_;
  AdoptedClients adopted_;
  KeptClients kept_;
  TimeNs tick_at_ = kNever;
  EventLoop::TimerId tick_timer_ = 0;
  uint64_t events_ = 0;  // anything that happened
  PublishPace publish_pace_{loop_, [this] { publish(); }};
  TimeNs leaving_since_ = 0;  // 0: not yet
  bool gave_records_ = false;
  TimeNs clean_since_ = 0;  // 0: this node owns something
  uint64_t clients_cut_ = 0;
  bool clients_held_ = false;
  std::string status_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_SHELL_H_
