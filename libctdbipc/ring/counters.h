// SPDX-License-Identifier: LGPL-3.0-or-later
// Counters segments: every daemon keeps its counters in a file it maps, readable by anyone with access to the
// run directory without asking the daemon, also when it hangs (design §8). The names stand in counters.def.
//
// File layout: header {magic, version, pid, start time, number of counters}, then one u64 per row of
// counters.def, then fixed-size text fields, then the table of distinct errors (text, count, first and last
// time). A file may have fewer or more rows than this table: while releases change, a reader meets daemons of another one.
#ifndef LIBCTDBIPC_RING_COUNTERS_H_
#define LIBCTDBIPC_RING_COUNTERS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/base/result.h"

namespace ctdb {

// One id per row of counters.def: Counter::router_packets_from_clients and so on. All daemons share one
// table; a daemon only moves its own rows.
enum class Counter : uint32_t {
#define CTDB_COUNTER(name, help) name,
#include "libctdbipc/ring/counters.def"
  count
};

struct DistinctError {
  std::string text;
  uint64_t count = 0;
  int64_t first_ns = 0;  // CLOCK_REALTIME
  int64_t last_ns = 0;
};

// The writer: one per daemon. All methods are cheap stores to mapped memory; add() never fails.
class Counters {
 public:
  // Creates (or replaces) the file. An empty path keeps the counters in private memory (tests, simulator).
  static Result<std::unique_ptr<Counters>> create(const std::string& path);
  // The same, but nobody finds them before show(): the path may be a running daemon's.
  static Result<std::unique_ptr<Counters>> create_hidden(const std::string& path);
  virtual Result<void> show() = 0;
  virtual ~Counters() = default;
  virtual void add(Counter counter, uint64_t by = 1) = 0;
  virtual void set(Counter counter, uint64_t value) = 0;
  virtual uint64_t get(Counter counter) const = 0;
  // A short line for people ("RUNNING, leader 2, generation 7"), shown by status.
  virtual void set_status(std::string_view text) = 0;
  // Counts a distinct error (by its text); the table is bounded, the rest is counted as "other".
  virtual void error(std::string_view text, int64_t realtime_ns) = 0;
};

// The reader: CLI and router.
struct CountersSnapshot {
  uint32_t pid = 0;
  int64_t start_ns = 0;        // CLOCK_REALTIME
  uint32_t pid_namespace = 0;  // in which `pid` is the writer's; 0: of an older release, or not known
  bool held = false;           // the writer lives, wherever that is; of another process than the reader
  std::string status;
  std::vector<uint64_t>
      values;  // indexed by Counter; not those of a newer release that this one has no names for
  std::vector<DistinctError> errors;
  // false: the daemon is of an older release, which does not count that.
  bool knows(Counter counter) const { return static_cast<size_t>(counter) < values.size(); }
  uint64_t value(Counter counter) const { return knows(counter) ? values[static_cast<size_t>(counter)] : 0; }
};
// Errors: kNotFound (no such file: the daemon never ran), kInvalid (not a counters file, other version).
Result<CountersSnapshot> read_counters(const std::string& path);
const char* counter_name(Counter counter);
const char* counter_help(Counter counter);

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_COUNTERS_H_
