// SPDX-License-Identifier: GPL-3.0-or-later
// The store's core: databases, record ownership and migration, recovery of records, traverse and the controls
// that messages.def gives to the store. It is given every event with the time and emits through StoreOutput;
// it opens no descriptor (files come through RecordFiles), reads no clock and never waits. The shell and the
// simulator are its two users. ARCHITECTURE.md §2, §4, §5 state the rules.
//
// Invariants:
//  1. A record's local file says dmaster = self before a client is told that it has the record, and no longer
//  says so
//     before the record leaves this node.
//  2. Packets of another generation change nothing and are counted; those of the generation being made are
//  kept
//     until it opens.
//  3. Every call of a local client is answered, or its client is gone, or there is no open generation.
//  4. No chain lock is held when an event returns, except by lock workers.
//
// One thread. No method may be called from inside a StoreOutput callback.
#ifndef CTDB_STORE_CORE_STORE_H_
#define CTDB_STORE_CORE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/core/commits/commit_disk.h"
#include "ctdb-store/core/endpoints.h"
#include "ctdb-store/core/store_counts.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

class NamedFunctions;

enum class StoreLog : uint8_t { kError, kWarning, kInfo };

class StoreOutput {
 public:
  virtual ~StoreOutput() = default;
  // Over the channel to the router; `endpoint` as in ARCHITECTURE §2. `packet` is a loan for the call. The
  // shell queues what does not fit the ring; while there is no router it drops it.
  virtual void to_router(uint32_t endpoint, ByteView packet) = 0;
  // Over the channel of a native client. A client that is gone is not an error.
  virtual void to_client(uint32_t endpoint, ByteView packet) = 0;
  // Asks a lock worker to wait for the chain of `key` in `file`; the answer is on_chain_locked(ticket) or
  // on_chain_failed(ticket). `file` and `key` are loans. One ticket per chain at a time.
  virtual void lock_chain(uint64_t ticket, const RecordFile& file, ByteView key) = 0;
  // The worker of this ticket lets go. May come before on_chain_locked(): then nobody needs it any more, the
  // worker is to give up waiting (or to let go at once), and on_chain_locked() is not expected.
  virtual void unlock_chain(uint64_t ticket) = 0;
  // true: from now on files may say dmaster = self. false: none does any more. May say again what holds already.
  virtual void set_serving(bool on) = 0;
  // For the next store of this node, should this one be killed before the generation is open: StoreOptions::prepared_generation.
  virtual void set_prepared(uint32_t generation, bool empty_handed) = 0;
  // Of the node page: another one after this node has not served for a while.
  virtual uint64_t serving_epoch() const { return 1; }
  // Of the node page, now: the lease is not over.
  virtual bool lease_lasts() const { return true; }
  // Of the node page: no file says of a record that it is this node's.
  virtual bool records_taken() const { return false; }
  // A native client of this node has, or had until lately, this thread: its values are whole, whenever it dies.
  virtual bool is_native_thread(uint32_t thread) const {
    (void)thread;
    return false;
  }
  virtual void log(StoreLog level, const std::string& text) = 0;
  // So much waits for readers that what is not urgent (claims, records of a traverse) had better not add to it. When
  // that ends has_work() is asked again.
  virtual bool congested() const { return false; }
};

// A record whose call comes over so many nodes (0: none) is sticky for some time: when it has come to a node it is pinned there.
struct Stickiness {
  uint32_t hops = 50;
  TimeNs duration = 600 * kSecond;
  TimeNs pindown = 200 * kMillisecond;
};

struct StoreOptions {
  uint32_t pnn = 0;
  // SetupReply.generation: the generation this node was last open in. Not INVALID: the store was restarted
  // beside a living router and takes its volatile files up again as they are.
  uint32_t open_generation = CTDB_INVALID_GENERATION;
  // As the store before this one said with set_prepared(); counts when files are taken up.
  uint32_t prepared_generation = CTDB_INVALID_GENERATION;
  bool empty_handed = false;
  // Where the numbers of this store's transactions begin: not where those of an earlier one of this node did.
  uint64_t first_transaction_id = 1;
  std::vector<CopiesRule> copies;  // that volatile databases have from the beginning, by their names
  std::vector<RecordLimitRule> record_limits;  // of values, by the names of databases of any kind
  // Of restored records in one entry of the commit log; more make several. Each is copied some times in one turn of the loop.
  size_t entry_bytes = size_t{1} << 20;
  // Of the records for which a recovery has left something to do: others have their turn after so many.
  size_t opened_per_slice = 256;
  // Tunables (wire-protocol §7.6) that matter here, until the router tells them (TUNABLES).
  bool allow_client_db_attach = true;  // AllowClientDBAttach; DB_DETACH wants it off
  TimeNs deferred_attach_timeout = 120 * kSecond;
  TimeNs traverse_timeout = 20 * kSecond;
  TimeNs seqnum_interval = kSecond;
  Stickiness sticky;
  // How long a record stays for each client it came for before another node may have it, and for how many of them at a time.
  TimeNs grant_hold = 150 * kMicrosecond;
  TimeNs grant_hold_check = 30 * kMicrosecond;
  uint16_t grant_batch = 24;
  // How long a deleted record rests before it is removed from the files (VacuumInterval, which counts in vacuum_unit); 0: it
  // never is.
  TimeNs vacuum_interval = 10 * kSecond;
  TimeNs vacuum_unit = kSecond;  // shorter where seconds are long: in the simulator
};

