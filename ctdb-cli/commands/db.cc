// SPDX-License-Identifier: GPL-3.0-or-later
// db list, db attach, db dump.
#include <algorithm>
#include <charconv>

#include "ctdb-cli/answers.h"
#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "ctdb-cli/traverse.h"

namespace ctdb::cli {
Outcome db_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<std::vector<Database>> databases = list_databases(**connection);
  if (!databases) return failed(databases.error());
  Outcome outcome;
  Table table{"databases", {"name", "id", "kind", "path"}, {}};
  for (const Database& database : *databases) {
    const Result<std::string> path = ask_database_text(**connection, Control::GETDBPATH, database.id);
    if (!path) return failed(path.error());
    table.rows.push_back({database.name, id_text(database.id), database_kind(database.flags), *path});
  }
  outcome.report.tables.push_back(std::move(table));
  return outcome;
}

Outcome db_attach(const Invocation& invocation) {
  const std::string& name = invocation.argument("DB");
  const std::string wanted = invocation.optional("copies").value_or("0");
  uint32_t copies = 0;
  const auto parsed = std::from_chars(wanted.data(), wanted.data() + wanted.size(), copies);
  const bool number = parsed.ec == std::errc() && parsed.ptr == wanted.data() + wanted.size();
  if (!number || copies > CTDB_COPIES_MAX || (copies == 0 && invocation.optional("copies"))) {
    return failed(Exit::kUsage, "--copies " + wanted + ": a number from 1 to " +
                                    std::to_string(CTDB_COPIES_MAX) + " is expected");
  }
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<ctdb_db*> db = (*connection)->attach(name, CTDB_ATTACH_COPIES(copies));
  if (!db) return failed(db.error());
  uint32_t id = 0;
  if (const int code = ctdb_db_id(*db, &id); code != 0) return failed((*connection)->error(code, name));
  Outcome outcome;
  if (const int code = ctdb_db_copies(*db, &copies); code != 0)
    return failed((*connection)->error(code, name));
  const std::string kept = copies > 1 ? ", " + std::to_string(copies) + " copies of each record" : "";
  outcome.report.headline.push_back(name + " is attached, id " + id_text(id) + kept);
  outcome.report.json_field("name", name);
  outcome.report.json_field("id", id_text(id));
  outcome.report.json_field("copies", static_cast<uint64_t>(copies));
  return outcome;
}

Outcome db_dump(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Database> database = find_database(**connection, invocation.argument("DB"));
  if (!database) return failed(database.error());
  Table table{"records", {"key", "value", "bytes", "dmaster", "rsn"}, {}};
  const Result<void> done = traverse_database(**connection, database->id, [&](const TraverseRecord& record) {
    table.rows.push_back({argument_from_bytes(record.key), argument_from_bytes(record.value),
                          static_cast<uint64_t>(record.value.size()),
                          static_cast<uint64_t>(record.header.dmaster), record.header.rsn});
  });
  if (!done) return failed(done.error());
  std::sort(table.rows.begin(), table.rows.end());
  Outcome outcome;
  outcome.report.json_field("db", database->name);
  outcome.report.json_field("count", static_cast<uint64_t>(table.rows.size()));
  outcome.report.tables.push_back(std::move(table));
  return outcome;
}

}  // namespace ctdb::cli
