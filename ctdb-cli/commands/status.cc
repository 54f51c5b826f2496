// SPDX-License-Identifier: GPL-3.0-or-later
// status: one screen, the answer first. Reads counters segments only.
#include <time.h>

#include <algorithm>

#include "ctdb-cli/command.h"
#include "ctdb-cli/node_view.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

Value unless_dead(const NodeView& node, uint64_t ClusterView::*field, uint64_t none) {
  if (!node.cluster || (*node.cluster).*field == none) return {};
  return (*node.cluster).*field;
}

std::string leader_text(const Value& leader) {
  const uint64_t* pnn = std::get_if<uint64_t>(&leader);
  return pnn == nullptr ? "no leader" : "leader " + std::to_string(*pnn);
}

std::string generation_text(const Value& generation) {
  const uint64_t* number = std::get_if<uint64_t>(&generation);
  return number == nullptr ? "no generation" : "generation " + std::to_string(*number);
}

std::string members_text(const NodeView& node) {
  if (!node.cluster) return "members unknown";
  const std::string of = node.nodes ? " of " + std::to_string(*node.nodes) : "";
  std::string text = std::to_string(node.cluster->members) + of + " nodes take part";
  if (node.witnesses == 1) text += ", and a witness";
  if (node.witnesses > 1) text += ", and " + std::to_string(node.witnesses) + " witnesses";
  return text;
}

std::string survival_text(uint64_t failures) {
  if (failures == 0) return "no further failure of a node is survived";
  return std::to_string(failures) + (failures == 1 ? " more node" : " more nodes") +
         " may fail, one after the other, and the others go on";
}

void add_cluster(Report& report, const NodeView& node, const std::string& why) {
  const Value leader = unless_dead(node, &ClusterView::leader, CTDB_UNKNOWN_PNN);
  const Value generation = unless_dead(node, &ClusterView::generation, CTDB_INVALID_GENERATION);
  report.headline.push_back(why.empty() ? "healthy" : "NOT HEALTHY: " + why);
  report.headline.push_back(leader_text(leader) + ", " + generation_text(generation) + ", " +
                            members_text(node));
  const std::optional<uint64_t> survived = node.failures_survived();
  if (survived) report.headline.push_back(survival_text(*survived));
  const std::string stays = node.why_no_restart();
  if (survived || !stays.empty())
    report.headline.push_back(stays.empty() ? "this node may be restarted now"
                                            : "do not restart this node now: " + stays);
  report.json_field("healthy", why.empty());
  report.json_field("reason", why);
  report.json_field("leader", leader);
  report.json_field("generation", generation);
  report.json_field("members", node.cluster ? Value(node.cluster->members) : Value());
  report.json_field("nodes", node.nodes ? Value(static_cast<uint64_t>(*node.nodes)) : Value());
  report.json_field("witnesses", static_cast<uint64_t>(node.witnesses));
  report.json_field("failures_survived", survived ? Value(*survived) : Value());
  report.json_field("may_restart", stays.empty());
  report.json_field("no_restart_reason", stays);
  report.json_field("runstate",
                    node.cluster ? Value(std::string(runstate_name(node.cluster->runstate))) : Value());
  report.json_field("recovering", node.cluster ? Value(node.cluster->recovering) : Value());
}

struct Loss {
  Counter counter;
  const char* field;
  const char* one;
  const char* many;
};
constexpr Loss kLosses[] = {
    {Counter::store_members_lost, "members_lost", "member has left or lost its files",
     "members have left or lost their files"},
    {Counter::store_records_fallen_back, "records_fallen_back",
     "record has fallen back to an older copy or is gone",
     "records have fallen back to older copies or are gone"},
    {Counter::store_records_left_behind, "records_left_behind",
     "record that this node had last was discarded by it",
     "records that this node had last were discarded by it"},
};

// What has been lost since this node's store was started, as far as it knows. That of a dead one is history.
void add_losses(Report& report, const NodeView& node) {
  const auto store = std::ranges::find(node.daemons, kStore, &DaemonView::name);
  const bool known = store != node.daemons.end() && store->counters && store->liveness != Liveness::kDead;
  std::vector<std::string> texts;
  for (const Loss& loss : kLosses) {
    const uint64_t count = known ? store->counters->value(loss.counter) : 0;
    report.json_field(loss.field, known ? Value(count) : Value());
    if (count > 0) texts.push_back(std::to_string(count) + " " + (count == 1 ? loss.one : loss.many));
  }
  if (!texts.empty())
    report.headline.push_back("since ctdb-store was started here (its log has the names): " +
                              joined(texts, ", "));
}

void add_place(Report& report, const NodePlace& place) {
  if (!place.config) return;
  const bool witness = place.config->nodes[place.config->pnn].witness;
  report.headline.push_back("this is node " + std::to_string(place.config->pnn) + ", " +
                            place.config->node_address + (witness ? ", a witness" : "") + ", of cluster '" +
                            place.config->cluster_name + "'");
  report.json_field("node", static_cast<uint64_t>(place.config->pnn));
  report.json_field("address", place.config->node_address);
  report.json_field("witness", witness);
  report.json_field("cluster", place.config->cluster_name);
}

Value uptime_s(const DaemonView& daemon) {
  if (!daemon.counters || daemon.liveness == Liveness::kDead) return {};
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const std::optional<int64_t> uptime =
      daemon.elsewhere ? std::max<int64_t>(0, now.tv_sec - daemon.counters->start_ns / 1'000'000'000)
                       : process_uptime_s(daemon.counters->pid);
  return uptime ? Value(*uptime) : Value();
}

Table daemon_table(const NodeView& node) {
  Table table{"daemons", {"daemon", "state", "pid", "uptime_s", "status"}, {}};
  for (const DaemonView& daemon : node.daemons) {
    const bool known = daemon.counters.has_value();
    table.rows.push_back({daemon.name, std::string(liveness_name(daemon.liveness)),
                          known ? Value(static_cast<uint64_t>(daemon.counters->pid)) : Value(),
                          uptime_s(daemon), known ? Value(daemon.counters->status) : Value(daemon.problem)});
  }
  return table;
}

}  // namespace

Outcome status(const Invocation& invocation) {
  const NodeView node = look_at_node(invocation.place);
  const std::string why = joined(node.why_not_healthy(), "; ");
  Outcome outcome;
  add_cluster(outcome.report, node, why);
  add_losses(outcome.report, node);
  add_place(outcome.report, invocation.place);
  outcome.report.tables.push_back(daemon_table(node));
  if (!why.empty()) outcome.exit = node.any_alive() ? Exit::kNotHealthy : Exit::kNoDaemon;
  return outcome;
}

}  // namespace ctdb::cli
