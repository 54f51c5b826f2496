// SPDX-License-Identifier: GPL-3.0-or-later
// Records of this node that may have been deleted, in the order in which they are to be looked at (vacuum.h). It only says
// where to look: what it lacks is found by a walk through the index, what is in it may be in use again.
//
// Invariants:
//  1. An entry is in it once, exactly while its `deletion` says that it rests; entries stay in the index as long.
//  2. `due` never goes back from front to end.
//  3. At most kMax; it allocates nothing once it has been as large before.
#ifndef CTDB_STORE_CORE_DELETED_RECORDS_H_
#define CTDB_STORE_CORE_DELETED_RECORDS_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "ctdb-store/core/record_index.h"
#include "libctdbipc/base/time.h"

namespace ctdb {

struct Database;

class DeletedRecords {
 public:
  static constexpr size_t kMax = size_t{1} << 18;
  struct Place {
    Database* db = nullptr;
    RecordEntry* entry = nullptr;
    TimeNs due = 0;
  };

  // How long they rest; 0: none is taken.
  void set_rest(TimeNs rest) {
    const TimeNs less = std::max<TimeNs>(0, rest_ - rest);
    for (size_t i = 0; i < size_; ++i) ring_[(head_ + i) & (ring_.size() - 1)].due -= less;
    last_due_ -= less;
    rest_ = rest;
  }
  TimeNs rest() const { return rest_; }

  // The record has just been deleted, or came here deleted.
  void note(Database& db, RecordEntry& entry, TimeNs now) {
    if (entry.deletion == Deletion::kRests) entry.deletion = Deletion::kRestsAgain;
    if (entry.deletion != Deletion::kNone) return;
    if (rest_ == 0 || size_ == kMax) {
      some_left_out_ = true;
      return;
    }
    if (size_ == ring_.size()) grow();
    entry.deletion = Deletion::kRests;
    last_due_ = std::max(last_due_, now + rest_);
    ring_[(head_ + size_++) & (ring_.size() - 1)] = {&db, &entry, last_due_};
  }
  // The one that was to be looked at first; its entry says that it rests no more. true in `again`: it was deleted once more.
  Place take(bool& again) {
    const Place place = ring_[head_];
    head_ = (head_ + 1) & (ring_.size() - 1);
    --size_;
    again = place.entry->deletion == Deletion::kRestsAgain;
    place.entry->deletion = Deletion::kNone;
    return place;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  TimeNs next_due() const { return empty() ? kNever : ring_[head_].due; }
  // All rest no longer.
  void hurry(TimeNs now) {
    for (size_t i = 0; i < size_; ++i) ring_[(head_ + i) & (ring_.size() - 1)].due = now;
    last_due_ = now;
  }
  void drop(const Database& db) {
    size_t kept = 0;
    for (size_t i = 0; i < size_; ++i) {
      const Place place = ring_[(head_ + i) & (ring_.size() - 1)];
      if (place.db == &db) {
        place.entry->deletion = Deletion::kNone;
      } else {
        ring_[(head_ + kept++) & (ring_.size() - 1)] = place;
      }
    }
    size_ = kept;
  }
  // Whether it was asked to take more than it took, since the last time.
  bool some_left_out() { return std::exchange(some_left_out_, false); }

 private:
  void grow() {
    std::vector<Place> larger(std::max<size_t>(64, 2 * ring_.size()));
    for (size_t i = 0; i < size_; ++i) larger[i] = ring_[(head_ + i) & (ring_.size() - 1)];
    ring_.swap(larger);
    head_ = 0;
  }

  std::vector<Place> ring_;  // a power of two, or empty
  size_t head_ = 0, size_ = 0;
  TimeNs rest_ = 0;
  TimeNs last_due_ = 0;
  bool some_left_out_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_DELETED_RECORDS_H_
