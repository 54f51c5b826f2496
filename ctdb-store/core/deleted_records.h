// SPDX-License-Identifier: GPL-3.0-or-later
// Records of this node that may have been deleted, in the order in which they are to be looked at (vacuum.h). It only says
// where to look: what it lacks is found by a walk through the index, what is in it may be in use again.
//
// Invariants:
//  1. An entry is in it once, exactly while its `deletion` says that it rests; entries stay in the index as long.
//  2. The first `due_now_` are due whatever they say; of the others `due` never goes back from front to end.
//  3. At most kMax; it allocates nothing while it stays below kKept once it has been as large before.
#ifndef CTDB_STORE_CORE_DELETED_RECORDS_H_
#define CTDB_STORE_CORE_DELETED_RECORDS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ctdb-store/core/record_index.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/time.h"

namespace ctdb {

struct Database;

class DeletedRecords {
 public:
  static constexpr size_t kMax = size_t{1} << 20;
  struct Taken {
    Database* db = nullptr;
    RecordEntry* entry = nullptr;
  };

  // How long they rest; 0: none is taken.
  void set_rest(TimeNs rest) {
    const TimeNs less = std::max<TimeNs>(0, rest_ - rest);
    for (size_t i = 0; i < size_; ++i) set_due(place(i), std::max<TimeNs>(0, due(place(i)) - less));
    last_due_ -= less;
    rest_ = rest;
  }
  TimeNs rest() const { return rest_; }

  // The record has just been deleted, or came here deleted.
  void note(Database& db, RecordEntry& entry, TimeNs now) {
    if (!takes(entry)) return;
    last_due_ = std::max(last_due_, now + rest_);
    put(place(size_++), db, entry, last_due_);
  }
  // It has rested long enough, here or at another node.
  void note_rested(Database& db, RecordEntry& entry) {
    if (!takes(entry)) return;
    head_ = (head_ == 0 ? ring_.size() : head_) - 1;
    ++size_;
    ++due_now_;
    put(place(0), db, entry, 0);
  }
  // The one that was to be looked at first; its entry says that it rests no more. true in `again`: it was deleted once more.
  Taken take(bool& again) {
    const Taken taken{databases_[place(0).db], place(0).entry};
    if (++head_ == ring_.size()) head_ = 0;
    if (due_now_ > 0) --due_now_;
    if (--size_ == 0 && ring_.size() > kKept) {
      std::vector<Place>().swap(ring_);
      head_ = 0;
    }
    again = taken.entry->deletion == Deletion::kRestsAgain;
    taken.entry->deletion = Deletion::kNone;
    return taken;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  TimeNs next_due() const {
    if (due_now_ > 0) return 0;
    return empty() ? kNever : due(ring_[head_]);
  }
  // How many are known to have rested.
  size_t due_now() const { return due_now_; }
  // All rest no longer.
  void hurry() { due_now_ = size_; }
  void drop(const Database& db) {
    const size_t its = number_of(db);
    size_t kept = 0, due_now = 0;
    for (size_t i = 0; i < size_; ++i) {
      const Place each = place(i);
      if (each.db == its) {
        each.entry->deletion = Deletion::kNone;
      } else {
        if (i < due_now_) ++due_now;
        place(kept++) = each;
      }
    }
    size_ = kept;
    due_now_ = due_now;
    if (its < databases_.size()) databases_[its] = nullptr;
  }
  // Whether it was asked to take more than it took, since the last time.
  bool some_left_out() { return std::exchange(some_left_out_, false); }

 private:
  // In 16 bytes, since there may be hundreds of thousands.
  struct Place {
    RecordEntry* entry = nullptr;
    uint64_t db : 16 = 0;      // its number in databases_
    uint64_t due_us : 48 = 0;  // rounded up
  };
  static_assert(sizeof(Place) == 16 && kDatabasesMax <= UINT16_MAX);
  static constexpr size_t kKept = size_t{1} << 14;  // places: what is more is given back when none is used

  static TimeNs due(const Place& place) { return static_cast<TimeNs>(place.due_us) * kMicrosecond; }
  static void set_due(Place& place, TimeNs due) {
    constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
    place.due_us = static_cast<uint64_t>((due + kMicrosecond - 1) / kMicrosecond) & kMask;
  }
  void put(Place& place, Database& db, RecordEntry& entry, TimeNs due) {
    size_t number = number_of(db);
    if (number == databases_.size()) {
      number = static_cast<size_t>(std::ranges::find(databases_, nullptr) - databases_.begin());
      if (number == databases_.size()) databases_.emplace_back();
      databases_[number] = &db;
    }
    place.entry = &entry;
    place.db = static_cast<uint16_t>(number);
    set_due(place, due);
  }
  // As many as there are: it has none.
  size_t number_of(const Database& db) {
    if (last_number_ >= databases_.size() || databases_[last_number_] != &db)
      last_number_ = static_cast<size_t>(std::ranges::find(databases_, &db) - databases_.begin());
    return last_number_;
  }

  // There is a place for it, at the front and at the end.
  bool takes(RecordEntry& entry) {
    if (entry.deletion == Deletion::kRests) entry.deletion = Deletion::kRestsAgain;
    if (entry.deletion != Deletion::kNone) return false;
    if (rest_ == 0 || size_ == kMax) {
      some_left_out_ = true;
      return false;
    }
    if (size_ == ring_.size()) grow();
    entry.deletion = Deletion::kRests;
    return true;
  }
  Place& place(size_t i) {
    const size_t at = head_ + i;
    return ring_[at < ring_.size() ? at : at - ring_.size()];
  }
  // By a quarter: hundreds of thousands may rest.
  void grow() {
    std::vector<Place> larger(std::max<size_t>(64, ring_.size() + ring_.size() / 4));
    for (size_t i = 0; i < size_; ++i) larger[i] = place(i);
    ring_.swap(larger);
    head_ = 0;
  }

  std::vector<Database*> databases_;  // nullptr: free
  size_t last_number_ = 0;            // that was looked for
  std::vector<Place> ring_;
  size_t head_ = 0, size_ = 0;  // head_ is the number of a place, or 0
  size_t due_now_ = 0;
  TimeNs rest_ = 0;
  TimeNs last_due_ = 0;
  bool some_left_out_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_DELETED_RECORDS_H_
