// SPDX-License-Identifier: GPL-3.0-or-later
// What a recovery is about: claims of copies, the lmaster's decisions, and what holders do about them.
#include <algorithm>
#include <array>
#include <utility>

#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/recovery.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerSlice = 512;
constexpr uint32_t kKeysPerSlice = 256;
constexpr size_t kBatchBytes = 32u << 10;
constexpr size_t kClaimBytes = 24;       // beside the key
constexpr size_t kAssignmentBytes = 20;  // beside the key
// Keys come in no order: without looking ahead every step would wait for memory, twice or more.
constexpr size_t kFarAhead = 8, kNearAhead = 4;

// `copy`: an entry here, or what another node says of its own.
Claim claim_of(uint32_t holder, const auto& copy, bool has_data) {
  return {
      holder, copy.dmaster, copy.rsn, has_data, is_read_only_copy(copy.flags), has_delegations(copy.flags)};
}

}  // namespace

void Recovery::claim_slice() {
  for (uint32_t i = 0; i < kRecordsPerSlice; ++i) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) return end_claims();
    if (!owners_known_) remember_owner(*entry);
    // It is claimed as ours. The file says so again when the generation is open and the chain free.
    if (files_differ_ && ctx_.owns(*entry)) ctx_.activities.attach(*db, *entry).away = true;
    if (entry->in_file) add_claim(*db, *entry);
  }
}

void Recovery::add_claim(Database& db, RecordEntry& entry) {
  ++statistics_.records_sent;
  ++account(db).claimed;
  Member& to = *member(ctx_.lmaster(entry));
  if (to.pnn == ctx_.self) {
    if (!keep_claim(db, entry, claim_of(to.pnn, entry, entry.has_data))) fail("too many records");
    return;
  }
  if (to.claims.db_id != db.id) flush_claims(to);
  to.claims.db_id = db.id;
  to.claims.claims.push_back(
      {to_bytes(entry.key()), entry.rsn, entry.dmaster, entry.flags, entry.has_data ? 1u : 0u});
  to.claim_bytes += entry.key_size + kClaimBytes;
  if (to.claim_bytes >= kBatchBytes) flush_claims(to);
}

void Recovery::flush_claims(Member& to) {
  if (to.claims.claims.empty()) return;
  to.claims.generation = ctx_.generation;
  send(to.pnn, Operation::RECORD_CLAIMS, to.claims.encode());
  ++to.claim_batches_out;
  to.claims.claims.clear();
  to.claim_bytes = 0;
}

void Recovery::end_claims() {
  owners_known_ = true;
  files_differ_ = false;
  for (Member& to : members_) {
    flush_claims(to);
    RecordEnd end;
    end.generation = ctx_.generation;
    end.batches = to.claim_batches_out;
    end.empty_handed = empty_handed_;
    end.forgetful = forgetful_;
    send(to.pnn, Operation::RECORD_CLAIMS_END, end.encode());
  }
  done(RecoveryStep::kClaimed);
  step_ = Step::kAwaitingClaims;
}

// So that every member has every database before claims and calls for it come.
void Recovery::take_databases(uint32_t node, const RecordDatabases& message) {
  // The first one of an attempt speaks of the log. One that is open already may tell of a new database behind it.
  if (std::ranges::none_of(member_logs_, [&](const MemberLog& log) { return log.pnn == node; })) {
    member_logs_.push_back({node, message.log_end, message.log_trusted});
    ctx_.detached.hear(message);
  } else if (ctx_.phase == StorePhase::kPrepared) {
    hear_late(message);
  }
  const uint32_t told_in = message.knows_detached ? message.open_generation : ctx_.generation;
  if (const std::string error = attach_databases(message, told_in); !error.empty()) fail(error);
}

void Recovery::new_database(uint32_t node, ByteView payload) {
  const auto message = RecordDatabases::decode(payload);
  if (!message || !ctx_.is_member(node)) return ctx_.refuse("malformed, or from no member");
  if (const std::string error = attach_databases(*message, ctx_.generation); !error.empty())
    ctx_.out.log(StoreLog::kError, error);
}

