// SPDX-License-Identifier: GPL-3.0-or-later
// A local client of a simulated node: an smbd of the classic kind (all packets through the router) or a native one (calls
// straight to the store). It attaches the database, then works without end: fetch-lock and change, delete, read,
// traverse, exactly as client semantics §5 and §9 have it. Node owns it.
//
// Clients are processes of their own: they go on when daemons are stopped or dead, and die when the router does
// (client semantics §2.3); a new one takes their place.
#ifndef CTDB_TESTS_SIM_CLIENT_H_
#define CTDB_TESTS_SIM_CLIENT_H_

#include <cstdint>
#include <set>
#include <vector>

#include "ctdb-store/backend/memory_file.h"
#include "libctdbipc/wire/packet.h"
#include "tests/sim/checkers/linearizability.h"
#include "tests/sim/checkers/lost_updates.h"
#include "tests/sim/process.h"

namespace ctdb::sim {

class Node;

struct ClientOptions {
  bool native = false;
  uint32_t pinned_key = ~0u;  // ~0: any
};

class Client : public Process {
 public:
  Client(Node& node, uint32_t number, ClientOptions options);

  void start();
  void kill();
  // No further operation after the one it is in.
  void finish() { finishing_ = true; }
  bool idle() const { return state_ == State::kIdle || !alive(); }
  // For faults: the next time it has the chain lock, it keeps it that long.
  void hold_next(TimeNs for_time, bool any_record) {
    hold_next_ = for_time;
    hold_any_ = any_record;
  }
  bool native() const { return options_.native; }
  bool holds_lock() const { return state_ == State::kWorking; }
  // The store begins with empty files. A file whose chain a client keeps locked cannot be emptied in place: its inode is cut
  // to nothing and another one takes the name (ARCHITECTURE.md §9). So locks of the old file are worth nothing, and a client
  // that has one dies at its next look at the file.
  void file_cut();

  // ---- from router and store ----
  void from_router(uint32_t endpoint, ByteView packet, TimeNs when);
  void connection_lost(uint32_t endpoint, TimeNs when);
  void from_store(uint64_t channel, ByteView packet, TimeNs when);
  void store_channel_lost(uint64_t channel);
  void store_returned();

 private:
  enum class State : uint8_t {
    kConnecting,
    kAttaching,
    kIdle,
    kLocking,
    kWorking,
    kCalling,
    kReading,
    kTraversing,
    kCopying,
    kCommitting,
    kAdding
  };
  enum class Work : uint8_t { kRead, kIncrement, kDelete };

  void set_state(State state);
  void connect();
  void attach();
  void think();
  void begin();
  // Fetch-lock.
  void lock();
  void locked();
  bool dies_of_cut_file();
  bool usable() const;
  // It may be read, and not changed: a read-only copy, or the record while others have some.
  bool only_readable() const;
  void read_only();
  // The check of the node page that native clients make.
  bool page_allows() const;
  bool may_be_used();
  void own();
  void change();
  void schedule_for_deletion(ByteView header);
  void release();
  void unlock();
  void call(uint32_t callid, uint32_t flags, ByteView data = {});
  void copy();
  void send_call();
  // Others.
  void traverse();
  void check_traverse();
  struct Sight {
    VersionId version = kNoVersion;
    uint32_t owner = CTDB_UNKNOWN_PNN;
    uint32_t life = 0;
    uint64_t rsn = 0;
  };
  std::vector<Sight> sights() const;
  void commit();
  void add();
  void tell_copies(uint32_t db_id);
  void attached();
  void on_packet(ByteView packet);
  void on_control_reply(const ReplyControl& reply);
  void on_message(const ReqMessage& message);
  void completed();
  void record(HistoryEvent::Kind kind, bool counts = true, VersionId version = kNoVersion,
              VersionId parent = kNoVersion);
  void later(TimeNs delay, void (Client::*step)());
  TimeNs random_below(TimeNs bound);
  MemoryDatabase::Holder holder() const { return 2 + number_; }
  void send_control(uint32_t opcode, uint64_t srvid, uint32_t flags, ByteView data);

  Node& node_;
  const uint32_t number_;
  const uint32_t progress_;  // in checkers.progress
  const ClientOptions options_;
  State state_ = State::kConnecting;
  Work work_ = Work::kIncrement;
  bool finishing_ = false;
  TimeNs hold_next_ = 0;
  bool hold_any_ = false;  // before it looks whether it may use the record
  uint32_t endpoint_ = 0;  // at the router
  uint64_t channel_ = 0;   // to the store, native
  uint32_t reqid_ = 0;
  uint32_t waiting_for_ = 0;  // reqid of the request it waits for
  bool told_copies_ = false;
  bool told_persistent_ = false;
  bool told_counters_ = false;
  bool told_counter_copies_ = false;
  bool told_delegations_ = false;
  uint32_t counter_ = 0;      // that it adds to
  uint64_t transaction_ = 0;  // under way
  bool call_lost_ = false;    // the store died with it: to be sent again
  uint32_t key_ = 0;
  Bytes key_bytes_;
  // What it found under the chain lock.
  Bytes value_;
  VersionId version_ = kNoVersion;
  VersionId made_ = kNoVersion;  // by it, since it took the lock
  uint64_t made_in_epoch_ = 0;
  uint32_t losses_when_made_ = 0;
  TimeNs locked_at_ = 0;
  bool cut_off_ = false;   // its router has died; it will see that in a moment
  bool file_cut_ = false;  // what it has locked is the file of before
  bool counts_ = false;    // its node was in the lineage then,
  uint32_t life_ = 0;      // in this life
  uint32_t db_id_ = 0;
  Bytes call_packet_;
  LostUpdates::Expectation expectation_;
  uint32_t traverse_id_ = 0;
  std::set<uint32_t> traversed_;  // keys that have come
  std::vector<Sight> before_traverse_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CLIENT_H_
