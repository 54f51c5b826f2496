// SPDX-License-Identifier: GPL-3.0-or-later
// Deadlines of things that live elsewhere: a timer is a member of its owner, the heap only points at it. Setting,
// moving and cancelling cost O(log n) and allocate nothing once the heap has been as large before.
//
// Invariant: a timer that is set is in exactly one heap; its owner cancels it before it goes away.
#ifndef CTDB_STORE_CORE_TIMER_HEAP_H_
#define CTDB_STORE_CORE_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libctdbipc/base/time.h"

namespace ctdb {

struct Timer {
  // Whose timer it is, for whoever takes it when it is due.
  enum class Owner : uint8_t { kActivity, kChain };
  static constexpr size_t kNotSet = static_cast<size_t>(-1);
  Timer(Owner kind, void* object) : owner(kind), self(object) {}
  const Owner owner;
  void* const self;
  TimeNs at = kNever;
  size_t index = kNotSet;
  bool set() const { return index != kNotSet; }
};

class TimerHeap {
 public:
  void set(Timer& timer, TimeNs at) {
    timer.at = at;
    if (!timer.set()) {
      timer.index = heap_.size();
      heap_.push_back(&timer);
    }
    sift_up(timer.index);
    sift_down(timer.index);
  }
  void cancel(Timer& timer) {
    if (!timer.set()) return;
    const size_t hole = timer.index;
    timer.index = Timer::kNotSet;
    timer.at = kNever;
    Timer* last = heap_.back();
    heap_.pop_back();
    if (last == &timer) return;
    place(hole, last);
    sift_up(last->index);
    sift_down(last->index);
  }
  TimeNs next() const { return heap_.empty() ? kNever : heap_.front()->at; }
  // Takes out and returns the earliest timer that is due, or nullptr.
  Timer* take_due(TimeNs now) {
    if (heap_.empty() || heap_.front()->at > now) return nullptr;
    Timer* timer = heap_.front();
    cancel(*timer);
    return timer;
  }

 private:
  void place(size_t at, Timer* timer) {
    heap_[at] = timer;
    timer->index = at;
  }
  void sift_up(size_t at) {
    while (at > 0 && heap_[at]->at < heap_[(at - 1) / 2]->at) {
      swap(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
  }
  void sift_down(size_t at) {
    for (;;) {
      size_t least = at;
      for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child) {
        if (heap_[child]->at < heap_[least]->at) least = child;
      }
      if (least == at) return;
      swap(at, least);
      at = least;
    }
  }
  void swap(size_t a, size_t b) {
    Timer* timer = heap_[a];
    place(a, heap_[b]);
    place(b, timer);
  }

  std::vector<Timer*> heap_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_TIMER_HEAP_H_
