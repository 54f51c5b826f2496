// SPDX-License-Identifier: GPL-3.0-or-later
// lock list, lock top.
#include <algorithm>
#include <chrono>
#include <functional>
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

constexpr uint32_t kSecondsMax = 3600;
// Nodes know who is waited for now only, so they are asked again and again.
constexpr std::chrono::milliseconds kBetweenLooks{100};

using Names = std::map<uint32_t, std::string>;

// Asks all nodes once. In words: which of them did not answer.
Result<std::string> for_each_wait(Connection& connection,
                                  const std::function<void(uint32_t node, const LockWait& wait)>& take) {
  return connection.ask_all(Control::GET_LOCK_WAITS, [&](uint32_t node, ByteView answer) {
    const std::optional<LockWaits> waits = LockWaits::decode(answer);
    if (!waits) return false;
    for (const LockWait& wait : waits->waits) take(node, wait);
    return true;
  });
}

double seconds_waited(const LockWait& wait) {
  return static_cast<double>(wait.waited_ns) / 1e9;
}

Value unless_zero(uint64_t number) {
  return number == 0 ? Value() : Value(number);
}

Value unless_empty(const std::string& text) {
  return text.empty() ? Value() : Value(text);
}

Outcome told(Table table, const std::string& trouble) {
  Outcome outcome;
  outcome.report.tables.push_back(std::move(table));
  outcome.error = trouble;
  if (!trouble.empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

// What was seen of one locked record.
struct Seen {
  uint64_t looks = 0;
  double waited_max_s = 0;
  uint64_t records_max = 0;
  uint64_t pid = 0;
  std::string program;

  void note(const LockWait& wait) {
    ++looks;
    waited_max_s = std::max(waited_max_s, seconds_waited(wait));
    records_max = std::max<uint64_t>(records_max, wait.records);
    pid = static_cast<uint64_t>(wait.holder_pid);
    program = wait.holder;
  }
};
using AllSeen = std::map<std::tuple<std::string, std::string, uint32_t>, Seen>;

Table top_table(const AllSeen& all) {
  Table table{
      "locks", {"database", "key", "node", "looks", "waited_max_s", "records_max", "pid", "program"}, {}};
  for (const auto& [what, seen] : all) {
    const auto& [name, key, node] = what;
    table.rows.push_back({name, key, static_cast<uint64_t>(node), seen.looks, seen.waited_max_s,
                          seen.records_max, unless_zero(seen.pid), unless_empty(seen.program)});
  }
  std::ranges::stable_sort(table.rows, [](const auto& a, const auto& b) { return a[3] > b[3]; });
  return table;
}

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
  const Result<Names> names = database_names(**connection);
  if (!names) return failed(names.error());
  AllSeen all;
  std::string last_trouble;
  const auto looks = std::chrono::seconds(*seconds) / kBetweenLooks;
  for (int64_t look = 0; look < looks; ++look) {
    const Result<std::string> trouble = for_each_wait(**connection, [&](uint32_t node, const LockWait& wait) {
      const std::string name = name_of(*names, wait.db_id);
      all[{name, readable_key(name, wait.key), node}].note(wait);
    });
    if (!trouble) return failed(trouble.error());
    last_trouble = *trouble;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return told(top_table(all), last_trouble);
}

Outcome lock_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<Names> names = database_names(**connection);
  if (!names) return failed(names.error());
  Table table{"locks", {"database", "key", "node", "pid", "program", "waited_s", "records"}, {}};
  const Result<std::string> trouble = for_each_wait(**connection, [&](uint32_t node, const LockWait& wait) {
    const std::string name = name_of(*names, wait.db_id);
    table.rows.push_back({name, readable_key(name, wait.key), static_cast<uint64_t>(node),
                          unless_zero(static_cast<uint64_t>(wait.holder_pid)), unless_empty(wait.holder),
                          seconds_waited(wait), static_cast<uint64_t>(wait.records)});
  });
  if (!trouble) return failed(trouble.error());
  return told(std::move(table), *trouble);
}

}  // namespace ctdb::cli
