// SPDX-License-Identifier: GPL-3.0-or-later
// health: one line and an exit status for monitoring. What 'status' reads, and a sign of life of the router.
#include "ctdb-cli/connection.h"
#include "ctdb-cli/node_view.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

// Empty: the router has answered. A process can be alive and its loop hang, which no counters segment shows.
std::string why_no_answer(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return connection.error().text();
  uint32_t self = 0;
  int code = ctdb_pnn((*connection)->client(), &self);
  if (code == 0) code = ctdb_ping((*connection)->client(), self, (*connection)->left_ms());
  return code == 0 ? "" : (*connection)->error(code, "asking ctdb-router for a sign of life").text();
}

}  // namespace

Outcome health(const Invocation& invocation) {
  const NodeView node = look_at_node(invocation.place);
  std::string why = joined(node.why_not_healthy(), "; ");
  const bool local = invocation.optional("local").has_value();
  if (why.empty() && !local) why = why_no_answer(invocation);
  Outcome outcome;
  outcome.report.headline.push_back(why.empty() ? "healthy" : "NOT HEALTHY: " + why);
  outcome.report.json_field("healthy", why.empty());
  outcome.report.json_field("reason", why);
  if (!why.empty()) outcome.exit = node.any_alive() ? Exit::kNotHealthy : Exit::kNoDaemon;
  return outcome;
}

}  // namespace ctdb::cli
