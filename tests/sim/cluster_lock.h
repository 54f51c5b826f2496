// SPDX-License-Identifier: GPL-3.0-or-later
// The cluster lock of a simulated cluster: what helpers on the nodes say of the mutex, and the register beside it. World
// owns it, RecoverydProcess asks, Faults breaks it: the mutex may be lost, also unnoticed, or given to two, and the register
// may be slow or refuse; but what it has said was written is there, as on a disk.
#ifndef CTDB_TESTS_SIM_CLUSTER_LOCK_H_
#define CTDB_TESTS_SIM_CLUSTER_LOCK_H_

#include <functional>
#include <vector>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "libctdbipc/base/random.h"
#include "tests/sim/event_queue.h"

namespace ctdb::sim {

class SharedLock {
 public:
  SharedLock(EventQueue& queue, uint64_t seed, uint32_t nodes)
      : queue_(queue), random_(seed), nodes_(nodes) {}

  // ---- recoveryd of `node` ----
  using LockTold = std::function<void(LockState state, const std::string& why)>;
  void want(uint32_t node, LockTold told);
  // Also when the process dies: its helper sees that and ends.
  void let_go(uint32_t node);
  using RegisterTold = std::function<void(const RegisterAnswer& answer)>;
  void access(uint32_t node, uint64_t ticket, ByteView slot, RegisterTold told);

  // ---- faults ----
  // The mutex is free for others at once; the node hears of it after `later`.
  void lose(uint32_t node, TimeNs later);
  void give_twice() { give_twice_ = true; }    // the next who asks gets it, whoever has it
  void stall(uint32_t node, TimeNs for_time);  // its accesses take that much longer
  void set_failing(uint32_t node, bool value) { nodes_[node].failing = value; }
  void heal();
  // When the accesses under way are over, the slow ones from before heal() too.
  TimeNs accesses_over() const;

  // ---- mutations ----
  bool shows_own_slot_only = false;
  bool forgets_writes = false;
  bool hides_terms = false;

 private:
  struct Node {
    bool holds = false;
    LockTold told;           // set while it wants the mutex
    uint64_t asked = 0;      // counts want() and let_go(): what was said to an earlier one is not heard
    TimeNs access_over = 0;  // accesses of one node do not overtake each other
    TimeNs stalled_until = 0;
    uint64_t accesses = 0;
    bool failing = false;
    Bytes slot;
  };
  bool free() const;
  void watch(uint32_t node);
  TimeNs below(TimeNs bound) { return static_cast<TimeNs>(random_.below(static_cast<uint64_t>(bound))); }
  void tell(uint32_t node, TimeNs after, LockState state, const std::string& why);

  EventQueue& queue_;
  Random random_;
  std::vector<Node> nodes_;
  bool give_twice_ = false;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CLUSTER_LOCK_H_
