// SPDX-License-Identifier: GPL-3.0-or-later
// One local database file as the record engine sees it. Implementations: tdb_file (libtdb, on disk or in memory) and
// the simulator's. All pass tests/unit/store/record_file_conformance.h.
//
// A key belongs to a chain; the chain lock is what local clients take while they change a record. Nothing here ever
// waits for a lock: try_lock() says kBusy, and the engine asks its lock workers (LockWorkers in the shell) to wait.
//
// Invariants:
//  1. fetch, value_bytes, presence, store and remove of a key are called only with the key's chain locked (or marked), except on a file
//     nobody else has open.
//  2. A lock worker's lock is announced with mark() before and unmark() after the engine uses it.
#ifndef CTDB_STORE_BACKEND_RECORD_FILE_H_
#define CTDB_STORE_BACKEND_RECORD_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

// Who holds a chain lock.
struct LockHolder {
  uint32_t pid = 0;     // 0: nobody, or it cannot be known
  std::string program;  // its name, for people
};

class RecordFile {
 public:
  static constexpr uint32_t kFreeListLock = 0xFFFFFFFFu;
  virtual ~RecordFile() = default;

  enum class Lock : uint8_t { kHeld, kBusy };
  virtual Lock try_lock(ByteView key) = 0;
  virtual void unlock(ByteView key) = 0;
  // A lock worker of this store holds the chain: until unmark() this file may use it as if it were locked here.
  virtual void mark(ByteView key) = 0;
  virtual void unmark(ByteView key) = 0;
  // Keys of the same chain share a lock. hash: jenkins_hash(key)
  virtual uint32_t chains() const = 0;
  uint32_t chain_of(uint32_t hash) const { return hash % chains(); }
  uint32_t chain_of(ByteView key) const { return chain_of(jenkins_hash(key)); }

  // Who holds the key's chain just now; looks at the file's lock state only, for people and logs.
  virtual LockHolder lock_holder(ByteView key) const {
    (void)key;
    return {};
  }

  // The whole value, record header included. false: there is no such record.
  virtual bool fetch(ByteView key, Bytes& value) = 0;
  // Its size; 0: there is no such record.
  virtual size_t value_bytes(ByteView key) = 0;
  enum class Presence : uint8_t {
    kThere,
    kGone,        // its whole chain was looked through
    kUnreadable,  // what can be read of the chain does not have it: examine() the file
  };
  virtual Presence presence(ByteView key) {
    return value_bytes(key) > 0 ? Presence::kThere : Presence::kGone;
  }
  // Replaces or creates. `header` and `data` are written one behind the other. Errors: kSystem (disk full), kCorrupt.
  virtual Result<void> store(ByteView key, ByteView header, ByteView data) = 0;
  // No such record is not an error.
  virtual Result<void> remove(ByteView key) = 0;

  // Visits every record once while nobody else changes the set of records (start-up). `visit` returns false to stop.
  virtual Result<void> for_each(const std::function<bool(ByteView key, ByteView value)>& visit) = 0;

  // ---- what clients leave that die in the middle of a change ----
  struct DeadLock {
    uint32_t chain = 0;   // kFreeListLock: no chain's
    uint32_t thread = 0;  // that died with its lock
  };
  // All of them, and those that this file has taken over itself since it was asked last.
  virtual std::vector<DeadLock> left_locks() { return {}; }
  struct ChainsSeen {
    uint32_t next = 0;    // where to go on; 0: that was all
    bool broken = false;  // examine() the file
    uint32_t blocks = 0;  // that were looked at, of deleted records too
  };
  // A slice of chains, each under its lock; those that somebody holds are passed over. It ends with the chain that makes it
  // `blocks` blocks.
  virtual ChainsSeen look_at_chains(uint32_t first, uint32_t chains, uint32_t blocks) {
    (void)first, (void)chains, (void)blocks;
    return {};
  }
  // Every record of a chain, under its lock. false: somebody holds it.
  virtual bool visit_chain(uint32_t chain, const std::function<void(ByteView key, ByteView value)>& visit) {
    (void)chain, (void)visit;
    return true;
  }
  // Looks, alone with the file, at all that holds it together, and repairs that. `found`: what was wrong, for people. Records may be gone
  // after each of them: damage has cost them, or a client that was killed between two steps of one change.
  enum class Examined : uint8_t {
    kBusy,  // somebody holds a chain (`found` is empty), or something else is not possible now: nothing has been done
    kSound,
    kRepaired,
    kHopeless,  // only a new file helps
  };
  // For each chain the sum of what mark_of() says of its records: whoever knows what should be there compares one number.
  using ChainMarks = std::vector<uint64_t>;
  static constexpr uint64_t mark_of(uint32_t hash) { return (uint64_t{1} << 32) + hash; }
  // `alone` is called, unless it is busy or hopeless, while nobody else has got the file again: what is there can be looked at without a lock.
  virtual Examined examine(std::string& found, const std::function<void(const ChainMarks& there)>& alone) {
    (void)found, (void)alone;
    return Examined::kSound;
  }

