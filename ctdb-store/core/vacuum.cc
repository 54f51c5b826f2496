// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/vacuum.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

constexpr size_t kLooksPerSlice = 128;
constexpr size_t kBatchRecords = 256;
constexpr size_t kBatchKeyBytes = 32u << 10;
constexpr size_t kBatchesMax = 4;  // asked for at a time
// Of the time that records rest: between two turns, so that one packet serves many records.
constexpr TimeNs kTurnShare = 8;
// So many rests after something was deleted, all is looked through for what nobody has told.
constexpr TimeNs kWalkRests = 60;

// For record_io, which wants one.
class LookedAt {
 public:
  LookedAt(StoreContext& context, Database& db, RecordEntry& entry)
      : pool_(context.activities), activity_(pool_.attach(db, entry)) {}
  ~LookedAt() { pool_.release_if_idle(activity_); }
  LookedAt(const LookedAt&) = delete;
  LookedAt& operator=(const LookedAt&) = delete;
  Activity& operator*() { return activity_; }

 private:
  ActivityPool& pool_;
  Activity& activity_;
};

}  // namespace

void Vacuum::set_interval(TimeNs interval, TimeNs now) {
  if (interval == ctx_.deleted.rest()) return;
  ctx_.deleted.set_rest(interval);
  if (ctx_.is_open()) open(now);
}

void Vacuum::deleted(Database& db, ByteView key, TimeNs now) {
  if (db.full_copy()) return;
  RecordEntry* entry = db.index.find(key, jenkins_hash(key));
  if (entry != nullptr && entry->in_file) ctx_.deleted.note(db, *entry, now);
}

void Vacuum::deleted(const ReqCall& call, TimeNs now) {
  Database* db = ctx_.databases.find(call.db_id);
  if (db != nullptr) deleted(*db, call.key, now);
}

bool Vacuum::packet(const Header& header, ByteView payload, TimeNs now) {
  if (!ctx_.is_member(header.srcnode) || header.srcnode == ctx_.self) return false;
  if (header.operation == static_cast<uint32_t>(Operation::RECORD_FORGET)) {
    const std::optional<RecordForget> question = RecordForget::decode(payload);
    if (question) forget(header, *question);
    return question.has_value();
  }
  const std::optional<RecordForgotten> answer = RecordForgotten::decode(payload);
  if (answer) forgotten(header, *answer, now);
  return answer.has_value();
}

// ---- time ----

// A turn begins when some have rested, and there was none shortly before or they fill a packet.
TimeNs Vacuum::next_turn() const {
  if (ctx_.deleted.due_now() >= kBatchRecords) return 0;
  const TimeNs due = ctx_.deleted.next_due();
  return due == kNever ? kNever : std::max(due, turn_at_);
}

void Vacuum::tick(TimeNs now) {
  if (!runs()) return;
  if (due_until_ < 0 && next_turn() <= now) {
    due_until_ = now;
    if (walk_at_ == kNever) walk_at(now + kWalkRests * ctx_.deleted.rest());
  }
  if (walk_at_ <= now) walk_slice(now);
}

TimeNs Vacuum::next_deadline() const {
  if (!runs()) return kNever;
  return std::min(walk_at_, due_until_ < 0 ? next_turn() : kNever);
}

bool Vacuum::has_work() const {
  return due_until_ >= 0 && runs() && asked_.size() < kBatchesMax && !ctx_.out.congested();
}

void Vacuum::work(TimeNs now) {
  for (size_t i = 0; i < kLooksPerSlice && ctx_.deleted.next_due() <= due_until_; ++i) {
    bool again = false;
    const DeletedRecords::Taken place = ctx_.deleted.take(again);
    if (again) {
      ctx_.deleted.note(*place.db, *place.entry, now);
    } else {
      look(*place.db, *place.entry, now);
    }
    if (asked_.size() >= kBatchesMax) break;
  }
  if (ctx_.deleted.next_due() > due_until_) {
    due_until_ = -1;
    turn_at_ = now + ctx_.deleted.rest() / kTurnShare;
    if (filling_ != nullptr) ask(*filling_);
    walk_for_left_out(now);
  }
  ctx_.counts.deleted_waiting = ctx_.deleted.size();
}

// ---- a record that may be deleted ----

bool Vacuum::may_go(const Database& db, const RecordEntry& entry) const {
  return ctx_.owns(entry) && entry.in_file && entry.activity() == nullptr && !db.frozen && db.rewrites == 0;
}

// With its chain locked.
bool Vacuum::is_deleted(Database& db, RecordEntry& entry) {
  return db.file->value_bytes(entry.key()) <= CTDB_RECORD_HEADER_SIZE;
}

// Of a record that has left: nothing here says more of it than its lmaster does.
void Vacuum::drop_hint(Database& db, RecordEntry& entry) {
  const bool only_a_hint = !entry.in_file && !entry.lost && ctx_.lmaster(entry) != ctx_.self;
  if (only_a_hint && entry.activity() == nullptr && entry.deletion == Deletion::kNone) db.index.remove(entry);
}

