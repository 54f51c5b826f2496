// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/recent.h"

#include <algorithm>
#include <utility>

#include "ctdb-store/core/record_index.h"

namespace ctdb {

// Two that are old for one that is new: the pool becomes smaller again when less is going on.
void RecentPool::give(RecordEntry& entry, bool may_forget) {
  for (int i = 0; i < 2 && may_forget && is_old(first_); ++i) forget(*first_);
  if (spare_.empty()) {
    spare_.push_back(std::make_unique<Recent>());
    ++size_;
  }
  entry.recent = spare_.back().release();
  spare_.pop_back();
  entry.recent->entry = &entry;
}

void RecentPool::begin(RecordEntry& entry, Activity& activity) {
  Recent& one = *entry.recent;
  if (in_row(one)) take_out(one);
  one.activity = &activity;
}

void RecentPool::end(RecordEntry& entry) {
  Recent& one = *entry.recent;
  one.activity = nullptr;
  clock_ = std::max(clock_, one.noted);
  if (one.extra != nullptr) return;
  if (one.noted == Recent::kLongAgo) return forget(one);
  put_at_end(one);
}

void RecentPool::take_back(RecordEntry& entry) {
  if (entry.recent != nullptr) forget(*entry.recent);
}

void RecentPool::put_at_end(Recent& one) {
  one.before = last_;
  (last_ == nullptr ? first_ : last_->behind) = &one;
  last_ = &one;
}

void RecentPool::take_out(Recent& one) {
  (one.before == nullptr ? first_ : one.before->behind) = one.behind;
  (one.behind == nullptr ? last_ : one.behind->before) = one.before;
  one.before = one.behind = nullptr;
}

void RecentPool::forget(Recent& one) {
  if (in_row(one)) take_out(one);
  std::unique_ptr<Recent> spare(std::exchange(one.entry->recent, nullptr));
  if (spare_.size() == kSpareMax) {
    --size_;
    return;
  }
  *spare = {};
  spare_.push_back(std::move(spare));
}

}  // namespace ctdb
