// SPDX-License-Identifier: GPL-3.0-or-later
// lock list, lock top.
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <tuple>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/samba_keys.h"
#include "ctdb-cli/text.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb::cli {
namespace {

void add_rows(Table& table, uint32_t node, const LockWaits& waits,
              const std::map<uint32_t, std::string>& names) {
  for (const LockWait& wait : waits.waits) {
    const auto name = names.find(wait.db_id);
    table.rows.push_back({name == names.end() ? id_text(wait.db_id) : name->second,
                          readable_key(name == names.end() ? "" : name->second, wait.key),
                          static_cast<uint64_t>(node),
                          wait.holder_pid == 0 ? Value() : Value(static_cast<uint64_t>(wait.holder_pid)),
                          wait.holder.empty() ? Value() : Value(wait.holder),
                          static_cast<double>(wait.waited_ns) / 1e9, static_cast<uint64_t>(wait.records)});
  }
}

// What was seen of one locked record.
struct Seen {
  uint64_t looks = 0;
  double waited_max_s = 0;
  uint64_t records_max = 0;
  uint64_t pid = 0;
  std::string program;
};
using AllSeen = std::map<std::tuple<std::string, std::string, uint32_t>, Seen>;

void note(AllSeen& all, uint32_t node, const LockWaits& waits, const std::map<uint32_t, std::string>& names) {
  for (const LockWait& wait : waits.waits) {
    const auto known = names.find(wait.db_id);
    const std::string name = known == names.end() ? id_text(wait.db_id) : known->second;
    Seen& seen = all[{name, readable_key(name, wait.key), node}];
    ++seen.looks;
    seen.waited_max_s = std::max(seen.waited_max_s, static_cast<double>(wait.waited_ns) / 1e9);
    seen.records_max = std::max<uint64_t>(seen.records_max, wait.records);
    seen.pid = static_cast<uint64_t>(wait.holder_pid);
    seen.program = wait.holder;
  }
}

constexpr uint32_t kSecondsMax = 3600;
constexpr std::chrono::milliseconds kBetweenLooks(100);

}  // namespace

Outcome lock_top(const Invocation& invocation) {
  const std::string wanted = invocation.optional("seconds").value_or("3");
  const std::optional<uint32_t> seconds = parse_number(wanted, kSecondsMax);
  if (!seconds || *seconds == 0)
    return failed(Exit::kUsage, "--seconds " + wanted + ": a number from 1 to " +
                                    std::to_string(kSecondsMax) + " is expected");
  Invocation longer = invocation;
  longer.timeout_ms += static_cast<int>(*seconds * 1000);
  auto connection = Connection::open(longer);
  if (!connection) return failed(connection.error());
  const Result<std::map<uint32_t, std::string>> names = database_names(**connection);
  if (!names) return failed(names.error());
  AllSeen all;
  Outcome outcome;
  for (uint32_t look = 0; look < *seconds * 10; ++look) {
    const Result<std::string> trouble =
        (*connection)->ask_all(Control::GET_LOCK_WAITS, [&](uint32_t node, ByteView answer) {
          const std::optional<LockWaits> waits = LockWaits::decode(answer);
          if (waits) note(all, node, *waits, *names);
          return waits.has_value();
        });
    if (!trouble) return failed(trouble.error());
    outcome.error = *trouble;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  Table table{
      "locks", {"database", "key", "node", "looks", "waited_max_s", "records_max", "pid", "program"}, {}};
  for (const auto& [what, seen] : all) {
    const auto& [name, key, node] = what;
    table.rows.push_back({name, key, static_cast<uint64_t>(node), seen.looks, seen.waited_max_s,
                          seen.records_max, seen.pid == 0 ? Value() : Value(seen.pid),
                          seen.program.empty() ? Value() : Value(seen.program)});
  }
  std::ranges::stable_sort(table.rows, [](const auto& a, const auto& b) { return a[3] > b[3]; });
  outcome.report.tables.push_back(std::move(table));
  if (!outcome.error.empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

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
