// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/file_checks.h"

#include <algorithm>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/printable.h"

namespace ctdb {
namespace {

// A slice takes some 20 us of a file that is nearly empty; others have their turn between two, and after the last there is a pause.
// Records cost more than chains: some 0.2 us each, also when a file is examined. So do deleted ones, which libtdb keeps for re-use.
constexpr uint32_t kChainsPerSlice = 4096;
constexpr uint32_t kBlocksPerSlice = 1024;
constexpr TimeNs kPausePerRecord = 4 * kMicrosecond;
constexpr TimeNs kPauseAfterExamining = 20 * kMillisecond;
constexpr TimeNs kSlicePause = 20 * kMicrosecond;
constexpr TimeNs kPausePerSlice = 500 * kMicrosecond;
// Looking at the locks of a file takes some 200 us.
constexpr TimeNs kPausePerFile = kMillisecond;
constexpr TimeNs kExaminePause = kMillisecond;
constexpr TimeNs kComplaint = 5 * kSecond;
constexpr size_t kKeysNamed = 100;

}  // namespace

void FileChecks::client_ended(uint32_t changing_db, TimeNs now) {
  if (ctx_.databases.all().empty()) return;
  if (const Database* db = ctx_.databases.find_volatile(changing_db); db != nullptr) suspect(*db, now);
  if (now >= locks_from_) {
    look_at_locks(now);
  } else {
    locks_at_ = locks_from_;
  }
  if (looking_) {
    again_ = true;
  } else {
    look_at_ = std::max(now, chains_from_);
  }
}

void FileChecks::tick(TimeNs now) {
  if (now >= locks_at_) look_at_locks(now);
  if (now >= look_at_) look_slice(now);
  if (now >= examine_at_) examine(now);
}

TimeNs FileChecks::next_deadline() const {
  return std::min({locks_at_, look_at_, examine_at_});
}

void FileChecks::suspect(const Database& db, TimeNs now) {
  const bool known = std::ranges::any_of(suspects_, [&](const Suspect& each) { return each.db_id == db.id; });
  if (!known) suspects_.push_back({db.id, now});
  examine_at_ = std::min(examine_at_, now);
}

// ---- the look ----

// All of them at once and first: the next client that takes a lock makes it look like any other.
void FileChecks::look_at_locks(TimeNs now) {
  locks_at_ = kNever;
  locks_from_ = now;
  for (const std::unique_ptr<Database>& db : ctx_.databases.all()) {
    if (db->full_copy()) continue;
    locks_from_ += kPausePerFile;
    for (const RecordFile::DeadLock& lock : db->file->left_locks()) left(*db, lock, now);
  }
}

void FileChecks::look_slice(TimeNs now) {
  if (!looking_) {
    looking_ = true;
    again_ = false;
    db_ = chain_ = 0;
    chains_from_ = 0;  // here the pause adds up
  }
  const auto& all = ctx_.databases.all();
  while (db_ < all.size() && all[db_]->full_copy()) ++db_;
  if (db_ >= all.size()) return end_look(now);
  Database& db = *all[db_];
  const RecordFile::ChainsSeen seen = db.file->look_at_chains(chain_, kChainsPerSlice, kBlocksPerSlice);
  if (seen.broken) suspect(db, now);
  chain_ = seen.next;
  if (chain_ == 0) ++db_;
  chains_from_ += kPausePerSlice + seen.blocks * kPausePerRecord;
  look_at_ = now + kSlicePause;
}

void FileChecks::end_look(TimeNs now) {
  looking_ = false;
  chains_from_ += now;
  look_at_ = again_ ? chains_from_ : kNever;
}

void FileChecks::left(Database& db, const RecordFile::DeadLock& lock, TimeNs now) {
  ++ctx_.counts.locks_left;
  if (lock.chain != RecordFile::kFreeListLock && !ctx_.out.is_native_thread(lock.thread))
    left_.push_back({db.id, lock.chain, lock.thread});
  suspect(db, now);
}

// false: the chain is busy.
bool FileChecks::tell_values(Database& db, const LeftLock& lock) {
  return db.file->visit_chain(lock.chain, [&](ByteView key, ByteView value) {
    RecordEntry* entry = db.index.find(key, jenkins_hash(key));
    if (entry == nullptr || !ctx_.owns(*entry) || value.size() < CTDB_RECORD_HEADER_SIZE) return;
    // As it came, not long ago: nobody has written to it.
    const uint64_t print = fingerprint(value.subspan(CTDB_RECORD_HEADER_SIZE));
    if (entry->recent != nullptr && entry->recent->print == print) return;
    ++ctx_.counts.values_suspect;
    ctx_.out.log(StoreLog::kWarning, db.name + ": a client (thread " + std::to_string(lock.thread) +
                                         ") died with the lock of key " + argument_from_bytes(key) +
                                         ": its value may be torn");
  });
}

// ---- examining ----

void FileChecks::examine(TimeNs now) {
  examine_at_ = kNever;
  std::erase_if(left_, [&](const LeftLock& lock) {
    Database* db = ctx_.databases.find_volatile(lock.db_id);
    return db == nullptr || tell_values(*db, lock);
  });
  std::erase_if(suspects_, [&](Suspect& each) { return now >= examine_from_ && examined(each, now); });
  if (!suspects_.empty() || !left_.empty())
    examine_at_ = std::max(now + kExaminePause, left_.empty() ? examine_from_ : 0);
}

// false: not now.
bool FileChecks::examined(Suspect& suspect, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(suspect.db_id);
  if (db == nullptr) return true;
  std::string found;
  const RecordFile::Examined result = db->file->examine(found, [this, db] { find_lost(*db); });
  if (result == RecordFile::Examined::kBusy) {
    if (!suspect.told && now - suspect.since > kComplaint) {
      suspect.told = true;
      ctx_.out.log(StoreLog::kWarning,
                   db->name +
                       ": a client died while it changed the file, which cannot be examined "
                       "because others hold locks in it all the time; trying on");
    }
    return false;
  }
  ++ctx_.counts.files_examined;
  examine_from_ = now + kPauseAfterExamining + static_cast<TimeNs>(db->index.size()) * kPausePerRecord;
  if (result == RecordFile::Examined::kSound) return true;
  ctx_.out.log(result == RecordFile::Examined::kHopeless ? StoreLog::kError : StoreLog::kWarning,
               db->name + ": a client that died has damaged the file: " + found +
                   (result == RecordFile::Examined::kHopeless ? "; restart ctdb-store, which puts it aside"
                                                              : "; it is repaired"));
  if (result != RecordFile::Examined::kHopeless) ++ctx_.counts.files_repaired;
  return true;
}

// The index knows what there was.
void FileChecks::find_lost(Database& db) {
  uint64_t lost = 0;
  for (RecordEntry* entry = db.index.first(); entry != nullptr; entry = db.index.next(*entry)) {
    if (!entry->in_file || db.file->value_bytes(entry->key()) > 0) continue;
    if (++lost <= kKeysNamed) {
      ctx_.out.log(StoreLog::kWarning,
                   db.name + ": the damage has cost the record of key " + argument_from_bytes(entry->key()) +
                       (ctx_.owns(*entry) ? "; an older copy of another node takes its place, if there is one"
                                          : ", a copy"));
    }
    if (ctx_.owns(*entry)) {
      if (ctx_.lmaster(*entry) == ctx_.self) entry->lost = true;
      entry->dmaster = CTDB_UNKNOWN_PNN;
    }
    entry->in_file = entry->has_data = entry->had_data = false;
    entry->rsn = 0;
    entry->flags = 0;
  }
  if (lost > kKeysNamed)
    ctx_.out.log(StoreLog::kWarning, db.name + ": and " + std::to_string(lost - kKeysNamed) + " more");
  ctx_.counts.records_damaged += lost;
  // Who has copies, and which is the newest, a recovery finds out; until then nobody makes them anew (Migration::step()).
  if (lost > 0) ctx_.rule_broken_in = ctx_.generation;
}

}  // namespace ctdb
