// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/node_view.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "libctdbipc/base/process_name.h"
#include "libctdbipc/runtime/last_end.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

constexpr size_t kCommBytes = 15;  // what the kernel keeps of a program's name

DaemonView look_at_daemon(const NodePlace& place, const std::string& name) {
  DaemonView view;
  view.name = name;
  Result<CountersSnapshot> counters = read_counters(place.counters_path(name));
  if (counters) {
    // In another pid namespace its number means nobody, or somebody else.
    view.elsewhere = counters->pid_namespace != 0 && counters->pid_namespace != own_pid_namespace();
    view.liveness = !view.elsewhere  ? process_liveness(counters->pid, name)
                    : counters->held ? Liveness::kAlive
                                     : Liveness::kDead;
    view.counters = std::move(*counters);
  } else if (counters.error().code != ErrorCode::kNotFound) {
    view.liveness = Liveness::kUnknown;
    view.problem = counters.error().text();
  }
  if (view.liveness == Liveness::kDead || view.liveness == Liveness::kAbsent)
    view.last_end = last_end(place.run_directory, name);
  return view;
}

ClusterView cluster_view(const CountersSnapshot& counters) {
  ClusterView view;
  view.generation = counters.value(Counter::recoveryd_generation);
  view.leader = counters.value(Counter::recoveryd_leader);
  view.members = counters.value(Counter::recoveryd_members);
  view.runstate = counters.value(Counter::recoveryd_runstate);
  view.recovering = counters.value(Counter::recoveryd_recovery_mode) != CTDB_RECOVERY_NORMAL;
  view.voters = counters.value(Counter::recoveryd_voters);
  view.voters_reachable = counters.value(Counter::recoveryd_voters_reachable);
  view.votes_needed = counters.value(Counter::recoveryd_votes_needed);
  return view;
}

std::string daemon_trouble(const DaemonView& daemon) {
  const std::string pid = daemon.counters ? " (pid " + std::to_string(daemon.counters->pid) + ")" : "";
  switch (daemon.liveness) {
    case Liveness::kAbsent:
      return daemon.name + (daemon.last_end.empty() ? " has not been started" : ": " + daemon.last_end);
    case Liveness::kUnknown:
      return daemon.name + ": " + daemon.problem;
    case Liveness::kDead:
      return daemon.name + " is dead" + pid + (daemon.last_end.empty() ? "" : ", " + daemon.last_end);
    case Liveness::kStopped:
      return daemon.name + " is stopped" + pid;
    case Liveness::kAlive:
      break;
  }
  return "";
}

std::vector<std::string> daemon_troubles(const NodeView& node) {
  std::vector<std::string> troubles;
  for (const DaemonView& daemon : node.daemons) {
    if (node.is_witness && daemon.name == kStore) continue;  // it needs none
    if (std::string trouble = daemon_trouble(daemon); !trouble.empty())
      troubles.push_back(std::move(trouble));
  }
  return troubles;
}

std::string stat_of(uint32_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  return {std::istreambuf_iterator<char>(in), {}};
}

bool has_leader(const ClusterView& cluster) {
  return cluster.leader != CTDB_UNKNOWN_PNN;
}

// recoveryd's own words, which know more than the numbers.
std::string explained(const NodeView& node, std::string what) {
  const DaemonView& recoveryd = node.daemons.back();
  if (recoveryd.counters && !recoveryd.counters->status.empty())
    what += " (" + recoveryd.counters->status + ")";
  return what;
}

// The router's words about its links, when nodes refuse each other: "no link to 2 (cluster name is …)".
std::vector<std::string> refusals(const NodeView& node) {
  const DaemonView& router = node.daemons.front();
  if (!router.counters || router.liveness != Liveness::kAlive) return {};
  const std::string& status = router.counters->status;
  const size_t begin = status.find("no link to");
  const size_t end = status.find("; ctdb-store");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  const std::string links = status.substr(begin, end - begin);
  return links.find('(') == std::string::npos ? std::vector<std::string>{} : std::vector{links};
}

std::vector<std::string> with(std::vector<std::string> some, std::vector<std::string> more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

}  // namespace

const char* liveness_name(Liveness liveness) {
  switch (liveness) {
    case Liveness::kAbsent:
      return "absent";
    case Liveness::kUnknown:
      return "unknown";
    case Liveness::kDead:
      return "dead";
    case Liveness::kStopped:
      return "stopped";
    case Liveness::kAlive:
      return "alive";
  }
  return "unknown";
}

std::vector<Counter> counters_of(const std::string& daemon) {
  const std::string prefix =
      daemon.substr(daemon.find('-') + 1) + "_";  // "router_": a daemon moves only rows of its own prefix
  std::vector<Counter> found;
  for (size_t i = 0; i < static_cast<size_t>(Counter::count); ++i) {
    const auto counter = static_cast<Counter>(i);
    if (std::string_view(counter_name(counter)).starts_with(prefix)) found.push_back(counter);
  }
  return found;
}

