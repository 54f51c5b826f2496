// SPDX-License-Identifier: GPL-3.0-or-later
// db hot: which records move most, and what that costs.
#include <algorithm>
#include <cstring>

#include "ctdb-cli/connection.h"
#include "ctdb-cli/databases.h"
#include "ctdb-cli/samba_keys.h"
#include "libctdbipc/wire/db_statistics_layout.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

// GET_DB_STATISTICS (wire-protocol §7.7), as far as it is shown.
struct Statistics {
  struct Key {
    uint32_t moves = 0;  // within one second, the most there were
    uint32_t reads = 0;  // questions of other nodes for its value, the same
    uint32_t hops = 0;   // of a call for it, the most
    double wait_s = 0;   // and the longest wait of one
    uint32_t state = 0;
    Bytes key;
  };
  uint32_t waits = 0;     // for chain locks
  double wait_max_s = 0;  // and the longest
  double wait_total_s = 0;
  uint32_t hops_max = 0;  // of a call, rounded down to a power of two
  uint32_t copies = 0;    // read-only ones given to other nodes
  uint32_t revokes = 0;   // how often all of a record's came to their end
  std::vector<Key> keys;
};

namespace layout = db_statistics;

double seconds_at(const uint8_t* at) {
  double seconds = 0;
  std::memcpy(&seconds, at, sizeof seconds);
  return seconds;
}

std::optional<Statistics> decode_statistics(ByteView bytes) {
  if (bytes.size() < layout::kImageBytes) return std::nullopt;
  const uint8_t* at = bytes.data();
  Statistics statistics;
  statistics.waits = load<uint32_t>(at + layout::kLockCount);
  statistics.wait_max_s = seconds_at(at + layout::kLatency + layout::kLatencyMax);
  statistics.wait_total_s = seconds_at(at + layout::kLatency + layout::kLatencyTotal);
  statistics.copies = load<uint32_t>(at + layout::kDelegations);
  statistics.revokes = load<uint32_t>(at + layout::kDelegationsRevoked);
  for (size_t i = 0; i < layout::kBuckets; ++i) {
    if (load<uint32_t>(at + layout::kHopBuckets + 4 * i) > 0)
      statistics.hops_max = i == 0 ? 0 : 1u << (i - 1);
  }
  const size_t keys = load<uint32_t>(at + layout::kKeyCount);
  if (keys > layout::kKeysMax) return std::nullopt;
  Reader names(bytes.subspan(layout::kImageBytes));
  for (size_t i = 0; i < keys; ++i) {
    const uint8_t* key_at = at + layout::kKeys + layout::kKeyBytes * i;
    const uint64_t size = load<uint64_t>(key_at + layout::kKeyNameSize);
    const ByteView key = size > names.left() ? ByteView() : names.bytes(size);
    if (key.size() != size) return std::nullopt;
    const uint32_t moves = load<uint32_t>(key_at);
    if (moves == 0) continue;
    statistics.keys.push_back({moves, load<uint16_t>(key_at + layout::kKeyReads),
                               load<uint16_t>(key_at + layout::kKeyHops),
                               load<uint32_t>(key_at + layout::kKeyWait) / 1e6,
                               load<uint32_t>(key_at + layout::kKeyState), to_bytes(key)});
  }
  return statistics;
}

struct Tables {
  Table records{
      "records",
      {"database", "key", "node", "moves_per_second", "reads_per_second", "hops_max", "wait_max_s", "state"},
      {}};
  Table databases{
      "databases",
      {"database", "node", "waits", "wait_mean_s", "wait_max_s", "hops_max", "read_copies", "revokes"},
      {}};
};

std::string state_text(uint32_t state) {
  std::string text = (state & layout::kKeyIsSticky) != 0 ? "sticky" : "";
  if ((state & layout::kKeyIsRead) != 0) text += text.empty() ? "read from copies" : ", read from copies";
  return text;
}

void add_rows(Tables& tables, const std::string& name, uint32_t node, const Statistics& statistics) {
  for (const Statistics::Key& hot : statistics.keys) {
    tables.records.rows.push_back({name, readable_key(name, hot.key), static_cast<uint64_t>(node),
                                   static_cast<uint64_t>(hot.moves), static_cast<uint64_t>(hot.reads),
                                   static_cast<uint64_t>(hot.hops), hot.wait_s, state_text(hot.state)});
  }
  if (statistics.waits == 0 && statistics.hops_max == 0 && statistics.copies == 0) return;
  const double mean = statistics.waits == 0 ? 0 : statistics.wait_total_s / statistics.waits;
  tables.databases.rows.push_back({name, static_cast<uint64_t>(node), static_cast<uint64_t>(statistics.waits),
                                   mean, statistics.wait_max_s, static_cast<uint64_t>(statistics.hops_max),
                                   static_cast<uint64_t>(statistics.copies),
                                   static_cast<uint64_t>(statistics.revokes)});
}

}  // namespace

Outcome db_hot(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  const Result<std::vector<Database>> databases = list_databases(**connection);
  if (!databases) return failed(databases.error());
  const std::string wanted = invocation.optional("DB").value_or("");
  Tables tables;
  Outcome outcome;
  bool found = wanted.empty();
  for (const Database& database : *databases) {
    if (!wanted.empty() && database.name != wanted) continue;
    found = true;
    Bytes question;
    Writer(question).u32(database.id);
    const Result<std::string> trouble = (*connection)
                                            ->ask_all(
                                                Control::GET_DB_STATISTICS,
                                                [&](uint32_t node, ByteView answer) {
                                                  const std::optional<Statistics> statistics =
                                                      decode_statistics(answer);
                                                  if (statistics)
                                                    add_rows(tables, database.name, node, *statistics);
                                                  return statistics.has_value();
                                                },
                                                question);
    if (!trouble) return failed(trouble.error());
    if (outcome.error.find(*trouble) != std::string::npos) continue;  // of the database before
    outcome.error += (outcome.error.empty() ? "" : "; ") + *trouble;
  }
  if (!found)
    return failed(Exit::kFailed, "no database '" + wanted + "' is attached ('db list' shows which are)");
  std::ranges::stable_sort(tables.records.rows, [](const auto& a, const auto& b) { return a[3] > b[3]; });
  outcome.report.tables.push_back(std::move(tables.records));
  outcome.report.tables.push_back(std::move(tables.databases));
  if (!outcome.error.empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

}  // namespace ctdb::cli
