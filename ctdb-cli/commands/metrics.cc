// SPDX-License-Identifier: GPL-3.0-or-later
// metrics: what status and stats know, as OpenMetrics text, which Prometheus reads as well. No types are given, so to both of them each is one
// that is not known: which numbers only grow the table of counters does not say. Reads segments only.
#include "ctdb-cli/command.h"
#include "ctdb-cli/node_view.h"

namespace ctdb::cli {
namespace {

// A row of the text. `label` names the daemon, "": it is the node's.
std::string sample(const std::string& name, const std::string& label, uint64_t value) {
  return "ctdb_" + name + (label.empty() ? "" : "{daemon=\"" + label + "\"}") + " " + std::to_string(value);
}

class Text {
 public:
  // What comes next has this name.
  void describe(const std::string& name, const std::string& help) {
    name_ = name;
    lines_.push_back("# HELP ctdb_" + name + " " + help);
  }
  void add(uint64_t value, const std::string& daemon = "") { lines_.push_back(sample(name_, daemon, value)); }
  std::vector<std::string> finish() {
    lines_.push_back("# EOF");
    return std::move(lines_);
  }

 private:
  std::string name_;
  std::vector<std::string> lines_;
};

bool is_alive(const DaemonView& daemon) {
  return daemon.liveness == Liveness::kAlive;
}

uint64_t errors_met(const CountersSnapshot& counters) {
  uint64_t sum = 0;
  for (const DistinctError& error : counters.errors) sum += error.count;
  return sum;
}

}  // namespace

Outcome metrics(const Invocation& invocation) {
  const NodeView node = look_at_node(invocation.place);
  Text text;
  text.describe("healthy", "1 as in 'ctdb-cli status'");
  text.add(node.why_not_healthy().empty() ? 1 : 0);
  text.describe("ready", "1 when this node serves records, whatever the others do");
  text.add(node.why_not_ready().empty() ? 1 : 0);
  text.describe("daemon_alive", "1 when the daemon's process is there and not stopped");
  for (const DaemonView& daemon : node.daemons) {
    const bool missed = !(node.is_witness && daemon.name == kStore);  // it needs none
    if (is_alive(daemon) || missed) text.add(is_alive(daemon) ? 1 : 0, daemon.name);
  }
  text.describe("daemon_errors", "errors the daemon has met since it was started, of all kinds");
  for (const DaemonView& daemon : node.daemons) {
    if (is_alive(daemon)) text.add(errors_met(*daemon.counters), daemon.name);
  }
  // What a dead one counted last is no number of now.
  for (const DaemonView& daemon : node.daemons) {
    if (!is_alive(daemon)) continue;
    for (const Counter counter : counters_of(daemon.name)) {
      if (!daemon.counters->knows(counter)) continue;
      text.describe(counter_name(counter), counter_help(counter));
      text.add(daemon.counters->value(counter));
    }
  }
  Outcome outcome;
  outcome.report.headline = text.finish();
  std::string all;
  for (const std::string& line : outcome.report.headline) all += line + "\n";
  outcome.report.json_field("text", all);
  return outcome;
}

}  // namespace ctdb::cli
