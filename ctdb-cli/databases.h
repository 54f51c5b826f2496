// SPDX-License-Identifier: GPL-3.0-or-later
// The databases that are attached, by name: what several commands need to know first.
#ifndef CTDB_CLI_DATABASES_H_
#define CTDB_CLI_DATABASES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ctdb-cli/connection.h"

namespace ctdb::cli {

struct Database {
  std::string name;
  uint32_t id = 0;
  uint8_t flags = 0;
};

// "0x7a19d84d"
std::string id_text(uint32_t id);
// What a control says about one database as text: GETDBPATH, GET_DBNAME.
Result<std::string> ask_database_text(Connection& connection, Control opcode, uint32_t id);
// Sorted by name.
Result<std::vector<Database>> list_databases(Connection& connection);
// The same as a map from id to name.
Result<std::map<uint32_t, std::string>> database_names(Connection& connection);
// What people call it: its name, or its id as text when it has none there.
std::string name_of(const std::map<uint32_t, std::string>& names, uint32_t id);
// What ctdb_attach() takes for a database of this kind.
uint32_t attach_flags(uint8_t flags);
// kNotFound: none of that name is attached.
Result<Database> find_database(Connection& connection, const std::string& name);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_DATABASES_H_
