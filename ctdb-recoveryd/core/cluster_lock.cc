// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/cluster_lock.h"

#include <algorithm>

namespace ctdb {

void ClusterLock::want() {
  wanted_ = true;
  why_not_ = "the cluster lock has not been given yet";
  c_.out.want_lock(true);
}

void ClusterLock::let_go() {
  ++ticket_;
  under_way_ = write_again_ = false;
  if (!wanted_) return;
  wanted_ = held_ = false;
  c_.out.want_lock(false);
}

void ClusterLock::on_lock(LockState state, const std::string& why) {
  if (!wanted_) return;  // said before it was let go
  held_ = state == LockState::kHeld;
  if (!held_) why_not_ = why;
}

void ClusterLock::read() {
  access(false);
}

void ClusterLock::write() {
  if (under_way_) {
    write_again_ = true;
    return;
  }
  access(true);
}

void ClusterLock::access(bool write) {
  under_way_ = true;
  write_again_ = false;
  asked_ = {};
  asked_.asked_at = c_.now;
  asked_.wrote = write;
  if (write) asked_.wrote_generation = c_.durable.decided_generation;
  c_.out.access_register(++ticket_, write ? c_.durable.encode() : Bytes());
}

std::optional<ClusterLock::Seen> ClusterLock::on_register(const RegisterAnswer& answer) {
  if (answer.ticket != ticket_ || !under_way_) return std::nullopt;
  under_way_ = false;
  std::optional<Seen> seen = look_at(answer);
  if (seen) complained_ = false;
  if (write_again_) access(true);
  return seen;
}

std::optional<ClusterLock::Seen> ClusterLock::look_at(const RegisterAnswer& answer) {
  std::string fault = answer.fault;
  Seen seen = asked_;
  for (const RegisterAnswer::Slot& slot : answer.slots) {
    const std::optional<DurableState> state = DurableState::decode(slot.bytes);
    if (!state) {
      fault = "the slot of node " + std::to_string(slot.pnn) + " in the register is damaged";
      break;
    }
    uint64_t& term = slot.pnn == c_.pnn() ? seen.own_term : seen.highest_term;
    term = std::max(term, state->term);
    if (state->newer_decision_than(seen.newest)) seen.newest = *state;
  }
  if (fault.empty()) return seen;
  why_not_ = "the register of the cluster lock cannot be used: " + fault;
  if (!complained_) c_.log(RecoverydLog::kError, why_not_);
  complained_ = true;
  return std::nullopt;
}

}  // namespace ctdb
