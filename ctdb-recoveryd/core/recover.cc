// SPDX-License-Identifier: GPL-3.0-or-later
// Attempts to make a generation: when to begin one, when to give it up, when it is open.
#include <algorithm>
#include <iterator>

#include "ctdb-recoveryd/core/leader.h"

namespace ctdb {
namespace {

std::string names(const std::vector<uint32_t>& members) {
  std::string text;
  for (uint32_t pnn : members) text += (text.empty() ? "" : ",") + std::to_string(pnn);
  return text;
}

}  // namespace

// A majority has answered in this term, and everybody within reach had a chance to.
bool Leader::gathered() const {
  size_t answered = 0;
  bool missing = false;
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    if (!c_.known(node)) continue;
    if (peers_[node].answered) {
      answered += c_.voters.is_voter(node) ? 1 : 0;
    } else if (c_.linked(node)) {
      missing = true;
    }
  }
  return c_.voters.enough(answered) && (!missing || c_.now >= started_ + c_.timing().gather);
}

// It is not in the generation it should be in, or says that something between members was lost.
bool Leader::unsettled(uint32_t pnn) const {
  const HeartbeatReply& reply = peers_[pnn].reply;
  if (reply.sequence < judge_from_) return false;
  if (reply.wants_recovery) return true;
  if (recovery_.active()) {
    // Suspended in the middle of the attempt, or its recoveryd was restarted and knows nothing of it; or its store was,
    // before the order reached it: what the other stores had sent by then is lost.
    return !reply.serving || reply.begun_generation != recovery_.generation() ||
           reply.store_instance != peers_[pnn].begun_instance;
  }
  return !(reply.open && reply.open_generation == c_.durable.decided_generation);
}

bool Leader::recovery_needed() const {
  if (confirm_ || voters_.numbers != (recovery_.active() ? recovery_.voters() : c_.voters.numbers()))
    return true;
  if (target_ != (recovery_.active() ? recovery_.members() : c_.durable.decided_members)) return true;
  return std::any_of(target_.begin(), target_.end(), [this](uint32_t node) { return unsettled(node); });
}

void Leader::drive() {
  if (dirty_) judge();
  check_slow_members();
  if (dirty_) judge();
  if (waiting_) return;
  // While no lease lasts an attempt would be suspended as soon as it is begun, and the next one as well. The answer that
  // extends leases comes back here.
  if (c_.now >= majority_acked_sent() + c_.timing().lease) return;
  if (c_.now < retry_at_) return wait_until(retry_at_);
  if (!recovery_.active() && !gathered()) return;
  if (!recovery_needed()) return;
  if (target_.empty()) return recovery_.give_up();
  // What cannot be decided is not begun again: each attempt costs all members a recovery, and the term one of its numbers.
  if (!c_.disk_takes()) return cannot_decide(target_);
  begin();
}

// For people. Called before the attempt begins.
std::string Leader::why_recovery() const {
  const std::vector<uint32_t>& before = c_.durable.decided_members;
  if (before.empty()) return "the cluster starts";
  std::string why;
  const auto add = [&why](const std::string& text) { why += (why.empty() ? "" : "; ") + text; };
  for (uint32_t node = 0; node < peers_.size(); ++node) {
    const bool was = contains(before, node), will_be = contains(target_, node);
    if (was && !will_be) {
      const std::string& reason = peers_[node].reason;
      add("node " + std::to_string(node) + " left" + (reason.empty() ? "" : " (" + reason + ")"));
    }
    if (!was && will_be) add("node " + std::to_string(node) + " came");
    if (was && will_be && unsettled(node)) {
      add("node " + std::to_string(node) +
          (peers_[node].reply.wants_recovery
               ? " asked: it lost a link to a member or its store, or an operator wanted it"
               : " is not in the generation"));
    }
  }
  const std::vector<uint32_t>& voted = c_.voters.numbers();
  for (uint32_t node : voters_.numbers) {
    if (!contains(voted, node)) add("node " + std::to_string(node) + " votes from now on");
  }
  for (uint32_t node : voted) {
    if (!contains(voters_.numbers, node)) add("node " + std::to_string(node) + " votes no more");
  }
  if (confirm_) add("voters are to change");
  return why;
}

