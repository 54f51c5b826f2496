// SPDX-License-Identifier: GPL-3.0-or-later
// Quorum by cluster lock: a mutex that an outside program holds for this node, and the register beside it, a file that all
// nodes share (ARCHITECTURE §5, "The cluster lock").
//
// The mutex only keeps candidates out of each other's way: it may be lost unnoticed or given to two. What decides is the
// register, by the rules of Disk Paxos with one disk: every node writes its own slot only (its DurableState), and reads all
// after it has written.
//
// Invariants:
//  1. One access at a time; answers to others count for nothing.
//  2. A term is this node's when no other slot had that term or a newer one after it was written here.
//  3. What was written counts when no other slot had a newer term after that.
#ifndef CTDB_RECOVERYD_CORE_CLUSTER_LOCK_H_
#define CTDB_RECOVERYD_CORE_CLUSTER_LOCK_H_

#include <optional>
#include <string>

#include "ctdb-recoveryd/core/context.h"

namespace ctdb {

class ClusterLock {
 public:
  explicit ClusterLock(Context& context) : c_(context) {}

  bool used() const { return c_.options.lock_quorum; }
  // It is taken by a program that is not of this project.
  bool of_others() const { return used() && c_.options.cluster_lock.starts_with('!'); }
  void want();
  // Also forgets an access under way: whatever it says, it was another attempt's.
  void let_go();
  bool held() const { return held_; }
  // Why it is not held; for people.
  const std::string& why_not() const { return why_not_; }
  void on_lock(LockState state, const std::string& why);

  void read();
  // Writes the durable state as it is now, then reads. If an access is under way: when that is over.
  void write();
  struct Seen {
    uint64_t highest_term = 0;  // in the slots of others
    DurableState newest;        // of all slots, the one with the newest decided generation
    uint64_t own_term = 0;      // in the slot of this node
    TimeNs asked_at = 0;
    bool wrote = false;
    uint32_t wrote_generation = CTDB_INVALID_GENERATION;  // decided, in what was written
  };
  // nullopt: not an answer to the newest access, or one that says nothing.
  std::optional<Seen> on_register(const RegisterAnswer& answer);

 private:
  void access(bool write);
  std::optional<Seen> look_at(const RegisterAnswer& answer);

  Context& c_;
  bool wanted_ = false;
  bool held_ = false;
  std::string why_not_ = "nobody has asked for the cluster lock yet";
  uint64_t ticket_ = 0;
  bool under_way_ = false;
  bool write_again_ = false;
  bool complained_ = false;  // about a register that cannot be used
  Seen asked_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_CLUSTER_LOCK_H_
