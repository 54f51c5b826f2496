// SPDX-License-Identifier: GPL-3.0-or-later
// db check, db repair, db compact: the files of this node.
#include <cstdio>
#include <filesystem>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/tdb_files.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

Table files_table() {
  return {"files", {"database", "file", "records", "empty", "data_bytes", "file_bytes", "damage"}, {}};
}

void add_row(Table& table, const std::string& name, const std::string& path, const FileCheck& check) {
  table.rows.push_back({name, path, check.records, check.empty, check.data_bytes, check.file_bytes,
                        check.damage.empty() ? Value() : Value(check.damage)});
}

Outcome checked(Table table, bool good, const char* remedy) {
  Outcome outcome;
  outcome.report.tables.push_back(std::move(table));
  if (good) return outcome;
  outcome.exit = Exit::kFailed;
  outcome.error = std::string("a file is damaged: ") + remedy;
  return outcome;
}

// A file that nobody has open.
Outcome check_one(const std::string& path) {
  const Result<FileCheck> check = check_file(path, 0);
  if (!check) return failed(check.error());
  Table table = files_table();
  add_row(table, "", path, *check);
  return checked(std::move(table), check->damage.empty(), "'db repair' copies what can still be found");
}

bool is_path(const std::string& argument) {
  return argument.find('/') != std::string::npos;
}

// Who changes a file under the daemons' feet destroys what they write meanwhile.
std::optional<Outcome> daemons_in_the_way(const Invocation& invocation) {
  ctdb_client* client = nullptr;
  if (ctdb_connect(invocation.place.setup_socket.c_str(), 1000, &client) != 0) return std::nullopt;
  ctdb_disconnect(client);
  return failed(Exit::kFailed, "the daemons of this node run: stop them first, they have their files open");
}

Outcome told(const std::string& what, const FileCopy& copy) {
  Outcome outcome;
  outcome.report.headline.push_back(what + ": " + std::to_string(copy.records) + " records, " +
                                    std::to_string(copy.new_bytes) + " bytes instead of " +
                                    std::to_string(copy.old_bytes));
  outcome.report.json_field("records", copy.records);
  outcome.report.json_field("old_bytes", copy.old_bytes);
  outcome.report.json_field("new_bytes", copy.new_bytes);
  return outcome;
}

}  // namespace

Outcome db_check(const Invocation& invocation) {
  const std::string wanted = invocation.optional("DB").value_or("");
  if (is_path(wanted)) return check_one(wanted);
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<std::vector<Database>> databases = list_databases(**connection);
  if (!databases) return failed(databases.error());
  Table table = files_table();
  bool good = true;
  for (const Database& database : *databases) {
    if (!wanted.empty() && database.name != wanted) continue;
    const Result<std::string> path = ask_database_text(**connection, Control::GETDBPATH, database.id);
    if (!path) return failed(path.error());
    Bytes question;
    Writer(question).u32(database.id);
    const Result<Bytes> flags = (*connection)->control(CTDB_PNN_CURRENT, Control::DB_OPEN_FLAGS, question);
    if (!flags) return failed(flags.error());
    if (flags->size() != 4) return failed(Exit::kFailed, "the store's answer is malformed");
    const Result<FileCheck> check = check_file(*path, load<int32_t>(flags->data()));
    if (!check) return failed(check.error());
    add_row(table, database.name, *path, *check);
    good = good && check->damage.empty();
  }
  if (!wanted.empty() && table.rows.empty())
    return failed(Exit::kFailed, "no database '" + wanted + "' is attached ('db list' shows which are)");
  return checked(std::move(table), good,
                 "restart ctdb-store of this node, which keeps the file aside and has the records back from "
                 "other nodes");
}

Outcome db_repair(const Invocation& invocation) {
  const std::string& from = invocation.argument("FILE");
  const std::string to = invocation.optional("to").value_or(from + ".repaired");
  const Result<FileCopy> copy = copy_records(from, to, true);
  if (!copy) return failed(copy.error());
  return told(to + " has what could be found in " + from, *copy);
}

Outcome db_compact(const Invocation& invocation) {
  std::error_code not_there;  // check_file() says so
  const std::string target = std::filesystem::canonical(invocation.argument("FILE"), not_there);
  const std::string path = not_there ? invocation.argument("FILE") : target;
  if (std::optional<Outcome> running = daemons_in_the_way(invocation)) return *running;
  const std::string fresh = path + ".compact";
  const Result<FileCheck> check = check_file(path, 0);
  if (!check) return failed(check.error());
  if (!check->damage.empty()) return failed(Exit::kFailed, path + ": " + check->damage + "; 'db repair' it");
  const Result<FileCopy> copy = copy_records(path, fresh, false);
  if (!copy) return failed(copy.error());
  if (std::rename(fresh.c_str(), path.c_str()) != 0)
    return failed(Exit::kFailed, "renaming " + fresh + " failed");
  return told(path + " is compact", *copy);
}

}  // namespace ctdb::cli