void Recovery::hear_late(const RecordDatabases& message) {
  for (const DatabaseEntry& entry : message.databases) {
    const bool known =
        std::ranges::find(late_.databases, entry.name, &DatabaseEntry::name) != late_.databases.end();
    if (!known && ctx_.detached.goes(entry.name)) late_.databases.push_back(entry);
  }
}

// Databases that go with this generation. Until it opens they are databases like others, so an attempt that is given up costs nothing.
void Recovery::decide_detached() {
  const Result<void> noted = ctx_.detached.decide(ctx_.generation);
  if (noted) return;
  ++ctx_.counts.file_errors;
  ctx_.out.log(StoreLog::kError, "noting which databases are detached: " + noted.error().text() +
                                     "; they may be back when ctdb-store is started anew");
}

void Recovery::settle_detached(uint32_t decided) {
  for (const std::string& name : ctx_.detached.settle(decided)) {
    Database* db = ctx_.databases.find_volatile(database_id(name));
    if (db != nullptr && db->name == name) ctx_.drop_database(*db);
  }
}

std::string Recovery::attach_databases(const RecordDatabases& message, uint32_t told_in) {
  std::string error;
  constexpr uint8_t kKept = CTDB_DB_READONLY | CTDB_DB_STICKY | CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED;
  for (const DatabaseEntry& entry : message.databases) {
    if ((entry.flags & ~kKept) != 0) {
      ctx_.refuse("a database with flags that are not known");
      continue;
    }
    if (ctx_.detached.is_over(entry.name, told_in)) continue;
    bool is_new = false;
    Result<Database*> db = ctx_.databases.attach(entry.name, entry.flags, false, is_new);
    if (!db) {
      ++ctx_.counts.file_errors;
      error = "attaching " + entry.name + ": " + db.error().text();
      continue;
    }
    if (is_new) ctx_.detached.attached(entry.name);
    (*db)->flags |= entry.flags;
    if (entry.copies <= (*db)->copies) continue;
    (*db)->copies = static_cast<uint8_t>(std::min<uint32_t>(entry.copies, kCopiesMax));
    if (ctx_.is_open()) migration_.renew_copies();
  }
  ctx_.counts.databases = ctx_.databases.all().size();
  return error;
}

void Recovery::take_claims(Member& from, const RecordClaims& message) {
  Database* db = ctx_.databases.find_volatile(message.db_id);
  if (db == nullptr && ctx_.detached.is_noted(message.db_id)) {
    ++from.claim_batches_in;  // it does not know yet
    return;
  }
  if (db == nullptr || from.claims_ended)
    return ctx_.refuse("of no database that is known, or behind the end");
  const std::vector<RecordClaim>& claims = message.claims;
  std::vector<uint32_t> hashes(claims.size());
  for (size_t i = 0; i < claims.size(); ++i) hashes[i] = jenkins_hash(claims[i].key);
  bool news = false;
  for (size_t i = 0; i < claims.size(); ++i) {
    if (i + kFarAhead < claims.size()) db->index.will_find_soon(hashes[i + kFarAhead]);
    if (i + kNearAhead < claims.size()) db->index.will_find_next(hashes[i + kNearAhead]);
    const RecordClaim& claim = claims[i];
    const bool kept =
        claim.key.size() <= kKeyBytesMax &&
        keep_claim(*db, db->entry(claim.key, hashes[i]), claim_of(from.pnn, claim, claim.data_size > 0));
    if (!kept) ctx_.refuse("a claim that is no business of this node, or is here already");
    news = news || kept;
  }
  // One of which nothing could be kept has not arrived, or is here already.
  if (news) ++from.claim_batches_in;
}

