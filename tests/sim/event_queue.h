// SPDX-License-Identifier: GPL-3.0-or-later
// Virtual time: everything that happens in a simulated cluster is an entry here, run one after the other on one thread.
// Nothing else in tests/sim/ knows what time it is.
//
// Invariants:
//  1. Time never goes back; entries of the same time run in the order they were added.
//  2. An entry may add entries, never run them.
#ifndef CTDB_TESTS_SIM_EVENT_QUEUE_H_
#define CTDB_TESTS_SIM_EVENT_QUEUE_H_

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "libctdbipc/base/time.h"
#include "tests/sim/action.h"

namespace ctdb::sim {

class EventQueue {
 public:
  TimeNs now() const { return now_; }
  // Times in the past run now.
  template <typename Call>
  void at(TimeNs when, Call&& call) {
    actions_[plan(when)] = Action(std::forward<Call>(call));
  }
  template <typename Call>
  void after(TimeNs delay, Call&& call) {
    at(now_ + delay, std::forward<Call>(call));
  }
  // Runs the next entry; false: there is none at or before `limit`, and the time is now `limit`.
  bool step(TimeNs limit);
  uint64_t steps() const { return steps_; }
  size_t size() const { return heap_.size(); }

 private:
  // A heap of fours: half as deep as one of twos, and the four lie side by side.
  static constexpr size_t kFan = 4;
  static constexpr uint32_t kSlotBits = 24;
  struct Entry {
    TimeNs when;
    uint64_t rank;  // order << kSlotBits | slot: actions stay where they are while the heap moves entries
    bool before(const Entry& other) const {  // no branch: nobody can guess it
      return (when < other.when) | ((when == other.when) & (rank < other.rank));
    }
  };
  // A slot for an action, with its entry.
  uint32_t plan(TimeNs when);
  void take_first();

  std::vector<Entry> heap_;
  std::deque<Action> actions_;  // run where they are: none moves when others are added
  std::vector<uint32_t> free_;
  TimeNs now_ = 0;
  uint64_t order_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_EVENT_QUEUE_H_
