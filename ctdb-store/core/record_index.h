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

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ctdb-store/core/recent.h"
#include "ctdb-store/core/record_arena.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

// Whether it is known to be deleted, perhaps, and what is done about it (vacuum.h). An entry that says so is not removed from the
// index: queues point at it.
enum class Deletion : uint8_t {
  kNone,
  kRests,        // waits in DeletedRecords
  kRestsAgain,   // and was deleted once more meanwhile
  kIsForgotten,  // other nodes are asked to forget it
};

struct RecordEntry {
  static constexpr uint32_t kNoClaim = 0xFFFFFFFFu;
  static constexpr uint32_t kKeySizeMask = 0xFFFFFFu;

  // Behind what is used of the entry.
  static constexpr size_t kKeyAt = 54;
  ByteView key() const { return {reinterpret_cast<const uint8_t*>(this) + kKeyAt, key_size}; }
  static size_t bytes_with_key(size_t key_bytes) { return std::max(sizeof(RecordEntry), kKeyAt + key_bytes); }
  // nullptr: nothing is going on with this record.
  Activity* activity() const { return recent == nullptr ? nullptr : recent->activity; }
  RecordExtra* extra_if_any() const { return recent == nullptr ? nullptr : recent->extra.get(); }
  // As if it had one.
  const RecordExtra& extra() const {
    const RecordExtra* extra = extra_if_any();
    return extra != nullptr ? *extra : kNoExtra;
  }
  // While something is going on with it.
  RecordExtra& make_extra() { return recent->make_extra(); }

  Recent* recent = nullptr;

  uint64_t rsn = 0;
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  uint32_t flags = 0;
  uint32_t pointer_generation = 0;  // in a full copy: which replacement it came with (commits/noting.h)
  uint32_t hash = 0;                // of the key, as Placement uses it
  uint32_t first_claim = kNoClaim;  // during a recovery, at the lmaster
  // In which this node gave it away and, if it is the lmaster, nobody else has since.
  uint32_t gave_generation = 0;
  uint32_t previous = 0;  // their numbers, in order of creation; 0: none
  uint32_t next = 0;

  uint32_t key_size : 24 = 0;
  Deletion deletion : 2 = Deletion::kNone;
  bool in_file : 1 = false;
  bool has_data : 1 = false;  // when it was last stored by this store
  bool had_data : 1 = false;  // seen by this store since the record is in its file
  bool lost : 1 = false;    // at the lmaster: it is gone with its owner, the next who makes it is to be told
  bool missed : 1 = false;  // this node owned it, and its file has lost it
  bool over_limit : 1 = false;  // found to be larger than its database allows, and told (sizes.h)

  // At its lmaster of the last open generation: who had it then.
  uint32_t last_owner() const { return last_owner_ == kNoOwner ? CTDB_UNKNOWN_PNN : last_owner_; }
  void set_last_owner(uint32_t pnn) { last_owner_ = pnn < kNoOwner ? static_cast<uint16_t>(pnn) : kNoOwner; }
  // In a full copy, of which nobody claims or is given records, two of the above are the record's part of the digest.
  uint64_t digest() const { return uint64_t{first_claim} << 32 | gave_generation; }
  void set_digest(uint64_t digest) {
    first_claim = static_cast<uint32_t>(digest >> 32);
    gave_generation = static_cast<uint32_t>(digest);
  }

  // Not for others: offsetof() wants all of it public.
  static constexpr uint16_t kNoOwner = 0xFFFF;
  static_assert(kNodesMax < kNoOwner);
  static const RecordExtra kNoExtra;

