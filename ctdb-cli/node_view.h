// SPDX-License-Identifier: GPL-3.0-or-later
// What can be known about a node without asking any of its daemons: their counters segments and /proc. Never waits.
#ifndef CTDB_CLI_NODE_VIEW_H_
#define CTDB_CLI_NODE_VIEW_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "ctdb-cli/command.h"
#include "libctdbipc/ring/counters.h"

namespace ctdb::cli {

inline constexpr std::array<const char*, 3> kDaemons = {"ctdb-router", "ctdb-store", "ctdb-recoveryd"};

enum class Liveness {
  kAbsent,   // no counters segment: never ran here
  kUnknown,  // a segment we cannot read
  kDead,     // it ran here, the process is gone
  kStopped,  // the process is there but has been stopped (SIGSTOP, debugger)
  kAlive,
};
const char* liveness_name(Liveness liveness);

struct DaemonView {
  std::string name;
  Liveness liveness = Liveness::kAbsent;
  std::optional<CountersSnapshot> counters;  // of the last run when the daemon is dead
  std::string problem;                       // kUnknown: why
  std::string last_end;  // of a daemon that does not run; empty: unknown, or in good order
};

// Membership as the node's recoveryd last wrote it.
struct ClusterView {
  uint64_t generation = 0;
  uint64_t leader = 0;
  uint64_t members = 0;
  uint64_t runstate = 0;
  bool recovering = true;
};

struct NodeView {
  std::vector<DaemonView> daemons;     // in the order of kDaemons
  std::optional<ClusterView> cluster;  // absent when recoveryd is dead: what it wrote is history
  std::optional<size_t> nodes;         // configured, not deleted; absent when there is no configuration

  bool any_alive() const;
  // In words, most important first; empty: it is so.
  std::vector<std::string> why_not_healthy() const;
  std::vector<std::string> why_not_ready() const;
  std::vector<std::string> why_no_leader() const;
};

NodeView look_at_node(const NodePlace& place);

// From /proc; `name` guards against a number that another process has got meanwhile.
Liveness process_liveness(uint32_t pid, const std::string& name);
const char* runstate_name(uint64_t runstate);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_NODE_VIEW_H_