void Vacuum::look(Database& db, RecordEntry& entry, TimeNs now) {
  if (!ctx_.owns(entry)) return drop_hint(db, entry);
  if (!may_go(db, entry) || !ctx_.chains.try_take(db, entry)) return ctx_.deleted.note(db, entry, now);
  if (const RecordFile::Presence presence = db.file->presence(entry.key());
      presence != RecordFile::Presence::kThere) {  // not deleted, but gone
    if (presence == RecordFile::Presence::kGone) {
      lose_record(ctx_, db, entry);
    } else {
      ctx_.found_damaged.push_back(db.id);
    }
    return ctx_.chains.let_go(db, entry);
  }
  const bool deleted = is_deleted(db, entry);
  const uint32_t lmaster = ctx_.lmaster(entry);
  // Who reads it here and there as deleted must ask again when somebody makes it anew.
  const bool is_read = has_delegations(entry.flags);
  if (deleted && lmaster == ctx_.self && !is_read) take_into_batch(db, entry, now);
  ctx_.chains.let_go(db, entry);
  if (deleted && lmaster == ctx_.self && is_read) {
    ctx_.deleted.note(db, entry, now);
    return migration_.revoke(db, entry, now);
  }
  if (deleted && lmaster != ctx_.self) migration_.give(db, entry, lmaster, now);
  if (filling_ == nullptr) return;
  const bool full = filling_->records.size() >= kBatchRecords || filling_->key_bytes >= kBatchKeyBytes;
  if (full || ctx_.placement.members().size() == 1) ask(*filling_);
}

// The rsn counts up, so that copies can be made empty ones that are newer than all others and older than the record; and so that
// whatever happens to the record from now on is seen. Copies are no copies of anything from now on.
void Vacuum::take_into_batch(Database& db, RecordEntry& entry, TimeNs now) {
  if (filling_ != nullptr && filling_->db != &db) ask(*filling_);
  LookedAt looked(ctx_, db, entry);
  const ByteView data = read_data(ctx_, *looked);
  if (!write_record(ctx_, *looked, {entry.rsn + 1, ctx_.self, entry.flags}, data))
    return ctx_.deleted.note(db, entry, now);
  if (RecordExtra* extra = entry.extra_if_any()) extra->copied_generation = 0;
  entry.deletion = Deletion::kIsForgotten;
  if (filling_ == nullptr) {
    filling_ = std::make_unique<Batch>();
    filling_->db = &db;
    filling_->since = now;
  }
  filling_->records.push_back({&entry, entry.rsn});
  filling_->key_bytes += entry.key_size;
}

// ---- a batch, at the lmaster ----

bool Vacuum::unchanged(const Batch& batch, const Record& record) const {
  return may_go(*batch.db, *record.entry) && record.entry->rsn == record.rsn;
}

// Sends the batch that was filled, or the next step of one.
void Vacuum::ask(Batch& batch) {
  if (&batch == filling_.get()) asked_.push_back(std::move(filling_));
  if (batch.db->told_generation != ctx_.generation) migration_.tell_of_database(*batch.db);
  RecordForget question;
  question.db_id = batch.db->id;
  question.step = batch.step;
  for (Record& record : batch.records) {
    record.has_copy = false;
    question.records.push_back({record.rsn - 1, record.entry->key()});
  }
  batch.reqid = ctx_.new_reqid();
  const Bytes payload = question.encode();
  for (const uint32_t node : ctx_.placement.members()) {
    if (node == ctx_.self) continue;
    batch.awaited.push_back(node);
    Header header = ctx_.header_to(node, batch.reqid);
    header.operation = static_cast<uint32_t>(Operation::RECORD_FORGET);
    build_own(ctx_.built, header, payload);
    ctx_.out.to_router(0, ctx_.built);
  }
  if (batch.awaited.empty()) answered(batch, batch.since);
}

void Vacuum::forgotten(const Header& header, const RecordForgotten& packet, TimeNs now) {
  const auto at = std::ranges::find_if(asked_, [&](const auto& one) { return one->reqid == header.reqid; });
  if (at == asked_.end()) return ctx_.refuse("nobody has asked for it");
  Batch& batch = **at;
  const bool fits = packet.db_id == batch.db->id && packet.step == batch.step &&
                    packet.results.size() == batch.records.size();
  if (!fits || std::erase(batch.awaited, header.srcnode) == 0)
    return ctx_.refuse("it does not answer what was asked");
  for (size_t i = 0; i < packet.results.size(); ++i) {
    const auto result = static_cast<ForgetResult>(packet.results[i]);
    Record& record = batch.records[i];
    const bool done = result == ForgetResult::kNothing ||
                      (result == ForgetResult::kEmptied && batch.step == ForgetStep::kEmpty);
    record.possible = record.possible && done;
    record.has_copy = record.has_copy || result == ForgetResult::kEmptied;
  }
  if (batch.awaited.empty()) answered(batch, now);
}

