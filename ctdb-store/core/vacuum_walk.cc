// SPDX-License-Identifier: GPL-3.0-or-later
// The slow walk through what this node owns, for deleted records of which nobody has told: their client died before it could, the
// list was full, the store was restarted. Once after each generation's opening, after a full list, a while after records were deleted,
// and when somebody asks.
#include <algorithm>
#include <utility>

#include "ctdb-store/core/vacuum.h"

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerSlice = 256;
// A slice each two-thousandth of the time that records rest: 50,000 records a second at ten seconds.
constexpr TimeNs kPaceShare = 2000;
// One that hurries takes the shortest pause.
constexpr TimeNs kPaceMin = 100 * kMicrosecond, kPaceMax = 5 * kMillisecond;
constexpr TimeNs kFullShare = 8;

}  // namespace

// One that is under way begins anew.
void Vacuum::walk_at(TimeNs when) {
  walk_at_ = when;
  walking_ = false;
}

void Vacuum::hurry(TimeNs now) {
  if (!runs()) return;
  ctx_.deleted.hurry();
  turn_at_ = now;
  if (walking_ && hurried_) {
    hurry_again_ = true;
    return;
  }
  hurried_ = true;
  walk_at(now);
}

// There was no room for some on the list. They have rested when this begins. A walk in a hurry asks again at its end.
void Vacuum::walk_for_left_out(TimeNs now) {
  if ((hurried_ && walk_at_ != kNever) || !ctx_.deleted.some_left_out()) return;
  hurried_ = true;
  walk_at(now + ctx_.deleted.rest());
}

void Vacuum::end_walk(TimeNs now) {
  hurried_ = std::exchange(hurry_again_, false);
  walk_at(hurried_ ? now : kNever);
  walk_for_left_out(now);
}

void Vacuum::walk_slice(TimeNs now) {
  if (!walking_) walk_.start(ctx_.databases);
  walking_ = true;
  if (ctx_.deleted.size() > DeletedRecords::kMax / 2) {  // nothing that it finds would be kept
    walk_at_ = now + ctx_.deleted.rest() / kFullShare;
    return;
  }
  walk_at_ = now + (hurried_ ? kPaceMin : std::clamp(ctx_.deleted.rest() / kPaceShare, kPaceMin, kPaceMax));
  for (uint32_t i = 0; i < kRecordsPerSlice; ++i) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) return end_walk(now);
    if (entry->deletion != Deletion::kNone || !ctx_.owns(*entry) || !entry->in_file) continue;
    // One that is busy is looked at later, and not only by the next walk.
    const bool held = may_go(*db, *entry) && ctx_.chains.try_take(*db, *entry);
    const bool found = !held || is_deleted(*db, *entry);
    if (held) ctx_.chains.let_go(*db, *entry);
    if (!found) continue;
    if (held && hurried_) {
      ctx_.deleted.note_rested(*db, *entry);
    } else {
      ctx_.deleted.note(*db, *entry, now);
    }
  }
}

}  // namespace ctdb
