// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of the store's core share: who we are, which generation it is, the databases, and the ways out.
#ifndef CTDB_STORE_CORE_STORE_CONTEXT_H_
#define CTDB_STORE_CORE_STORE_CONTEXT_H_

#include <functional>
#include <string>
#include <string_view>

#include "ctdb-store/core/activity.h"
#include "ctdb-store/core/chain_locks.h"
#include "ctdb-store/core/database.h"
#include "ctdb-store/core/deleted_records.h"
#include "ctdb-store/core/detached.h"
#include "ctdb-store/core/losses.h"
#include "ctdb-store/core/store.h"
#include "ctdb-store/core/timer_heap.h"
#include "ctdb-store/core/waiting.h"
#include "libctdbipc/base/refusals.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/placement.h"

namespace ctdb {

// Is told of every record of a volatile database that leaves this node or arrives here, with what it is then.
class MoveWatcher {
 public:
  virtual ~MoveWatcher() = default;
  virtual void on_move(const Database& db, ByteView key, const RecordHeader& header, ByteView data) = 0;
};

// Who takes a record for itself without being a client (Migration::hold_for()) hears here when it has it. `number` is the
// asker's own; ok: `data` is the record, a loan. Nothing may be done with the record from inside the call.
class HoldWatcher {
 public:
  virtual ~HoldWatcher() = default;
  virtual void on_hold(uint32_t number, bool ok, ByteView data) = 0;
};

struct StoreContext {
  StoreContext(const StoreOptions& store_options, RecordFiles& files, StoreOutput& output)
      : options(store_options),
        self(options.pnn),
        out(output),
        activities(timers),
        chains(output, counts, timers),
        databases(files, options.copies, options.record_limits),
        detached(files) {}

  bool is_open() const { return phase == StorePhase::kOpen; }
  bool is_member(uint32_t pnn) const { return placement.is_member(pnn); }
  uint32_t lmaster(const RecordEntry& entry) const { return placement.lmaster_of_slot(entry.hash); }
  bool owns(const RecordEntry& entry) const { return entry.dmaster == self; }
  // A packet has come. false: its header is malformed, and it is refused.
  bool takes(ByteView bytes, TimeNs now) {
    packet = {self, CTDB_BROADCAST_ALL, now};
    if (check_header(bytes) != HeaderFault::kNone) {
      refuse("malformed");
      return false;
    }
    const Header its = read_header(bytes);
    packet = {its.srcnode, its.operation, now};
    return true;
  }
  // `packet` changes nothing. `why` is a literal, for the log. The second form: one that came earlier.
  void refuse(std::string_view why) { refuse(packet.from, packet.operation, why); }
  void refuse(uint32_t from, uint32_t operation, std::string_view why) {
    ++counts.refused_packets;
    const OperationRow* row = find_operation(operation);
    const std::string line =
        refusals.line(from, row == nullptr ? "a packet of no known operation" : row->name, why, packet.at);
    if (!line.empty()) out.log(StoreLog::kWarning, line);
  }
  // A record packet contradicts what this store knows. In an open generation nobody repeats it, and the calls it belongs
  // to wait for ever: only a recovery helps (Store::Impl::call_for_recovery()).
  void rule_broken(std::string_view why) { rule_broken(packet.from, packet.operation, why); }
  void rule_broken(uint32_t from, uint32_t operation, std::string_view why) {
    refuse(from, operation, why);
    if (is_open()) rule_broken_in = generation;
  }
  uint32_t new_reqid() {
    do {
      ++last_reqid;
    } while (last_reqid == 0 || last_reqid == CTDB_INVALID_REQID);
    return last_reqid;
  }
  uint64_t new_ticket() { return ++last_ticket; }
  // Header of a packet from this store to `node`.
  Header header_to(uint32_t node, uint32_t reqid) const { return {0, generation, 0, node, self, reqid}; }
  void send_own(uint32_t node, Operation operation, ByteView payload) {
    Header header = header_to(node, 0);
    header.operation = static_cast<uint32_t>(operation);
    build_own(built, header, payload);
    out.to_router(0, built);
  }

  StoreOptions options;
  const uint32_t self;
  StoreOutput& out;
  StoreCounts counts;
  struct Packet {
    uint32_t from = 0;
    uint32_t operation = 0;
    TimeNs at = 0;
  };
  Packet packet;  // the one that came last
  Refusals refusals;
  StorePhase phase = StorePhase::kWaiting;
  uint32_t generation = CTDB_INVALID_GENERATION;  // open or being made
  uint32_t open_generation = CTDB_INVALID_GENERATION;
  uint32_t prepared_generation = CTDB_INVALID_GENERATION;
  Placement placement;  // of `generation`
  TimerHeap timers;
  WaitingPool waiting;
  ActivityPool activities;
  ChainLocks chains;
  Databases databases;
  Detached detached;
  std::function<void(Database&)>
      drop_database;  // that is detached: Store's, since all parts have to let go of it
  MoveWatcher* moves = nullptr;
  HoldWatcher* holds = nullptr;
  NamedFunctions* functions = nullptr;  // of plug-ins
  Losses left_behind;                   // by this node, not told yet
  Losses damaged;                       // the same: gone from their files
  std::vector<uint32_t> found_damaged;  // databases whose files this store could not write to, to be examined
  DeletedRecords deleted;
  uint64_t header_jobs = 0;  // records whose header is to be changed before anything else happens
  uint32_t last_reqid = 0;
  uint32_t rule_broken_in = CTDB_INVALID_GENERATION;
  LogPosition log_end;  // of the commits, and whether the databases have all of it (core/commits)
  bool log_trusted = true;
  uint64_t last_ticket = 0;  // of the disk
  Bytes built;               // a packet on its way out
  Bytes value;               // a record as it is in the file
  Bytes header;              // 24 bytes
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_STORE_CONTEXT_H_