// By all. Records of which nobody has a copy go at once; the copies of the others are empty now, so they may be removed.
void Vacuum::answered(Batch& batch, TimeNs now) {
  std::vector<Record> next;
  for (Record& record : batch.records) {
    if (!record.possible || !unchanged(batch, record)) {
      give_up(batch, record, now);
    } else if (record.has_copy) {
      next.push_back(record);
    } else {
      remove(batch, record, now);
    }
  }
  batch.records.swap(next);
  if (!batch.records.empty()) {
    batch.step = ForgetStep::kRemove;
    return ask(batch);
  }
  batch.db->statistics.vacuum_latency.add(now - batch.since);
  std::erase_if(asked_, [&](const auto& one) { return one.get() == &batch; });
}

void Vacuum::give_up(Batch& batch, Record& record, TimeNs now) {
  record.entry->deletion = Deletion::kNone;
  ++ctx_.counts.forget_cancelled;
  if (ctx_.owns(*record.entry)) ctx_.deleted.note(*batch.db, *record.entry, now);
}

// Nobody else has anything of it. A record that may be older than what was lost stays known as that.
void Vacuum::remove(Batch& batch, Record& record, TimeNs now) {
  RecordEntry& entry = *record.entry;
  Database& db = *batch.db;
  if (!ctx_.chains.try_take(db, entry)) return give_up(batch, record, now);
  bool removed = false;
  if (is_deleted(db, entry)) {
    LookedAt looked(ctx_, db, entry);
    read_data(ctx_, *looked);
    entry.lost = (entry.flags & CTDB_RECORD_MAY_BE_OLDER) != 0;
    removed = remove_record(ctx_, *looked);
  }
  ctx_.chains.let_go(db, entry);
  if (!removed) return give_up(batch, record, now);
  entry.deletion = Deletion::kNone;
  entry.pointer_generation = 0;
  ++ctx_.counts.records_forgotten;
  if (!entry.lost) db.index.remove(entry);
}

// ---- at the others ----

void Vacuum::forget(const Header& header, const RecordForget& packet) {
  RecordForgotten answer{packet.db_id, packet.step, {}};
  Database* db = ctx_.databases.find_volatile(packet.db_id);
  for (const ForgetRecord& record : packet.records) {
    const ForgetResult result =
        db == nullptr ? ForgetResult::kNothing : forget_copy(*db, record, packet.step, header.srcnode);
    answer.results.push_back(static_cast<uint8_t>(result));
  }
  Header back = ctx_.header_to(header.srcnode, header.reqid);
  back.operation = static_cast<uint32_t>(Operation::RECORD_FORGOTTEN);
  build_own(ctx_.built, back, answer.encode());
  ctx_.out.to_router(0, ctx_.built);
}

ForgetResult Vacuum::forget_copy(Database& db, const ForgetRecord& record, ForgetStep step,
                                 uint32_t lmaster) {
  RecordEntry* entry = db.index.find(record.key, jenkins_hash(record.key));
  if (entry == nullptr) return ForgetResult::kNothing;
  const bool may_go = ctx_.lmaster(*entry) == lmaster && !ctx_.owns(*entry) && entry->activity() == nullptr &&
                      entry->rsn <= record.rsn && !db.frozen && db.rewrites == 0;
  if (!may_go) return ForgetResult::kNotDone;
  if (entry->in_file) {
    if (!ctx_.chains.try_take(db, *entry)) return ForgetResult::kNotDone;
    bool done = false;
    {
      LookedAt looked(ctx_, db, *entry);
      done = step == ForgetStep::kEmpty
                 ? write_record(ctx_, *looked, {record.rsn, lmaster, CTDB_RECORD_MIGRATED_WITH_DATA}, {})
                 : remove_record(ctx_, *looked);
    }
    ctx_.chains.let_go(db, *entry);
    if (!done) return ForgetResult::kNotDone;
    entry->gave_generation = 0;  // others have had the record since
    if (step == ForgetStep::kEmpty) return ForgetResult::kEmptied;
    ++ctx_.counts.copies_forgotten;
  }
  entry->dmaster = CTDB_UNKNOWN_PNN;
  drop_hint(db, *entry);
  return ForgetResult::kNothing;
}

// ---- generations, databases ----

void Vacuum::open(TimeNs now) {
  turn_at_ = now;
  walk_at(now + ctx_.deleted.rest());
}

void Vacuum::close() {
  if (filling_ != nullptr) asked_.push_back(std::move(filling_));
  for (const auto& batch : asked_) {
    for (const Record& record : batch->records) {
      record.entry->deletion = Deletion::kNone;  // the walk of the next generation finds it
      ++ctx_.counts.forget_cancelled;
    }
  }
  asked_.clear();
  due_until_ = -1;
  walking_ = hurry_again_ = false;
  walk_.stop();
  walk_at_ = kNever;
}

void Vacuum::drop_database(const Database& db) {
  if (filling_ != nullptr && filling_->db == &db) filling_.reset();
  std::erase_if(asked_, [&](const auto& batch) { return batch->db == &db; });
  ctx_.deleted.drop(db);
}

}  // namespace ctdb
