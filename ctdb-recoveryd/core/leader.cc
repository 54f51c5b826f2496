// SPDX-License-Identifier: GPL-3.0-or-later
// Heartbeats and what they bring home. Membership: judge.cc; attempts: recover.cc.
#include "ctdb-recoveryd/core/leader.h"

#include <algorithm>
#include <functional>

namespace ctdb {

void Leader::start() {
  started_ = c_.now;
  peers_.assign(c_.lines(), Peer{});
  for (Peer& peer : peers_) {
    peer.heard = peer.linked_at = c_.now;
    peer.leased = election_.others_led_until();
    // A vote says that its giver followed when it was given, not when it was read: between the two others may have been
    // elected, and count the leases of this term from their own votes on.
    peer.acked_sent = election_.votes_asked_at();
  }
  // Sequences of another term's leader must not look like ours: they grow over terms.
  sequence_ = election_.term() << 32;
  sent_.fill({});
  node_flags_.clear();
  target_.clear();
  voters_ = {c_.voters.numbers(), ""};
  const bool known = c_.durable.decided_generation != CTDB_INVALID_GENERATION &&
                     member_.logs_equal_in() == c_.durable.decided_generation;
  log_holders_.start(c_.voters.numbers(), known ? c_.durable.decided_members : std::vector<uint32_t>());
  opened_ = CTDB_INVALID_GENERATION;
  waiting_ = false;
  recovery_.give_up();
  outnumbered_since_ = kNever;
  tried_again_ = false;
  attempts_ = 0;
  retry_at_ = 0;
  judge_from_ = 0;
  beat_now_ = dirty_ = true;
  c_.log(RecoverydLog::kNotice, "this node is the leader of term " + std::to_string(election_.term()));
}

void Leader::on_link(uint32_t pnn, bool up) {
  dirty_ = true;
  peers_[pnn].fresh = false;
  peers_[pnn].linked_at = c_.now;
  if (up) beat_now_ = true;
}

void Leader::on_nodes() {
  dirty_ = true;
  for (uint32_t node = static_cast<uint32_t>(peers_.size()); node < c_.lines(); ++node) {
    peers_.push_back({});
    peers_.back().heard = peers_.back().leased = peers_.back().linked_at = c_.now;
  }
  // A number that is used again is another node.
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (c_.known(node)) continue;
    peers_[node] = {};
    c_.bench.forget(node);
  }
}

void Leader::on_reply(uint32_t from, const HeartbeatReply& reply) {
  Peer& peer = peers_[from];
  if (reply.sequence > sequence_ || reply.sequence < peer.reply.sequence)
    return c_.refuse("of no heartbeat that was sent, or older than its last one");
  peer.heard = peer.leased = c_.now;
  const Sent& sent = sent_[reply.sequence % sent_.size()];
  if (sent.sequence == reply.sequence) peer.acked_sent = std::max(peer.acked_sent, sent.at);
  HeartbeatReply same = reply;
  same.sequence = peer.reply.sequence;
  const bool news = !peer.answered || same != peer.reply ||
                    (peer.reply.sequence < judge_from_ && reply.sequence >= judge_from_) || !peer.fresh;
  take_reply(peer, reply);
  if (news) dirty_ = true;
  // As good as its report, should that have been lost between two lives of a recoveryd.
  if (recovery_.prepared(from, reply.prepared_generation)) decide();
  if (!by_lock() && recovery_.decided(from, reply.decided_generation, c_.voters)) commit();
}

void Leader::on_registered() {
  if (recovery_.phase() == Recovery::Phase::kDeciding && election_.registered() == recovery_.generation())
    commit();
}

void Leader::take_reply(Peer& peer, const HeartbeatReply& reply) {
  const auto since = [this](TimeNs& when, bool holds) { when = !holds ? kNever : std::min(when, c_.now); };
  since(peer.store_down_since, !reply.store_up);
  peer.answered = peer.fresh = true;
  peer.reply = reply;
  since(peer.suspended_since, !reply.serving && up_to_date(peer));
}

void Leader::refresh_self() {
  Peer& self = peers_[c_.pnn()];
  HeartbeatReply now = member_.reply(election_.term(), sequence_, node_.flags(), node_.capabilities());
  HeartbeatReply before = self.reply;
  before.sequence = now.sequence;
  if (!self.answered || now != before || self.reply.sequence < judge_from_) dirty_ = true;
  take_reply(self, now);
  self.heard = self.leased = self.acked_sent = c_.now;
}

// Where a cluster lock decides, the register is the majority.
bool Leader::majority_answers() const {
  if (by_lock()) return c_.now < election_.confirmed_at() + c_.timing().leader_silence;
  size_t alive = 0;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (c_.voters.is_voter(node) && c_.now < peers_[node].heard + c_.timing().leader_silence) ++alive;
  }
  return c_.voters.enough(alive);
}

