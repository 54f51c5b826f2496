// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/election.h"

#include <algorithm>

namespace ctdb {
namespace {

constexpr unsigned kFailuresCounted = 4;     // back-off grows 16-fold at the most
constexpr unsigned kAnswersAwaitedMax = 16;  // of one node, from campaigns that it has not answered
constexpr std::string_view kTermTooFar = "a term that nobody can have reached, or none";
constexpr TimeNs kRetryWithoutTerms = 5 * kSecond;
constexpr TimeNs kRetryWithoutDisk = kSecond;  // a node that could serve waits for it

}  // namespace

bool Election::live_leader() const {
  if (leading()) return true;
  return leader_ != CTDB_UNKNOWN_PNN && c_.linked(leader_) && c_.now < heard_ + c_.timing().leader_silence;
}

// Nodes that are new to a cluster must not take themselves for one that starts for the first time.
bool Election::must_wait() const {
  if (!c_.fresh() || lock_.used()) return false;  // the register tells what was decided
  return c_.decided_elsewhere || (!c_.all_linked() && c_.now < c_.router_up_at + c_.timing().first_start);
}

TimeNs Election::until_campaign() {
  const RecoverydTiming& t = c_.timing();
  // With nobody else to vote there is nobody to leave room for.
  if (c_.voters.count() == 1) return 0;
  const auto spread = static_cast<uint64_t>(t.backoff_max - t.backoff_min)
                      << std::min(failures_, kFailuresCounted);
  const auto some = static_cast<TimeNs>(c_.random.below(spread + 1));
  if (lock_.of_others() && failures_ > kFailuresCounted)
    return (1 + c_.linked_before()) * t.helper_rests + some;
  // Those that hold records first: a witness leads only when none of them gets the votes.
  return t.backoff_min + (c_.witness(c_.pnn()) ? t.backoff_max + t.vote_timeout : 0) + some;
}

void Election::work(bool may_lead) {
  if (role_ == Role::kTrial || role_ == Role::kCandidate) {
    if (may_lead && c_.now < give_up_at_) return;
    lose();
  }
  if (leading()) return;
  if (leader_ != CTDB_UNKNOWN_PNN && !live_leader()) forget_leader();
  if (!may_lead || !c_.votes() || must_wait() || c_.now < stands_back_until_ || live_leader() ||
      !c_.voters.enough(c_.linked_count())) {
    campaign_at_ = kNever;
    return;
  }
  if (campaign_at_ == kNever) campaign_at_ = c_.now + until_campaign();
  if (c_.now >= campaign_at_) start_trial();
}

TimeNs Election::next_deadline() const {
  if (role_ == Role::kTrial || role_ == Role::kCandidate) return give_up_at_;
  if (leading()) return kNever;
  if (leader_ != CTDB_UNKNOWN_PNN) return std::min(campaign_at_, heard_ + c_.timing().leader_silence);
  if (campaign_at_ == kNever && c_.now < stands_back_until_) return stands_back_until_;
  if (campaign_at_ == kNever && c_.fresh() && !c_.decided_elsewhere) {
    const TimeNs waits = c_.router_up_at + c_.timing().first_start;
    return waits > c_.now ? waits : kNever;
  }
  return campaign_at_;
}

void Election::start_trial() {
  campaign_at_ = kNever;
  if (term() >= kTermMax) {
    c_.log(RecoverydLog::kError,
           "election terms are used up: stop all nodes and remove their recoveryd.state");
    campaign_at_ = c_.now + kRetryWithoutTerms;
    return;
  }
  role_ = Role::kTrial;
  if (lock_.used()) {
    give_up_at_ = c_.now + c_.timing().lock_timeout;
    return lock_.want();
  }
  give_up_at_ = c_.now + c_.timing().vote_timeout;
  grants_.clear();
  ask(term() + 1, true);
  count_grant(c_.pnn());
}

void Election::start_candidacy() {
  DurableState next = c_.durable;
  ++next.term;
  next.voted_for = c_.pnn();
  if (!c_.save(next)) {
    back_to_follower();
    campaign_at_ = c_.now + kRetryWithoutDisk;
    return;
  }
  ++c_.counts.elections;
  role_ = Role::kCandidate;
  give_up_at_ = c_.now + c_.timing().vote_timeout;
  votes_asked_at_ = c_.now;
  others_led_until_ = followed_at_;
  grants_.clear();
  ask(term(), false);
  count_grant(c_.pnn());
}

void Election::ask(uint64_t term, bool trial) {
  const Bytes request =
      VoteRequest{term, c_.durable.decided_generation, trial, node_list_digest(c_.nodes)}.encode();
  for (uint32_t node : c_.voters.numbers()) {
    if (node == c_.pnn() || !c_.linked(node)) continue;
    unsigned& awaited = asked_[trial ? 1 : 0][node];
    awaited = std::min(awaited + 1, kAnswersAwaitedMax);
    c_.send(node, Operation::VOTE_REQUEST, request);
  }
}

void Election::count_grant(uint32_t from) {
  if (!c_.voters.is_voter(from)) return;
  grants_.insert(from);
  if (!c_.voters.enough(grants_.size())) return;
  if (role_ == Role::kTrial) return start_candidacy();
  become_leader();
}

void Election::become_leader() {
  role_ = Role::kLeader;
  leader_ = c_.pnn();
  told_ = {};
  failures_ = 0;
  give_up_at_ = kNever;
  // Without votes nobody has said anything.
  if (!c_.voters.majority()) others_led_until_ = c_.now;
}

void Election::lose() {
  ++failures_;
  back_to_follower();
}

// Of one that was started anew nobody knows whom it followed before.
TimeNs Election::silent() const {
  return leading() ? 0 : c_.now - followed_at_;
}

void Election::back_to_follower() {
  if (leading()) followed_at_ = c_.now;
  lock_.let_go();
  role_ = Role::kFollower;
  campaign_at_ = give_up_at_ = kNever;
  grants_.clear();
}

void Election::answer(uint32_t to, bool granted, bool trial, uint64_t term) {
  const uint32_t heard = !granted && live_leader() && leader_ != to ? leader_ : CTDB_UNKNOWN_PNN;
  c_.send(to, Operation::VOTE_REPLY,
          VoteReply{term, granted, trial, heard, static_cast<uint64_t>(silent())}.encode());
}

// What speaks against a vote for a candidate whose term is acceptable.
bool Election::bound_elsewhere(uint32_t from, const VoteRequest& request) const {
  if (live_leader() && leader_ != from) return true;
  const uint32_t decided = c_.durable.decided_generation;
  // Before anything is decided the nodes file says whose votes count: where it differs, so do the majorities.
  if (request.generation == CTDB_INVALID_GENERATION &&
      (c_.decided_elsewhere || request.nodes != node_list_digest(c_.nodes)))
    return true;
  return decided != CTDB_INVALID_GENERATION && request.generation < decided;
}

// One that has no vote by what is known here may know of a newer decision.
bool Election::may_ask(uint32_t from, const VoteRequest& request) const {
  const uint32_t decided = c_.durable.decided_generation;
  return c_.voters.is_voter(from) || (request.generation != CTDB_INVALID_GENERATION &&
                                      (decided == CTDB_INVALID_GENERATION || request.generation > decided));
}

bool Election::plausible(uint64_t seen) {
  if (seen <= term()) return true;
  if (seen > kTermMax) return false;
  if (knows_no_term()) return true;
  const auto seconds = static_cast<uint64_t>((c_.now - ahead_at_) / kSecond);
  if (seconds > 0) {
    ahead_ = std::min(kTermsAheadMax, ahead_ + seconds * kTermsAheadPerSecond);
    ahead_at_ = c_.now;
  }
  return seen - term() <= ahead_;
}

// `next` is what becomes of that.
bool Election::follow_to(uint64_t seen, const DurableState& next) {
  const uint64_t by = seen > term() && !knows_no_term() ? seen - term() : 0;
  if (!c_.save(next)) return false;
  ahead_ -= std::min(ahead_, by);
  return true;
}

void Election::on_vote_request(uint32_t from, const VoteRequest& request) {
  if (lock_.used()) return c_.refuse("the cluster lock decides");
  if (request.term == 0 || !plausible(request.term)) return c_.refuse(kTermTooFar);
  if (!may_ask(from, request)) return c_.refuse("it has no vote");
  const bool too_old = request.trial ? request.term <= term() : request.term < term();
  if (too_old || bound_elsewhere(from, request)) return answer(from, false, request.trial, term());
  if (request.trial) return answer(from, true, true, request.term);
  DurableState next = c_.durable;
  if (request.term > next.term) {
    next.term = request.term;
    next.voted_for = CTDB_UNKNOWN_PNN;
  }
  if (next.voted_for != CTDB_UNKNOWN_PNN && next.voted_for != from) return answer(from, false, false, term());
  next.voted_for = from;
  if (!follow_to(request.term, next)) return;
  back_to_follower();
  leader_ = CTDB_UNKNOWN_PNN;
  answer(from, true, false, request.term);
  followed_at_ = c_.now;
}

void Election::on_vote_reply(uint32_t from, const VoteReply& reply) {
  if (lock_.used()) return c_.refuse("the cluster lock decides");
  if (!c_.voters.is_voter(from)) return c_.refuse("it has no vote");
  unsigned& awaited = asked_[reply.trial ? 1 : 0][from];
  if (awaited == 0) return c_.refuse("no vote was asked of it, or it has answered");
  --awaited;
  if (!reply.granted) {
    if (reply.leader != CTDB_UNKNOWN_PNN && reply.leader != c_.pnn()) told_ = {reply.leader, from};
    return saw_term(reply.term);
  }
  const bool ours = reply.trial ? role_ == Role::kTrial && reply.term == term() + 1
                                : role_ == Role::kCandidate && reply.term == term();
  if (!ours) return;
  if (!reply.trial) learn_who_led(c_.now - std::min(static_cast<TimeNs>(reply.silent), c_.now));
  count_grant(from);
}

bool Election::accept_leader(uint32_t from, uint64_t claimed) {
  if (claimed < term() || claimed == 0 || claimed > kTermMax) return false;
  if (claimed == term() && leader_ != CTDB_UNKNOWN_PNN && leader_ != from) {
    // Two leaders in one term exist only without a quorum rule; the lower pnn goes on.
    if (c_.options.majority_quorum || lock_.used() || from > leader_) return false;
  }
  if (claimed > term()) {
    DurableState next = c_.durable;
    next.term = claimed;
    next.voted_for = CTDB_UNKNOWN_PNN;
    if (!follow_to(claimed, next)) return false;
  }
  if (role_ != Role::kFollower) back_to_follower();
  campaign_at_ = kNever;
  failures_ = 0;
  leader_ = followed_ = from;
  followed_term_ = claimed;
  heard_ = followed_at_ = c_.now;
  told_ = {};
  return true;
}

void Election::forget_leader() {
  leader_ = CTDB_UNKNOWN_PNN;
  campaign_at_ = kNever;
}

void Election::saw_term(uint64_t seen) {
  if (!plausible(seen)) return c_.refuse(kTermTooFar);
  adopt_term(seen);
}

void Election::adopt_term(uint64_t seen) {
  if (seen <= term() || seen > kTermMax) return;
  DurableState next = c_.durable;
  next.term = seen;
  next.voted_for = CTDB_UNKNOWN_PNN;
  if (!follow_to(seen, next)) return;
  if (role_ != Role::kFollower) back_to_follower();
  leader_ = CTDB_UNKNOWN_PNN;
}

void Election::start_over() {
  back_to_follower();
  if (leader_ == c_.pnn()) leader_ = CTDB_UNKNOWN_PNN;
}

void Election::resign() {
  if (!leading()) return;
  back_to_follower();
  leader_ = CTDB_UNKNOWN_PNN;
}

}  // namespace ctdb
