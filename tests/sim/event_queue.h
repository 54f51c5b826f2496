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
#include <vector>

#include "libctdbipc/base/time.h"
#include "tests/sim/action.h"

namespace ctdb::sim {

class EventQueue {
 public:
  TimeNs now() const { return now_; }
  // Times in the past run now.
  void at(TimeNs when, Action action);
  void after(TimeNs delay, Action action) { at(now_ + delay, std::move(action)); }
  // Runs the next entry; false: there is none at or before `limit`, and the time is now `limit`.
  bool step(TimeNs limit);
  uint64_t steps() const { return steps_; }
  size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    TimeNs when;
    uint64_t order;
    uint32_t slot;  // actions stay where they are while the heap moves entries
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.when != b.when ? a.when > b.when : a.order > b.order;
    }
  };

  std::vector<Entry> heap_;
  std::vector<Action> actions_;
  std::vector<uint32_t> free_;
  TimeNs now_ = 0;
  uint64_t order_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_EVENT_QUEUE_H_