bool Recovery::keep_claim(Database& db, RecordEntry& entry, const Claim& claim) {
  if (ctx_.lmaster(entry) != ctx_.self || claims_.size() >= RecordEntry::kNoClaim) return false;
  for (uint32_t at = entry.first_claim; at != RecordEntry::kNoClaim; at = claims_[at].next) {
    if (claims_[at].claim.holder == claim.holder) return false;
  }
  if (entry.first_claim == RecordEntry::kNoClaim) keys_.push_back({&db, &entry});
  claims_.push_back({claim, entry.first_claim});
  entry.first_claim = static_cast<uint32_t>(claims_.size() - 1);
  return true;
}

void Recovery::decide_slice() {
  for (uint32_t i = 0; i < kKeysPerSlice && decided_ < keys_.size(); ++i) {
    if (decided_ + kFarAhead < keys_.size()) __builtin_prefetch(keys_[decided_ + kFarAhead].entry);
    if (decided_ + kNearAhead < keys_.size()) {
      const uint32_t claim = keys_[decided_ + kNearAhead].entry->first_claim;
      __builtin_prefetch(&claims_[claim]);
    }
    decide(keys_[decided_++]);
  }
  if (decided_ == keys_.size()) {
    end_assignments();
    done(RecoveryStep::kDecided);
    walk_.start(ctx_.databases);
    step_ = Step::kTidying;
  }
}

// Who owns the key from now on. Only headers that would mislead somebody are changed: the new owner's, and that of
// anybody who takes himself for the owner.
void Recovery::decide(const ClaimedKey& key) {
  RecordEntry& entry = *key.entry;
  const Claim* winner = &claims_[entry.first_claim].claim;
  uint32_t readable = 0;
  for (uint32_t at = entry.first_claim; at != RecordEntry::kNoClaim; at = claims_[at].next) {
    if (wins_over(claims_[at].claim, *winner)) winner = &claims_[at].claim;
    if (claims_[at].claim.readable) ++readable;
  }
  // An owner that is there knows of read-only copies, if its file was not damaged. One that does not, or is made now, hears of
  // those that are left.
  const bool delegated = readable > (winner->readable ? 1u : 0u);
  ++statistics_.records_decided;
  ++account(*key.db).decided;
  if (!winner->owns() || (delegated && !winner->delegates)) {
    ++statistics_.records_assigned;
    ++account(*key.db).assigned;
    assign(*key.db, entry, winner->holder, *winner, delegated);
  }
  for (uint32_t at = entry.first_claim; at != RecordEntry::kNoClaim; at = claims_[at].next) {
    const Claim& claim = claims_[at].claim;
    if (claim.holder != winner->holder && claim.owns()) assign(*key.db, entry, claim.holder, *winner, false);
  }
  entry.pointer_generation = ctx_.generation;
  // This node's own copy gets its new dmaster when its file has it.
  if (!ctx_.owns(entry) && winner->holder != ctx_.self) entry.dmaster = winner->holder;
}

void Recovery::assign(Database& db, const RecordEntry& entry, uint32_t holder, const Claim& winner,
                      bool delegated) {
  Member& to = *member(holder);
  if (to.assignments.db_id != db.id) flush_assignments(to);
  to.assignments.db_id = db.id;
  // Lost with its owner, or gone from this node's own file.
  const bool older = is_lost(entry.last_owner()) || entry.lost;
  to.assignments.assignments.push_back({to_bytes(entry.key()), winner.rsn, winner.holder, older, delegated});
  to.assignment_bytes += entry.key_size + kAssignmentBytes;
  if (to.assignment_bytes >= kBatchBytes) flush_assignments(to);
}

// Whoever has such a record, or is to have it, has been told that it is older. Not before the generation opens: the next attempt
// would know nothing of it. Nor if this node's own copy was the one, and is gone since it was claimed.
void Recovery::forget_told_losses() {
  for (const ClaimedKey& key : keys_) {
    RecordEntry& entry = *key.entry;
    if (entry.in_file || entry.dmaster != CTDB_UNKNOWN_PNN) entry.lost = false;
  }
}

