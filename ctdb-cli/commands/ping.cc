// SPDX-License-Identifier: GPL-3.0-or-later
// ping: a sign of life from a router, and how long it took.
#include <algorithm>
#include <chrono>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/base/limits.h"

namespace ctdb::cli {

Outcome ping(const Invocation& invocation) {
  std::optional<uint32_t> node;
  if (const std::optional<std::string> word = invocation.optional("NODE")) {
    node = parse_number(*word, kNodesMax - 1);
    if (!node) return failed(Exit::kUsage, "'" + *word + "' is not a node number");
  }
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  uint32_t self = 0;
  if (const int code = ctdb_pnn((*connection)->client(), &self); code != 0) {
    return failed((*connection)->error(code, "asking for the number of this node"));
  }
  const uint32_t pnn = node.value_or(self);
  const auto begun = std::chrono::steady_clock::now();
  const int code = ctdb_ping((*connection)->client(), pnn, (*connection)->left_ms());
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begun;
  if (code == CTDB_ERR_REMOTE) {
    const Result<std::vector<NodeAnswer>> nodes = (*connection)->nodes();
    const bool known = !nodes || std::ranges::any_of(*nodes, [pnn](const NodeAnswer& one) {
      return one.pnn == pnn && (one.flags & CTDB_NODE_DELETED) == 0;
    });
    if (!known)
      return failed(Exit::kNoDaemon,
                    "there is no node " + std::to_string(pnn) + " ('node list' shows which there are)");
    return failed(Exit::kNoDaemon, (*connection)->error(code, "node " + std::to_string(pnn)).text());
  }
  if (code != 0) return failed((*connection)->error(code, "node " + std::to_string(pnn)));
  Outcome outcome;
  char milliseconds[32];
  std::snprintf(milliseconds, sizeof milliseconds, "%.3f", took.count());
  outcome.report.headline.push_back("node " + std::to_string(pnn) + " answered in " + milliseconds + " ms");
  outcome.report.json_field("node", static_cast<uint64_t>(pnn));
  outcome.report.json_field("time_ms", took.count());
  return outcome;
}

}  // namespace ctdb::cli
