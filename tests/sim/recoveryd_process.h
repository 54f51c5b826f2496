// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-recoveryd in the simulator: the real core, its durable bytes on the node's disk.
#ifndef CTDB_TESTS_SIM_RECOVERYD_PROCESS_H_
#define CTDB_TESTS_SIM_RECOVERYD_PROCESS_H_

#include <memory>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-router/core/router.h"
#include "tests/sim/process.h"

namespace ctdb::sim {

class Node;

class RecoverydProcess : public Process, public RecoverydOutput {
 public:
  explicit RecoverydProcess(Node& node);

  void start();
  void kill();
  // While false its disk takes nothing.
  void set_can_persist(bool value) { can_persist_ = value; }
  const ClusterNode* core() const { return core_.get(); }

  void from_router(uint64_t link, Lane lane, uint32_t endpoint, ByteView packet, TimeNs when);
  void router_died(uint64_t link, TimeNs when);

 private:
  TimeNs next_deadline() const override;
  void on_deadline() override { core_->tick(clock()); }
  TimeNs clock() const;

  void to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) override;
  bool persist(ByteView bytes) override;
  TimeNs serve_until() override;
  bool set_serve_until(TimeNs before, TimeNs when) override;
  bool records_taken() override;
  bool being_fenced() override;
  TimeNs store_beat() override;
  int64_t wall_clock_ns() override { return queue_.now(); }
  void want_lock(bool wanted) override;
  void access_register(uint64_t ticket, ByteView slot) override;
  void log(RecoverydLog level, const std::string& text) override;

  void connect();
  void handle(RecoverydLane lane, uint32_t endpoint, ByteView packet);

  Node& node_;
  Random random_;
  std::unique_ptr<ClusterNode> core_;
  uint64_t link_ = 0;
  bool can_persist_ = true;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_RECOVERYD_PROCESS_H_
