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
  return c_.voters.is_voter(pnn) && c_.linked(pnn) && peer.answered && peer.fresh && !lease_over(peer) &&
         peer.reply.store_up && (peer.reply.flags & (CTDB_NODE_STOPPED | CTDB_NODE_BANNED)) == 0 &&
         c_.now >= peer.benched_until;
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
  if (c_.now < peer.benched_until) return peer.reason;
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

// A member of the decided generation was not chosen: may the next one be made without it now?
bool Leader::may_leave(uint32_t pnn) {
  Peer& peer = peers_[pnn];
  const RecoverydTiming& t = c_.timing();
  if (peer.out_since == kNever) peer.out_since = c_.now;
  const bool patient = c_.now >= peer.out_since + t.link_grace;
  if (lease_over(peer) || c_.proved_gone(pnn)) return true;
  wait_until(peer.heard + t.member_silence);
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
  if (patient) not_wanted(pnn, true, why_not_chosen(pnn));
  return false;
}

void Leader::judge() {
  dirty_ = false;
  judge_at_ = kNever;
  std::vector<MemberCandidate> candidates(peers_.size());
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    const Peer& peer = peers_[node];
    candidates[node] = {eligible(node), peer.reply.reachable};
    if (candidates[node].eligible) wait_until(peer.heard + c_.timing().member_silence);
    wait_until(peer.benched_until);
  }
  target_ = choose_members(candidates, c_.pnn());
  waiting_ = false;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (!c_.voters.is_voter(node)) continue;
    Peer& peer = peers_[node];
    if (awaited(node)) waiting_ = true;
    if (contains(target_, node)) {
      peer.out_since = kNever;
      not_wanted(node, false, "");
    } else if (contains(c_.durable.decided_members, node)) {
      if (!may_leave(node)) waiting_ = true;
    } else {
      peer.out_since = kNever;
      const bool left_over = candidates[node].eligible || c_.now < peer.benched_until;
      not_wanted(node, left_over, left_over ? why_not_chosen(node) : "");
    }
  }
}

}  // namespace ctdb
