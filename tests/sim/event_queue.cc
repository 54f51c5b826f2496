// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/event_queue.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"

namespace ctdb::sim {

uint32_t EventQueue::plan(TimeNs when) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(actions_.size());
    CTDB_ASSERT(slot < 1u << kSlotBits);
    actions_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  CTDB_ASSERT(order_ < uint64_t{1} << (64 - kSlotBits));
  const Entry entry{std::max(when, now_), order_++ << kSlotBits | slot};
  size_t at = heap_.size();
  heap_.push_back(entry);
  for (; at > 0 && entry.before(heap_[(at - 1) / kFan]); at = (at - 1) / kFan) {
    heap_[at] = heap_[(at - 1) / kFan];
  }
  heap_[at] = entry;
  return slot;
}

// The last entry takes the place of the first one, below those that come before it.
void EventQueue::take_first() {
  const Entry entry = heap_.back();
  heap_.pop_back();
  const size_t size = heap_.size();
  if (size == 0) return;
  size_t at = 0;
  for (size_t child = 1; child < size; child = at * kFan + 1) {
    size_t least = child;
    for (size_t other = child + 1; other < std::min(child + kFan, size); ++other) {
      least = heap_[other].before(heap_[least]) ? other : least;
    }
    if (!heap_[least].before(entry)) break;
    heap_[at] = heap_[least];
    at = least;
  }
  heap_[at] = entry;
}

bool EventQueue::step(TimeNs limit) {
  if (heap_.empty() || heap_.front().when > limit) {
    now_ = std::max(now_, limit);
    return false;
  }
  const Entry entry = heap_.front();
  take_first();
  now_ = entry.when;
  ++steps_;
  const uint32_t slot = static_cast<uint32_t>(entry.rank & ((1u << kSlotBits) - 1));
  Action& action = actions_[slot];
  action();
  action = {};
  free_.push_back(slot);
  return true;
}

}  // namespace ctdb::sim
