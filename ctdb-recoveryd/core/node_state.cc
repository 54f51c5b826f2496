// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/node_state.h"

namespace ctdb {

NodeState::NodeState(bool stopped, bool disabled, bool may_lead, bool may_be_lmaster) {
  set_stopped(stopped);
  set_disabled(disabled);
  set_capability(CTDB_CAPABILITY_RECMASTER, may_lead);
  set_capability(CTDB_CAPABILITY_LMASTER, may_be_lmaster);
}

NodeState NodeState::of_witness(bool may_lead) {
  NodeState state(true, false, may_lead, false);
  state.flags_ = CTDB_NODE_WITNESS | CTDB_NODE_STOPPED;
  state.runstate_ = CTDB_RUNSTATE_RUNNING;
  return state;
}

void NodeState::take_over(uint32_t flags) {
  set_stopped((flags & CTDB_NODE_STOPPED) != 0);
  set_disabled((flags & CTDB_NODE_DISABLED) != 0);
}

std::string NodeState::why_inactive() const {
  if (witness()) return "it is a witness: it votes and holds no records";
  if ((flags_ & CTDB_NODE_STOPPED) != 0) return "stopped by the administrator (continue it to bring it back)";
  if (banned()) return "banned for " + std::to_string(ban_seconds_) + " seconds, " + ban_ends_;
  return "";
}

void NodeState::ban(uint32_t seconds, TimeNs now, const std::string& until) {
  ban_seconds_ = seconds;
  ban_ends_ = until;
  set(CTDB_NODE_BANNED, seconds > 0);
  ban_until_ = seconds > 0 ? now + static_cast<TimeNs>(seconds) * kSecond : kNever;
}

uint32_t NodeState::ban_left_s(TimeNs now) const {
  if (!banned() || now >= ban_until_) return 0;
  return static_cast<uint32_t>((ban_until_ - now + kSecond - 1) / kSecond);
}

bool NodeState::expire_ban(TimeNs now) {
  if (now < ban_until_) return false;
  ban(0, now);
  return true;
}

void NodeState::set_capability(uint32_t bit, bool on) {
  capabilities_ = on ? capabilities_ | bit : capabilities_ & ~bit;
}

void NodeState::store_ready() {
  if (runstate_ < CTDB_RUNSTATE_FIRST_RECOVERY) runstate_ = CTDB_RUNSTATE_FIRST_RECOVERY;
}

void NodeState::opened() {
  runstate_ = CTDB_RUNSTATE_RUNNING;
  set(CTDB_NODE_UNHEALTHY, false);
}

}  // namespace ctdb