  // ---- records of the past behind a chain that somebody keeps ----
  // Keys whose records in the file are not to be believed (core/leftovers.h), instead of those that were noted before. What is noted
  // outlives the store, for open(keep). Errors: kSystem.
  virtual Result<void> note_leftovers(const std::vector<Bytes>& keys) = 0;
  // Some of those that are noted are no leftovers any more, which costs as much as these are. Errors: kSystem, and then they still are.
  virtual Result<void> forget_leftovers(const std::vector<Bytes>& keys) = 0;
  // Errors: kSystem, kCorrupt.
  virtual Result<std::vector<Bytes>> leftovers() = 0;

  virtual std::string path() const = 0;
  virtual int open_flags() const = 0;  // tdb flags a client must open it with (DB_OPEN_FLAGS)
  virtual uint64_t file_bytes() const = 0;
  // What could not be saved when a persistent file was opened, for people; "": nothing was lost.
  virtual std::string damage() const { return ""; }
  // tdb's change counter: switch on, and add one (wire-protocol §8.2.6).
  virtual void enable_seqnum() = 0;
  virtual void increment_seqnum() = 0;
  virtual int64_t seqnum() const = 0;
};

// Opens the files of one node.
// That a volatile database was detached (core/detached.h).
struct DetachedNote {
  std::string name;
  uint32_t generation = 0;  // from which on it is
  uint32_t attempt = 0;     // if it is not certain: of the attempt that has decided so
  bool operator==(const DetachedNote&) const = default;
};

class RecordFiles {
 public:
  virtual ~RecordFiles() = default;
  // `db_flags`: CTDB_DB_*. keep: take up an existing volatile file as it is (the store was restarted); otherwise a
  // volatile file is emptied, as is one that was detached. Persistent ones are kept, replicated ones emptied, always. Errors: kSystem,
  // kCorrupt (names the file and the remedy).
  virtual Result<std::unique_ptr<RecordFile>> open(const std::string& name, uint8_t db_flags, bool keep) = 0;
  // Of files opened from now on: chains of a file that is made, and deleted records that a chain keeps for re-use
  // (tunables DatabaseHashSize and DatabaseMaxDead).
  virtual void tune(uint32_t chains, uint32_t max_dead) = 0;
  // Names of volatile databases whose files are there and may be taken up again.
  virtual std::vector<std::string> existing() = 0;
  // Takes away what an earlier life has left of a volatile database. `visit` sees its records first, as far as they can be read; clients
  // that have the file open find it empty.
  virtual void discard(const std::string& name,
                       const std::function<void(ByteView key, ByteView value)>& visit) {
    (void)name, (void)visit;
  }
  // A volatile database, whose file is closed here, is no more until open() makes it anew: no later store takes its file up. Clients
  // that have it open find it empty; where one of them keeps a chain, or is just opening it, they keep all of it until then. Errors: kSystem (the next store
  // takes up what is there).
  virtual Result<void> detach(const std::string& name) {
    (void)name;
    return {};
  }
  // Names of databases that were detached and have left something. existing() does not name them.
  virtual std::vector<std::string> detached() { return {}; }
  // For the next store: replaces what was noted before. After a crash of the machine it need not be there. Errors: kSystem (what was noted
  // before stays).
  virtual Result<void> set_detached_list(const std::vector<DetachedNote>& notes) {
    (void)notes;
    return {};
  }
  virtual std::vector<DetachedNote> detached_list() { return {}; }
  // Names of persistent databases that are here.
  virtual std::vector<std::string> existing_persistent() { return {}; }
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_RECORD_FILE_H_
