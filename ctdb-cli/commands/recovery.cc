// SPDX-License-Identifier: GPL-3.0-or-later
// recovery last.
#include <fstream>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/recovery_picture.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

// The one who led it knows; leaders change, so everybody who can be reached is asked and the newest is it.
// `trouble`: what went wrong with nodes that did not say; a newer recovery may be theirs.
Result<RecoveryRecord> newest(Connection& connection, std::string& trouble) {
  RecoveryRecord found;
  const auto take = [&found](uint32_t, ByteView answer) {
    const std::optional<RecoveryRecord> record = RecoveryRecord::decode(answer);
    // INVALID, of a node that has led none, is smaller than any generation that was opened.
    if (record && record->generation > found.generation) found = *record;
    return record.has_value();
  };
  const Result<std::string> asked = connection.ask_all(Control::GET_LAST_RECOVERY, take);
  if (!asked) return fail(asked.error());
  trouble = *asked;
  if (found.generation != CTDB_INVALID_GENERATION) return found;
  return fail(
      ErrorCode::kNotFound,
      trouble.empty() ? "no node that can be reached has led a recovery since it was started" : trouble);
}

double ms(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

Table steps_table(const RecoveryRecord& record) {
  Table table{"steps", {"node", "step", "from_ms", "to_ms"}, {}};
  for (const RecoveryMember& member : record.members) {
    const uint64_t began = began_ns(member);
    uint64_t from = 0;
    for (size_t step = 0; step < member.statistics.step_ns.size(); ++step) {
      const uint64_t to = member.statistics.step_ns[step];
      if (to == 0) continue;
      table.rows.push_back({static_cast<uint64_t>(member.pnn),
                            std::string(recovery_step_name(static_cast<RecoveryStep>(step))),
                            ms(began + from), ms(began + to)});
      from = to;
    }
  }
  return table;
}

Table databases_table(const RecoveryRecord& record, const std::map<uint32_t, std::string>& names) {
  Table table{"databases", {"node", "database", "claimed", "decided", "promoted", "from_ms", "to_ms"}, {}};
  for (const RecoveryMember& member : record.members) {
    const uint64_t began = began_ns(member);
    for (const RecoveredDatabase& db : member.statistics.databases) {
      table.rows.push_back({static_cast<uint64_t>(member.pnn), name_of(names, db.db_id), db.claimed,
                            db.decided, db.assigned, ms(began + db.from_ns), ms(began + db.to_ns)});
    }
  }
  return table;
}

std::string numbers_text(const std::vector<uint32_t>& pnns) {
  std::vector<std::string> numbers;
  numbers.reserve(pnns.size());
  for (uint32_t pnn : pnns) numbers.push_back(std::to_string(pnn));
  return joined(numbers, ",");
}

std::string members_text(const RecoveryRecord& record) {
  std::vector<uint32_t> members;
  for (const RecoveryMember& member : record.members) members.push_back(member.pnn);
  return numbers_text(members);
}

Report report_of(const RecoveryRecord& record, const std::map<uint32_t, std::string>& names) {
  Report report;
  report.field("generation", static_cast<uint64_t>(record.generation));
  report.field("base_generation", record.base_generation == CTDB_INVALID_GENERATION
                                      ? Value()
                                      : Value(static_cast<uint64_t>(record.base_generation)));
  report.field("reason", record.reason);
  report.field("leader", static_cast<uint64_t>(record.leader));
  report.field("members", members_text(record));
  report.field("left", numbers_text(record.left));
  report.field("began", time_text(record.began_wall_ns));
  report.field("attempts_given_up", static_cast<uint64_t>(record.given_up));
  report.field("decided_ms", ms(record.decided_ns));
  report.field("opened_ms", ms(record.opened_ns));
  report.tables.push_back(steps_table(record));
  report.tables.push_back(databases_table(record, names));
  return report;
}

}  // namespace

Outcome recovery_last(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  std::string trouble;
  const Result<RecoveryRecord> record = newest(**connection, trouble);
  if (!record) return failed(record.error());
  const Result<std::map<uint32_t, std::string>> names = database_names(**connection);
  if (!names) return failed(names.error());
  Outcome outcome;
  outcome.report = report_of(*record, *names);
  outcome.error = trouble;
  if (const std::optional<std::string> path = invocation.optional("PICTURE")) {
    std::ofstream out(*path);
    out << recovery_picture(*record, *names) << std::flush;
    if (!out) return failed(Exit::kFailed, *path + " could not be written");
  }
  return outcome;
}

}  // namespace ctdb::cli
