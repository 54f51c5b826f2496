// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/databases.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "ctdb-cli/answers.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
Result<std::string> ask_database_text(Connection& connection, Control opcode, uint32_t id) {
  Bytes question;
  Writer(question).u32(id);
  const Result<Bytes> answer = connection.control(CTDB_PNN_CURRENT, opcode, question);
  if (!answer) return fail(answer.error());
  return decode_string(*answer);
}

std::string id_text(uint32_t id) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", id);
  return text;
}

Result<std::vector<Database>> list_databases(Connection& connection) {
  const Result<Bytes> answer = connection.control(CTDB_PNN_CURRENT, Control::GET_DBMAP, {});
  if (!answer) return fail(answer.error());
  const std::optional<std::vector<DatabaseAnswer>> map = decode_database_map(*answer);
  if (!map) return fail(ErrorCode::kInvalid, "the store's list of databases is malformed");
  std::vector<Database> databases;
  for (const DatabaseAnswer& entry : *map) {
    const Result<std::string> name = ask_database_text(connection, Control::GET_DBNAME, entry.id);
    if (!name) return fail(name.error());
    databases.push_back({*name, entry.id, entry.flags});
  }
  std::sort(databases.begin(), databases.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return databases;
}

uint32_t attach_flags(uint8_t flags) {
  if ((flags & CTDB_DB_PERSISTENT) != 0) return CTDB_ATTACH_PERSISTENT;
  return (flags & CTDB_DB_REPLICATED) != 0 ? CTDB_ATTACH_REPLICATED : 0;
}

Result<Database> find_database(Connection& connection, const std::string& name) {
  const Result<std::vector<Database>> databases = list_databases(connection);
  if (!databases) return fail(databases.error());
  for (const Database& database : *databases) {
    if (database.name == name) return database;
  }
  return fail(ErrorCode::kNotFound, "no database '" + name + "' is attached ('db list' shows which are)");
}

Result<std::map<uint32_t, std::string>> database_names(Connection& connection) {
  const Result<std::vector<Database>> databases = list_databases(connection);
  if (!databases) return fail(databases.error());
  std::map<uint32_t, std::string> names;
  for (const Database& database : *databases) names[database.id] = database.name;
  return names;
}

std::string name_of(const std::map<uint32_t, std::string>& names, uint32_t id) {
  const auto known = names.find(id);
  return known == names.end() ? id_text(id) : known->second;
}

}  // namespace ctdb::cli
