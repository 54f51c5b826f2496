// SPDX-License-Identifier: GPL-3.0-or-later
// Who is to be a member, and when a generation may be made without those who are not.
#include <algorithm>

#include "ctdb-recoveryd/core/leader.h"

namespace ctdb {

void Leader::wait_until(TimeNs when) {
  if (when > c_.now) judge_at_ = std::min(judge_at_, when);
}

bool Leader::eligible(uint32_t pnn) const {
  const Peer& peer = peers_[pnn];
  return contains(voters_.numbers, pnn) && !c_.witness(pnn) && !left_out(pnn) && c_.linked(pnn) &&
         peer.answered && peer.fresh && !lease_over(peer) && peer.reply.store_up &&
         (peer.reply.flags & (CTDB_NODE_STOPPED | CTDB_NODE_BANNED)) == 0 && !benched(pnn);
}

// A member whose nodes file differs goes on: the lists differ for a moment at every change, and who votes does not follow from
// them. One that was started anew is let in only when they are the same.
bool Leader::left_out(uint32_t pnn) const {
  const bool in = contains(c_.durable.decided_members, pnn) &&
                  peers_[pnn].reply.open_generation != CTDB_INVALID_GENERATION;
  return !in && files_.odd(pnn);
}

// One voter at a time, and only after this term has had a generation decided by those who vote now: two majorities then
// always share a node, and an earlier leader's change that few have heard of cannot come back.
void Leader::think_about_voters() {
  const std::vector<uint32_t>& now = c_.voters.numbers();
  confirm_ = false;
  if (c_.durable.decided_generation == CTDB_INVALID_GENERATION) {
    voters_ = {now, ""};
    return;
  }
  std::vector<VoterFacts> facts(peers_.size());
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    facts[node] = {contains(c_.durable.decided_members, node),
                   c_.linked(node) && peers_[node].answered && peers_[node].fresh,
                   node != c_.pnn() && files_.differs(node)};
  }
  voters_ = next_voters(now, numbers_of(c_.nodes), facts);
  if (voters_.numbers == now) return;
  if (opened_ == c_.durable.decided_generation) {
    const auto witness = [this](uint32_t node) { return c_.witness(node); };
    const std::string why = log_holders_.objection(now, voters_.numbers, witness);
    if (!why.empty()) voters_ = {now, why};
    return;
  }
  voters_.numbers = now;
  confirm_ = !recovery_.active();
}

// What it said before its link broke may be true no longer: if its router was restarted, its store is only just being
// connected, and what other stores send it for a recovery would be lost on the way.
bool Leader::awaited(uint32_t pnn) {
  const Peer& peer = peers_[pnn];
  if (!c_.linked(pnn) || peer.fresh) return false;
  wait_until(peer.linked_at + c_.timing().gather);
  return c_.now < peer.linked_at + c_.timing().gather;
}

std::string Leader::why_not_chosen(uint32_t pnn) const {
  const Peer& peer = peers_[pnn];
  if (benched(pnn)) return c_.bench.reason(pnn);
  if (left_out(pnn)) return "its nodes file differs from that of others";
  for (uint32_t other : target_) {
    const std::vector<uint32_t>& theirs = peers_[other].reply.reachable;
    const std::vector<uint32_t>& own = peer.reply.reachable;
    if (std::find(theirs.begin(), theirs.end(), pnn) == theirs.end() ||
        std::find(own.begin(), own.end(), other) == own.end()) {
      return "node " + std::to_string(pnn) + " and node " + std::to_string(other) +
             " cannot reach each other";
    }
  }
  return "it is not active";
}

void Leader::not_wanted(uint32_t pnn, bool unwanted, const std::string& why) {
  Peer& peer = peers_[pnn];
  if (peer.wanted == unwanted) beat_now_ = true;
  peer.wanted = !unwanted;
  peer.reason = unwanted ? why : "";
  if (pnn == c_.pnn() && unwanted) member_.suspend(false, why);
}

// That it died says nothing of a lease that it got afterwards, when its router was back: from a leader that this node did not
// hear of, for an attempt that was never decided. It got none if it has answered in this term, of which this node is the only leader,
// or if it was itself the last leader before.
bool Leader::proved_gone(uint32_t pnn) const {
  return c_.proved_gone(pnn) && (peers_[pnn].answered || election_.led_before(pnn));
}

// A member of the decided generation was not chosen: may the next one be made without it now?
bool Leader::may_leave(uint32_t pnn) {
  Peer& peer = peers_[pnn];
  const RecoverydTiming& t = c_.timing();
  if (peer.out_since == kNever) peer.out_since = c_.now;
  const bool patient = c_.now >= peer.out_since + t.link_grace;
  if (lease_over(peer) || proved_gone(pnn)) return true;
  wait_until(peer.leased + t.member_silence);
  if (!patient) wait_until(peer.out_since + t.link_grace);
  if (!c_.linked(pnn)) return false;    // its router may be dead while store and clients work on
  if (!up_to_date(peer)) return false;  // that it stopped was true until it was told to serve again
  if (peer.reply.stopped) return true;
  // As long as after the end of a lease: what a client holds on to is not waited for.
  if (!peer.reply.serving) {
    const TimeNs over = peer.suspended_since + t.member_silence - t.lease;
    wait_until(over);
    return c_.now >= over;
  }
  if (!peer.reply.store_up) {
    // Its files are kept for it while the store is being restarted.
    wait_until(peer.store_down_since + t.store_grace);
    if (c_.now >= peer.store_down_since + t.store_grace) not_wanted(pnn, true, "its store is not running");
    return false;
  }
  // Silent since its link is back: its router may have been restarted, and its recoveryd be slower. It will say that it is well, or
  // its lease ends.
  if (patient && peer.fresh) not_wanted(pnn, true, why_not_chosen(pnn));
  return false;
}