std::optional<int64_t> process_uptime_s(uint32_t pid) {
  const std::string stat = stat_of(pid);
  const size_t close = stat.rfind(')');
  if (close == std::string::npos) return std::nullopt;
  // Of the fields behind the name the 20th is when it began, in ticks since the machine did (proc(5)).
  std::istringstream fields(stat.substr(close + 1));
  std::string field;
  for (int number = 0; number < 20; ++number) fields >> field;
  int64_t began = 0;
  const auto parsed = std::from_chars(field.data(), field.data() + field.size(), began);
  if (parsed.ec != std::errc()) return std::nullopt;
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::max<int64_t>(0, now.tv_sec - began / sysconf(_SC_CLK_TCK));
}

Liveness process_liveness(uint32_t pid, const std::string& name) {
  const std::string stat = stat_of(pid);
  // pid (name) state …; the name may hold anything, so its end is the last parenthesis.
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close + 2 >= stat.size())
    return Liveness::kDead;
  if (stat.substr(open + 1, close - open - 1) != name.substr(0, kCommBytes)) return Liveness::kDead;
  switch (stat[close + 2]) {
    case 'Z':
    case 'X':
      return Liveness::kDead;
    case 'T':
    case 't':
      return Liveness::kStopped;
    default:
      return Liveness::kAlive;
  }
}

const char* runstate_name(uint64_t runstate) {
  switch (runstate) {
    case CTDB_RUNSTATE_INIT:
      return "INIT";
    case CTDB_RUNSTATE_SETUP:
      return "SETUP";
    case CTDB_RUNSTATE_FIRST_RECOVERY:
      return "FIRST_RECOVERY";
    case CTDB_RUNSTATE_STARTUP:
      return "STARTUP";
    case CTDB_RUNSTATE_RUNNING:
      return "RUNNING";
    case CTDB_RUNSTATE_SHUTDOWN:
      return "SHUTDOWN";
    default:
      return "UNKNOWN";
  }
}

NodeView look_at_node(const NodePlace& place) {
  NodeView view;
  for (const char* name : kDaemons) view.daemons.push_back(look_at_daemon(place, name));
  const DaemonView& recoveryd = view.daemons.back();
  if (recoveryd.liveness == Liveness::kAlive || recoveryd.liveness == Liveness::kStopped) {
    view.cluster = cluster_view(*recoveryd.counters);
  }
  if (place.config) {
    const auto& nodes = place.config->nodes;
    view.nodes = static_cast<size_t>(
        std::ranges::count_if(nodes, [](const auto& n) { return !n.deleted && !n.witness; }));
    view.witnesses = static_cast<size_t>(std::ranges::count_if(nodes, &NodeAddress::witness));
    view.is_witness = nodes[place.config->pnn].witness;
  }
  return view;
}

bool NodeView::any_alive() const {
  return std::any_of(daemons.begin(), daemons.end(), [](const DaemonView& daemon) {
    return daemon.liveness == Liveness::kAlive || daemon.liveness == Liveness::kStopped;
  });
}

std::vector<std::string> NodeView::why_no_leader() const {
  if (!cluster) return {daemon_trouble(daemons.back())};
  if (!has_leader(*cluster)) return with({explained(*this, "no leader is known")}, refusals(*this));
  return {};
}

std::vector<std::string> NodeView::why_not_ready() const {
  std::vector<std::string> why = daemon_troubles(*this);
  if (!cluster) return why;
  if (!has_leader(*cluster)) {
    why = with(std::move(why), why_no_leader());
  } else if (is_witness) {
    return why;  // it votes, and serves nobody
  } else if (cluster->generation <= CTDB_INVALID_GENERATION) {
    why.push_back(explained(*this, "no generation is open"));
  } else if (cluster->recovering) {
    why.push_back(explained(*this, "this node is not a member, or a recovery runs"));
  } else if (cluster->runstate != CTDB_RUNSTATE_RUNNING) {
    why.push_back(explained(*this, std::string("run state is ") + runstate_name(cluster->runstate)));
  }
  return why;
}

std::vector<std::string> NodeView::why_not_healthy() const {
  std::vector<std::string> why = why_not_ready();
  if (why.empty() && nodes && cluster->members != *nodes) {
    why.push_back(explained(*this, "only " + std::to_string(cluster->members) + " of " +
                                       std::to_string(*nodes) + " nodes take part"));
    why = with(std::move(why), refusals(*this));
  }
  if (why.empty() && cluster->voters_reachable < cluster->voters) {
    why.push_back(explained(*this, "only " + std::to_string(cluster->voters_reachable) + " of " +
                                       std::to_string(cluster->voters) + " voting nodes are reachable"));
    why = with(std::move(why), refusals(*this));
  }
  return why;
}

std::string NodeView::why_no_restart() const {
  if (!cluster || !has_leader(*cluster)) return "";
  if (cluster->recovering && !is_witness) return "a recovery runs, or this node is on its way in or out";
  const std::optional<uint64_t> survived = failures_survived();
  if (!survived) return "it is not known whether the others would go on";
  return *survived > 0 ? "" : "the others would not go on without it";
}

std::optional<uint64_t> NodeView::failures_survived() const {
  if (!cluster || !has_leader(*cluster) || cluster->members == 0) return std::nullopt;
  if (cluster->voters == 0 || cluster->voters_reachable < cluster->votes_needed) return std::nullopt;
  return std::min(cluster->voters_reachable - cluster->votes_needed, cluster->members - 1);
}

}  // namespace ctdb::cli