enum class StorePhase : uint8_t {
  kWaiting,     // no generation yet
  kRecovering,  // one is being made
  kPrepared,    // this store is ready for it, STORE_OPEN has not come
  kOpen,
  kSuspended,  // not a member, or cut off from the router
};

// What the index knows about a record, for tests and the simulator's checkers.
struct RecordSight {
  uint32_t db_id = 0;
  ByteView key;
  uint64_t rsn = 0;
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  uint32_t flags = 0;
  bool in_file = false;  // false: only the lmaster's pointer or a hint
  size_t waiting = 0;    // requests queued on it
};

class Store {
 public:
  // `files`, `output` and `disk` outlive the store. Takes up existing files when options.open_generation says so,
  // persistent databases always. No disk: no persistent and replicated databases. `functions` (of plug-ins) outlives it, too.
  Store(const StoreOptions& options, RecordFiles& files, StoreOutput& output, CommitDisk* disk = nullptr,
        NamedFunctions* functions = nullptr);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // ---- events ----
  // The channel to the router is there: tells recoveryd with STORE_HELLO what this store has.
  void on_router_up(TimeNs now);
  // It is gone: nobody can tell this store any more whether it may serve, so it takes its records away from
  // clients.
  // `staying`: native clients that the next router goes on with; all others are gone.
  void on_router_down(TimeNs now, const Endpoints& staying = {});
  // endpoint != 0: from that local client; 0: from a peer's store, from recoveryd or from the router itself.
  void on_router_packet(uint32_t endpoint, MutableBytes packet, TimeNs now);
  // From a client whose channel or connection the store reads: REQ_CALL, and SCHEDULE_FOR_DELETION without an answer.
  void on_client_packet(uint32_t endpoint, MutableBytes packet, TimeNs now);
  // The client's channel was closed (the router also tells with CLIENT_GONE; both may come). `changing_db`: it died while it was
  // changing what holds this database's file together.
  void on_client_gone(uint32_t endpoint, TimeNs now, uint32_t changing_db = 0);
  // It does not read what it is sent: much of that waits in the router. And when it has read most of it.
  void on_client_crowded(uint32_t endpoint, bool crowded);
  // A lock worker holds the chain. Unknown tickets are ignored (the worker has been told to let go already).
  void on_chain_locked(uint64_t ticket, TimeNs now);
  // The worker could not get it (it died, the file could not be opened); the store tries again.
  void on_chain_failed(uint64_t ticket, const std::string& why, TimeNs now);
  // The lease is over, or the keeper fences (`fenced`, once per fence): nothing may be served, records are taken away,
  // recoveryd is told. Nothing when that is so already.
  void stop_serving(bool fenced, TimeNs now);
  // CommitDisk has done what was ordered under this ticket; "": without an error.
  void on_disk_done(uint64_t ticket, const std::string& error, TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;

  // Long work (claims, decisions, header changes of a recovery, traverse) is done in slices: call work()
  // between other events while has_work().
  bool has_work() const;
  void work(TimeNs now);

  // Before a store ends in good order: gives a bounded number of its records to other members. Call it again, with other
  // events between, until it returns true: nothing is left to give, or nobody is there. (hand_over.h)
  bool hand_over(TimeNs now);

  // ---- what shell and simulator ask ----
  const StoreCounts& counts() const;
  StorePhase phase() const;
  uint32_t generation() const;           // open or being made
  uint32_t open_generation() const;      // last one it was opened in
  uint32_t prepared_generation() const;  // last one it reported as recovered
  // Of volatile databases.
  void for_each_record(const std::function<void(const RecordSight&)>& visit) const;
  // Of full copies: what the coordinator would compare. Empty without a disk.
  std::vector<DatabaseDigest> digests() const;
  LogPosition commits_applied() const;
  uint32_t commit_coordinator() const;  // CTDB_UNKNOWN_PNN: none

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_STORE_H_