  uint16_t last_owner_ = kNoOwner;
};
static_assert(sizeof(RecordEntry) == 56, "there are millions of them");

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
  void will_find_soon(uint32_t hash) const {
    __builtin_prefetch(&table_.first(hash));
    if (!old_.empty()) __builtin_prefetch(&old_.first(hash));
  }
  void will_find_next(uint32_t hash) const {
    prefetch_entry(table_.first(hash), hash);
    if (!old_.empty()) prefetch_entry(old_.first(hash), hash);
  }
  // A new entry; the key must not be there yet.
  RecordEntry& add(ByteView key, uint32_t hash);
  void remove(RecordEntry& entry);
  // Something begins to go on with the record, and ends. In between the entry has a Recent, and things are noted in that.
  void begin(RecordEntry& entry, Activity& activity) {
    if (entry.recent == nullptr) recents_.give(entry, may_forget());
    recents_.begin(entry, activity);
  }
  void end(RecordEntry& entry) { recents_.end(entry); }
  // All of them, in order of creation; nullptr: there are no more.
  RecordEntry* first() const { return entry(first_); }
  RecordEntry* next(const RecordEntry& before) const { return entry(before.next); }
  size_t size() const { return size_; }
  size_t recents() const { return recents_.size(); }
  // Of memory, for all but what is recent.
  size_t bytes() const { return arena_.bytes() + (table_.size() + old_.size()) * sizeof(Slot); }
  // The table becomes larger in steps: so many slots of the old one are still to be copied, and so many at most are with each entry that
  // comes or goes.
  size_t slots_to_copy() const { return old_.size() - copied_; }
  static constexpr size_t kCopiedAtOnce = 8;

 private:
  // Open addressing: an entry stands at the first free slot from its hash's first one on.
  struct Slot {
    uint32_t number;  // of the entry; 0: free; kGone: it has been, and whoever looks for others goes on
    uint32_t hash;
  };
  static constexpr uint32_t kGone = 0xFFFFFFFFu;  // no entry is so small that the last number could be its
  // Slots, a power of two, from calloc(): a large table is made without touching it.
  class Table {
   public:
    Table() = default;
    explicit Table(unsigned bits);
    bool empty() const { return slots_ == nullptr; }
    size_t size() const { return empty() ? 0 : mask_ + 1; }
    unsigned bits() const { return 64 - shift_; }
    size_t home(uint32_t hash) const { return (hash * 0x9E3779B97F4A7C15u) >> shift_; }
    size_t after(size_t at) const { return (at + 1) & mask_; }
    // How far behind.
    size_t distance(size_t from, size_t to) const { return (to - from) & mask_; }
    Slot& operator[](size_t at) const { return slots_[at]; }
    const Slot& first(uint32_t hash) const { return slots_[home(hash)]; }
    void place(const Slot& slot);

   private:
    struct Free {
      void operator()(Slot* slots) const;
    };
    std::unique_ptr<Slot[], Free> slots_;
    size_t mask_ = 0;
    unsigned shift_ = 64;
  };
  RecordEntry* entry(uint32_t number) const {
    return number == 0 ? nullptr : static_cast<RecordEntry*>(arena_.at(number));
  }
  void prefetch_entry(const Slot& slot, uint32_t hash) const {
    if (slot.number != 0 && slot.number != kGone && slot.hash == hash)
      __builtin_prefetch(arena_.at(slot.number));
  }
  RecordEntry* find_in(const Table& table, ByteView key, uint32_t hash) const;
  // table.size(): it is not there.
  size_t slot_of(const Table& table, const RecordEntry& entry) const;
  // Whose number it returns.
  uint32_t clear_slot(const RecordEntry& entry);
  void fill_hole(size_t hole);
  void grow();
  void copy_some();
  bool may_forget() const;

  Table table_;  // at most three quarters used
  // While it becomes larger: the smaller one, of which the first copied_ slots are in table_, too. Nothing moves in it, so what is not copied is found.
  Table old_;
  size_t copied_ = 0;
  RecordArena arena_;
  RecentPool recents_;
  uint32_t first_ = 0;
  uint32_t last_ = 0;
  size_t size_ = 0;
  Cursor* cursors_ = nullptr;
};

// Walks through an index that changes meanwhile. Entries added later are visited too.
class RecordIndex::Cursor {
 public:
  // keeps_recent: while it stands nothing that was noted of an entry (recent.h) is forgotten.
  explicit Cursor(RecordIndex& index, bool keeps_recent = false);
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
  const bool keeps_recent_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECORD_INDEX_H_