void Leader::begin_record(uint32_t generation) {
  if (recovery_.active()) ++given_up_;
  record_ = {};
  record_.generation = generation;
  record_.base_generation = c_.durable.decided_generation;
  record_.leader = c_.pnn();
  record_.began_wall_ns = c_.out.wall_clock_ns();
  record_.reason = why_recovery();
  record_.given_up = given_up_;
  for (uint32_t node : target_) {
    record_.members.push_back({});
    record_.members.back().pnn = node;
  }
  std::ranges::set_difference(c_.durable.decided_members, target_, std::back_inserter(record_.left));
}

void Leader::end_record() {
  given_up_ = 0;
  record_.opened_ns = static_cast<uint64_t>(c_.now - recovery_.began());
  last_ = record_;
}

void Leader::begin() {
  if (attempts_ == kAttemptsPerTermMax) return resign("the attempts of this term are used up");
  const uint32_t generation = make_generation(election_.term(), ++attempts_);
  begin_record(generation);
  recovery_.begin(generation, target_, voters_.numbers, c_.now);
  complaints_.clear();
  failed_at_ = kNever;
  blamed_ = false;
  for (Peer& peer : peers_) peer.begun_instance = peer.reply.store_instance;
  c_.log(RecoverydLog::kNotice, "recovery begins: generation " + std::to_string(generation) + ", members " +
                                    names(target_) + ", base " +
                                    std::to_string(c_.durable.decided_generation));
  // One heartbeat before, so that everybody's lease is as long as it can be; one after, whose answers are the
  // first that say something about this attempt.
  beat();
  const DurableState& known = c_.durable;
  const RecoveryBegin order{election_.term(), generation,      known.decided_generation,
                            target_,          voters_.numbers, known.decided_members};
  const Bytes payload = order.encode();
  for (uint32_t node : recovery_.members()) {
    if (node != c_.pnn()) c_.send(node, Operation::RECOVERY_BEGIN, payload);
  }
  if (contains(recovery_.members(), c_.pnn())) member_.on_begin(c_.pnn(), order);
  judge_from_ = sequence_ + 1;
  for (uint32_t node : recovery_.members()) {
    peers_[node].may_serve_from = judge_from_;
    peers_[node].suspended_since = kNever;
  }
  beat();
  wait_until(c_.now + c_.timing().recovery);
}

void Leader::on_report(uint32_t from, const RecoveryReport& report) {
  if (report.generation < recovery_.generation()) return;  // it crossed the order to begin the next attempt
  if (report.ok && !report.about.empty()) return logs_are_equal(report);
  if (!recovery_.active() || report.generation != recovery_.generation() ||
      !contains(recovery_.members(), from)) {
    return c_.refuse("not about the recovery under way");
  }
  if (!report.ok) return complain(from, report);
  for (RecoveryMember& member : record_.members) {
    if (member.pnn == from)
      member = {from, static_cast<uint64_t>(c_.now - recovery_.began()), report.statistics};
  }
  if (recovery_.prepared(from, report.generation)) decide();
}

void Leader::logs_are_equal(const RecoveryReport& report) {
  if (report.generation != opened_ || opened_ != c_.durable.decided_generation ||
      report.about != c_.durable.decided_members) {
    return c_.refuse("not about the generation that is open");
  }
  log_holders_.equal(report.about);
  dirty_ = true;
}

void Leader::complain(uint32_t from, const RecoveryReport& report) {
  if (!is_part(report.about, recovery_.members())) return c_.refuse("about nodes that are no members");
  const bool waits = report.error.empty();
  if (waits && report.about.empty()) return c_.refuse("it says nothing");
  const bool own_fault = report.about.empty() || report.about == std::vector<uint32_t>{from};
  if (!waits && own_fault) return bench(from, "its store could not recover: " + report.error);
  complaints_.take(from, report);
  // Whether others say so too is soon known.
  if (!waits) failed_at_ = std::min(failed_at_, c_.now);
}

