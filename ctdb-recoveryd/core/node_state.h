// SPDX-License-Identifier: GPL-3.0-or-later
// What this node says of itself: flags an operator sets, a ban with its timer, roles, run state. It owns its
// flags (cluster-semantics §1.3); everybody else learns them from heartbeat replies. Pure.
//
// A witness is a node that is stopped for good: so all that keeps a stopped node from records keeps a witness from them, and
// both vote. Unlike one it may lead: it can be the only one that knows what was decided last, and who knows less gets no vote.
#ifndef CTDB_RECOVERYD_CORE_NODE_STATE_H_
#define CTDB_RECOVERYD_CORE_NODE_STATE_H_

#include <cstdint>
#include <string>

#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

class NodeState {
 public:
  NodeState(bool stopped, bool disabled, bool may_lead, bool may_be_lmaster);
  static NodeState of_witness(bool may_lead);

  uint32_t flags() const { return flags_; }
  bool inactive() const { return (flags_ & (CTDB_NODE_STOPPED | CTDB_NODE_BANNED)) != 0; }
  // "stopped by the administrator" or the like; empty when active.
  std::string why_inactive() const;
  bool witness() const { return (flags_ & CTDB_NODE_WITNESS) != 0; }
  void set_stopped(bool on) { set(CTDB_NODE_STOPPED, on || witness()); }
  void set_disabled(bool on) { set(CTDB_NODE_DISABLED, on); }
  // The flags as an earlier life of this process told them last. What an operator has set is so until one changes it; of a ban the
  // router says what is left, as whoever banned the node did.
  void take_over(uint32_t flags);

  // seconds 0: no ban any more. Banning a banned node restarts the timer. `until`: when it ends, for people.
  void ban(uint32_t seconds, TimeNs now, const std::string& until = "");
  // What is left of it, in whole seconds, rounded up.
  uint32_t ban_left_s(TimeNs now) const;
  TimeNs ban_until() const { return ban_until_; }
  // Ends a ban whose time has come; true when it did.
  bool expire_ban(TimeNs now);

  uint32_t capabilities() const { return capabilities_; }
  bool may_lead() const {
    return (capabilities_ & CTDB_CAPABILITY_RECMASTER) != 0 && (!inactive() || (witness() && !banned()));
  }
  void set_capability(uint32_t bit, bool on);

  uint32_t runstate() const { return runstate_; }
  void store_ready();  // INIT -> FIRST_RECOVERY
  void opened();       // -> RUNNING, and healthy from now on

 private:
  bool banned() const { return (flags_ & CTDB_NODE_BANNED) != 0; }
  void set(uint32_t flag, bool on) { flags_ = on ? flags_ | flag : flags_ & ~flag; }

  // Unhealthy until the first generation was opened here (cluster-semantics §1.2).
  uint32_t flags_ = CTDB_NODE_UNHEALTHY;
  uint32_t capabilities_ = CTDB_CAPABILITIES_DEFAULT;
  uint32_t runstate_ = CTDB_RUNSTATE_INIT;
  uint32_t ban_seconds_ = 0;
  std::string ban_ends_;
  TimeNs ban_until_ = kNever;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_NODE_STATE_H_
