// SPDX-License-Identifier: GPL-3.0-or-later
// db vacuum: deleted records are removed from the files of all nodes now, not when they have rested.
#include <algorithm>
#include <chrono>
#include <thread>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/traverse.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause{50}, kLongestPause{2000};

// Empty records that some node still keeps.
Result<uint64_t> count_deleted(Connection& connection, uint32_t db_id) {
  uint64_t count = 0;
  const auto look = [&](const TraverseRecord& record) { count += record.value.empty() ? 1 : 0; };
  if (Result<void> done = traverse_database(connection, db_id, look, true); !done) return fail(done.error());
  return count;
}

// "" or which nodes did not take it.
Result<std::string> start_vacuum(Connection& connection, uint32_t db_id) {
  Bytes question;
  Writer writer(question);
  writer.u32(db_id);
  writer.u8(1);
  const auto taken = [](uint32_t, ByteView) { return true; };
  return connection.ask_all(Control::DB_VACUUM, taken, question);
}

// Asks and looks again, less and less often, until none is left or the time is over. Asking once is not enough: a record that was
// deleted elsewhere goes to its location master first, and would rest there.
Result<uint64_t> vacuum(Connection& connection, uint32_t db_id, std::string& trouble) {
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const Result<std::string> asked = start_vacuum(connection, db_id);
    if (!asked) return fail(asked.error());
    trouble = *asked;
    std::this_thread::sleep_for(pause);  // no daemon tells when it is done
    Result<uint64_t> left = count_deleted(connection, db_id);
    if (!left || *left == 0 || connection.left_ms() <= pause.count()) return left;
  }
}

}  // namespace

Outcome db_vacuum(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Database> database = find_database(**connection, invocation.argument("DB"));
  if (!database) return failed(database.error());
  if ((database->flags & (CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED)) != 0) {
    return failed(
        Exit::kFailed,
        database->name + " is not volatile: a transaction that deletes records removes them itself");
  }
  const Result<uint64_t> before = count_deleted(**connection, database->id);
  if (!before) return failed(before.error());
  std::string trouble;
  const Result<uint64_t> left = vacuum(**connection, database->id, trouble);
  if (!left) return failed(left.error());
  const uint64_t removed = *before - std::min(*before, *left);
  Outcome outcome;
  outcome.report.json_field("db", database->name);
  outcome.report.field("removed", removed);
  outcome.report.field("left", *left);
  outcome.error = trouble;
  if (*left > 0 && outcome.error.empty())
    outcome.error =
        "not all could be removed: in use or locked, deleted meanwhile, or '[database] vacuum interval' is 0";
  if (!outcome.error.empty()) outcome.exit = Exit::kNotHealthy;
  return outcome;
}

}  // namespace ctdb::cli