void Leader::decide() {
  DurableState next = c_.durable;
  next.decided_generation = recovery_.generation();
  next.decided_members = recovery_.members();
  next.voters = recovery_.voters();
  if (!c_.save(next)) return cannot_decide(recovery_.members());
  recovery_.decide();
  record_.decided_ns = static_cast<uint64_t>(c_.now - recovery_.began());
  beat_now_ = true;
  if (by_lock()) return election_.renew();  // open when the register has it
  if (recovery_.decided(c_.pnn(), recovery_.generation(), c_.voters)) commit();
}

// Who has others to lead in its place does not keep them waiting. Who has none goes on: while it leads, clients keep the records they have.
void Leader::cannot_decide(const std::vector<uint32_t>& members) {
  if (another_can_lead(members, false)) return resign("its state cannot be written");
  recovery_.give_up();
  retry_at_ = c_.now + kSecond;
  wait_until(retry_at_);
}

void Leader::commit() {
  const RecoveryCommit order{election_.term(), recovery_.generation()};
  const Bytes payload = order.encode();
  for (uint32_t node : recovery_.members()) {
    if (node != c_.pnn()) c_.send(node, Operation::RECOVERY_COMMIT, payload);
  }
  if (contains(recovery_.members(), c_.pnn())) {
    if (member_.on_commit(order)) node_.opened();
  }
  recovery_.finish();
  tried_again_ = false;
  opened_ = order.generation;
  end_record();
  judge_from_ = sequence_ + 1;
  beat_now_ = dirty_ = true;
  c_.log(RecoverydLog::kNotice, "generation " + std::to_string(order.generation) + " is open, members " +
                                    names(recovery_.members()) + ", after " +
                                    std::to_string((c_.now - recovery_.began()) / kMillisecond) + " ms");
  tell_reconfigured();
}

void Leader::tell_reconfigured() {
  Bytes packet;
  build(packet, {0, c_.stamp, 0, CTDB_BROADCAST_CONNECTED, c_.pnn(), 0},
        ReqMessage{CTDB_SRVID_RECONFIGURE, {}});
  c_.out.to_router(RecoverydLane::kData, 0, packet);
}

void Leader::check_slow_members() {
  if (recovery_.phase() != Recovery::Phase::kPreparing || blamed_) return;
  TimeNs deadline = recovery_.began() + c_.timing().recovery;
  if (failed_at_ != kNever) deadline = std::min(deadline, failed_at_ + c_.timing().gather);
  if (c_.now < deadline) return wait_until(deadline);
  blamed_ = true;
  // What one alone says of another is no proof against either: a packet may have come twice. It is tried again, once.
  const bool try_again = complaints_.failed() && !complaints_.agreed(recovery_.members()) && !tried_again_;
  std::map<uint32_t, std::string> out;
  if (!try_again) out = complaints_.culprits(recovery_.members(), recovery_.prepared(), c_.pnn());
  for (const auto& [node, why] : out) bench(node, why);
  if (!out.empty()) return;
  tried_again_ = tried_again_ || try_again;
  c_.log(RecoverydLog::kWarning, "generation " + std::to_string(recovery_.generation()) + " is given up" +
                                     (try_again ? ": one store says that another's packets were wrong"
                                                : ": no store says why it is not prepared"));
  recovery_.give_up();
  dirty_ = true;
}

// Left out for a while: one broken store must not keep everybody else waiting.
void Leader::bench(uint32_t pnn, const std::string& why) {
  const TimeNs lasts = c_.bench.put(pnn, c_.now);
  const std::string reason = "left out for " + std::to_string(lasts / kSecond) + " seconds, " +
                             c_.until(c_.bench.until(pnn)) + ": " + why;
  c_.bench.set_reason(pnn, reason);
  c_.log(RecoverydLog::kWarning, "node " + std::to_string(pnn) + " is " + reason);
  dirty_ = true;
}

}  // namespace ctdb
