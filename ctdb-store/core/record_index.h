// SPDX-License-Identifier: GPL-3.0-or-later
// What a store knows about the records of one database: for every key in its file, and for every key it is lmaster of
// or has asked for, one entry. Redirects, pointers and recovery claims are answered from here without touching the file.
// That is sound because only the store creates records in a volatile file and only it changes headers (ARCHITECTURE §4);
// the data of a record that this node owns may change at any time, so its size is not known here.
//
// Invariants:
//  1. dmaster == self of the node: the record is in the file with a header that says the same.
//  2. in_file: the file has a record with this rsn, dmaster and flags (but CTDB_RECORD_MAY_BE_OLDER, which clients take
//     away, and RO_HAVE_READONLY, which a keeper does: read_data() looks). Otherwise rsn is 0 and dmaster is the lmaster's pointer (pointer_generation == the open
//     generation) or a hint that may be wrong.
//  3. Entries do not move (record_arena.h). A cursor that stands on an entry which is removed moves on to the next one.
#ifndef CTDB_STORE_CORE_RECORD_INDEX_H_
#define CTDB_STORE_CORE_RECORD_INDEX_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "ctdb-store/core/heat.h"
#include "ctdb-store/core/record_arena.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

struct Activity;

// Whether it is known to be deleted, perhaps, and what is done about it (vacuum.h). An entry that says so is not removed from the
// index: queues point at it.
enum class Deletion : uint8_t {
  kNone,
  kRests,        // waits in DeletedRecords
  kRestsAgain,   // and was deleted once more meanwhile
  kIsForgotten,  // other nodes are asked to forget it
};

// What only some records have, from the moment that any of it is set until their entry goes.
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

struct RecordEntry {
  static constexpr uint32_t kNoClaim = 0xFFFFFFFFu;

  ByteView key() const { return {reinterpret_cast<const uint8_t*>(this + 1), key_size}; }
  // As if it had one.
  const RecordExtra& extra() const { return extra_ != nullptr ? *extra_ : kNoExtra; }
  RecordExtra& make_extra() {
    if (extra_ == nullptr) extra_ = std::make_unique<RecordExtra>();
    return *extra_;
  }
  RecordExtra* extra_if_any() { return extra_.get(); }

  Activity* activity = nullptr;  // nullptr: nothing is going on with this record

  uint64_t rsn = 0;
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  uint32_t flags = 0;
  uint32_t data_size = 0;           // when it was last stored by this store
  uint32_t pointer_generation = 0;  // in a full copy: which replacement it came with (commits/noting.h)
  uint32_t hash = 0;                // of the key, as Placement uses it
  uint32_t chain = 0;
  uint32_t key_size = 0;
  uint32_t first_claim = kNoClaim;  // during a recovery, at the lmaster
  // In which this node gave it away and, if it is the lmaster, nobody else has since.
  uint32_t gave_generation = 0;
  uint32_t last_owner = CTDB_UNKNOWN_PNN;  // at its lmaster of the last open generation: who had it then
  uint32_t previous = 0;                   // their numbers, in order of creation; 0: none
  uint32_t next = 0;

  uint32_t gave_ms = 0;  // when this node last gave it away: the last bits of the time
  uint32_t came_ms = 0;  // when it last came here, the same

  // The grant hold: a local client was just given this record and has had no time to use it.
  TimeNs granted_until = 0;  // end of the hold
  // Fingerprint of the data then, or after a function. In a full copy, which nobody is given records of, the record's part of the digest.
  uint64_t print = 0;
  uint16_t granted = 0;        // how many clients were given it
  uint8_t hold_doublings = 0;  // see grant_hold.cc

  Deletion deletion : 2 = Deletion::kNone;
  bool in_file : 1 = false;
  bool had_data : 1 = false;  // seen by this store since the record is in its file
  bool lost : 1 = false;  // at the lmaster: it is gone with its owner, the next who makes it is to be told
  bool over_limit : 1 = false;  // found to be larger than its database allows, and told (sizes.h)

  // How often it came here in one second (the last bits of its number), for the statistics.
  uint16_t moved_second = 0;
  uint16_t moved_count = 0;

 private:
  static const RecordExtra kNoExtra;
  std::unique_ptr<RecordExtra> extra_;
};
static_assert(sizeof(RecordEntry) == 104, "there are millions of them");

class RecordIndex {
 public:
  class Cursor;

  RecordIndex();
  ~RecordIndex();
  RecordIndex(const RecordIndex&) = delete;
  RecordIndex& operator=(const RecordIndex&) = delete;

  // nullptr: not known.
  RecordEntry* find(ByteView key, uint32_t hash) const;
  // A look-up costs two misses of the cache, one in the table and one in the entry. Who will look for many keys says so
  // some keys ahead (the first), then some fewer (the second), and waits for neither.
  void will_find_soon(uint32_t hash) const { __builtin_prefetch(&slots_[slot_of(hash)]); }
  void will_find_next(uint32_t hash) const {
    const Slot& slot = slots_[slot_of(hash)];
    if (slot.number != 0 && slot.hash == hash) __builtin_prefetch(arena_.at(slot.number));
  }
  // A new entry; the key must not be there yet.
  RecordEntry& add(ByteView key, uint32_t hash, uint32_t chain);
  void remove(RecordEntry& entry);
  // All of them, in order of creation; nullptr: there are no more.
  RecordEntry* first() const { return entry(first_); }
  RecordEntry* next(const RecordEntry& before) const { return entry(before.next); }
  size_t size() const { return size_; }

 private:
  // Open addressing: an entry stands at the first free slot from slot_of(hash) on.
  struct Slot {
    uint32_t number = 0;  // of the entry; 0: free
    uint32_t hash = 0;
  };
  RecordEntry* entry(uint32_t number) const {
    return number == 0 ? nullptr : static_cast<RecordEntry*>(arena_.at(number));
  }
  size_t slot_of(uint32_t hash) const { return (hash * 0x9E3779B97F4A7C15u) >> shift_; }
  void place(uint32_t number, uint32_t hash);
  // Whose number it returns.
  uint32_t clear_slot(const RecordEntry& entry);
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most three quarters used
  unsigned shift_;           // 64 - log2 of that
  RecordArena arena_;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  size_t size_ = 0;
  Cursor* cursors_ = nullptr;
};

// Walks through an index that changes meanwhile. Entries added later are visited too.
class RecordIndex::Cursor {
 public:
  explicit Cursor(RecordIndex& index);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // The entry it stands on; nullptr at the end (which may become an entry when one is added).
  RecordEntry* at();
  void advance();

 private:
  friend class RecordIndex;
  RecordIndex* index_;
  RecordEntry* at_;
  RecordEntry* last_seen_ = nullptr;  // at the end: what stands before a new entry
  Cursor* next_cursor_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECORD_INDEX_H_
