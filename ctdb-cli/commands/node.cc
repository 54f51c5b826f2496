// SPDX-License-Identifier: GPL-3.0-or-later
// node list, node quiet, node active.

#include "ctdb-cli/answers.h"
#include "ctdb-cli/connection.h"
#include "ctdb-cli/node_view.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

Outcome tell_this_node(const Invocation& invocation, Control opcode, const char* now) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Bytes> answer = (*connection)->control(CTDB_PNN_CURRENT, opcode, {});
  if (!answer) return failed(answer.error());
  Outcome outcome;
  outcome.report.headline.push_back(std::string("this node is ") + now);
  outcome.report.json_field("state", std::string(now));
  return outcome;
}

// What is left of a ban, which its node knows. Nothing, also when it does not say.
Value ban_left_s(Connection& connection, const NodeAnswer& node) {
  if ((node.flags & CTDB_NODE_BANNED) == 0 || (node.flags & CTDB_NODE_DISCONNECTED) != 0) return {};
  const Result<Bytes> answer = connection.control(node.pnn, Control::GET_BAN_STATE, {});
  if (!answer || answer->size() != 2 * sizeof(uint32_t)) return {};
  return static_cast<uint64_t>(load<uint32_t>(answer->data() + sizeof(uint32_t)));
}

}  // namespace

Outcome node_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  uint32_t self = CTDB_UNKNOWN_PNN;
  if (const int code = ctdb_pnn((*connection)->client(), &self); code != 0) {
    return failed((*connection)->error(code, "asking for the number of this node"));
  }
  const Result<std::vector<NodeAnswer>> nodes = (*connection)->nodes();
  if (!nodes) return failed(nodes.error());
  const NodeView view = look_at_node(invocation.place);
  Table table{"nodes", {"node", "address", "state", "leader", "this_node", "witness", "ban_left_s"}, {}};
  for (const NodeAnswer& node : *nodes) {
    const bool leads = view.cluster && view.cluster->leader == node.pnn;
    table.rows.push_back({static_cast<uint64_t>(node.pnn), node.address, node_state(node.flags), leads,
                          node.pnn == self, (node.flags & CTDB_NODE_WITNESS) != 0,
                          ban_left_s(**connection, node)});
  }
  Outcome outcome;
  outcome.report.tables.push_back(std::move(table));
  return outcome;
}

Outcome node_quiet(const Invocation& invocation) {
  return tell_this_node(invocation, Control::NODE_QUIET, "quiet");
}
Outcome node_active(const Invocation& invocation) {
  return tell_this_node(invocation, Control::NODE_ACTIVE, "active");
}

}  // namespace ctdb::cli