// Might be a member of another leader's choice: it votes, others that answer here reach it, and nothing is known against it.
bool Leader::others_reach(uint32_t pnn) const {
  const Peer& peer = peers_[pnn];
  if (c_.linked(pnn) || !contains(voters_.numbers, pnn) || c_.witness(pnn) || benched(pnn) ||
      (peer.answered && (peer.reply.flags & (CTDB_NODE_STOPPED | CTDB_NODE_BANNED)) != 0)) {
    return false;
  }
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (node != c_.pnn() && reaches(node, pnn)) return true;
  }
  return false;
}

bool Leader::reaches(uint32_t from, uint32_t to) const {
  const Peer& peer = peers_[from];
  return c_.linked(from) && peer.answered && peer.fresh &&
         std::find(peer.reply.reachable.begin(), peer.reply.reachable.end(), to) !=
             peer.reply.reachable.end();
}

// A leader makes generations only of nodes that it reaches. Those that it does not reach say nothing here: what others say of
// them is taken for both ways, and that they reach each other is supposed. Who leads next sees it from nearer.
void Leader::look_for_larger_set(std::vector<MemberCandidate> candidates) {
  larger_.clear();
  std::vector<uint32_t> far;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (others_reach(node)) far.push_back(node);
  }
  if (!far.empty()) {
    for (uint32_t node : far) {
      candidates[node] = {true, far};
      for (uint32_t other = 0; other < peers_.size(); ++other) {
        if (other != c_.pnn() && reaches(other, node)) candidates[node].reachable.push_back(other);
      }
    }
    larger_ = choose_members(candidates, c_.pnn(), c_.durable.decided_members);
    if (larger_.size() <= target_.size()) larger_.clear();
  } else if (eligible(c_.pnn()) && !contains(target_, c_.pnn())) {
    larger_ = target_;  // they say that they do not reach this node
  }
  if (larger_.empty() || c_.now < stands_back_from_ || !another_can_lead(larger_, true)) {
    outnumbered_since_ = kNever;
    return;
  }
  if (outnumbered_since_ == kNever) outnumbered_since_ = c_.now;
  wait_until(outnumbered_since_ + c_.timing().link_grace);
}

bool Leader::another_can_lead(const std::vector<uint32_t>& set, bool with_own_vote) const {
  return std::any_of(set.begin(), set.end(), [&](uint32_t node) {
    const auto linked =
        std::count_if(c_.voters.numbers().begin(), c_.voters.numbers().end(), [&](uint32_t voter) {
          return (voter != c_.pnn() || with_own_vote) && (voter == node || reaches(node, voter));
        });
    return node != c_.pnn() && reaches(node, node) && c_.voters.enough(static_cast<size_t>(linked)) &&
           (peers_[node].reply.capabilities & CTDB_CAPABILITY_RECMASTER) != 0;
  });
}

// By lock the next one may have to wait long for it, and everybody's lease would end.
bool Leader::stands_in_the_way() const {
  return outnumbered_since_ != kNever && c_.now >= outnumbered_since_ + c_.timing().link_grace && !by_lock();
}

void Leader::stand_back() {
  std::string all;
  for (uint32_t node : larger_) all += (all.empty() ? "" : ", ") + std::to_string(node);
  stands_back_from_ = c_.now + c_.timing().stands_back_again;
  resign("nodes " + all + " reach each other, and this node not all of them");
  election_.stand_back(c_.now + c_.timing().stands_back);
}

void Leader::judge() {
  dirty_ = false;
  judge_at_ = kNever;
  think_about_voters();
  std::vector<MemberCandidate> candidates(peers_.size());
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    const Peer& peer = peers_[node];
    candidates[node] = {eligible(node), peer.reply.reachable};
    if (candidates[node].eligible) wait_until(peer.leased + c_.timing().member_silence);
    wait_until(c_.bench.until(node));
  }
  target_ = choose_members(candidates, c_.pnn(), c_.durable.decided_members);
  look_for_larger_set(candidates);
  waiting_ = false;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (!c_.known(node)) continue;
    Peer& peer = peers_[node];
    if (awaited(node)) waiting_ = true;
    if (contains(target_, node)) {
      peer.out_since = kNever;
      not_wanted(node, false, "");
    } else if (c_.durable.may_have_member(node)) {
      if (!may_leave(node)) waiting_ = true;
    } else {
      peer.out_since = kNever;
      const bool left_over = candidates[node].eligible || benched(node) || left_out(node);
      not_wanted(node, left_over, left_over ? why_not_chosen(node) : "");
    }
  }
}

}  // namespace ctdb
