// SPDX-License-Identifier: GPL-3.0-or-later
// Terms and votes: at most one leader per term. As Raft elects, without a log: what a candidate must know is
// the newest decided generation.
//
// A campaign starts with a trial ("would you vote for me?"), which binds nobody. Only when a majority would,
// the candidate raises its term and asks in earnest. So a node that cannot hear the leader while others can
// does not depose it: whoever has a live leader says no.
//
// Invariants:
//  1. The term never goes back, also over restarts.
//  2. A vote is durable before it is told; one vote per term.
//  3. role() is kLeader only with the votes of a majority in term(); with a cluster lock only when the register has given
//     it the term.
#ifndef CTDB_RECOVERYD_CORE_ELECTION_H_
#define CTDB_RECOVERYD_CORE_ELECTION_H_

#include <algorithm>
#include <map>
#include <set>

#include "ctdb-recoveryd/core/cluster_lock.h"
#include "ctdb-recoveryd/core/context.h"

namespace ctdb {

enum class Role : uint8_t { kFollower, kTrial, kCandidate, kLeader };

class Election {
 public:
  explicit Election(Context& context) : c_(context), lock_(context), followed_at_(context.now) {}

  Role role() const { return role_; }
  bool leading() const { return role_ == Role::kLeader; }
  uint64_t term() const { return c_.durable.term; }
  uint32_t leader() const { return leader_; }  // CTDB_UNKNOWN_PNN: none known
  // When the votes of the last candidacy were asked for: whoever gave one gave it later.
  TimeNs votes_asked_at() const { return votes_asked_at_; }
  // No lease that an earlier leader gave counts from later: a majority followed it when it gave one, and who of that majority
  // has voted for this node said how long it had followed nobody by then.
  TimeNs others_led_until() const { return others_led_until_; }
  // It led in the term before this one, as this node saw itself. This node leads: nobody else has led since.
  bool led_before(uint32_t pnn) const { return followed_ == pnn && followed_term_ + 1 == term(); }
  // A leader that others hear and this node does not, and who said so; both CTDB_UNKNOWN_PNN: not heard of any.
  struct Told {
    uint32_t leader = CTDB_UNKNOWN_PNN;
    uint32_t by = CTDB_UNKNOWN_PNN;
  };
  const Told& told() const { return told_; }
  // A leader that is linked and was heard of lately (this node itself, if it leads).
  bool live_leader() const;

  // Called after every event: arms, disarms and fires the campaign timer. `may_lead`: capable and active.
  void work(bool may_lead);
  TimeNs next_deadline() const;

  void on_vote_request(uint32_t from, const VoteRequest& request);
  void on_vote_reply(uint32_t from, const VoteReply& reply);
  // ---- with a cluster lock (race.cc) ----
  const ClusterLock& lock() const { return lock_; }
  void on_lock(LockState state, const std::string& why);
  void on_register(const RegisterAnswer& answer);
  // Writes what is durable here into the register, and asks it whether this node still leads.
  void renew() { lock_.write(); }
  // When the newest question was asked that the register has answered so.
  TimeNs confirmed_at() const { return confirmed_at_; }
  // The newest decided generation that the register is known to have from this leader.
  uint32_t registered() const { return registered_; }

  // A heartbeat or recovery order of somebody who claims to lead in `term`. false: refused, it is no leader
  // of ours.
  bool accept_leader(uint32_t from, uint64_t term);
  // The leader said it resigns, or it is seen to be gone.
  void forget_leader();
  // Others can have reached that term (kTermsAheadMax).
  bool plausible(uint64_t term);
  // Somebody answered with a newer term than ours.
  void saw_term(uint64_t term);
  // One that is known for certain.
  void adopt_term(uint64_t term);
  // Leading ends here.
  void resign();
  // No campaign before that: others are to lead.
  void stand_back(TimeNs until) { stands_back_until_ = until; }
  // Whose votes count is not what it was when they were asked for.
  void start_over();

 private:
  bool must_wait() const;
  TimeNs until_campaign();
  void start_trial();
  void start_candidacy();
  void lose();
  void become_leader();
  void ask_for_term(const ClusterLock::Seen& seen);
  void take_term(const ClusterLock::Seen& seen);
  void confirm(const ClusterLock::Seen& seen);
  void ask(uint64_t term, bool trial);
  void count_grant(uint32_t from);
  void back_to_follower();
  TimeNs silent() const;
  bool follow_to(uint64_t seen, const DurableState& next);
  bool may_ask(uint32_t from, const VoteRequest& request) const;
  bool knows_no_term() const { return term() == 0 && c_.fresh(); }
  void learn_who_led(TimeNs when) { others_led_until_ = std::max(others_led_until_, when); }
  void answer(uint32_t to, bool granted, bool trial, uint64_t term);
  bool bound_elsewhere(uint32_t from, const VoteRequest& request) const;

  Context& c_;
  ClusterLock lock_;
  TimeNs confirmed_at_ = 0;
  uint32_t registered_ = CTDB_INVALID_GENERATION;
  Role role_ = Role::kFollower;
  uint32_t leader_ = CTDB_UNKNOWN_PNN;
  TimeNs heard_ = 0;                      // last word of leader_
  uint32_t followed_ = CTDB_UNKNOWN_PNN;  // the last leader that was accepted, and its term
  uint64_t followed_term_ = 0;
  TimeNs campaign_at_ = kNever;  // follower: when to start a trial
  TimeNs give_up_at_ = kNever;   // trial, candidate: when to stop waiting for votes
  TimeNs votes_asked_at_ = 0;
  uint64_t ahead_ = kTermsAheadMax;        // the terms of others are followed by so many at once
  TimeNs ahead_at_ = 0;                    // as of then
  std::map<uint32_t, unsigned> asked_[2];  // whose answers are still to come: in earnest, on trial
  // When this node last followed or was a leader, or gave its vote; at first when it was started.
  TimeNs followed_at_;
  TimeNs others_led_until_ = 0;
  TimeNs stands_back_until_ = 0;
  unsigned failures_ = 0;  // campaigns lost in a row: the back-off grows
  std::set<uint32_t> grants_;
  Told told_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_ELECTION_H_
