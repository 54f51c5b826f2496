// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/chain_locks.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/printable.h"
#include "libctdbipc/base/refusals.h"

namespace ctdb {
namespace {

constexpr TimeNs kFirstRetry = 30 * kMicrosecond;
constexpr uint32_t kTries = 3;       // after that a worker waits
constexpr uint32_t kTriesInAll = 9;  // the others beside the worker
constexpr TimeNs kWorkerRetry = 20 * kMillisecond;
constexpr uint32_t kWorkerRetryDoublings = 6;  // then it is 1.28 s
// A lock that is held so long is told in the log, and again when it has been held ten times as long.
constexpr TimeNs kFirstComplaint = kSecond;
constexpr TimeNs kComplaintFactor = 10;
// Who keeps a file as a whole keeps all of its chains. So many of one file are told in one go.
constexpr uint32_t kComplaintsAtOnce = 5;

// Where the wait for it stands, or has to.
auto place_of(Database& db, uint32_t chain) {
  return std::ranges::lower_bound(db.chain_waits, chain, {}, &ChainWait::chain);
}

}  // namespace

bool ChainLocks::try_take(Database& db, const RecordEntry& entry) {
  const uint32_t chain = db.chain_of(entry);
  if (held_db_ == &db && held_chain_ == chain) {
    ++held_depth_;
    return true;
  }
  CTDB_ASSERT(held_db_ == nullptr);
  if (db.file->try_lock(entry.key()) == RecordFile::Lock::kBusy) {
    ++counts_.locks_busy;
    return false;
  }
  if (!clear_leftovers(db, chain)) {
    db.file->unlock(entry.key());
    return false;
  }
  held_db_ = &db;
  held_chain_ = chain;
  held_depth_ = 1;
  return true;
}

// Whatever is done under the lock would else be done beside a record that is not to be believed. It is tried again as if the chain were busy.
bool ChainLocks::clear_leftovers(Database& db, uint32_t chain) {
  if (db.leftovers.empty()) return true;
  const Result<void> cleared = db.leftovers.clear(*db.file, chain);
  if (!cleared) {
    ++counts_.file_errors;
    if (!db.leftovers_failing)
      out_.log(StoreLog::kError, "discarding records in " + db.file->path() + ": " + cleared.error().text() +
                                     "; trying again until it works");
  }
  db.leftovers_failing = !cleared;
  return cleared.has_value();
}

bool ChainLocks::take(Activity& activity, TimeNs now) {
  if (activity.on_chain) return false;
  if (try_take(*activity.db, *activity.entry)) return true;
  ChainWait& wait = wait_for(activity, now);
  activity.on_chain = true;
  activity.chain_next = nullptr;
  (wait.first == nullptr ? wait.first : wait.last->chain_next) = &activity;
  wait.last = &activity;
  return false;
}

void ChainLocks::let_go(Database& db, const RecordEntry& entry) {
  CTDB_ASSERT(held_db_ == &db && held_chain_ == db.chain_of(entry) && held_depth_ > 0);
  if (--held_depth_ > 0) return;
  held_db_ = nullptr;
  db.file->unlock(entry.key());
}

ChainWait* ChainLocks::find(Database& db, uint32_t chain) {
  const auto at = place_of(db, chain);
  return at != db.chain_waits.end() && (*at)->chain == chain ? *at : nullptr;
}

ChainWait& ChainLocks::wait_for(Activity& activity, TimeNs now) {
  Database& db = *activity.db;
  const uint32_t chain = db.chain_of(*activity.entry);
  if (ChainWait* known = find(db, chain); known != nullptr) return *known;
  if (free_.empty()) {
    all_.push_back(std::make_unique<ChainWait>());
    all_.back()->number = static_cast<uint32_t>(all_.size() - 1);
    free_.push_back(all_.back().get());
  }
  ChainWait* wait = free_.back();
  free_.pop_back();
  wait->db = &db;
  wait->chain = chain;
  wait->first = wait->last = nullptr;
  wait->tries = 0;
  wait->ticket = 0;
  wait->failures = 0;
  wait->ask_at = now;
  wait->since = now;
  wait->complain_at = now + kFirstComplaint;
  db.chain_waits.insert(place_of(db, chain), wait);
  ++counts_.lock_waiters;
  timers_.set(wait->timer, now + kFirstRetry);
  return *wait;
}

void ChainLocks::drop(ChainWait& wait) {
  timers_.cancel(wait.timer);
  wait.db->chain_waits.erase(place_of(*wait.db, wait.chain));
  wait.db = nullptr;
  wait.ticket = 0;
  free_.push_back(&wait);
  --counts_.lock_waiters;
}

void ChainLocks::on_timer(ChainWait& wait, TimeNs now) {
  const bool is_late = wait.ticket != 0 && wait.tries >= kTriesInAll;
  const Activity& first = *wait.first;
  if (try_take(*wait.db, *first.entry)) {
    Database& db = *wait.db;
    const RecordEntry& entry = *first.entry;
    const uint64_t ticket = wait.ticket;
    serve(wait, now);
    let_go(db, entry);
    if (ticket != 0) out_.unlock_chain(ticket);
    return;
  }
  if (is_late) return complain(wait, now);
  if (now < wait.ask_at) return timers_.set(wait.timer, std::min(now + kWorkerRetry, wait.ask_at));
  ++wait.tries;
  const bool again = wait.tries < kTriesInAll;
  timers_.set(wait.timer, again ? now + (kFirstRetry << wait.tries) : wait.complain_at);
  if (wait.tries < kTries || wait.ticket != 0) return;
  wait.ticket = uint64_t{++tickets_} << 32 | wait.number;
  out_.lock_chain(wait.ticket, *wait.db->file, first.entry->key());
}

LockWait ChainLocks::described(const ChainWait& wait, TimeNs now) const {
  LockWait told;
  told.db_id = wait.db->id;
  told.key = to_bytes(wait.first->entry->key());
  const LockHolder holder = wait.db->file->lock_holder(told.key);
  told.holder_pid = holder.pid;
  told.holder = holder.program;
  told.waited_ns = static_cast<uint64_t>(now - wait.since);
  for (const Activity* at = wait.first; at != nullptr; at = at->chain_next) ++told.records;
  return told;
}

void ChainLocks::complain(ChainWait& wait, TimeNs now) {
  wait.complain_at = now + (now - wait.since) * (kComplaintFactor - 1);
  timers_.set(wait.timer, wait.complain_at);
  Database& db = *wait.db;
  if (now - db.locks_told_at >= kFirstComplaint) {
    db.locks_told_at = now;
    db.locks_told = 0;
  }
  if (++db.locks_told > kComplaintsAtOnce) return;
  const LockWait told = described(wait, now);
  const std::string who = told.holder_pid == 0 ? "somebody"
                                               : (told.holder.empty() ? "process" : told.holder) + " (pid " +
                                                     std::to_string(told.holder_pid) + ")";
  out_.log(
      StoreLog::kWarning,
      wait.db->name + ": " + who + " has kept the lock of key " + argument_from_bytes(told.key) + " for " +
          std::to_string(told.waited_ns / kSecond) + " s; " + std::to_string(told.records) +
          " record(s) of that chain wait, nothing else does" +
          (db.locks_told < kComplaintsAtOnce ? "" : " (for more locks of the file: 'ctdb-cli lock list')"));
}

// Everything behind the chain, in order. The entries stay: their activities have something to do.
void ChainLocks::serve(ChainWait& wait, TimeNs now) {
  Activity* next = wait.first;
  wait.db->statistics.lock_waited(now - wait.since);
  drop(wait);
  while (next != nullptr) {
    Activity& activity = *next;
    next = activity.chain_next;
    activity.on_chain = false;
    user_->on_chain_held(activity, now);
  }
}

ChainWait* ChainLocks::find_ticket(uint64_t ticket) {
  const auto number = static_cast<uint32_t>(ticket);
  if (ticket == 0 || number >= all_.size() || all_[number]->ticket != ticket) return nullptr;
  return all_[number].get();
}

void ChainLocks::on_locked(uint64_t ticket, TimeNs now) {
  ChainWait* wait = find_ticket(ticket);
  if (wait == nullptr) return;
  Database& db = *wait->db;
  const RecordEntry& entry = *wait->first->entry;
  CTDB_ASSERT(held_db_ == nullptr);
  db.file->mark(entry.key());
  if (!clear_leftovers(db, wait->chain)) {
    db.file->unmark(entry.key());
    out_.unlock_chain(ticket);
    return ask_later(*wait, now);
  }
  held_db_ = &db;
  held_chain_ = wait->chain;
  held_depth_ = 1;
  serve(*wait, now);
  CTDB_ASSERT(held_depth_ == 1);
  held_db_ = nullptr;
  db.file->unmark(entry.key());
  out_.unlock_chain(ticket);
}

void ChainLocks::on_failed(uint64_t ticket, const std::string& why, TimeNs now) {
  ChainWait* wait = find_ticket(ticket);
  if (wait == nullptr) return;
  Database& db = *wait->db;
  if (!db.lock_failure_said || now - *db.lock_failure_said >= Refusals::kEvery) {
    db.lock_failure_said = now;
    out_.log(StoreLog::kWarning, db.name + ": a lock could not be waited for: " + why + "; trying again");
  }
  ask_later(*wait, now);
}

void ChainLocks::ask_later(ChainWait& wait, TimeNs now) {
  ++wait.db->statistics.lock_failed;
  wait.ticket = 0;
  wait.ask_at = now + (kWorkerRetry << std::min(wait.failures++, kWorkerRetryDoublings));
  timers_.set(wait.timer, now + kWorkerRetry);
}

void ChainLocks::forget(Database& db) {
  while (!db.chain_waits.empty()) {
    ChainWait& wait = *db.chain_waits.back();
    for (Activity* activity = wait.first; activity != nullptr; activity = activity->chain_next) {
      activity->on_chain = false;
    }
    if (wait.ticket != 0) out_.unlock_chain(wait.ticket);
    drop(wait);
  }
}

}  // namespace ctdb