void Recovery::flush_assignments(Member& to) {
  if (to.assignments.assignments.empty()) return;
  to.assignments.generation = ctx_.generation;
  send(to.pnn, Operation::RECORD_ASSIGN, to.assignments.encode());
  ++to.assign_batches_out;
  to.assignments.assignments.clear();
  to.assignment_bytes = 0;
}

void Recovery::end_assignments() {
  for (Member& to : members_) {
    flush_assignments(to);
    RecordEnd end;
    end.generation = ctx_.generation;
    end.batches = to.assign_batches_out;
    send(to.pnn, Operation::RECORD_ASSIGN_END, end.encode());
  }
}

// Entries for keys that nobody has a copy of: old hints are forgotten.
void Recovery::tidy_slice() {
  std::array<std::pair<Database*, RecordEntry*>, kRecordsPerSlice> found;
  size_t count = 0;
  while (count < found.size()) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) {
      done(RecoveryStep::kTidied);
      step_ = Step::kAwaitingAssignments;
      break;
    }
    if (is_lost(entry->last_owner())) fallen_back_.note(db->name, entry->key());
    if (entry->in_file || entry->pointer_generation == ctx_.generation) continue;
    db->index.will_find_soon(entry->hash);
    found[count++] = {db, entry};
  }
  for (size_t i = 0; i < count; ++i) tidy(*found[i].first, *found[i].second);
}

void Recovery::tidy(Database& db, RecordEntry& entry) {
  entry.pointer_generation = 0;
  entry.dmaster = CTDB_UNKNOWN_PNN;
  if (is_lost(entry.last_owner()) && ctx_.lmaster(entry) == ctx_.self) entry.lost = true;
  const bool known = entry.lost || entry.last_owner() != CTDB_UNKNOWN_PNN;
  if (entry.activity() == nullptr && entry.deletion == Deletion::kNone && !known) db.index.remove(entry);
}

// Nobody knows better than its lmaster who owns a record. Looked at once: every attempt overwrites pointers. An unknown
// owner was this node itself, before it was suspended.
void Recovery::remember_owner(RecordEntry& entry) {
  const bool was_ours = !empty_handed_ && entry.pointer_generation == ctx_.open_generation &&
                        open_placement_.lmaster_of_slot(entry.hash) == ctx_.self;
  entry.set_last_owner(was_ours && !ctx_.owns(entry) ? entry.dmaster : CTDB_UNKNOWN_PNN);
}

// What that node owned is not there any more. Known when all claims have ended.
bool Recovery::is_lost(uint32_t owner) {
  if (owner == CTDB_UNKNOWN_PNN) return false;
  const Member* node = member(owner);
  return node == nullptr || node->empty_handed;
}

bool Recovery::somebody_left() {
  return std::ranges::any_of(open_placement_.members(), [&](uint32_t pnn) { return is_lost(pnn); });
}

// Records whose newest data are lost, each counted by one node: by its lmaster of the last generation, whether a copy is
// left or not; if that is gone too, by the holder of the copy that becomes the record. The holder knows to whom it gave the
// record. If that was in the last generation and that node is there, the record was on its way and the copy is the newest;
// if it was earlier, others have had the record. It also counts when somebody has left and the lmaster, still the
// same, says nothing of a loss: that one has named an owner whom the record never reached, and the giver is lost; or it was started anew and
// does not know, then whoever is the lmaster now. Of a record without copy
// and without lmaster those may know who had asked for it (become_owner()), and its owner when he is back (tell_left_behind()).
void Recovery::look_at_promotions() {
  const bool lost_some = somebody_left();
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.job != HeaderJob::kPromote) return;
    const RecordEntry& entry = *activity.entry;
    if (ctx_.owns(entry)) return;
    const bool was_here = entry.dmaster == CTDB_UNKNOWN_PNN;  // until this node was suspended
    const bool on_its_way = entry.gave_generation == base_generation_ && !is_lost(entry.dmaster);
    if (was_here || on_its_way) return;
    const uint32_t counts = open_placement_.lmaster_of_slot(entry.hash);
    const Member* of_old = member(counts);
    const bool may_know_nothing = counts == ctx_.lmaster(entry) || (of_old != nullptr && of_old->forgetful);
    const bool knows_nothing = lost_some && may_know_nothing && !activity.job_older;
    activity.job_older = true;
    if (is_lost(counts) || knows_nothing) fallen_back_.note(activity.db->name, entry.key());
  });
}

