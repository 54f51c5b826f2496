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
constexpr TimeNs kPaceMin = 100 * kMicrosecond, kPaceMax = 5 * kMillisecond;

}  // namespace

// One that is under way begins anew.
void Vacuum::walk_at(TimeNs when) {
  walk_at_ = when;
  walking_ = false;
}

void Vacuum::hurry(TimeNs now) {
  if (!runs()) return;
  ctx_.deleted.hurry(now);
  turn_at_ = now;
  hurried_ = true;
  walk_at(now);
}

void Vacuum::walk_slice(TimeNs now) {
  if (!walking_) walk_.start(ctx_.databases);
  walking_ = true;
  if (ctx_.deleted.size() > DeletedRecords::kMax / 2) {  // nothing that it finds would be kept
    walk_at_ = now + ctx_.deleted.rest();
    return;
  }
  walk_at_ = now + std::clamp(ctx_.deleted.rest() / kPaceShare, kPaceMin, kPaceMax);
  for (uint32_t i = 0; i < kRecordsPerSlice; ++i) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) {
      walking_ = false;
      walk_at_ = kNever;
      if (std::exchange(hurried_, false)) ctx_.deleted.hurry(now);
      return;
    }
    if (entry->deletion != Deletion::kNone || !ctx_.owns(*entry) || !entry->in_file) continue;
    // One that is busy is looked at later, and not only by the next walk.
    const bool held = may_go(*db, *entry) && ctx_.chains.try_take(*db, *entry);
    if (!held || is_deleted(*db, *entry)) ctx_.deleted.note(*db, *entry, now);
    if (held) ctx_.chains.let_go(*db, *entry);
  }
}

}  // namespace ctdb
