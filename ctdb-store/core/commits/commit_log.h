// SPDX-License-Identifier: GPL-3.0-or-later
// The log of commits as memory has it: the entries after start(), in ascending order. The disk has the same (CommitDisk).
#ifndef CTDB_STORE_CORE_COMMITS_COMMIT_LOG_H_
#define CTDB_STORE_CORE_COMMITS_COMMIT_LOG_H_

#include <cstddef>
#include <deque>

#include "ctdb-store/core/commits/commit_disk.h"

namespace ctdb {

class CommitLog {
 public:
  // Everything before it is known by its effect only.
  LogPosition start() const { return start_; }
  LogPosition end() const { return entries_.empty() ? start_ : entries_.back().position; }
  void restart(LogPosition start);
  // Its position must be behind the end.
  void append(KeptEntry entry);
  // Drops what is behind `end`.
  void cut(LogPosition end);
  // start() or the position of an entry.
  bool has(LogPosition at) const;
  // The last position at or before `at`.
  LogPosition at_or_before(LogPosition at) const;
  // The first entry behind `at`; nullptr: none.
  const KeptEntry* after(LogPosition at) const;
  // The entry at that position; nullptr: not here.
  const KeptEntry* at(LogPosition position) const;
  // The entry of that transaction; nullptr: not here.
  const KeptEntry* find(uint32_t origin, uint64_t id) const;
  // Drops the oldest entries, none behind `upto`, until at most `bytes` of payload are left, and hardly more than `bytes_max`
  // at once. true: all that were to go are gone.
  bool forget(LogPosition upto, size_t bytes, size_t bytes_max);

 private:
  size_t index_after(LogPosition at) const;

  LogPosition start_;
  std::deque<KeptEntry> entries_;
  size_t bytes_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMIT_LOG_H_
