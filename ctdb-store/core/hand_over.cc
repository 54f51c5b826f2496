// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/hand_over.h"

#include <algorithm>
#include <utility>

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerStep = 1024;

}  // namespace

bool HandOver::step(TimeNs now) {
  if (!ctx_.is_open() || ctx_.placement.members().size() < 2) return true;
  if (!walking_) begin_walk();
  const bool done = walk(now);
  ctx_.counts.hand_over_left = walking_ ? std::max(left_, owned_) : owned_;
  return done;
}

void HandOver::begin_walk() {
  walk_.start(ctx_.databases);
  left_ = std::exchange(owned_, 0);
  walking_ = true;
}

bool HandOver::walk(TimeNs now) {
  for (uint32_t i = 0; i < kRecordsPerStep && !ctx_.out.congested(); ++i) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) {
      walking_ = false;
      return owned_ == 0 && !migration_.awaits_functions();
    }
    if (!(ctx_.owns(*entry) || becomes_ours(*entry)) || (db->flags & CTDB_DB_PERSISTENT) != 0) continue;
    // One that is held goes with its holder.
    const Activity* activity = entry->activity();
    if (activity != nullptr && activity->holder != 0) continue;
    ++owned_;
    // One that is being worked on is met again in the next walk.
    if (activity != nullptr) continue;
    ++ctx_.counts.hand_over_begun;
    migration_.give(*db, *entry, whom_to_give(*entry), now);
  }
  return false;
}

// To the lmaster where that is another node: then it is one packet away.
uint32_t HandOver::whom_to_give(const RecordEntry& entry) const {
  const uint32_t lmaster = ctx_.lmaster(entry);
  return lmaster == ctx_.self ? ctx_.placement.nodes_beside(entry.hash, ctx_.self, 1).front() : lmaster;
}

}  // namespace ctdb