// The time at which a majority is known to have followed this leader: its own lease counts from then.
TimeNs Leader::majority_acked_sent() const {
  if (by_lock()) return election_.confirmed_at();
  std::vector<TimeNs> times;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (c_.voters.is_voter(node)) times.push_back(peers_[node].acked_sent);
  }
  const auto at = times.begin() + static_cast<std::ptrdiff_t>(c_.voters.needed() - 1);
  std::nth_element(times.begin(), at, times.end(), std::greater<>());
  return *at;
}

void Leader::update_flags() {
  std::vector<uint32_t> flags;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (!c_.known(node)) {
      flags.push_back(CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED);
    } else {
      flags.push_back(peers_[node].answered ? peers_[node].reply.flags : CTDB_NODE_UNHEALTHY);
    }
  }
  if (flags == node_flags_) return;
  node_flags_ = std::move(flags);
  beat_now_ = true;
}

std::string Leader::who_is_out() const {
  std::string all;
  for (uint32_t node : c_.voters.numbers()) {
    if (contains(c_.durable.decided_members, node) || !c_.linked(node) || c_.witness(node)) continue;
    const Peer& peer = peers_[node];
    const uint32_t flags = peer.answered ? peer.reply.flags : 0;
    std::string why = peer.reason;
    if ((flags & CTDB_NODE_STOPPED) != 0) why = "stopped by the administrator";
    if ((flags & CTDB_NODE_BANNED) != 0) why = "banned";
    if (!why.empty()) all += (all.empty() ? "node " : "; node ") + std::to_string(node) + ": " + why;
  }
  return all;
}

void Leader::beat() {
  beat_now_ = false;
  next_beat_ = c_.now + c_.timing().heartbeat;
  if (by_lock()) election_.renew();
  ++sequence_;
  sent_[sequence_ % sent_.size()] = {sequence_, c_.now};
  Heartbeat beat;
  beat.term = election_.term();
  beat.sequence = sequence_;
  beat.state.generation = c_.durable.decided_generation;
  beat.state.members = c_.durable.decided_members;
  beat.state.voters = c_.voters.numbers();
  beat.state.recovery_mode = recovery_.active() ? CTDB_RECOVERY_ACTIVE : CTDB_RECOVERY_NORMAL;
  beat.state.leader = election_.leader();
  beat.state.term = beat.term;
  beat.state.node_flags = node_flags_;
  beat.left_out = c_.bench.tell(c_.now);
  const TimeNs followed = majority_acked_sent();
  const std::string out = who_is_out();
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (node == c_.pnn() || !c_.known(node) || !c_.linked(node)) continue;
    beat.acked = peers_[node].answered ? peers_[node].reply.sequence : 0;
    beat.late = static_cast<uint64_t>(std::max<TimeNs>(0, peers_[node].heard - followed));
    beat.wanted = peers_[node].wanted;
    beat.state.reason = beat.wanted ? out : peers_[node].reason;
    c_.send(node, Operation::HEARTBEAT, beat.encode());
  }
}

void Leader::resign(const std::string& why) {
  c_.log(RecoverydLog::kNotice, "this node leads no more: " + why);
  recovery_.give_up();
  const uint64_t term = election_.term();
  election_.resign();
  // Said aloud, so that nobody waits for heartbeats that will not come.
  Heartbeat beat;
  beat.term = term;
  beat.sequence = ++sequence_;
  beat.state.generation = c_.durable.decided_generation;
  beat.state.members = c_.durable.decided_members;
  beat.state.voters = c_.voters.numbers();
  beat.state.term = term;
  beat.left_out = c_.bench.tell(c_.now);
  const Bytes payload = beat.encode();
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (node != c_.pnn() && c_.known(node) && c_.linked(node)) c_.send(node, Operation::HEARTBEAT, payload);
  }
}

void Leader::work() {
  if (!c_.votes()) return resign("it has no vote any more");
  if (!files_.rule_prevails()) return resign("another quorum rule prevails");
  if (!node_.may_lead()) return resign("it is not active or has no leader capability");
  if (by_lock() && !election_.lock().held()) return resign(election_.lock().why_not());
  if (member_.quorum_lost() || !majority_answers()) {
    return resign(by_lock() ? "the register of the cluster lock does not answer" : "no quorum follows it");
  }
  refresh_self();
  member_.lease_from(majority_acked_sent());
  update_flags();
  if (dirty_ || c_.now >= judge_at_) judge();
  if (stands_in_the_way()) return stand_back();
  drive();
  if (!election_.leading()) return;
  if (beat_now_ || c_.now >= next_beat_) beat();
}

TimeNs Leader::next_deadline() const {
  TimeNs next = std::min(next_beat_, judge_at_);
  if (c_.now < started_ + c_.timing().gather) next = std::min(next, started_ + c_.timing().gather);
  return next;
}

}  // namespace ctdb
