// SPDX-License-Identifier: GPL-3.0-or-later
// stats: every counter of the daemons that ever ran here, and the distinct errors they met. Reads segments only.
#include "ctdb-cli/command.h"
#include "ctdb-cli/node_view.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

void add_counters(Table& table, const DaemonView& daemon) {
  for (const Counter counter : counters_of(daemon.name)) {
    if (!daemon.counters->knows(counter)) continue;
    table.rows.push_back(
        {std::string(counter_name(counter)), daemon.counters->value(counter), counter_help(counter)});
  }
}

void add_errors(Table& table, const DaemonView& daemon) {
  for (const DistinctError& error : daemon.counters->errors) {
    table.rows.push_back({daemon.name, error.count, time_text(error.first_ns), time_text(error.last_ns),
                          argument_from_bytes(as_bytes(error.text))});
  }
}

}  // namespace

Outcome stats(const Invocation& invocation) {
  const NodeView node = look_at_node(invocation.place);
  Table counters{"counters", {"counter", "value", "meaning"}, {}, true};
  Table errors{"errors", {"daemon", "count", "first", "last", "error"}, {}};
  std::string unreadable;
  for (const DaemonView& daemon : node.daemons) {
    if (!daemon.problem.empty()) unreadable = daemon.problem;
    if (!daemon.counters) continue;
    add_counters(counters, daemon);
    add_errors(errors, daemon);
  }
  if (counters.rows.empty() && !unreadable.empty()) return failed(Exit::kFailed, unreadable);
  if (counters.rows.empty()) {
    return failed(Exit::kNoDaemon, "no daemon has ever run in " + invocation.place.run_directory);
  }
  Outcome outcome;
  outcome.report.tables.push_back(std::move(counters));
  if (!errors.rows.empty() || !unreadable.empty()) outcome.report.tables.push_back(std::move(errors));
  outcome.error = unreadable;
  return outcome;
}

}  // namespace ctdb::cli
