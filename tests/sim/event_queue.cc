// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/event_queue.h"

#include <algorithm>

namespace ctdb::sim {

void EventQueue::at(TimeNs when, Action action) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(actions_.size());
    actions_.push_back(std::move(action));
  } else {
    slot = free_.back();
    free_.pop_back();
    actions_[slot] = std::move(action);
  }
  heap_.push_back({std::max(when, now_), order_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), Later());
}

bool EventQueue::step(TimeNs limit) {
  if (heap_.empty() || heap_.front().when > limit) {
    now_ = std::max(now_, limit);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), Later());
  const Entry entry = heap_.back();
  heap_.pop_back();
  now_ = entry.when;
  ++steps_;
  Action action = std::move(actions_[entry.slot]);
  free_.push_back(entry.slot);
  action();
  return true;
}

}  // namespace ctdb::sim
