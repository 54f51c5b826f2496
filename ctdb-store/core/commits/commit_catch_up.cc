// SPDX-License-Identifier: GPL-3.0-or-later
// The beginning of a coordinator's generation: members that were away, restarted or damaged get what they lack. Commits
// wait meanwhile, nothing else does.
#include <algorithm>
#include <tuple>
#include <utility>

#include "ctdb-store/core/commits/commit_coordinator.h"
#include "ctdb-store/core/commits/full_copy.h"

namespace ctdb {
namespace {

constexpr size_t kBatchBytes = 1u << 20;
// A copy that is still another one after so many transfers is damaged in a way that sending it again does not mend.
constexpr uint32_t kComparisonsMax = 4;

}  // namespace

uint32_t choose_coordinator(const std::vector<MemberLog>& logs) {
  const auto worse = [](const MemberLog& a, const MemberLog& b) {
    return std::tuple(a.trusted, a.end, b.pnn) < std::tuple(b.trusted, b.end, a.pnn);
  };
  return std::ranges::max_element(logs, worse)->pnn;
}

void CommitCoordinator::start(const std::vector<MemberLog>& logs) {
  stop();
  end_ = log_.end();
  last_number_ = end_.number;
  committed_ = {};
  comparisons_ = 0;
  for (const MemberLog& log : logs) {
    Follower follower;
    follower.pnn = log.pnn;
    follower.end = log.end;
    follower.trusted = log.trusted;
    followers_.push_back(std::move(follower));
  }
  step_ = Step::kLogs;
  for (Follower& to : followers_) send_missing(to);
  make_logs_equal();
}

// This node too gets an order: its answer says that its log is on disk.
void CommitCoordinator::send_missing(Follower& to) {
  to.restarts = to.pnn != ctx_.self && (!to.trusted || !log_.has(to.end));
  to.sent = to.pnn == ctx_.self ? end_ : to.restarts ? log_.start() : to.end;
  send_more(to);
}

// One message.
void CommitCoordinator::send_more(Follower& to) {
  CommitAppend message;
  message.committed = committed_;
  message.restart = std::exchange(to.restarts, false);
  message.previous = to.sent;
  size_t bytes = 0;
  const KeptEntry* entry = log_.after(to.sent);
  for (; entry != nullptr; entry = log_.after(to.sent)) {
    if (bytes > 0 && bytes + entry->payload.size() > kBatchBytes) break;
    message.entries.push_back({entry->position, entry->kind, entry->origin, entry->id, entry->payload});
    bytes += entry->payload.size();
    to.sent = entry->position;
  }
  to.lacks = entry != nullptr;
  ways_.send(to.pnn, Operation::COMMIT_APPEND, message.encode());
}

bool CommitCoordinator::has_work() const {
  return step_ == Step::kLogs && std::ranges::any_of(followers_, &Follower::lacks) && !ctx_.out.congested();
}

// One message to each. The log here may have been begun anew meanwhile, behind what was sent.
void CommitCoordinator::work() {
  if (!has_work()) return;
  for (Follower& to : followers_) {
    if (!to.lacks) continue;
    if (log_.has(to.sent)) {
      send_more(to);
    } else {
      send_missing(to);
    }
  }
}

void CommitCoordinator::make_logs_equal() {
  const bool equal = std::ranges::all_of(followers_, [&](const Follower& f) { return f.end == end_; });
  if (!equal) return;
  retry_at_ = kNever;
  step_ = Step::kApplying;
  committed_ = end_;
  ask_for_digests();
}

void CommitCoordinator::ask_for_digests() {
  for (Follower& f : followers_) f.told_digests = false;
  apply_on_all(true, false);
}

// Called whenever one has told its digests.
void CommitCoordinator::compare() {
  const auto is_ready = [&](const Follower& f) {
    return f.told_digests && f.applied == end_ && f.databases_due.empty();
  };
  if (!std::ranges::all_of(followers_, is_ready)) return;
  bool equal = true;
  for (const auto& db : ctx_.databases.all()) {
    if (!db->full_copy()) continue;
    uint32_t holder = ctx_.self;
    const DatabaseDigest* best = best_copy(*db, holder);
    if (best == nullptr) continue;
    for (Follower& to : followers_) {
      const auto its = to.digests.find(db->id);
      if (its != to.digests.end() && its->second.digest == best->digest) continue;
      equal = false;
      if (comparisons_ >= kComparisonsMax) continue;
      to.told_digests = false;  // it tells again when it has the database
      to.databases_due.insert(db->id);
      ways_.send(holder, Operation::DATABASE_WANTED, DatabaseWanted{db->id, to.pnn}.encode());
    }
  }
  if (!equal && ++comparisons_ <= kComparisonsMax) {
    step_ = Step::kComparing;
    return;
  }
  if (!equal) {
    ctx_.out.log(
        StoreLog::kError,
        "copies of databases differ and cannot be made equal: compare them with 'ctdb-cli db check'");
  }
  step_ = Step::kReady;
  apply_on_all(false, equal);
  pump();
}

// Which copy is the right one: logs are equal, so copies differ only when one was damaged, emptied, or comes from another
// installation. The highest sequence number, then what most have, then what this node has.
const DatabaseDigest* CommitCoordinator::best_copy(const Database& db, uint32_t& holder) const {
  const bool any_trusted = std::ranges::any_of(followers_, &Follower::trusted);
  const auto votes = [&](const DatabaseDigest& digest) {
    return std::ranges::count_if(followers_, [&](const Follower& f) {
      const auto its = f.digests.find(db.id);
      return its != f.digests.end() && its->second.digest == digest.digest;
    });
  };
  const DatabaseDigest* best = nullptr;
  const auto rank = [&](const DatabaseDigest& digest, uint32_t pnn) {
    return std::tuple(digest.sequence, digest.records > 0, votes(digest), pnn == ctx_.self);
  };
  for (const Follower& f : followers_) {
    const auto its = f.digests.find(db.id);
    if (its == f.digests.end() || (any_trusted && !f.trusted)) continue;
    if (best != nullptr && rank(its->second, f.pnn) <= rank(*best, holder)) continue;
    best = &its->second;
    holder = f.pnn;
  }
  return best;
}

// A member could not write its log: it is asked again, commits wait.
void CommitCoordinator::tick(TimeNs now) {
  if (now < retry_at_) return;
  retry_at_ = kNever;
  if (step_ == Step::kTakingBack) return append_to_all({}, committed_);
  if (step_ != Step::kLogs) return;
  for (Follower& to : followers_) {
    if (to.end != end_) send_missing(to);
  }
}

}  // namespace ctdb
