// SPDX-License-Identifier: GPL-3.0-or-later
// lock list.
#include <map>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb::cli {
namespace {

void add_rows(Table& table, uint32_t node, const LockWaits& waits,
              const std::map<uint32_t, std::string>& names) {
  for (const LockWait& wait : waits.waits) {
    const auto name = names.find(wait.db_id);
    table.rows.push_back({name == names.end() ? id_text(wait.db_id) : name->second,
                          argument_from_bytes(wait.key), static_cast<uint64_t>(node),
                          wait.holder_pid == 0 ? Value() : Value(static_cast<uint64_t>(wait.holder_pid)),
                          wait.holder.empty() ? Value() : Value(wait.holder),
                          static_cast<double>(wait.waited_ns) / 1e9, static_cast<uint64_t>(wait.records)});
  }
}

}  // namespace

Outcome lock_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<std::map<uint32_t, std::string>> names = database_names(**connection);
  if (!names) return failed(names.error());
  Table table{"locks", {"database", "key", "node", "pid", "program", "waited_s", "records"}, {}};
  const Result<std::string> trouble =
      (*connection)->ask_all(Control::GET_LOCK_WAITS, [&](uint32_t node, ByteView answer) {
        const std::optional<LockWaits> waits = LockWaits::decode(answer);
        if (waits) add_rows(table, node, *waits, *names);
        return waits.has_value();
      });
  if (!trouble) return failed(trouble.error());
  Outcome outcome;
  outcome.report.tables.push_back(std::move(table));
  outcome.error = *trouble;
  if (!trouble->empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

}  // namespace ctdb::cli
