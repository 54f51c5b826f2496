// SPDX-License-Identifier: GPL-3.0-or-later
// Election where a cluster lock decides: the mutex first, then a term from the register. The trial is the wait for the mutex and a
// first look at the register, the candidacy the writing of the new term.
#include <algorithm>

#include "ctdb-recoveryd/core/election.h"

namespace ctdb {

void Election::on_lock(LockState state, const std::string& why) {
  lock_.on_lock(state, why);
  if (state == LockState::kHeld) {
    if (role_ == Role::kTrial) lock_.read();
  } else if (role_ == Role::kTrial || role_ == Role::kCandidate) {
    lose();
  }
}

void Election::on_register(const RegisterAnswer& answer) {
  const std::optional<ClusterLock::Seen> seen = lock_.on_register(answer);
  if (!seen) {
    if (!answer.fault.empty() && (role_ == Role::kTrial || role_ == Role::kCandidate)) lose();
    return;
  }
  if (role_ == Role::kTrial) return ask_for_term(*seen);
  if (role_ == Role::kCandidate) return take_term(*seen);
  if (leading()) confirm(*seen);
}

void Election::ask_for_term(const ClusterLock::Seen& seen) {
  DurableState next = c_.durable;
  next.term = std::max({seen.highest_term, seen.own_term, term()}) + 1;
  next.voted_for = c_.pnn();
  // The slot must not know less after it was written than before.
  if (seen.newest.newer_decision_than(next)) next.take_decision_of(seen.newest);
  if (next.term > kTermMax || !c_.save(next)) {
    lose();
    campaign_at_ = c_.now + kSecond;
    return;
  }
  ++c_.counts.elections;
  role_ = Role::kCandidate;
  give_up_at_ = c_.now + c_.timing().lock_timeout;
  votes_asked_at_ = c_.now;
  lock_.write();
}

// Of two that write the same term at least one sees the other.
void Election::take_term(const ClusterLock::Seen& seen) {
  DurableState next = c_.durable;
  if (seen.newest.newer_decision_than(next)) next.take_decision_of(seen.newest);
  if (seen.highest_term >= term() || !c_.save(next)) return lose();
  confirmed_at_ = seen.asked_at;
  registered_ = CTDB_INVALID_GENERATION;
  become_leader();
}

void Election::confirm(const ClusterLock::Seen& seen) {
  if (seen.highest_term > term()) return adopt_term(seen.highest_term);
  confirmed_at_ = seen.asked_at;
  if (seen.wrote) registered_ = seen.wrote_generation;
}

}  // namespace ctdb
