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

inline constexpr const char* kStore = "ctdb-store";
inline constexpr std::array<const char*, 3> kDaemons = {"ctdb-router", kStore, "ctdb-recoveryd"};

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
  bool elsewhere = false;                    // in another pid namespace: whether it is stopped is not seen
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
  uint64_t voters = 0;  // 0: not known
  uint64_t voters_reachable = 0;
  uint64_t votes_needed = 0;
};

struct NodeView {
  std::vector<DaemonView> daemons;     // in the order of kDaemons
  std::optional<ClusterView> cluster;  // absent when recoveryd is dead: what it wrote is history
  std::optional<size_t> nodes;         // configured to hold records; absent when there is no configuration
  size_t witnesses = 0;                // configured
  bool is_witness = false;             // this node

  bool any_alive() const;
  // So many nodes may die, one after the other, and the others go on. Absent when that is not known.
  std::optional<uint64_t> failures_survived() const;
  // Why this node's daemons should not be restarted now, in words; empty: the others go on without it, or it serves nobody anyway.
  std::string why_no_restart() const;
  // In words, most important first; empty: it is so.
  std::vector<std::string> why_not_healthy() const;
  std::vector<std::string> why_not_ready() const;
  std::vector<std::string> why_no_leader() const;
};

NodeView look_at_node(const NodePlace& place);

// Those that this daemon moves.
std::vector<Counter> counters_of(const std::string& daemon);

// From /proc; `name` guards against a number that another process has got meanwhile.
Liveness process_liveness(uint32_t pid, const std::string& name);
// Seconds since the process began, whatever the wall clock was set to meanwhile; absent when there is no such process.
std::optional<int64_t> process_uptime_s(uint32_t pid);
const char* runstate_name(uint64_t runstate);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_NODE_VIEW_H_
