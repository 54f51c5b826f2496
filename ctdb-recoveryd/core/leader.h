// SPDX-License-Identifier: GPL-3.0-or-later
// What a node does while it leads: heartbeats, who is to be a member, attempts to make a generation.
//
// Who must leave a generation and when it may be made without them is decided in judge(): a node that may be
// serving is waited for until it says it stopped, or until its lease must have ended, unless it is proved to be
// gone.
#ifndef CTDB_RECOVERYD_CORE_LEADER_H_
#define CTDB_RECOVERYD_CORE_LEADER_H_

#include <array>
#include <string>
#include <vector>

#include "ctdb-recoveryd/core/complaints.h"
#include "ctdb-recoveryd/core/context.h"
#include "ctdb-recoveryd/core/election.h"
#include "ctdb-recoveryd/core/log_holders.h"
#include "ctdb-recoveryd/core/member.h"
#include "ctdb-recoveryd/core/membership.h"
#include "ctdb-recoveryd/core/node_state.h"
#include "ctdb-recoveryd/core/nodes_files.h"
#include "ctdb-recoveryd/core/recovery.h"

namespace ctdb {

class Leader {
 public:
  Leader(Context& context, Election& election, Member& member, NodeState& node, const NodesFiles& files)
      : c_(context), election_(election), member_(member), node_(node), files_(files) {}

  void start();  // this node was just elected
  void on_reply(uint32_t from, const HeartbeatReply& reply);
  void on_report(uint32_t from, const RecoveryReport& report);
  void on_registered();  // the register of the cluster lock has answered
  void on_link(uint32_t pnn, bool up);
  void on_nodes();  // a nodes file has changed, this node's or another's
  // After every event while this node leads; it may resign in here.
  void work();
  TimeNs next_deadline() const;

  const std::vector<uint32_t>& node_flags() const { return node_flags_; }
  // What keeps the nodes file from being fulfilled; empty: nothing.
  const std::string& why_not_voters() const { return voters_.why_not; }
  // Why there is no open generation, or why this node is not in it; for people.
  const std::string& reason() const { return peers_[c_.pnn()].reason; }
  bool recovering() const { return recovery_.active(); }
  // Those that are linked and vote, and are no members, and why; empty: nobody.
  std::string who_is_out() const;
  // The last recovery that this node has led to its end.
  const RecoveryRecord& last_recovery() const { return last_; }

 private:
  struct Peer {
    HeartbeatReply reply;
    bool answered = false;  // in this term
    bool fresh = false;     // since its link came up
    TimeNs linked_at = 0;
    uint64_t begun_instance = 0;  // of its store when the last attempt was begun, as far as known
    TimeNs heard = 0;             // last answer, at first the start of the term
    TimeNs leased = 0;            // its lease counts from then at the latest
    // When the newest heartbeat it answered was sent; at first when votes were asked for.
    TimeNs acked_sent = 0;
    TimeNs out_since = kNever;  // a member that would not be chosen now
    TimeNs store_down_since = kNever;
    TimeNs suspended_since = kNever;  // it says that it does not serve
    // It may serve since it was told to begin a generation. Answers to heartbeats before this one were written without
    // knowing that: what they say about serving is of the past.
    uint64_t may_serve_from = 0;
    bool wanted = true;
    std::string reason;  // why it is not wanted
  };
  struct Sent {
    uint64_t sequence = 0;
    TimeNs at = 0;
  };

  // leader.cc
  void refresh_self();
  void take_reply(Peer& peer, const HeartbeatReply& reply);
  bool by_lock() const { return election_.lock().used(); }
  bool majority_answers() const;
  TimeNs majority_acked_sent() const;
  void beat();
  void update_flags();
  void resign(const std::string& why);

  // judge.cc
  void judge();
  void think_about_voters();
  bool left_out(uint32_t pnn) const;
  bool eligible(uint32_t pnn) const;
  bool awaited(uint32_t pnn);
  bool may_leave(uint32_t pnn);
  bool proved_gone(uint32_t pnn) const;
  // Its newest answer was written after the last order that made it serve.
  static bool up_to_date(const Peer& peer) {
    return peer.answered && peer.reply.sequence >= peer.may_serve_from;
  }
  bool benched(uint32_t pnn) const { return c_.now < c_.bench.until(pnn); }
  bool lease_over(const Peer& peer) const { return c_.now >= peer.leased + c_.timing().member_silence; }
  void not_wanted(uint32_t pnn, bool unwanted, const std::string& why);
  void wait_until(TimeNs when);
  std::string why_not_chosen(uint32_t pnn) const;
  // A larger set of members than one with this node.
  bool others_reach(uint32_t pnn) const;
  bool reaches(uint32_t from, uint32_t to) const;
  void look_for_larger_set(std::vector<MemberCandidate> candidates);
  // One of the set would be elected; with the vote of this node, or without it.
  bool another_can_lead(const std::vector<uint32_t>& set, bool with_own_vote) const;
  bool stands_in_the_way() const;
  void stand_back();

  // recover.cc
  void drive();
  bool gathered() const;
  bool recovery_needed() const;
  std::string why_recovery() const;
  void begin_record(uint32_t generation);
  void end_record();
  bool unsettled(uint32_t pnn) const;
  void begin();
  void decide();
  void cannot_decide(const std::vector<uint32_t>& members);
  void commit();
  void logs_are_equal(const RecoveryReport& report);
  void complain(uint32_t from, const RecoveryReport& report);
  void check_slow_members();
  void bench(uint32_t pnn, const std::string& why);
  void tell_reconfigured();

  Context& c_;
  Election& election_;
  Member& member_;
  NodeState& node_;
  const NodesFiles& files_;
  std::vector<Peer> peers_ = std::vector<Peer>(c_.lines());
  std::vector<uint32_t> node_flags_;
  TimeNs started_ = 0;
  uint64_t sequence_ = 0;
  std::array<Sent, 64> sent_{};
  TimeNs next_beat_ = 0;
  bool beat_now_ = false;
  bool dirty_ = false;            // something judge() looks at has changed
  TimeNs judge_at_ = kNever;      // or will, by time alone
  std::vector<uint32_t> target_;  // who should be members
  std::vector<uint32_t> larger_;  // a larger set that this node would not be in; empty: there is none
  TimeNs outnumbered_since_ = kNever;
  TimeNs stands_back_from_ = 0;  // not sooner again
  NextVoters voters_;            // and who should vote; at most one voter from those who do
  LogHolders log_holders_;
  bool confirm_ = false;  // voters are to change, but this term has decided nothing yet
  bool waiting_ = false;  // somebody's membership is undecided: begin nothing now
  Recovery recovery_;
  Complaints complaints_;      // of the attempt under way
  TimeNs failed_at_ = kNever;  // when the first said that another's packets were wrong
  bool blamed_ = false;        // what there is to say about this attempt was said
  bool tried_again_ = false;   // since the last generation was opened, because one member alone said so
  RecoveryRecord record_;      // of the attempt under way
  RecoveryRecord last_;        // survives the end of leading
  uint32_t given_up_ = 0;      // attempts since the last recovery
  uint32_t attempts_ = 0;      // in this term
  uint32_t opened_ = CTDB_INVALID_GENERATION;  // the last one that this term has opened
  TimeNs retry_at_ = 0;
  // Answers to older heartbeats were written before the last order was carried out: they say nothing about
  // it.
  uint64_t judge_from_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_LEADER_H_
