// SPDX-License-Identifier: GPL-3.0-or-later
// A store's part in making a generation (ARCHITECTURE §5): discard what is not of the last one, claim every record at
// its new lmaster, decide as lmaster who owns what, change the headers that must change, report. And its part when this
// node is not a member: take the records away from local clients.
//
// Clients go on working on records they own all the while; nothing here looks at data, only at headers.
//
// Invariants:
//  1. Nothing of an attempt outlives it: the next one, under a higher generation, starts from the files as they are.
//  2. A record's header is changed only with its chain locked. Records are discarded before anything is claimed; what
//     was decided is carried out when the generation opens, so an attempt that is given up leaves no trace.
//  3. What goes to this node itself does not go over the network: claims are kept at once, packets wait in self_queue_.
#ifndef CTDB_STORE_CORE_RECOVERY_H_
#define CTDB_STORE_CORE_RECOVERY_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_coordinator.h"
#include "ctdb-store/core/losses.h"
#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/rules.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Recovery {
 public:
  Recovery(StoreContext& context, Migration& migration) : ctx_(context), migration_(migration) {}

  // From this node's recoveryd. begin() and open() return whether the phase has changed.
  bool begin(const StoreRecover& order, TimeNs now);
  // Files are taken up as an earlier store left them.
  void take_up();
  bool open(const StoreOpen& order);
  // `fenced`: the keeper has changed headers behind the index, or is about to.
  void suspend(bool discard, bool fenced);
  // `asked`: the number of recoveryd's question; 0: it did not ask.
  void send_hello(uint64_t asked = 0);
  // In an open generation another member has attached a database; calls for it come the same way behind this.
  void new_database(uint32_t node, ByteView payload);
  // RECORD_* of the generation being made, from a member.
  void record_packet(Operation operation, uint32_t node, ByteView payload, TimeNs now);

  bool has_work() const;
  // One slice.
  void work(TimeNs now);
  // Goes on to the next step if this one is done; call after every event.
  void advance();
  // Tells whom this store waits for, again and again until it is prepared.
  void tick(TimeNs now);
  TimeNs next_deadline() const;
  // What the members of the generation said of their logs of commits.
  const std::vector<MemberLog>& member_logs() const { return member_logs_; }
  // More than half of those who vote are members, and not only voted for them.
  bool members_are_majority() const { return members_are_majority_; }
  // Of the records that this node had last and has discarded.
  void tell_left_behind();
  // Suspended because the node was stopped or banned.
  bool stopped() const { return stopped_; }
  // What this node has is of an older generation and being forgotten.
  bool discards() const { return must_discard_; }

 private:
  enum class Step : uint8_t {
    kIdle,
    kDiscarding,
    kClaiming,
    kAwaitingClaims,
    kDeciding,
    kTidying,
    kAwaitingAssignments,
    kDone,
  };
  struct Member {
    uint32_t pnn = 0;
    bool claims_ended = false, assignments_ended = false;
    bool empty_handed = false, forgetful = false;
    uint64_t claim_batches_in = 0, assign_batches_in = 0;
    uint64_t claim_batches_out = 0, assign_batches_out = 0;
    RecordClaims claims;  // not sent yet
    size_t claim_bytes = 0;
    RecordAssign assignments;  // not sent yet
    size_t assignment_bytes = 0;
  };
  struct KeptClaim {
    Claim claim;
    uint32_t next = RecordEntry::kNoClaim;
  };
  struct ClaimedKey {
    Database* db;
    RecordEntry* entry;
  };
  struct SelfPacket {
    Operation operation;
    Bytes payload;
  };

  // recovery.cc: phases
  void take_order(const StoreRecover& order);
  void learn_placement(const std::vector<uint32_t>& base_members);
  void give_up_attempt();
  void reset();
  void start_header_walk(HeaderJob job);
  void header_slice(TimeNs now);
  void pass_held_chains(TimeNs now);
  void leave_over(Database& db);
  void start_claiming();
  void prepared();
  void report(StoreRecovered message);
  // `about`: whose packets are wrong, if it is not this store's own fault.
  void fail(const std::string& error, std::vector<uint32_t> about = {});
  std::vector<uint32_t> waited_for() const;
  void done(RecoveryStep step) {
    statistics_.step_ns[static_cast<size_t>(step)] = static_cast<uint64_t>(now_ - began_);
  }
  // What is told of a database; valid until the next call.
  RecoveredDatabase& account(const Database& db);
  Member* member(uint32_t pnn);
  bool all_ended(bool Member::*ended) const;
  void send(uint32_t node, Operation operation, const Bytes& payload);

  // claims.cc: what is claimed and decided
  void claim_slice();
  void add_claim(Database& db, RecordEntry& entry);
  void flush_claims(Member& to);
  void end_claims();
  // Of a member that was open in `told_in` last; returns what went wrong, "" if nothing.
  std::string attach_databases(const RecordDatabases& message, uint32_t told_in);
  void take_databases(uint32_t node, const RecordDatabases& message);
  void hear_late(const RecordDatabases& message);
  void decide_detached();
  void settle_detached(uint32_t decided);
  void take_claims(Member& from, const RecordClaims& message);
  bool keep_claim(Database& db, RecordEntry& entry, const Claim& claim);
  void decide_slice();
  void decide(const ClaimedKey& key);
  void assign(Database& db, const RecordEntry& entry, uint32_t holder, const Claim& winner, bool delegated);
  void forget_told_losses();
  void flush_assignments(Member& to);
  void end_assignments();
  void tidy_slice();
  void remember_owner(RecordEntry& entry);
  bool is_lost(uint32_t owner);
  bool somebody_left();
  void look_at_promotions();
  void look_at_questions();
  void settle_last_attempt(uint32_t base_generation);
  uint64_t tell(Losses& losses);  // of records that have fallen back; returns how many
  void tell_departures();
  void tidy(Database& db, RecordEntry& entry);
  void take_assignments(Member& from, const RecordAssign& message, TimeNs now);
  void take_end(bool Member::*ended, uint64_t batches_in, Member& from, const RecordEnd& end);

  StoreContext& ctx_;
  Migration& migration_;
  Step step_ = Step::kIdle;
  bool serving_ended_ = false;  // the shell has been told so since the last suspension
  bool files_differ_ = false;   // the keeper has fenced: what the index believes to own files may deny
  bool must_discard_ = false;
  bool stopped_ = false;
  bool empty_handed_ = false;  // it has discarded its records since it was last open, in whichever attempt
  uint32_t base_generation_ =
      CTDB_INVALID_GENERATION;  // the newest that was decided: in it, or never, a record moved last
  bool failed_ = false;
  HeaderJob walk_job_ = HeaderJob::kNone;  // what the walk under way does to every record
  RecordWalk walk_;
  std::vector<Member> members_;
  std::vector<MemberLog> member_logs_;
  RecordDatabases
      late_;  // of a database that goes, from a member that is open already: somebody has attached it anew
  bool members_are_majority_ = false;
  std::deque<SelfPacket> self_queue_;
  std::vector<KeptClaim> claims_;
  std::vector<ClaimedKey> keys_;
  size_t decided_ = 0;
  OpenNote note_;              // recoveryd's, of the last open generation
  Placement open_placement_;   // of the generation this store was last open in, or found its files of
  bool forgetful_ = false;     // started anew in the base generation
  bool owners_known_ = false;  // RecordEntry::last_owner is of the last open generation
  Losses fallen_back_;         // in this attempt
  // In the attempt for that generation, which this store was prepared for and did not see opened.
  static constexpr uint32_t kNoGeneration = UINT32_MAX;
  uint32_t unsettled_generation_ = kNoGeneration;
  Losses unsettled_;
  RecoveryStatistics statistics_;
  TimeNs began_ = 0, now_ = 0;
  TimeNs tell_at_ = kNever;
  TimeNs pass_at_ = kNever;  // what is still to be discarded then waits for chains that clients keep
  size_t account_at_ = 0;    // the last one asked for: work goes database by database
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECOVERY_H_
