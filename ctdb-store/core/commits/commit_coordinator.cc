// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions: taken, ordered, answered, taken back. Making members equal: commit_catch_up.cc.
#include "ctdb-store/core/commits/commit_coordinator.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "ctdb-store/core/commits/full_copy.h"

namespace ctdb {
namespace {

// Of one message to the members; a larger transaction goes alone, or no packet may have room for it and the others.
constexpr size_t kBatchBytes = 1u << 20;
// Where no log ends; {} is where an empty one does.
constexpr LogPosition kUnknownEnd{UINT32_MAX, UINT64_MAX};

}  // namespace

CommitCoordinator::CommitCoordinator(StoreContext& context, const CommitLog& log, CommitWays& ways)
    : ctx_(context), log_(log), ways_(ways) {}

void CommitCoordinator::stop() {
  step_ = Step::kIdle;
  followers_.clear();
  queue_.clear();  // whose they are puts them again
  under_way_.clear();
  retry_at_ = kNever;
}

void CommitCoordinator::submit(uint32_t from, const CommitSubmit& message) {
  if (step_ == Step::kIdle) return ctx_.rule_broken("this node does not coordinate the commits");
  const uint32_t db_id = message.payload.size() < 4 ? 0 : load<uint32_t>(message.payload.data());
  queue_.push_back({from, message.id, message.kind, message.again, db_id, to_bytes(message.payload)});
  pump();
}

// Takes what can be taken now, the first of each database.
void CommitCoordinator::pump() {
  if (step_ != Step::kReady) return;
  std::set<uint32_t> busy;
  for (const UnderWay& one : under_way_) busy.insert(one.db_id);
  std::vector<CommitEntry> batch;
  std::deque<Waiting> taken;
  const LogPosition previous = end_;
  size_t bytes = 0;
  for (auto waiting = queue_.begin(); waiting != queue_.end();) {
    if (busy.contains(waiting->db_id)) {
      ++waiting;
      continue;
    }
    if (bytes > 0 && bytes + waiting->payload.size() > kBatchBytes) break;
    busy.insert(waiting->db_id);
    taken.push_back(std::move(*waiting));
    waiting = queue_.erase(waiting);
    if (accept(taken.back(), batch)) {
      bytes += taken.back().payload.size();
    } else {
      busy.erase(taken.back().db_id);  // the next one of it may try
    }
  }
  if (!batch.empty()) append_to_all(batch, previous);
}

// false: it has its answer.
bool CommitCoordinator::accept(Waiting& waiting, std::vector<CommitEntry>& batch) {
  if (waiting.again && log_.find(waiting.node, waiting.id) != nullptr) {
    answer(waiting.node, waiting.id, 0, "");
    return false;
  }
  const Database* db = ctx_.databases.find(waiting.db_id);
  std::string error;
  int32_t status = kCommitConflict;
  if (db == nullptr || !db->full_copy()) {
    status = -1;
    error = "transactions need a persistent or replicated database";
  } else if (error = size_objection(*db, waiting.kind, waiting.payload); !error.empty()) {
    status = -1;
    ++ctx_.counts.records_too_large;
  } else {
    error = objection(*db, waiting.kind, waiting.payload, waiting.node, ctx_.generation);
  }
  if (!error.empty()) {
    answer(waiting.node, waiting.id, status, error);
    return false;
  }
  end_ = {ctx_.generation, ++last_number_};
  under_way_.push_back({end_, waiting.node, waiting.id, waiting.db_id});
  batch.push_back({end_, waiting.kind, waiting.node, waiting.id, waiting.payload});
  return true;
}

void CommitCoordinator::append_to_all(const std::vector<CommitEntry>& entries, LogPosition previous) {
  CommitAppend message;
  message.previous = previous;
  message.committed = committed_;
  message.entries = entries;
  const Bytes payload = message.encode();
  for (const Follower& to : followers_) ways_.send(to.pnn, Operation::COMMIT_APPEND, payload);
}

void CommitCoordinator::apply_on_all(bool tell_digests, bool complete) {
  const Bytes payload = CommitApply{committed_, tell_digests, complete}.encode();
  for (const Follower& to : followers_) ways_.send(to.pnn, Operation::COMMIT_APPLY, payload);
}

CommitCoordinator::Follower* CommitCoordinator::follower(uint32_t pnn) {
  const auto at = std::ranges::find(followers_, pnn, &Follower::pnn);
  return at == followers_.end() ? nullptr : &*at;
}

LogPosition CommitCoordinator::least(LogPosition Follower::*position) const {
  return (*std::ranges::min_element(followers_, {}, position)).*position;
}

void CommitCoordinator::appended(uint32_t from, const CommitAppended& message, TimeNs now) {
  Follower* at = follower(from);
  if (at == nullptr) return ctx_.refuse("it follows no log of this node");
  at->end = message.end;
  if (!message.ok) {
    const std::string why = "node " + std::to_string(from) + ": " + message.error;
    if (step_ == Step::kReady) return take_back(why);
    ctx_.out.log(StoreLog::kError, "commits wait: " + why);
    retry_at_ = now + kSecond;
    return;
  }
  advance();
}

void CommitCoordinator::advance() {
  if (step_ == Step::kTakingBack) {
    const bool all_cut = std::ranges::all_of(followers_, [&](const Follower& f) { return f.end == end_; });
    if (all_cut) taken_back();
  } else if (step_ == Step::kLogs) {
    make_logs_equal();
  } else if (step_ == Step::kReady && least(&Follower::end) > committed_) {
    committed_ = least(&Follower::end);
    apply_on_all(false, false);
  }
}

void CommitCoordinator::applied(uint32_t from, const CommitApplied& message) {
  Follower* at = follower(from);
  if (at == nullptr) return ctx_.refuse("it follows no log of this node");
  at->applied = message.applied;
  if (message.with_digests) {
    at->told_digests = true;
    at->digests.clear();
    for (const DatabaseDigest& digest : message.digests) at->digests[digest.db_id] = digest;
    at->databases_due.erase(message.taken_db_id);
  }
  if (step_ == Step::kApplying || step_ == Step::kComparing) return compare();
  finish_applied();
}

void CommitCoordinator::finish_applied() {
  const LogPosition all = least(&Follower::applied);
  while (!under_way_.empty() && under_way_.front().position <= all) {
    const UnderWay done = under_way_.front();
    under_way_.pop_front();
    answer(done.node, done.id, 0, "");
  }
  pump();
}

// Somebody could not write. What is committed stays; everything behind it is cut off everywhere before its clients hear.
void CommitCoordinator::take_back(const std::string& why) {
  ctx_.out.log(StoreLog::kError, "transactions are taken back: " + why);
  step_ = Step::kTakingBack;
  why_taken_back_ = why;
  end_ = committed_;
  for (Follower& to : followers_) to.end = kUnknownEnd;  // until it says so again
  append_to_all({}, committed_);
}

void CommitCoordinator::taken_back() {
  step_ = Step::kReady;
  std::deque<UnderWay> kept;
  for (const UnderWay& one : under_way_) {
    if (one.position <= committed_) {
      kept.push_back(one);
    } else {
      answer(one.node, one.id, -1, "nothing was kept: " + why_taken_back_);
    }
  }
  under_way_ = std::move(kept);
  finish_applied();
}

void CommitCoordinator::answer(uint32_t node, uint64_t id, int32_t status, const std::string& error) {
  ways_.send(node, Operation::COMMIT_RESULT, CommitResult{id, status, error}.encode());
}

}  // namespace ctdb
