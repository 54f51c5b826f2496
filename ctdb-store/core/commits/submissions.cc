// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/submissions.h"

#include <algorithm>
#include <utility>

namespace ctdb {
namespace {

constexpr size_t kPendingBytesMax = 256u << 20;
// Before a node that is no member refuses.
constexpr TimeNs kRefusalDelay = kSecond;
constexpr char kNoMember[] = "this node takes no part in the cluster now (see 'ctdb-cli status')";
constexpr char kNoMajority[] =
    "transactions need more than half of the voting nodes as members (see 'ctdb-cli status')";

}  // namespace

Submissions::Submissions(StoreContext& context, CommitWays& ways, uint64_t first_id)
    : ctx_(context), ways_(ways), next_id_(first_id) {}

void Submissions::submit(uint32_t endpoint, CommitKind kind, ByteView payload, Answer answer, TimeNs now) {
  take(endpoint, kind, false, payload, std::move(answer), now);
}

void Submissions::submit_locked(CommitKind kind, ByteView payload, Answer answer, TimeNs now) {
  take(0, kind, true, payload, std::move(answer), now);
}

void Submissions::take(uint32_t endpoint, CommitKind kind, bool locked, ByteView payload, Answer answer,
                       TimeNs now) {
  const auto refuse = [&](const std::string& why) {
    ++ctx_.counts.commits_refused;
    answer(-1, why);
  };
  if (payload.size() > kTransactionBytesMax) {
    return refuse("a transaction may have at most " + std::to_string(kTransactionBytesMax) +
                  " bytes, this has " + std::to_string(payload.size()));
  }
  if (bytes_ + payload.size() > kPendingBytesMax) return refuse("too many transactions wait");
  if (is_out()) {
    refusals_.push_back({now + kRefusalDelay, endpoint, std::move(answer), why_out()});
    return;
  }
  bytes_ += payload.size();
  const uint64_t id = next_id_++;
  Pending& pending = pending_[id];
  pending = {endpoint, kind, false, false, locked, to_bytes(payload), std::move(answer)};
  if (ctx_.is_open()) send(id, pending);
}

// No transaction can be had here, and nobody knows for how long.
bool Submissions::is_out() const {
  if (ctx_.is_open()) return coordinator_ == CTDB_UNKNOWN_PNN;
  return ctx_.phase != StorePhase::kRecovering && ctx_.phase != StorePhase::kPrepared;
}

std::string Submissions::why_out() const {
  return ctx_.is_open() ? kNoMajority : kNoMember;
}

void Submissions::send(uint64_t id, Pending& pending) {
  ways_.send(coordinator_, Operation::COMMIT_SUBMIT,
             CommitSubmit{id, pending.kind, pending.sent, pending.payload}.encode());
  pending.again = pending.sent;
  pending.sent = true;
}

void Submissions::open(uint32_t coordinator) {
  coordinator_ = coordinator;
  out_since_ = kNever;
  for (auto& [id, pending] : pending_) send(id, pending);
}

void Submissions::result(uint32_t from, const CommitResult& message) {
  const auto at = pending_.find(message.id);
  if (from != coordinator_ || at == pending_.end())
    return ctx_.refuse("not from the coordinator, or of no transaction of this node");
  const Pending pending = std::move(at->second);
  pending_.erase(at);
  bytes_ -= pending.payload.size();
  if (message.status == 0) {
    ++ctx_.counts.commits;
  } else {
    ++ctx_.counts.commits_failed;
  }
  if (!pending.answer) return;
  if (message.status == 0 || !pending.again) return pending.answer(message.status, message.error);
  // The members have nothing of it now. A node that is none may have it in its log from before, and bring it back.
  pending.answer(kCommitUnknown,
                 "a recovery came in between: look whether it happened (" + message.error + ")");
}

void Submissions::client_gone(uint32_t endpoint) {
  for (auto& [id, pending] : pending_) {
    if (pending.endpoint == endpoint) pending.answer = nullptr;
  }
  std::erase_if(refusals_, [&](const Refusal& refusal) { return refusal.endpoint == endpoint; });
}

// What the store has asked for itself is answered.
void Submissions::all_clients_gone() {
  for (auto& [id, pending] : pending_) {
    if (pending.endpoint != 0) pending.answer = nullptr;
  }
  std::erase_if(refusals_, [](const Refusal& refusal) { return refusal.endpoint != 0; });
}

void Submissions::give_up(const Pending& pending) {
  ++ctx_.counts.commits_failed;
  bytes_ -= pending.payload.size();
  if (!pending.answer) return;
  if (pending.sent) {
    pending.answer(kCommitUnknown,
                   "this node left the cluster during the transaction: look whether it happened");
  } else {
    pending.answer(-1, why_out());
  }
}

void Submissions::give_up_pending() {
  for (auto& [id, pending] : std::exchange(pending_, {})) give_up(pending);
}

// The locks are lost. Those that were sent may have happened.
void Submissions::membership_ended() {
  std::vector<Pending> lost;
  std::erase_if(pending_, [&](auto& one) {
    if (!one.second.locked) return false;
    lost.push_back(std::move(one.second));
    return true;
  });
  for (const Pending& pending : lost) give_up(pending);
}

void Submissions::tick(TimeNs now) {
  if (!is_out()) {
    out_since_ = kNever;
  } else if (out_since_ == kNever) {
    out_since_ = now;
  } else if (now >= out_since_ + kRefusalDelay && !pending_.empty()) {
    give_up_pending();
  }
  while (!refusals_.empty() && refusals_.front().at <= now) {
    const Refusal refusal = std::move(refusals_.front());
    refusals_.pop_front();
    ++ctx_.counts.commits_refused;
    refusal.answer(-1, refusal.why);
  }
}

TimeNs Submissions::next_deadline() const {
  TimeNs next = refusals_.empty() ? kNever : refusals_.front().at;
  if (is_out() && !pending_.empty())
    next = std::min(next, out_since_ == kNever ? 0 : out_since_ + kRefusalDelay);
  return next;
}

}  // namespace ctdb