// What was asked of nodes that are all there is not lost.
void Recovery::look_at_questions() {
  const bool lost_some = somebody_left();
  ctx_.activities.for_each_used(
      [&](Activity& activity) { activity.question_lost = activity.question_lost && lost_some; });
}

// The attempt that this store was prepared for last and did not see opened, because it was cut off or suspended. If others go on from
// there or later they may have opened it: then it is told what was lost in it, and what was before it does not count any more.
void Recovery::settle_last_attempt(uint32_t base_generation) {
  if (base_generation >= unsettled_generation_) {
    ctx_.counts.records_fallen_back += tell(unsettled_);
    open_placement_ = {};
    owners_known_ = false;
  }
  unsettled_.forget();
  unsettled_generation_ = kNoGeneration;
}

uint64_t Recovery::tell(Losses& losses) {
  return losses.tell(ctx_.out,
                     "have fallen back to an older copy or are gone: their owner left or lost its files",
                     kFallenBack);
}

// Of what only they knew nobody is left who could count it.
void Recovery::tell_departures() {
  std::string gone;
  for (uint32_t pnn : open_placement_.members()) {
    if (!is_lost(pnn)) continue;
    gone += (gone.empty() ? "" : ", ") + std::to_string(pnn);
    ++ctx_.counts.members_lost;
  }
  if (gone.empty()) return;
  ctx_.out.log(StoreLog::kInfo,
               "of the members that were, these left or lost their files: " + gone +
                   ". Records that only they knew of they tell when they are back (left behind)");
}

// What nobody else may know of: its location master was this node too, or was lost with it.
void Recovery::tell_left_behind() {
  ctx_.counts.records_left_behind += ctx_.left_behind.tell(
      ctx_.out,
      "that this node had last are discarded: others went on without it, or it was started "
      "anew. What was changed in them since they were elsewhere is lost",
      kLeftBehind);
}

void Recovery::take_assignments(Member& from, const RecordAssign& message, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(message.db_id);
  if (db == nullptr || from.assignments_ended)
    return ctx_.refuse("of no database that is known, or behind the end");
  ++from.assign_batches_in;
  for (const RecordAssignment& assignment : message.assignments) {
    RecordEntry* entry = db->index.find(assignment.key, jenkins_hash(assignment.key));
    const bool valid = entry != nullptr && entry->in_file && ctx_.lmaster(*entry) == from.pnn &&
                       member(assignment.dmaster) != nullptr;
    if (!valid) {
      ctx_.refuse("an assignment that contradicts what is here");
      continue;
    }
    const bool promote = assignment.dmaster == ctx_.self;
    const bool is_news = !ctx_.owns(*entry) || (assignment.delegated && !has_delegations(entry->flags));
    if (promote && !is_news) continue;
    Activity& activity = ctx_.activities.attach(*db, *entry);
    activity.job_dmaster = assignment.dmaster;
    activity.job_rsn = assignment.rsn;
    activity.job_older = assignment.older;
    activity.job_delegated = assignment.delegated;
    set_header_job(ctx_, activity, promote ? HeaderJob::kPromote : HeaderJob::kPoint);
    migration_.process(activity, now);
  }
}

void Recovery::take_end(bool Member::*ended, uint64_t batches_in, Member& from, const RecordEnd& end) {
  if (from.*ended) return ctx_.refuse("it has ended already");
  from.*ended = true;
  if (batches_in == end.batches) return;
  fail("node " + std::to_string(from.pnn) + " has sent " + std::to_string(end.batches) + " batches, " +
           std::to_string(batches_in) + " have arrived",
       {from.pnn});
}

}  // namespace ctdb
