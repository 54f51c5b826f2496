// SPDX-License-Identifier: GPL-3.0-or-later
// What only some records have: something is going on with them, was a short while ago, or has to be kept beside what the index
// knows of each. An entry points at its Recent. Nothing that must hold depends on one that is forgotten.
//
// Invariants:
//  1. An entry has one while it has an Activity or a RecordExtra, and for some time after something was noted. While it has an Activity,
//     and at no other time, something is noted or a RecordExtra made: those that stand in the row do not change.
//  2. In the pool's row stand those with neither of the two of which something is noted, in the order in which they got there.
//     Those of which nothing is noted are spare.
//  3. A new one takes the place of the first in the row if that may be forgotten: so there are as many as are noted in
//     kKept, not one for each record, and nobody has to look for old ones.
#ifndef CTDB_STORE_CORE_RECENT_H_
#define CTDB_STORE_CORE_RECENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ctdb-store/core/heat.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

struct Activity;
struct RecordEntry;

// From the moment that any of it is set until the entry goes.
struct RecordExtra {
  Heat heat;

  // The last data that are known to be at the nodes which hold copies (copies.cc).
  uint64_t copied_print = 0;
  uint32_t copied_generation = 0;
  uint16_t copied_round = 0;  // Database::copies_round then
  uint8_t copied_nodes = 0;

  // Functions (function_calls.cc). At the owner: the node whose calls came last, and how many of it in a row. Elsewhere:
  // the node that answered last, a hint.
  uint32_t function_node = CTDB_UNKNOWN_PNN;
  uint32_t functions_in_row = 0;

  // Read-only copies (delegations.cc), at an owner whose header says that there are some: bit i: node i may have one. None or
  // the highest: any member.
  uint64_t readers = 0;
};

struct Recent {
  RecordEntry* entry = nullptr;
  Activity* activity = nullptr;  // nullptr: nothing is going on with this record
  std::unique_ptr<RecordExtra> extra;

  static constexpr TimeNs kLongAgo = INT64_MIN / 2;
  TimeNs noted = kLongAgo;  // when something was that is to be remembered for a while; kLongAgo: nothing is

  // The grant hold: a local client was just given this record and has had no time to use it.
  TimeNs granted_until = 0;  // end of the hold
  uint64_t print = 0;        // fingerprint of the data then, or after a function
  uint16_t granted = 0;      // how many clients were given it
  uint8_t hold_steps = 0;    // by which holds are longer than usual, see grant_hold.cc
  uint8_t holds_seen = 0;    // with a turn, in a row, since the last step

  // How often it came here in one second (the last bits of its number), for the statistics.
  uint16_t moved_second = 0;
  uint16_t moved_count = 0;
  // The longest wait of a call, while there is no RecordExtra: one that waits once is not hot.
  uint32_t waited_us = 0;
  TimeNs gave = kLongAgo;  // when this node last gave it away
  TimeNs came = kLongAgo;  // when it last came here

  RecordExtra& make_extra() {
    if (extra == nullptr) {
      extra = std::make_unique<RecordExtra>();
      extra->heat.waited_us = waited_us;
    }
    return *extra;
  }
  void note_wait(TimeNs wait) {
    if (extra != nullptr) return extra->heat.note_wait(wait);
    if (wait >= Heat::kWaitAtLeast) waited_us = std::max(waited_us, Heat::microseconds(wait));
  }

  // In the row.
  Recent* before = nullptr;
  Recent* behind = nullptr;
};

class RecentPool {
 public:
  // Longer than all that is looked for here: holds, pinning, packets that are under way.
  static constexpr TimeNs kKept = 2 * kSecond;

  RecentPool() = default;
  RecentPool(const RecentPool&) = delete;
  RecentPool& operator=(const RecentPool&) = delete;

  // For an entry that has none. may_forget: whether one that is old enough may be taken from another.
  void give(RecordEntry& entry, bool may_forget);
  // The entry's, which it has: that something is going on begins and ends here.
  void begin(RecordEntry& entry, Activity& activity);
  void end(RecordEntry& entry);
  // The entry goes.
  void take_back(RecordEntry& entry);
  // How many there are, spare ones included.
  size_t size() const { return size_; }

 private:
  static constexpr size_t kSpareMax = 256;

  bool in_row(const Recent& one) const {
    return one.activity == nullptr && one.extra == nullptr && one.noted != Recent::kLongAgo;
  }
  bool is_old(const Recent* one) const { return one != nullptr && clock_ - one->noted > kKept; }
  void put_at_end(Recent& one);
  void take_out(Recent& one);
  void forget(Recent& one);

  Recent* first_ = nullptr;  // of the row
  Recent* last_ = nullptr;
  std::vector<std::unique_ptr<Recent>> spare_;
  size_t size_ = 0;
  TimeNs clock_ = 0;  // the last time that was noted in one that stood in the row
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECENT_H_
