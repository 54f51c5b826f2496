// SPDX-License-Identifier: GPL-3.0-or-later
// Record files in memory, for unit tests and the simulator: a map a database, chain locks that pretend
// clients and lock workers can hold, and errors on demand. A MemoryDisk outlives the store that has its files
// open, so that a store can be restarted on it. It checks that nothing is touched without its chain lock.
//
// One thread.
#ifndef CTDB_STORE_BACKEND_MEMORY_FILE_H_
#define CTDB_STORE_BACKEND_MEMORY_FILE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctdb-store/backend/fence_gate.h"
#include "ctdb-store/backend/record_file.h"

namespace ctdb {

// One database of one node as it lies on disk, with its locks. What clients do goes through here.
class MemoryDatabase {
 public:
  using Holder = uint32_t;
  static constexpr Holder kNobody = 0;
  static constexpr Holder kStore = 1;  // every other number: a client or a lock worker

  explicit MemoryDatabase(uint32_t chains) : holders_(chains, kNobody), marked_(chains, false) {}

  uint32_t chains() const { return static_cast<uint32_t>(holders_.size()); }
  uint32_t chain_of(ByteView key) const { return jenkins_hash(key) % chains(); }
  // false: somebody holds it. A holder may not lock a chain twice.
  bool lock(ByteView key, Holder holder);
  void unlock(ByteView key, Holder holder);
  Holder holder(ByteView key) const { return holders_[chain_of(key)]; }
  // Lets go of everything `holder` has: it died.
  void release_all(Holder holder);

  // Whole values, header included. Clients hold the chain lock for both.
  std::optional<Bytes> fetch(ByteView key) const;
  // nullptr: no such record. The value is a loan until the next change.
  const Bytes* look(ByteView key) const;
  void store(ByteView key, ByteView value);
  void remove(ByteView key);
  void clear() {
    records_.clear();
    leftovers_.clear();
  }
  bool is_leftover(const Bytes& key) const { return std::ranges::find(leftovers_, key) != leftovers_.end(); }
  // Keys that were written into the note, or that they are no leftovers any more.
  size_t leftovers_noted() const { return leftovers_noted_; }
  // For broken worlds.
  void forget_leftovers() { leftovers_.clear(); }
  size_t size() const { return records_.size(); }
  int64_t seqnum() const { return seqnum_; }

  // A client has died while it made room: until the file is examined, or taken up again, nothing that is larger can be stored. In broken
  // worlds that looks like a full disk.
  void break_room(bool shows = true) {
    room_broken_ = true;
    damage_shows_ = shows;
  }
  bool room_broken() const { return room_broken_; }
  // A client's thread has died with the key's lock, and the next who takes it will not see that.
  void leave_lock(ByteView key, uint32_t thread) { left_locks_.push_back({chain_of(key), thread}); }
  // How often somebody wanted to.
  uint32_t examinations() const { return examinations_; }
  // What leads to the records: until the file is examined none can be read.
  void break_chains() { chains_broken_ = true; }
  // What says how the file is laid out: examining does not help.
  void break_header() { header_broken_ = true; }

  // libtdb's all-record lock: from now on nobody gets a chain; who has one keeps it until he lets go.
  void close() { closed_ = true; }
  void reopen() { closed_ = false; }
  bool any_chain_held() const;
  std::vector<Bytes> keys() const;

 private:
  friend class MemoryFile;
  friend class MemoryFiles;
  struct Before {
    using is_transparent = void;
    bool operator()(ByteView a, ByteView b) const {
      // The simulator's keys, which it looks up all the time.
      if (a.size() == 4 && b.size() == 4) {
        return __builtin_bswap32(load<uint32_t>(a.data())) < __builtin_bswap32(load<uint32_t>(b.data()));
      }
      return std::ranges::lexicographical_compare(a, b);
    }
  };
  std::map<Bytes, Bytes, Before> records_;
  std::vector<Bytes> leftovers_;
  size_t leftovers_noted_ = 0;
  std::vector<Holder> holders_;
  std::vector<bool> marked_;
  bool closed_ = false;
  bool room_broken_ = false;
  bool chains_broken_ = false;
  bool header_broken_ = false;
  uint32_t examinations_ = 0;
  std::vector<RecordFile::DeadLock> left_locks_;
  bool damage_shows_ = true;
  bool persistent_ = false, full_copy_ = false;
  bool detached_ = false;
  bool seqnum_enabled_ = false;
  int64_t seqnum_ = 0;
};

class MemoryFiles : public RecordFiles {
 public:
  explicit MemoryFiles(uint32_t chains = 64) : chains_(chains) {}

  Result<std::unique_ptr<RecordFile>> open(const std::string& name, uint8_t db_flags, bool keep) override;
  std::vector<std::string> existing() override;
  void discard(const std::string& name, const std::function<void(ByteView, ByteView)>& visit) override;
  Result<void> detach(const std::string& name) override;
  std::vector<std::string> detached() override;
  Result<void> set_detached_list(const std::vector<DetachedNote>& notes) override {
    if (full_) return fail(ErrorCode::kSystem, "no space left");
    notes_ = notes;
    return {};
  }
  std::vector<DetachedNote> detached_list() override { return notes_; }
  std::vector<std::string> existing_persistent() override;
  void tune(uint32_t, uint32_t) override {}

  // nullptr: no such database.
  MemoryDatabase* database(const std::string& name);
  // As TdbOptions::gate.
  void set_gate(const FenceGate* gate) { gate_ = gate; }
  // Store and remove fail while set.
  void set_full(bool full) { full_ = full; }
  // No room while set: what would make a record larger, or a new one, fails. Records are changed in place all the same,
  // as in a mapped file.
  void set_no_room(bool no_room) { no_room_ = no_room; }
  bool has_no_room() const { return no_room_; }
  // open() fails while set.
  void set_unopenable(bool unopenable) { unopenable_ = unopenable; }
  // open() fails with this errno; 0: no more.
  void set_short_of(int error) { short_of_ = error; }

 private:
  friend class MemoryFile;
  const uint32_t chains_;
  std::map<std::string, std::unique_ptr<MemoryDatabase>> databases_;
  std::vector<DetachedNote> notes_;
  const FenceGate* gate_ = nullptr;
  bool full_ = false;
  bool no_room_ = false;
  bool unopenable_ = false;
  int short_of_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_MEMORY_FILE_H_
