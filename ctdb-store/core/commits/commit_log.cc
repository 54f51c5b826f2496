// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/commit_log.h"

#include <algorithm>
#include <utility>

#include "libctdbipc/base/assert.h"

namespace ctdb {

void CommitLog::restart(LogPosition start) {
  entries_.clear();
  bytes_ = 0;
  start_ = start;
}

void CommitLog::append(KeptEntry entry) {
  CTDB_ASSERT(entry.position > end());
  bytes_ += entry.payload.size();
  entries_.push_back(std::move(entry));
}

void CommitLog::cut(LogPosition end) {
  while (!entries_.empty() && entries_.back().position > end) {
    bytes_ -= entries_.back().payload.size();
    entries_.pop_back();
  }
}

size_t CommitLog::index_after(LogPosition at) const {
  const auto found = std::ranges::upper_bound(entries_, at, {}, &KeptEntry::position);
  return static_cast<size_t>(found - entries_.begin());
}

bool CommitLog::has(LogPosition at) const {
  if (at == start_) return true;
  const size_t next = index_after(at);
  return next > 0 && entries_[next - 1].position == at;
}

LogPosition CommitLog::at_or_before(LogPosition at) const {
  const size_t next = index_after(at);
  return next > 0 ? entries_[next - 1].position : start_;
}

const KeptEntry* CommitLog::after(LogPosition at) const {
  const size_t next = index_after(at);
  return next < entries_.size() ? &entries_[next] : nullptr;
}

const KeptEntry* CommitLog::at(LogPosition position) const {
  const size_t next = index_after(position);
  return next > 0 && entries_[next - 1].position == position ? &entries_[next - 1] : nullptr;
}

const KeptEntry* CommitLog::find(uint32_t origin, uint64_t id) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const KeptEntry& entry) { return entry.origin == origin && entry.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

bool CommitLog::forget(LogPosition upto, size_t bytes, size_t bytes_max) {
  for (size_t dropped = 0; bytes_ > bytes && !entries_.empty() && entries_.front().position <= upto;) {
    if (dropped >= bytes_max) return false;
    start_ = entries_.front().position;
    dropped += entries_.front().payload.size();
    bytes_ -= entries_.front().payload.size();
    entries_.pop_front();
  }
  return true;
}

}  // namespace ctdb
