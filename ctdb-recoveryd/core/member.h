// SPDX-License-Identifier: GPL-3.0-or-later
// The member's side of a generation: what the store of this node has and does, orders of the leader carried
// out, the lease. Every node is one, the leader too.
//
// Invariants:
//  1. The store is opened in a generation only after it reported itself recovered for exactly that one and
//  the
//     leader of the current term committed it.
//  2. A store that serves is suspended when the lease ends, when no majority is linked, when it hangs, when the node is
//     stopped or banned, and when the leader does not want it.
//  3. The lease stands in the node page before the store is told to recover, and is revoked there before it is told to
//     stop: store and keeper obey the page although nobody can reach them.
//  4. When nobody takes the records away, because store and keeper are dead or stopped, the clients that look at nothing but
//     the files are cut off before others may go on.
//  5. A node that stays out for long sends its clients away, so that those they serve go to a node that works.
//  6. The node says that it stopped only when the page says that no file of its names it any more.
#ifndef CTDB_RECOVERYD_CORE_MEMBER_H_
#define CTDB_RECOVERYD_CORE_MEMBER_H_

#include <array>
#include <string>
#include <vector>

#include "ctdb-recoveryd/core/context.h"

namespace ctdb {

class Member {
 public:
  explicit Member(Context& context) : c_(context) {}

  // ---- the store of this node ----
  void start();  // the durable state is known
  void on_store(bool up, uint64_t instance);
  void on_router_up() { majority_lost_at_ = kNever; }
  void on_router_down();
  void on_store_hello(const StoreHello& hello);
  // It has stopped serving by itself: the lease was over, or the keeper has fenced.
  void on_store_suspended();
  // The leader to be told (UNKNOWN: nobody); `report` goes to it.
  uint32_t on_store_recovered(const StoreRecovered& report);
  bool store_ready() const { return store_up_ && hello_ && !hangs_; }
  bool store_up() const { return store_up_; }
  // Just started, and whether the store is open in a generation is not known yet.
  bool asks() const;

  // ---- orders; the caller has checked that they come from the leader of the current term ----
  // false: impossible or stale, refused.
  bool on_begin(uint32_t leader, const RecoveryBegin& begin);
  bool on_commit(const RecoveryCommit& commit);

  // ---- the lease ----
  void answered(uint64_t sequence);  // a heartbeat was answered now
  // The leader has that answer. The lease counts from when it was sent, or from as much earlier as the leader's majority
  // was behind then: so no lease outlives what a majority allowed, and who is elected next knows how long to wait.
  void acked(uint64_t sequence, TimeNs late);
  void lease_from(TimeNs start);
  // Into the node page; after everything that may end it has been looked at.
  void publish_lease();

  // Takes the records away from local clients, if they may have any; nothing when suspended already.
  void suspend(bool discard, const std::string& reason);
  // Ends of lease and majority; call after every event. `inactive`: an operator keeps this node out.
  void work(bool inactive);
  TimeNs next_deadline() const;

  // ---- facts ----
  // Links to a majority have been missing for longer than a reset takes.
  bool quorum_lost() const;
  bool open() const { return standing_ == Standing::kOpen; }
  bool serving() const { return standing_ != Standing::kSuspended; }
  // Suspended, and no file of this node says otherwise any more.
  bool stopped() const { return !serving() && taken_; }
  uint32_t open_generation() const { return open_generation_; }
  uint32_t begun_generation() const { return begun_.generation; }
  const std::vector<uint32_t>& open_members() const { return open_members_; }
  // The newest in which all members, this node among them, had all transactions.
  uint32_t logs_equal_in() const { return logs_equal_in_; }
  const std::string& why_suspended() const { return why_suspended_; }
  // A link between members, or this store, was lost or replaced since the last generation was begun here.
  bool disturbed() const;
  void ask_for_recovery() { asked_ = true; }
  HeartbeatReply reply(uint64_t term, uint64_t sequence, uint32_t flags, uint32_t capabilities) const;
  int64_t recovery_started_wall_ns() const { return started_wall_ns_; }
  int64_t recovery_finished_wall_ns() const { return finished_wall_ns_; }

 private:
  bool everybody() const;
  // kRecovering: it may serve, but not in a known, open generation (also after recoveryd itself was
  // restarted).
  enum class Standing : uint8_t { kSuspended, kRecovering, kOpen };
  void tell_suspended();
  void take_over(const StoreHello& hello);
  void look_at_lease();
  bool must_empty_files(uint32_t base) const;
  void look_at_store();
  void look_at_files();
  void cut_clients_off();
  void end_waiting_clients(bool inactive);
  bool majority_linked() const { return c_.voters.enough(c_.linked_count()); }

  struct Begun {
    uint32_t leader = CTDB_UNKNOWN_PNN;
    uint32_t generation = CTDB_INVALID_GENERATION;
    std::vector<uint32_t> members;
    std::vector<uint64_t> sessions;  // of the links to `members` when it began, same order
    uint64_t store_instance = 0;
    TimeNs at = 0;
  };
  struct Sent {
    uint64_t sequence = 0;
    TimeNs at = 0;
  };

  Context& c_;
  bool store_up_ = false;
  bool hello_ = false;
  bool told_of_store_ = false;  // by the router, since this process connected
  uint64_t question_ = 0;       // number of this life's STORE_QUERY
  uint64_t store_instance_ = 0;
  TimeNs query_at_ = kNever;
  Standing standing_ = Standing::kSuspended;
  uint32_t open_generation_ = CTDB_INVALID_GENERATION;
  uint32_t prepared_generation_ = CTDB_INVALID_GENERATION;
  std::vector<uint32_t> open_members_;
  uint32_t logs_equal_in_ = CTDB_INVALID_GENERATION;
  Begun begun_;
  bool asked_ = false;
  TimeNs lease_until_ = 0;
  TimeNs told_lease_ = 0;           // what the node page says
  bool hangs_ = false;              // the store's loop does not turn
  TimeNs store_since_ = 0;          // it introduced itself then
  bool taken_ = true;               // no file says dmaster = self, as far as known; asked while suspended
  TimeNs look_at_ = kNever;         // when the files are asked about again
  TimeNs look_after_ = 0;           // and how long after that
  TimeNs cut_at_ = kNever;          // when clients are cut off if nobody has begun to take the records away
  TimeNs end_clients_at_ = kNever;  // when they are sent away because this node does not come back
  TimeNs majority_lost_at_ = 0;     // kNever: it is linked
  std::array<Sent, 64> sent_;       // answers by heartbeat sequence: leases need no more than the last few
  bool discard_ = false;            // the last suspension said so
  std::string why_suspended_ = "the store has not been opened yet";
  int64_t started_wall_ns_ = 0;
  int64_t finished_wall_ns_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_MEMBER_H_
