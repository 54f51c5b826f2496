// SPDX-License-Identifier: GPL-3.0-or-later
// What the store's core counts. CTDB_STORE_COUNTS(X) names every figure once; the rows store_<name> of
// ring/counters.def have the same names, so the shell publishes all of them with one macro.
#ifndef CTDB_STORE_CORE_STORE_COUNTS_H_
#define CTDB_STORE_CORE_STORE_COUNTS_H_

#include <cstdint>

// Figures of the core. store_wakeups is the shell's own.
#define CTDB_STORE_COUNTS(X) \
  X(databases)               \
  X(calls)                   \
  X(calls_pending)           \
  X(calls_local)             \
  X(migrations_in)           \
  X(migrations_out)          \
  X(redirects)               \
  X(collapsed)               \
  X(locks_busy)              \
  X(lock_waiters)            \
  X(hops_max)                \
  X(stale_packets)           \
  X(refused_packets)         \
  X(recoveries)              \
  X(records_fallen_back)     \
  X(grant_holds)             \
  X(grant_holds_expired)     \
  X(packets_parked)          \
  X(traverses)               \
  X(traverse_timeouts)       \
  X(traverses_incomplete)    \
  X(copies_pushed)           \
  X(copies_held)             \
  X(commits)                 \
  X(commits_refused)         \
  X(commits_failed)          \
  X(commit_syncs)            \
  X(databases_sent)          \
  X(functions_run)           \
  X(functions_sent)          \
  X(functions_unknown)       \
  X(records_too_large)       \
  X(records_over_limit)      \
  X(functions_faulty)        \
  X(records_forgotten)       \
  X(forget_cancelled)        \
  X(deleted_waiting)         \
  X(copies_forgotten)        \
  X(locks_left)              \
  X(values_suspect)          \
  X(files_examined)          \
  X(files_repaired)          \
  X(records_damaged)         \
  X(delegations)             \
  X(delegations_revoked)     \
  X(records_left_behind)     \
  X(members_lost)            \
  X(file_errors)

namespace ctdb {

struct StoreCounts {
#define CTDB_STORE_COUNT_FIELD(name) uint64_t name = 0;
  CTDB_STORE_COUNTS(CTDB_STORE_COUNT_FIELD)
#undef CTDB_STORE_COUNT_FIELD
  // Of a store that ends (hand_over.h), for its last word; no metrics: records it began to give, and those it still has.
  uint64_t hand_over_begun = 0;
  uint64_t hand_over_left = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_STORE_COUNTS_H_
