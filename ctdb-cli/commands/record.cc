// SPDX-License-Identifier: GPL-3.0-or-later
// record get, put, delete: on one record, brought to this node, or in a transaction; add, swap, append, call: where it is.
#include <charconv>

#include "ctdb-cli/databases.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::cli {
namespace {

ctdb_blob blob(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

// The record the command line names, in a database we are attached to.
struct Target {
  std::unique_ptr<Connection> connection;
  ctdb_db* db = nullptr;
  bool full_copy = false;  // persistent or replicated: transactions change it
  Bytes key;
  std::string name;  // for error texts

  Error error(int code) const { return connection->error(code, name); }
};

std::string wrong_bytes(const std::string& argument) {
  return "'" + argument + "': after hex: an even number of hexadecimal digits is expected";
}

// One that does not exist is made, volatile. One that exists is what it is, which is asked for only when it is not volatile.
Result<ctdb_db*> attach(Connection& connection, const std::string& name, bool& full_copy) {
  Result<ctdb_db*> db = connection.attach(name);
  if (db || db.error().code != ErrorCode::kRefused) return db;
  const Result<Database> database = find_database(connection, name);
  const uint32_t flags = database ? attach_flags(database->flags) : 0;
  if (flags == 0) return db;
  full_copy = true;
  return connection.attach(name, flags);
}

// An Outcome when there is nothing to work on.
std::optional<Outcome> find_target(const Invocation& invocation, Target& target) {
  const std::string& key = invocation.argument("KEY");
  const std::optional<Bytes> bytes = bytes_from_argument(key);
  if (!bytes) return failed(Exit::kUsage, wrong_bytes(key));
  if (bytes->empty()) return failed(Exit::kUsage, "the key is empty");
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  target.connection = std::move(*connection);
  const Result<ctdb_db*> db = attach(*target.connection, invocation.argument("DB"), target.full_copy);
  if (!db) return failed(db.error());
  target.db = *db;
  target.key = *bytes;
  target.name = "record " + key + " of " + invocation.argument("DB");
  return std::nullopt;
}

// Reads the record with its header, which the record functions of the C API keep to themselves.
Outcome show(const Invocation& invocation, Target& target) {
  ctdb_reply reply{};
  const int code = ctdb_request(target.db, blob(target.key), CTDB_CALL_FETCH_WITH_HEADER, {nullptr, 0},
                                target.connection->left_ms(), &reply);
  if (code != 0) return failed(target.error(code));
  if (reply.status < 0) {
    return failed(Exit::kFailed,
                  target.name + ": " + (*reply.text != '\0' ? reply.text : "the store refused"));
  }
  const ByteView bytes{static_cast<const uint8_t*>(reply.data.data), reply.data.size};
  const std::optional<RecordHeader> header = read_record_header(bytes);
  if (!header) return failed(Exit::kFailed, target.name + ": the store's answer is malformed");
  const ByteView value = bytes.subspan(CTDB_RECORD_HEADER_SIZE);
  Outcome outcome;
  Report& report = outcome.report;
  report.json_field("db", invocation.argument("DB"));
  report.json_field("key", argument_from_bytes(target.key));
  report.field("value", argument_from_bytes(value));
  report.field("bytes", static_cast<uint64_t>(value.size()));
  report.field("dmaster", static_cast<uint64_t>(header->dmaster));
  report.field("rsn", header->rsn);
  report.field("may_be_older", (header->flags & CTDB_RECORD_MAY_BE_OLDER) != 0);
  return outcome;
}

// One change in a transaction of its own. `wanted` empty: it goes.
Outcome commit_and_show(const Invocation& invocation, Target& target, const Bytes& wanted) {
  ctdb_transaction* transaction = nullptr;
  int code = ctdb_transaction_start(target.db, target.connection->left_ms(), &transaction);
  if (code != 0) return failed(target.error(code));
  code = ctdb_transaction_store(transaction, blob(target.key), blob(wanted));
  if (code != 0) {
    const Error error = target.error(code);
    ctdb_transaction_cancel(transaction);
    return failed(error);
  }
  code = ctdb_transaction_commit(transaction, target.connection->left_ms());
  if (code == 0) return show(invocation, target);
  Outcome outcome = failed(target.error(code));
  if (code == CTDB_ERR_UNKNOWN) outcome.exit = Exit::kNotHealthy;
  return outcome;
}

// Brings the record here, changes it while it is locked, and shows the result.
Outcome change_and_show(const Invocation& invocation, const Bytes& wanted, bool deletes) {
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  if (target.full_copy) return commit_and_show(invocation, target, wanted);
  ctdb_record* record = nullptr;
  int code = ctdb_fetch_lock(target.db, blob(target.key), target.connection->left_ms(), &record);
  if (code != 0) return failed(target.error(code));
  code = deletes ? ctdb_delete(record) : ctdb_store(record, blob(wanted));
  Error error = code == 0 ? Error{} : target.error(code);  // before unlocking overwrites the text
  if (const int unlocked = ctdb_unlock(record); code == 0 && unlocked != 0) {
    code = unlocked;
    error = target.error(unlocked);
  }
  if (code != 0) return failed(error);
  return show(invocation, target);
}

}  // namespace

Outcome record_get(const Invocation& invocation) {
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  return show(invocation, target);
}

Outcome record_put(const Invocation& invocation) {
  const std::string& argument = invocation.argument("VALUE");
  const std::optional<Bytes> value = bytes_from_argument(argument);
  if (!value) return failed(Exit::kUsage, wrong_bytes(argument));
  return change_and_show(invocation, *value, false);
}

Outcome record_delete(const Invocation& invocation) {
  return change_and_show(invocation, {}, true);
}

// ---- where the record is ----

namespace {

void name_record(const Invocation& invocation, const Target& target, Report& report) {
  report.json_field("db", invocation.argument("DB"));
  report.json_field("key", argument_from_bytes(target.key));
}

Outcome not_done(const Target& target, int code) {
  if (target.full_copy)
    return failed(Exit::kFailed, target.name +
                                     ": functions are for volatile databases; 'record put' and 'record "
                                     "delete' change this one, each in a transaction");
  Outcome outcome = failed(target.error(code));
  if (code == CTDB_ERR_UNKNOWN) outcome.exit = Exit::kNotHealthy;
  return outcome;
}

}  // namespace

Outcome record_add(const Invocation& invocation) {
  const std::string& argument = invocation.argument("AMOUNT");
  int64_t amount = 0;
  const auto [end, problem] = std::from_chars(argument.data(), argument.data() + argument.size(), amount);
  if (problem != std::errc() || end != argument.data() + argument.size())
    return failed(Exit::kUsage, "'" + argument + "' is not a number of 64 bits");
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  int64_t counter = 0;
  const int code = ctdb_add(target.db, blob(target.key), amount, target.connection->left_ms(), &counter);
  if (code != 0) return not_done(target, code);
  Outcome outcome;
  name_record(invocation, target, outcome.report);
  outcome.report.field("counter", counter);
  return outcome;
}

Outcome record_swap(const Invocation& invocation) {
  const std::optional<Bytes> expected = bytes_from_argument(invocation.argument("EXPECTED"));
  const std::optional<Bytes> wanted = bytes_from_argument(invocation.argument("VALUE"));
  if (!expected) return failed(Exit::kUsage, wrong_bytes(invocation.argument("EXPECTED")));
  if (!wanted) return failed(Exit::kUsage, wrong_bytes(invocation.argument("VALUE")));
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  ctdb_blob current{};
  const int code = ctdb_compare_and_swap(target.db, blob(target.key), blob(*expected), blob(*wanted),
                                         target.connection->left_ms(), &current);
  if (code != 0 && code != CTDB_ERR_UNEQUAL) return not_done(target, code);
  Outcome outcome;
  name_record(invocation, target, outcome.report);
  outcome.report.field("swapped", code == 0);
  if (code == 0) return outcome;
  outcome.exit = Exit::kFailed;
  outcome.report.field("value",
                       argument_from_bytes({static_cast<const uint8_t*>(current.data), current.size}));
  return outcome;
}

Outcome record_append(const Invocation& invocation) {
  const std::optional<Bytes> more = bytes_from_argument(invocation.argument("VALUE"));
  if (!more) return failed(Exit::kUsage, wrong_bytes(invocation.argument("VALUE")));
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  uint64_t size = 0;
  const int code = ctdb_append(target.db, blob(target.key), blob(*more), target.connection->left_ms(), &size);
  if (code != 0) return not_done(target, code);
  Outcome outcome;
  name_record(invocation, target, outcome.report);
  outcome.report.field("bytes", size);
  return outcome;
}

Outcome record_call(const Invocation& invocation) {
  const std::string argument = invocation.optional("ARGUMENT").value_or("");
  const std::optional<Bytes> in = bytes_from_argument(argument);
  if (!in) return failed(Exit::kUsage, wrong_bytes(argument));
  const std::string& function = invocation.argument("FUNCTION");
  Target target;
  if (std::optional<Outcome> trouble = find_target(invocation, target)) return *trouble;
  ctdb_blob answer{};
  const int code = ctdb_call_function(target.db, blob(target.key), function.c_str(), blob(*in),
                                      target.connection->left_ms(), &answer);
  if (code == CTDB_ERR_INVALID) return failed(Exit::kUsage, "'" + function + "' is no name of a function");
  if (code != 0 && code != CTDB_ERR_UNEQUAL) return not_done(target, code);
  Outcome outcome;
  name_record(invocation, target, outcome.report);
  outcome.report.json_field("function", function);
  outcome.report.field("done", code == 0);
  outcome.report.field("answer",
                       argument_from_bytes({static_cast<const uint8_t*>(answer.data), answer.size}));
  if (code != 0) outcome.exit = Exit::kFailed;
  return outcome;
}

}  // namespace ctdb::cli
