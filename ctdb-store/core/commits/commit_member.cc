// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/commit_member.h"

#include <algorithm>
#include <utility>

#include "ctdb-store/core/commits/full_copy.h"

namespace ctdb {
namespace {

// The log on disk is begun anew when it has grown to this: so much is repeated after a crash at most.
constexpr size_t kCheckpointBytes = 16u << 20;
// Entries kept in memory behind that, for members that were away for a short time.
constexpr size_t kKeptBytes = 4u << 20;
constexpr TimeNs kRetry = kSecond;
// Others have their turn after so many. A usual transaction is noted at once.
constexpr size_t kNotedPerSlice = 1024;
constexpr size_t kForgottenBytesPerSlice = 8u << 20;
// A database that another node has just attached is told on another way than its first transaction.
constexpr TimeNs kDatabaseRetry = 5 * kMillisecond;

}  // namespace

CommitMember::CommitMember(StoreContext& context, CommitDisk& disk, CommitWays& ways)
    : ctx_(context), disk_(disk), ways_(ways) {}

void CommitMember::take_up() {
  CommitLogImage image = disk_.take_log();
  log_.restart(image.start);
  applied_ = image.start;
  ctx_.log_trusted = image.trusted;
  for (KeptEntry& entry : image.entries) {
    log_bytes_ += entry.payload.size();
    log_.append(std::move(entry));
  }
  durable_ = ctx_.log_end = taken_up_ = log_.end();
  committed_ = log_.at_or_before(std::max(image.committed, image.start));
  apply_next();
}

// The databases are as the log and its copies make them: from here on a restart of this process alone changes nothing.
void CommitMember::files_taken_up(bool damaged) {
  if (damaged) ctx_.log_trusted = false;
  if (!ctx_.log_trusted) {
    disk_.log_restart(log_.start(), false);
    for (const KeptEntry* entry = log_.after(log_.start()); entry != nullptr;
         entry = log_.after(entry->position))
      disk_.log_append(*entry, committed_);
  }
  sync_log();
}

void CommitMember::open(uint32_t coordinator) {
  coordinator_ = coordinator;
  apply_next();
}

void CommitMember::close() {
  coordinator_ = CTDB_UNKNOWN_PNN;
  owes_appended_ = owes_applied_ = digests_wanted_ = false;
  sending_.clear();
  std::erase_if(taking_, [](const auto& taking) { return taking.second.ticket == 0; });
}

bool CommitMember::from_coordinator(uint32_t from) {
  if (from == coordinator_) return true;
  ctx_.refuse("it does not coordinate the commits");
  return false;
}

// ---- the log ----

void CommitMember::append(uint32_t from, const CommitAppend& message) {
  if (!from_coordinator(from)) return;
  owes_appended_ = true;
  if (message.restart) {
    forget_applying();  // what is under way is of the past
    log_.restart(message.previous);
    ctx_.log_trusted = false;  // until the databases have been compared
    disk_.log_restart(message.previous, false);
    begins_anew_ = true;
    syncs_beginning_ = false;  // one that is under way says nothing of this
    durable_ = committed_ = applied_ = message.previous;
    for (const auto& db : ctx_.databases.all()) db->put_off.entries.clear();
    syncing_to_ = std::min(syncing_to_, message.previous);
    log_bytes_ = 0;
  } else if (!log_.has(message.previous) || message.previous < (is_applying() ? applying_ : applied_)) {
    ctx_.rule_broken("it does not follow what is in the log here");
    return tell_appended(false, "the logs of commits do not fit together");
  } else if (message.previous < log_.end()) {
    log_.cut(message.previous);
    disk_.log_cut(message.previous);
    durable_ = std::min(durable_, message.previous);
    syncing_to_ = std::min(syncing_to_, message.previous);  // what is written again is another matter
  }
  // It could not, and may have the old log still: what follows here does not follow that.
  if (begins_anew_ && !message.restart && sync_ticket_ == 0) disk_.log_restart(log_.start(), false);
  for (const CommitEntry& entry : message.entries) {
    KeptEntry kept{entry.position, entry.kind, entry.origin, entry.id, to_bytes(entry.payload)};
    disk_.log_append(kept, committed_);
    log_bytes_ += kept.payload.size();
    log_.append(std::move(kept));
  }
  ctx_.log_end = durable_;
  committed_ = std::max(committed_, log_.at_or_before(message.committed));
  sync_log();
}

void CommitMember::sync_log() {
  if (sync_ticket_ != 0) {
    sync_again_ = true;
    return;
  }
  sync_ticket_ = ctx_.new_ticket();
  syncing_to_ = log_.end();
  sync_again_ = false;
  syncs_beginning_ = begins_anew_;
  ++ctx_.counts.commit_syncs;
  disk_.log_sync(sync_ticket_);
}

// What could not be written is not in the log; the coordinator decides what that means.
void CommitMember::log_synced(const std::string& error) {
  sync_ticket_ = 0;
  if (!error.empty()) {
    ctx_.out.log(StoreLog::kError, "the log of commits: " + error);
    log_.cut(durable_);
    disk_.log_cut(durable_);
    ctx_.log_end = durable_;
    sync_again_ = false;
    return tell_appended(false, error);
  }
  if (syncs_beginning_) begins_anew_ = false;
  durable_ = ctx_.log_end = log_.at_or_before(syncing_to_);
  if (sync_again_) return sync_log();
  if (owes_appended_) tell_appended(true, "");
}

void CommitMember::tell_appended(bool ok, const std::string& error) {
  owes_appended_ = false;
  if (coordinator_ == CTDB_UNKNOWN_PNN) return;
  ways_.send(coordinator_, Operation::COMMIT_APPENDED, CommitAppended{durable_, ok, error}.encode());
}

// ---- the databases ----

void CommitMember::apply(uint32_t from, const CommitApply& message) {
  if (!from_coordinator(from)) return;
  if (!log_.has(message.committed)) return ctx_.rule_broken("what is to be applied is not in the log");
  committed_ = std::max(committed_, message.committed);
  owes_applied_ = true;
  digests_wanted_ = digests_wanted_ || message.tell_digests;
  if (message.complete) tell_logs_are_equal();
  if (message.complete && !ctx_.log_trusted) {
    ctx_.log_trusted = true;
    disk_.log_trust();
    sync_log();
  }
  apply_next();
}

// The leader changes voters only when it knows who has everything.
void CommitMember::tell_logs_are_equal() {
  StoreRecovered equal;
  equal.generation = ctx_.generation;
  equal.about = ctx_.placement.members();
  ctx_.send_own(ctx_.self, Operation::STORE_RECOVERED, equal.encode());
}

void CommitMember::apply_next() {
  checkpoint_if_due();
  if (is_applying() || checkpoint_ticket_ != 0 || retry_at_ != kNever) return;
  while (const KeptEntry* entry = log_.after(applied_)) {
    if (entry->position > committed_) break;
    Database* db = database_of(*entry);
    if (db == nullptr && must_wait_for_database(entry->position)) return;
    if (db != nullptr && !takes_no_disk(*db, *entry)) return order_apply(*db, *entry);
    applied_ = entry->position;
  }
  if (owes_applied_ && applied_ == committed_ && notings_.empty()) tell_applied();
}

// What existed when the generation was opened is attached on all members; one that was attached in it will be in a moment.
// Everything else (a replicated database of an earlier life) is gone.
bool CommitMember::must_wait_for_database(LogPosition of) {
  if (!ctx_.is_open()) return of > taken_up_;  // open() goes on
  if (of.generation != ctx_.generation) return false;
  retry_at_ = now_ + kDatabaseRetry;
  return true;
}

// nullptr: there is no such database.
Database* CommitMember::database_of(const KeptEntry& entry) const {
  Database* db =
      entry.payload.size() < 4 ? nullptr : ctx_.databases.find(load<uint32_t>(entry.payload.data()));
  return db != nullptr && db->full_copy() ? db : nullptr;
}

// It changes nothing, or nothing yet.
bool CommitMember::takes_no_disk(Database& db, const KeptEntry& entry) {
  if (goes_on(entry.kind) && !has_put_off(db, entry.origin, entry.position.generation)) {
    ctx_.rule_broken("what the transaction goes on with is not in the log here");  // the coordinator looks
    return true;
  }
  if (is_put_off(entry.kind)) note_put_off(db, entry);
  return is_put_off(entry.kind);
}

void CommitMember::order_apply(const Database& db, const KeptEntry& entry) {
  apply_ticket_ = ctx_.new_ticket();
  applying_ = entry.position;
  if (entry.kind != CommitKind::kReplaceEnds)
    return disk_.database_apply(apply_ticket_, *db.file, entry.kind, entry.payload);
  handing_over_ = db.put_off.entries;
  handing_over_.push_back(entry.position);
  handed_over_ = 0;
}

// They stay in the log until they are applied: nothing is cut off or forgotten meanwhile.
void CommitMember::hand_over_part() {
  const KeptEntry& entry = *log_.at(handing_over_[handed_over_]);
  const size_t parts = handing_over_.size();
  const Database& db = *database_of(entry);
  disk_.database_replace(*db.file, entry.payload, handed_over_ == 0);
  if (++handed_over_ < parts) return;
  handing_over_.clear();
  disk_.database_replaced(apply_ticket_, *db.file, parts);
}

// An entry to come may need those: the log keeps them. None of an older generation than the last that was applied can.
bool CommitMember::is_put_off_open() const {
  return std::ranges::any_of(ctx_.databases.all(), [this](const auto& db) {
    const auto& entries = db->put_off.entries;
    return !entries.empty() && entries.back().generation >= applied_.generation;
  });
}

void CommitMember::entry_applied(const std::string& error, TimeNs now) {
  apply_ticket_ = 0;
  if (!error.empty()) {
    ++ctx_.counts.file_errors;
    ctx_.out.log(StoreLog::kError, "a committed transaction is not visible yet, trying again: " + error);
    retry_at_ = now + kRetry;
    return;
  }
  const KeptEntry* entry = log_.after(applied_);
  if (entry == nullptr || entry->position != applying_) return apply_next();
  notes_entry_ = true;
  Database* db = database_of(*entry);
  if (db == nullptr) return entry_noted();
  Noting& noting = notings_.emplace_back(*db, entry->kind != CommitKind::kRecords, false).noting;
  if (entry->kind == CommitKind::kReplaceEnds) {
    for (const LogPosition position : db->put_off.entries) noting.add(log_.at(position)->payload);
  }
  if (entry->kind != CommitKind::kWipe) noting.add(entry->payload);
  note_visible();
}

void CommitMember::note_visible() {
  Visible& first = notings_.front();
  if (!first.noting.go_on(ctx_.databases, kNotedPerSlice)) return;
  const uint32_t db_id = first.noting.db_id();
  const bool is_taken = first.taken;
  notings_.pop_front();
  if (is_taken) {
    taken_noted(db_id);
  } else {
    entry_noted();
  }
  if (notings_.empty()) tell_taken();
}

// What had been put off counts now, or never.
void CommitMember::entry_noted() {
  notes_entry_ = false;
  if (Database* db = database_of(*log_.at(applying_))) db->put_off.entries.clear();
  applied_ = applying_;
  apply_next();
}

// The log begins anew behind it. What the file has of it the index has too.
void CommitMember::forget_applying() {
  for (Visible& one : notings_) {
    if (!one.taken) one.noting.go_on(ctx_.databases, SIZE_MAX);
  }
  std::erase_if(notings_, [](const Visible& one) { return !one.taken; });
  notes_entry_ = forgetting_ = false;
  apply_ticket_ = 0;
  handing_over_.clear();
}

void CommitMember::tick(TimeNs now) {
  now_ = now;
  if (now < retry_at_) return;
  retry_at_ = kNever;
  apply_next();
}

void CommitMember::tell_applied(uint32_t taken_db_id) {
  if (coordinator_ == CTDB_UNKNOWN_PNN) return;
  CommitApplied message;
  message.applied = applied_;
  message.with_digests = digests_wanted_;
  message.taken_db_id = taken_db_id;
  if (digests_wanted_) {
    for (const auto& db : ctx_.databases.all()) {
      if (db->full_copy()) message.digests.push_back(digest_of(*db));
    }
  }
  owes_applied_ = digests_wanted_ = false;
  ways_.send(coordinator_, Operation::COMMIT_APPLIED, message.encode());
}

// ---- a new beginning of the log ----

// Between two transactions; the log goes on meanwhile.
void CommitMember::checkpoint_if_due() {
  const bool between = !is_applying() && retry_at_ == kNever && taking_.empty();
  if (!between || checkpoint_ticket_ != 0 || log_bytes_ < kCheckpointBytes || is_put_off_open()) return;
  checkpoint_ticket_ = ctx_.new_ticket();
  checkpoint_at_ = applied_;
  disk_.database_checkpoint(checkpoint_ticket_);
}

void CommitMember::checkpoint_done(const std::string& error) {
  checkpoint_ticket_ = 0;
  // Also after a failure, and without what stays in it: the next try comes when it has grown again. While what stays waits for its
  // majority, another one would leave out nothing more.
  log_bytes_ = 0;
  if (!error.empty()) {
    ctx_.out.log(StoreLog::kError, "the log of commits cannot be begun anew: " + error);
  } else if (log_.has(checkpoint_at_)) {
    disk_.log_restart(checkpoint_at_, ctx_.log_trusted);
    for (const KeptEntry* entry = log_.after(checkpoint_at_); entry != nullptr;
         entry = log_.after(entry->position)) {
      disk_.log_append(*entry, committed_);
    }
    sync_log();
    forget_to_ = checkpoint_at_;
    forget_some();
  }
  apply_next();
}

void CommitMember::forget_some() {
  forgetting_ = !log_.forget(forget_to_, kKeptBytes, kForgottenBytesPerSlice);
}

void CommitMember::work(TimeNs now) {
  now_ = now;
  if (forgetting_) forget_some();
  if (has_part_to_hand_over()) hand_over_part();
  if (!notings_.empty()) note_visible();
  if (has_part_to_send()) send_part();
}

// ---- disk ----

bool CommitMember::on_disk_done(uint64_t ticket, const std::string& error, TimeNs now) {
  if (ticket == sync_ticket_) {
    log_synced(error);
  } else if (ticket == apply_ticket_) {
    entry_applied(error, now);
  } else if (ticket == checkpoint_ticket_) {
    checkpoint_done(error);
  } else {
    const auto taking =
        std::ranges::find_if(taking_, [&](const auto& one) { return one.second.ticket == ticket; });
    if (taking == taking_.end()) return false;
    taken(taking->first, error);
  }
  return true;
}

}  // namespace ctdb
