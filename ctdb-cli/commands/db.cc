// SPDX-License-Identifier: GPL-3.0-or-later
// db list, db attach, db dump.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "ctdb-cli/answers.h"
#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

// Collects what a traverse sends until its end mark.
struct Traverse {
  Table table{"records", {"key", "value", "bytes", "dmaster", "rsn"}, {}};
  bool ended = false;
  bool malformed = false;

  bool done() const { return ended || malformed; }

  void take(ByteView message) {
    const std::optional<TraverseRecord> record = decode_traverse_record(message);
    if (!record) {
      malformed = true;
    } else if (record->end) {
      ended = true;
    } else {
      table.rows.push_back({argument_from_bytes(record->key), argument_from_bytes(record->value),
                            static_cast<uint64_t>(record->value.size()),
                            static_cast<uint64_t>(record->header.dmaster), record->header.rsn});
    }
  }
};

void on_message(ctdb_client*, uint64_t, ctdb_blob data, void* traverse) {
  static_cast<Traverse*>(traverse)->take({static_cast<const uint8_t*>(data.data), data.size});
}

// The classic tool's choice: nobody else on this node uses a service id made of our process id.
uint64_t own_srvid() {
  return 0xBE00000000000000ull | static_cast<uint32_t>(getpid());
}

Bytes traverse_start(uint32_t db_id, uint64_t srvid) {
  Bytes payload;
  Writer out(payload);
  out.u32(db_id);
  out.u32(0);  // reqid: the service id is enough for us
  out.u64(srvid);
  out.zeros(8);  // without empty records; padding
  return payload;
}

Result<void> run_traverse(Connection& connection, uint32_t db_id, Traverse& traverse) {
  const uint64_t srvid = own_srvid();
  const int code = ctdb_register(connection.client(), srvid, on_message, &traverse, connection.left_ms());
  if (code != 0) return fail(connection.error(code, "registering for records"));
  const Bytes question = traverse_start(db_id, srvid);
  const Result<Bytes> started = connection.control(CTDB_PNN_CURRENT, Control::TRAVERSE_START_EXT, question);
  if (!started) return fail(started.error());
  if (Result<void> served = connection.service_until([&] { return traverse.done(); }); !served) return served;
  if (traverse.malformed)
    return fail(ErrorCode::kInvalid,
                "the traverse is not complete: a node left out records that were locked for long, "
                "was too slow, or sent something malformed");
  return {};
}

}  // namespace

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
  const Result<ctdb_db*> db = (*connection)->attach(name, copies);
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
  Traverse traverse;
  const Result<void> done = run_traverse(**connection, database->id, traverse);
  if (!done) return failed(done.error());
  std::sort(traverse.table.rows.begin(), traverse.table.rows.end());
  Outcome outcome;
  outcome.report.json_field("db", database->name);
  outcome.report.json_field("count", static_cast<uint64_t>(traverse.table.rows.size()));
  outcome.report.tables.push_back(std::move(traverse.table));
  return outcome;
}

}  // namespace ctdb::cli
