// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/node_events.h"

#include <algorithm>
#include <iterator>

#include "ctdb-cli/text.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

// What is told when it grows: somebody has lost something, or is about to.
constexpr Counter kDamage[] = {
    Counter::router_clients_cut,        Counter::store_members_lost,   Counter::store_records_fallen_back,
    Counter::store_records_left_behind, Counter::store_values_suspect, Counter::store_files_repaired,
    Counter::store_records_damaged,     Counter::store_file_errors,    Counter::store_commits_failed,
    Counter::store_clients_cut,
};

Report event(const char* name) {
  Report report;
  report.field("event", std::string(name));
  return report;
}

Value unless(uint64_t value, uint64_t none) {
  return value == none ? Value() : Value(value);
}

uint32_t pid_of(const DaemonView& daemon) {
  return daemon.counters ? daemon.counters->pid : 0;
}

bool same_life(const DaemonView& a, const DaemonView& b) {
  return a.liveness == b.liveness && pid_of(a) == pid_of(b);
}

void add_daemon(std::vector<Report>& events, const DaemonView& daemon) {
  Report report = event("daemon");
  report.field("daemon", daemon.name);
  report.field("state", std::string(liveness_name(daemon.liveness)));
  report.field("pid", daemon.counters ? Value(uint64_t{pid_of(daemon)}) : Value());
  if (!daemon.last_end.empty()) report.field("reason", daemon.last_end);
  events.push_back(std::move(report));
}

void add_damage(std::vector<Report>& events, const DaemonView& before, const DaemonView& now) {
  if (!now.counters) return;
  for (const Counter counter : counters_of(now.name)) {
    if (std::ranges::find(kDamage, counter) == std::end(kDamage)) continue;
    const uint64_t count = now.counters->value(counter);
    const uint64_t known =
        before.counters && pid_of(before) == pid_of(now) ? before.counters->value(counter) : 0;
    if (count <= known) continue;
    Report report = event("damage");
    report.field("counter", std::string(counter_name(counter)));
    report.field("more", count - known);
    report.field("count", count);
    report.field("meaning", std::string(counter_help(counter)));
    events.push_back(std::move(report));
  }
}

// What recoveryd says of the cluster, in the shape of the events about it.
std::vector<Report> cluster_reports(const NodeView& node) {
  const ClusterView none{CTDB_INVALID_GENERATION, CTDB_UNKNOWN_PNN};
  const ClusterView& cluster = node.cluster ? *node.cluster : none;
  Report leader = event("leader");
  leader.field("leader", unless(cluster.leader, CTDB_UNKNOWN_PNN));
  Report members = event("members");
  members.field("generation", unless(cluster.generation, CTDB_INVALID_GENERATION));
  members.field("members", unless(cluster.members, 0));
  Report voters = event("voters");
  voters.field("reachable", unless(cluster.voters_reachable, 0));
  voters.field("of", unless(cluster.voters, 0));
  voters.field("needed", unless(cluster.votes_needed, 0));
  return {leader, members, voters};
}

Report health(const NodeView& node) {
  const std::vector<std::string> why = node.why_not_healthy();
  Report report = event("health");
  report.field("healthy", why.empty());
  report.field("ready", node.why_not_ready().empty());
  report.field("reason", joined(why, "; "));
  return report;
}

bool same(const Report& a, const Report& b) {
  return std::ranges::equal(a.fields, b.fields, {}, &Field::value, &Field::value);
}

}  // namespace

std::vector<Report> events_between(const NodeView* before, const NodeView& now) {
  std::vector<Report> events;
  for (size_t i = 0; i < now.daemons.size(); ++i) {
    if (before == nullptr || !same_life(before->daemons[i], now.daemons[i]))
      add_daemon(events, now.daemons[i]);
  }
  const std::vector<Report> cluster = cluster_reports(now);
  const std::vector<Report> known = before != nullptr ? cluster_reports(*before) : std::vector<Report>();
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (known.empty() || !same(known[i], cluster[i])) events.push_back(cluster[i]);
  }
  for (size_t i = 0; before != nullptr && i < now.daemons.size(); ++i)
    add_damage(events, before->daemons[i], now.daemons[i]);
  if (Report report = health(now); before == nullptr || !same(health(*before), report))
    events.push_back(std::move(report));
  return events;
}

}  // namespace ctdb::cli
