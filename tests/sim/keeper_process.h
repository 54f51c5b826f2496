// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper in the simulator: what ctdb-store/backend/keeper_process.cc does, on files in memory and virtual time.
#ifndef CTDB_TESTS_SIM_KEEPER_PROCESS_H_
#define CTDB_TESTS_SIM_KEEPER_PROCESS_H_

#include "tests/sim/process.h"

namespace ctdb::sim {

class Node;

class KeeperProcess : public Process {
 public:
  // After the end of the lease: until then the store may act itself.
  static constexpr TimeNs kStorePatience = 50 * kMillisecond;

  explicit KeeperProcess(Node& node);

  void start();
  void kill();
  // Recoveryd has revoked or begun a lease.
  void ring();
  // It holds all wires now.
  void ready(uint32_t router);
  bool on_duty() const { return on_duty_; }
  // The chains must be free, or the file closed.
  void take_records_away();

 private:
  TimeNs next_deadline() const override { return look_at_; }
  void on_deadline() override { step(); }

  void step();
  void begin_fence();
  void go_on_fencing();
  void end_fence();

  Node& node_;
  bool on_duty_ = false;
  TimeNs look_at_ = kNever;
  TimeNs over_since_ = kNever;
  uint64_t fencing_ = 0;  // epoch; 0: none
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_KEEPER_PROCESS_H_
