// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/file_checks.h"

#include <algorithm>
#include <utility>

#include "ctdb-store/core/record_io.h"
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
// To find out that somebody holds a chain costs a millisecond, in which nobody gets one; so the longer he does, the less often.
constexpr TimeNs kExaminePause = kMillisecond, kExaminePauseMax = 100 * kMillisecond;
constexpr TimeNs kExamineShare = 32;
constexpr TimeNs kComplaint = 5 * kSecond;
TimeNs next_try(TimeNs since, TimeNs now) {
  return now + std::clamp((now - since) / kExamineShare, kExaminePause, kExaminePauseMax);
}

// Who carries out what a recovery has decided of it looks whether it is there (Migration::lock()). That it is this node's holds from then on
// only: nothing can be put back before, nor is it known who else has a copy.
bool will_be_looked_at(const RecordEntry& entry) {
  return entry.activity() != nullptr && waits_for_open(entry.activity()->job);
}

}  // namespace

void FileChecks::client_ended(uint32_t changing_db, TimeNs now) {
  if (ctx_.databases.all().empty()) return;
  found_damaged(changing_db, now);
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

void FileChecks::found_damaged(uint32_t db_id, TimeNs now) {
  if (const Database* db = ctx_.databases.find_volatile(db_id); db != nullptr) suspect(*db, now);
}

void FileChecks::tell_gone() {
  constexpr std::string_view kWhat =
      "are gone from their files: damage, or a client that was killed in the middle of a change. "
      "An older copy of another node takes the place of one that had a value, where there is one";
  ctx_.counts.records_damaged += ctx_.damaged.tell(ctx_.out, kWhat, kDamaged);
}

void FileChecks::tick(TimeNs now) {
  for (const uint32_t db_id : std::exchange(ctx_.found_damaged, {})) found_damaged(db_id, now);
  if (now >= locks_at_) look_at_locks(now);
  if (now >= look_at_) look_slice(now);
  if (now >= examine_at_) examine(now);
}

TimeNs FileChecks::next_deadline() const {
  if (!ctx_.damaged.empty() || !ctx_.found_damaged.empty()) return 0;
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
    left_.push_back({db.id, lock.chain, lock.thread, now, now});
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

// Whoever holds such a chain now may do so for long.
void FileChecks::tell_left(TimeNs now) {
  std::erase_if(left_, [&](LeftLock& lock) {
    if (now < lock.try_at) return false;
    Database* db = ctx_.databases.find_volatile(lock.db_id);
    if (db == nullptr || tell_values(*db, lock)) return true;
    lock.try_at = next_try(lock.since, now);
    return false;
  });
}

void FileChecks::examine(TimeNs now) {
  examine_at_ = kNever;
  tell_left(now);
  std::erase_if(suspects_, [&](Suspect& each) {
    return now >= std::max(each.try_at, examine_from_) && examined(each, now);
  });
  for (const LeftLock& lock : left_) examine_at_ = std::min(examine_at_, lock.try_at);
  for (const Suspect& each : suspects_)
    examine_at_ = std::min(examine_at_, std::max({each.try_at, examine_from_, now + kExaminePause}));
}

// false: not now.
bool FileChecks::examined(Suspect& suspect, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(suspect.db_id);
  if (db == nullptr) return true;
  std::string found;
  const RecordFile::Examined result =
      db->file->examine(found, [this, db](const RecordFile::ChainMarks& there) {
        find_lost(*db, there);
        take_away(*db);
      });
  if (result == RecordFile::Examined::kBusy) {
    suspect.try_at = next_try(suspect.since, now);
    if (!suspect.told && now - suspect.since > kComplaint) {
      suspect.told = true;
      ctx_.out.log(StoreLog::kWarning,
                   db->name + ": a client died while it changed the file, which cannot be examined because " +
                       (found.empty() ? "others hold locks in it all the time" : found) + "; trying on");
    }
    return false;
  }
  ++ctx_.counts.files_examined;
  examine_from_ = now + kPauseAfterExamining + static_cast<TimeNs>(db->index.size()) * kPausePerRecord;
  const bool hopeless = result == RecordFile::Examined::kHopeless;
  if (hopeless && db->hopeless_said) return true;
  db->hopeless_said = hopeless;
  if (result == RecordFile::Examined::kSound) return true;
  ctx_.out.log(hopeless ? StoreLog::kError : StoreLog::kWarning,
               db->name + ": a client that died has damaged the file: " + found +
                   (hopeless ? "; restart ctdb-store, which puts it aside" : "; it is repaired"));
  if (!hopeless) ++ctx_.counts.files_repaired;
  return true;
}

// The index knows what there was. Only where a chain has not what it should its records are looked for one by one.
void FileChecks::find_lost(Database& db, const RecordFile::ChainMarks& there) {
  RecordFile::ChainMarks should_be(there.size());
  const auto each_in_file = [&db](const auto& visit) {
    for (RecordEntry* entry = db.index.first(); entry != nullptr; entry = db.index.next(*entry)) {
      if (entry->in_file) visit(*entry);
    }
  };
  each_in_file([&](const RecordEntry& entry) {
    should_be[db.file->chain_of(entry.hash)] += RecordFile::mark_of(entry.hash);
  });
  if (should_be == there) return;
  each_in_file([&](RecordEntry& entry) {
    const uint32_t chain = db.file->chain_of(entry.hash);
    if (should_be[chain] != there[chain] && !will_be_looked_at(entry) &&
        db.file->presence(entry.key()) == RecordFile::Presence::kGone)
      lose_record(ctx_, db, entry);
  });
}

// What could not be read could not be taken away. While nobody else has the file: the next who has it could use such a record.
void FileChecks::take_away(const Database& db) {
  ctx_.activities.for_each_used([&](Activity& activity) {
    const bool concerned =
        activity.db == &db && activity.job != HeaderJob::kNone && !waits_for_open(activity.job);
    if (concerned && run_header_job(ctx_, activity)) activity.lose_hold();
  });
}

}  // namespace ctdb
