// SPDX-License-Identifier: GPL-3.0-or-later
// lock list.
#include <map>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb::cli {
namespace {

Result<LockWaits> ask(Connection& connection, uint32_t node) {
  const Result<Bytes> answer = connection.control(node, Control::GET_LOCK_WAITS, {});
  if (!answer) return fail(answer.error());
  std::optional<LockWaits> waits = LockWaits::decode(*answer);
  if (!waits) return fail(ErrorCode::kInvalid, "its list of locks is malformed");
  return std::move(*waits);
}

}  // namespace

Outcome lock_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<std::vector<NodeAnswer>> nodes = (*connection)->nodes();
  if (!nodes) return failed(nodes.error());
  const Result<std::map<uint32_t, std::string>> names = database_names(**connection);
  if (!names) return failed(names.error());
  Outcome outcome;
  Table table{"locks", {"database", "key", "node", "pid", "program", "waited_s", "records"}, {}};
  for (const NodeAnswer& node : *nodes) {
    if ((node.flags & (CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED)) != 0) continue;
    const Result<LockWaits> waits = ask(**connection, node.pnn);
    if (!waits) {
      outcome.exit = Exit::kFailed;
      outcome.error = "node " + std::to_string(node.pnn) + ": " + waits.error().text();
      continue;
    }
    for (const LockWait& wait : waits->waits) {
      const auto name = names->find(wait.db_id);
      table.rows.push_back({name == names->end() ? id_text(wait.db_id) : name->second,
                            argument_from_bytes(wait.key), static_cast<uint64_t>(node.pnn),
                            wait.holder_pid == 0 ? Value() : Value(static_cast<uint64_t>(wait.holder_pid)),
                            wait.holder.empty() ? Value() : Value(wait.holder),
                            static_cast<double>(wait.waited_ns) / 1e9, static_cast<uint64_t>(wait.records)});
    }
  }
  outcome.report.tables.push_back(std::move(table));
  return outcome;
}

}  // namespace ctdb::cli
