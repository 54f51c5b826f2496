// SPDX-License-Identifier: GPL-3.0-or-later
// Recoveryd's shell: connects the core to the router's two channels, keeps its timer, file and counters. It lives in the
// event loop of daemon_main(); a router that goes away is looked for again, for ever.
#ifndef CTDB_RECOVERYD_SHELL_H_
#define CTDB_RECOVERYD_SHELL_H_

#include <memory>
#include <optional>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-recoveryd/lock_link.h"
#include "ctdb-recoveryd/state_file.h"
#include "libctdbipc/runtime/channel_queue.h"
#include "libctdbipc/runtime/daemon.h"
#include "libctdbipc/runtime/hook_points.h"
#include "libctdbipc/runtime/router_link.h"

namespace ctdb {

class RecoverydShell : public DaemonShell, public RecoverydOutput {
 public:
  // `context` must outlive the shell.
  static Result<std::unique_ptr<RecoverydShell>> create(DaemonContext& context);

 private:
  RecoverydShell(DaemonContext& context, StateFile file);
  void start();

  // RecoverydOutput
  void to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) override;
  bool persist(ByteView bytes) override;
  TimeNs serve_until() override { return context_.node_page->serve_until(); }
  bool set_serve_until(TimeNs before, TimeNs when) override;
  bool records_taken() override { return context_.node_page->records_taken(); }
  bool being_fenced() override { return context_.node_page->being_fenced(); }
  TimeNs store_beat() override { return context_.node_page->store_beat(); }
  int64_t wall_clock_ns() override;
  void want_lock(bool wanted) override { lock_.want(wanted); }
  void access_register(uint64_t ticket, ByteView slot) override { lock_.access(ticket, slot); }
  void log(RecoverydLog level, const std::string& text) override;

  Result<void> on_router_up(SetupMessage& reply);
  Result<std::unique_ptr<ChannelQueue>> open_channel(ChannelFds fds, RecoverydLane lane);
  void on_setup_message(const SetupMessage& message);
  void on_router_down();
  void end_of_turn();
  void publish_counters();

  DaemonContext& context_;
  EventLoop& loop_;
  const HookPoints hooks_{"ctdb-recoveryd"};
  StateFile file_;
  LockLink lock_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<ClusterNode> core_;
  RouterLink link_;
  std::unique_ptr<ChannelQueue> control_;
  std::unique_ptr<ChannelQueue> data_;
  uint64_t connections_ = 0;  // to tell the last connection's death notices from this one's
  EventLoop::TimerId timer_ = 0;
  TimeNs timer_deadline_ = kNever;
  uint64_t events_ = 0;     // of the core, since start
  uint64_t published_ = 0;  // events_ when the counters were last written
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_SHELL_H_
