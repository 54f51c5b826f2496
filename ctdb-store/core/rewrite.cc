// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/rewrite.h"

#include <algorithm>
#include <utility>

#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/try_again.h"

namespace ctdb {
namespace {

constexpr TimeNs kForgottenAfter = 60 * kSecond;
// For open transactions. The classic tool waits 10 s for an answer.
constexpr TimeNs kWaitForLock = 5 * kSecond;
// Of all databases that are being restored.
constexpr size_t kStagedBytesMax = size_t{1} << 30;
constexpr uint32_t kRewritesAtOnce = 1024;  // that wait, for a chain or an answer
// Others have their turn after so many; reading one costs a tenth of writing it.
constexpr uint32_t kRewritesPerSlice = 128;
constexpr size_t kReadPerSlice = 1024;

// Of the next generation; it is there in less than a second, as a rule.
constexpr TimeNs kWaitForGeneration = 5 * kSecond;
constexpr size_t kEarlyFreezesMax = 1024;
constexpr char kOtherTransaction[] = "no transaction of that number is open";
constexpr char kUnderWay[] = "the commit is under way";

Bytes without_read_only_flags(ByteView value) {
  Bytes cleaned = to_bytes(value);
  uint8_t* flags = cleaned.data() + CTDB_OFF_RECORD_FLAGS;
  store(flags, load<uint32_t>(flags) & ~kReadOnlyFlags);
  return cleaned;
}

}  // namespace

// ---- one record ----

void Migration::rewrite(Database& db, RecordEntry& entry, ByteView data, TimeNs now) {
  Activity& activity = ctx_.activities.attach(db, entry);
  drop_rewrite(activity);
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kRewrite;
  item->data.assign(data.begin(), data.end());
  activity.rewrite = item;
  ++db.rewrites;
  process(activity, now);
}

bool Migration::has_arrived(const RecordEntry& entry) {
  if (entry.activity() == nullptr) return false;
  for (const Waiting* item = entry.activity()->queue.front(); item != nullptr; item = item->next) {
    if (item->kind == Waiting::Kind::kArrival) return true;
  }
  return false;
}

void Migration::drop_rewrite(Activity& activity) {
  if (activity.rewrite == nullptr) return;
  --activity.db->rewrites;
  finish(std::exchange(activity.rewrite, nullptr));
}

bool Migration::step_rewrite(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  if (activity.pushing) return false;
  if (!lock(activity, held, now)) return false;
  bool ok = true;
  if (ctx_.owns(entry) || unborn_here(entry)) {
    const RecordHeader header{entry.rsn + 1, ctx_.self, entry.flags & ~CTDB_RECORD_MAY_BE_OLDER};
    ok = write_record(ctx_, activity, header, activity.rewrite->data);
    entry.lost = false;
    if (RecordExtra* extra = entry.extra_if_any()) extra->copied_generation = 0;
  } else if (entry.in_file) {
    ok = remove_record(ctx_, activity);
  }
  if (!ok) return retry_later(activity, now);
  drop_rewrite(activity);
  return true;
}

void Migration::thawed(Database& db, TimeNs now) {
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.db == &db) process(activity, now);
  });
  if (db.copies <= 1) return;
  // The others have removed their copies, some perhaps after the owner pushed.
  ++db.copies_round;
  renew_copies();
}

// ---- all of them ----

Rewrites::Rewrite* Rewrites::find(uint32_t db_id, TimeNs now) {
  const auto at = rewrites_.find(db_id);
  if (at == rewrites_.end()) return nullptr;
  at->second->heard = now;
  return at->second.get();
}

void Rewrites::freeze(Database& db, uint32_t endpoint, Answer answer, TimeNs now) {
  if (!ctx_.is_open()) {
    if (early_.size() >= kEarlyFreezesMax) return answer(std::string("a recovery is running; ") + kTryAgain);
    early_.push_back({db.id, endpoint, std::move(answer), now + kWaitForGeneration});
    return;
  }
  std::unique_ptr<Rewrite>& rewrite = rewrites_[db.id];
  if (rewrite == nullptr) rewrite = std::make_unique<Rewrite>();
  if (rewrite->frozen) return answer("somebody else is about to freeze it");
  rewrite->thawed = false;
  rewrite->endpoint = endpoint;
  rewrite->heard = now;
  db.frozen = !db.full_copy();
  if (endpoint == 0 || !db.full_copy() || rewrite->has_lock) return answer("");
  rewrite->frozen = std::move(answer);
  rewrite->give_up_at = now + kWaitForLock;
  ask_for_lock(db.id, *rewrite, now);
}

// What a transaction has brought does not outlive it.
void Rewrites::reset_staged(Rewrite& rewrite) {
  bytes_ -= rewrite.staged.bytes();
  if (!rewrite.staged.empty()) used_up_.push_back(std::exchange(rewrite.staged, {}));
  rewrite.fault.clear();
  rewrite.srvid.reset();
  rewrite.wiped = false;
}

std::string Rewrites::why_not(const Rewrite* rewrite) {
  if (rewrite == nullptr) return std::string(kNotFrozen) + "; " + kTryAgain;
  return rewrite->answer ? kUnderWay : "";
}

std::string Rewrites::begin(uint32_t db_id, uint32_t transaction, TimeNs now) {
  Rewrite* rewrite = find(db_id, now);
  if (std::string why = why_not(rewrite); !why.empty()) return why;
  reset_staged(*rewrite);
  rewrite->transaction = transaction;
  return "";
}

std::string Rewrites::wipe(uint32_t db_id, uint32_t transaction, TimeNs now) {
  Rewrite* rewrite = find(db_id, now);
  if (std::string why = why_not(rewrite); !why.empty()) return why;
  if (rewrite->transaction != transaction) return kOtherTransaction;
  rewrite->wiped = true;
  return "";
}

// The tool wipes before it pushes.
std::string Rewrites::take_records(uint32_t db_id, uint64_t srvid, TimeNs now) {
  Rewrite* rewrite = find(db_id, now);
  if (std::string why = why_not(rewrite); !why.empty()) return why;
  const bool wiped = rewrite->wiped;
  reset_staged(*rewrite);
  rewrite->wiped = wiped;
  rewrite->srvid = srvid;
  return "";
}

void Rewrites::message(uint64_t srvid, ByteView data, TimeNs now) {
  for (auto& [id, rewrite] : rewrites_) {
    if (rewrite->srvid != srvid || rewrite->answer) continue;
    rewrite->heard = now;
    const std::optional<RecBuffer> buffer = parse_rec_buffer(data);
    if (!buffer) rewrite->fault = "records that came are malformed";
    if (bytes_ + data.size() > kStagedBytesMax) rewrite->fault = "the records are too large altogether";
    const Database* db = ctx_.databases.find(id);
    if (buffer && db != nullptr) check_sizes(*db, *buffer, *rewrite);
    if (!rewrite->fault.empty()) continue;
    rewrite->staged.take(data, buffer->records.size());
    bytes_ += data.size();
  }
}

void Rewrites::check_sizes(const Database& db, const RecBuffer& buffer, Rewrite& rewrite) {
  for (const BufferedRecord& record : buffer.records) {
    const std::string text = why_too_large(db.name, db.record_limit, record.key, record.data.size());
    if (text.empty()) continue;
    ++ctx_.counts.records_too_large;
    rewrite.fault = text;
  }
}

std::string Rewrites::confirm(uint32_t db_id, uint32_t* records, TimeNs now) {
  Rewrite* rewrite = find(db_id, now);
  if (rewrite == nullptr) return why_not(rewrite);
  if (!rewrite->srvid) return "nobody has begun to push records";
  rewrite->srvid.reset();
  *records = static_cast<uint32_t>(rewrite->staged.records());
  return rewrite->fault;
}

void Rewrites::commit(Database& db, uint32_t transaction, Answer answer, TimeNs now) {
  Rewrite* rewrite = find(db.id, now);
  if (rewrite == nullptr) return answer(kNotFrozen);  // another node may have done it
  if (rewrite->answer) return answer(kUnderWay);
  if (rewrite->transaction != transaction) return answer(kOtherTransaction);
  if (!rewrite->fault.empty()) return answer(rewrite->fault);
  rewrite->transaction.reset();
  const bool others_do_it = db.full_copy() && ctx_.placement.members().front() != ctx_.self;
  if (others_do_it || (!rewrite->wiped && rewrite->staged.records() == 0)) {
    reset_staged(*rewrite);
    return answer("");
  }
  rewrite->answer = std::move(answer);
  rewrite->step = Step::kReads;
  rewrite->next = 0;
}

// All is read.
void Rewrites::start(Database& db, Rewrite& rewrite, TimeNs now) {
  if (db.full_copy()) return commit_full_copy(db, rewrite, now);
  rewrite.walk.start(db);
  rewrite.step = Step::kWalks;
}

void Rewrites::commit_full_copy(Database& db, Rewrite& rewrite, TimeNs now) {
  if (rec_buffer_bytes(rewrite.staged.largest()) > Submissions::kTransactionBytesMax) {
    rewrite.fault = "one of the records is too large for a transaction";
    return end_commit(rewrite);
  }
  const Bytes part = next_part(db.id, rewrite);
  rewrite.in_parts = rewrite.next < rewrite.staged.size();
  if (rewrite.in_parts && !rewrite.wiped) {
    rewrite.fault = "so many records can only replace what a database has";
    return end_commit(rewrite);
  }
  const CommitKind one = rewrite.wiped ? CommitKind::kReplace : CommitKind::kRecords;
  submit_part(db.id, rewrite, rewrite.in_parts ? CommitKind::kReplaceBegins : one, part, now);
}

// At least one record, if there is one.
Bytes Rewrites::next_part(uint32_t db_id, Rewrite& rewrite) const {
  Bytes part = begin_rec_buffer(db_id);
  const size_t none = part.size();
  const StagedRecords& staged = rewrite.staged;
  for (; rewrite.next < staged.size(); ++rewrite.next) {
    const ByteView key = staged.key(rewrite.next), value = staged.value(rewrite.next);
    if (part.size() > none && part.size() + key.size() + value.size() > ctx_.options.entry_bytes) break;
    add_to_rec_buffer(part, key, without_read_only_flags(value));
  }
  return part;
}

// One after the other: together they may be more than may wait.
void Rewrites::submit_part(uint32_t db_id, Rewrite& rewrite, CommitKind kind, const Bytes& part, TimeNs now) {
  rewrite.part_is_out = true;
  commits_->submit(
      0, kind, part,
      [this, db_id](int32_t status, const std::string& error) {
        part_done(db_id, status == 0 ? "" : error.empty() ? "nobody knows whether it happened" : error);
      },
      now);
}

// A Rewrite with a part out is there until this comes.
void Rewrites::part_done(uint32_t db_id, const std::string& error) {
  const auto at = rewrites_.find(db_id);
  if (at == rewrites_.end()) return;
  Rewrite& rewrite = *at->second;
  rewrite.part_is_out = false;
  rewrite.fault = error;
  const bool more = rewrite.next < rewrite.staged.size();
  if (!error.empty() && more) give_up_parts(db_id, rewrite.heard);
  if (!error.empty() || !more) return end_commit(rewrite);
  const Bytes part = next_part(db_id, rewrite);
  const bool last = rewrite.next == rewrite.staged.size();
  submit_part(db_id, rewrite, last ? CommitKind::kReplaceEnds : CommitKind::kReplaceGoesOn, part,
              rewrite.heard);
}

// An empty transaction tells the members that what they keep is not to be gone on with.
void Rewrites::give_up_parts(uint32_t db_id, TimeNs now) {
  commits_->submit(
      0, CommitKind::kRecords, begin_rec_buffer(db_id), [](int32_t, const std::string&) {}, now);
}

void Rewrites::end_commit(Rewrite& rewrite) {
  const Answer answer = std::exchange(rewrite.answer, nullptr);
  const std::string fault = rewrite.fault;
  reset_staged(rewrite);
  if (rewrite.thawed) rewrite.heard = -kForgottenAfter;  // nobody comes back for it
  if (answer) answer(fault);
}

std::string Rewrites::cancel(uint32_t db_id) {
  const auto at = rewrites_.find(db_id);
  std::string why = why_not(at == rewrites_.end() ? nullptr : at->second.get());
  if (!why.empty()) return why;
  at->second->transaction.reset();
  reset_staged(*at->second);
  return "";
}

// A commit goes on: half of it would be worse.
void Rewrites::thaw(uint32_t db_id, TimeNs now) {
  const auto at = rewrites_.find(db_id);
  if (at == rewrites_.end()) return;
  if (!at->second->answer) return drop(db_id, now);
  at->second->thawed = true;
  unfreeze(db_id, now);
}

void Rewrites::unfreeze(uint32_t db_id, TimeNs now) {
  Database* db = ctx_.databases.find(db_id);
  if (db == nullptr || db->full_copy()) return;
  db->frozen = false;
  migration_.thawed(*db, now);
}

void Rewrites::drop(uint32_t db_id, TimeNs now) {
  const auto at = rewrites_.find(db_id);
  if (at == rewrites_.end()) return;
  const std::unique_ptr<Rewrite> rewrite = std::move(at->second);
  rewrites_.erase(at);
  reset_staged(*rewrite);
  let_go_of_lock(db_id, *rewrite, now);
  if (rewrite->frozen) rewrite->frozen("the tool has ended it");
  if (rewrite->answer) rewrite->answer("");
  unfreeze(db_id, now);
}

void Rewrites::client_gone(uint32_t endpoint, TimeNs now) {
  std::vector<uint32_t> left;
  for (const auto& [id, rewrite] : rewrites_) {
    if (endpoint != 0 && rewrite->endpoint == endpoint && !rewrite->answer) left.push_back(id);
  }
  std::erase_if(early_,
                [&](const EarlyFreeze& early) { return endpoint != 0 && early.endpoint == endpoint; });
  for (const uint32_t id : left) drop(id, now);
}

// Commits under way have nobody to tell, and are under way all the same.
void Rewrites::all_clients_gone() {
  for (auto& [id, rewrite] : rewrites_) {
    for (Answer* answer : {&rewrite->answer, &rewrite->frozen}) {
      if (*answer) *answer = [](const std::string&) {};
    }
  }
  std::erase_if(early_, [](const EarlyFreeze& early) { return early.endpoint != 0; });
}

// What the log has been given comes to its end in the next generation.
void Rewrites::close() {
  std::erase_if(rewrites_, [this](auto& one) {
    Rewrite& rewrite = *one.second;
    if (rewrite.part_is_out) return false;
    let_go_of_lock(one.first, rewrite, rewrite.heard);
    const std::string nothing = std::string("a recovery came in between, and ") + kTryAgain;
    if (rewrite.frozen) rewrite.frozen(nothing);
    Database* db = ctx_.databases.find(one.first);
    const bool full_copy = db != nullptr && db->full_copy();
    if (db != nullptr) db->frozen = false;
    reset_staged(rewrite);
    // Of a volatile one some records have been rewritten, perhaps.
    if (rewrite.answer) rewrite.answer(full_copy ? nothing : "a recovery came in between: try again");
    return true;
  });
}

void Rewrites::opened(TimeNs now) {
  for (EarlyFreeze& early : std::exchange(early_, {})) {
    if (Database* db = ctx_.databases.find(early.db_id)) {
      freeze(*db, early.endpoint, std::move(early.answer), now);
    } else {
      early.answer("there is no such database any more");
    }
  }
}

void Rewrites::give_up_early(TimeNs now) {
  std::erase_if(early_, [now](const EarlyFreeze& early) {
    if (now < early.give_up_at) return false;
    early.answer(std::string("a recovery is running; ") + kTryAgain);
    return true;
  });
}

void Rewrites::tick(TimeNs now) {
  tick_locks(now);
  give_up_early(now);
  std::vector<uint32_t> left;
  for (const auto& [id, rewrite] : rewrites_) {
    if (now >= rewrite->heard + kForgottenAfter && !(rewrite->answer && rewrite->thawed)) left.push_back(id);
  }
  for (const uint32_t id : left) thaw(id, now);
}

TimeNs Rewrites::next_deadline() const {
  TimeNs next = kNever;
  for (const auto& [id, rewrite] : rewrites_) {
    if (!rewrite->answer || !rewrite->thawed) next = std::min(next, rewrite->heard + kForgottenAfter);
    if (rewrite->frozen) next = std::min({next, rewrite->look_at, rewrite->give_up_at});
  }
  for (const EarlyFreeze& early : early_) next = std::min(next, early.give_up_at);
  return next;
}

bool Rewrites::has_work() const {
  return !came_.empty() || !used_up_.empty() || std::ranges::any_of(rewrites_, [this](const auto& one) {
    const Rewrite& rewrite = *one.second;
    const Database* db = ctx_.databases.find(one.first);
    return db != nullptr && rewrite.answer && !rewrite.part_is_out && has_step(*db, rewrite);
  });
}

bool Rewrites::has_step(const Database& db, const Rewrite& rewrite) const {
  if (rewrite.step == Step::kReads) return true;
  return rewrite.step == Step::kEnds ? db.rewrites == 0 : db.rewrites < kRewritesAtOnce;
}

void Rewrites::work(TimeNs now) {
  for (const Hold& hold : std::exchange(came_, {})) lock_came(hold.db_id, hold.ok, hold.holder, now);
  if (!used_up_.empty() && used_up_.back().give_back()) used_up_.pop_back();
  for (auto& [id, rewrite] : rewrites_) {
    Database* db = ctx_.databases.find(id);
    if (db != nullptr && rewrite->answer && !rewrite->part_is_out) work_on(*db, *rewrite, now);
  }
}

void Rewrites::work_on(Database& db, Rewrite& rewrite, TimeNs now) {
  if (rewrite.step == Step::kReads) {
    if (rewrite.staged.read(kReadPerSlice)) start(db, rewrite, now);
    return;
  }
  for (uint32_t i = 0; i < kRewritesPerSlice && rewrite.step != Step::kEnds && has_step(db, rewrite); ++i) {
    if (rewrite.step == Step::kWalks) {
      walk_on(db, rewrite, now);
    } else {
      create_next(db, rewrite, now);
    }
  }
  if (rewrite.step == Step::kEnds && db.rewrites == 0) end_commit(rewrite);
}

void Rewrites::walk_on(Database& db, Rewrite& rewrite, TimeNs now) {
  Database* same = nullptr;
  RecordEntry* entry = rewrite.walk.next(ctx_.databases, same);
  if (entry == nullptr) {
    rewrite.step = Step::kCreates;
  } else {
    empty_or_replace(db, rewrite, *entry, now);
  }
}

void Rewrites::create_next(Database& db, Rewrite& rewrite, TimeNs now) {
  const size_t at = rewrite.next++;
  if (at < rewrite.staged.size()) {
    create(db, rewrite.staged.key(at), rewrite.staged.value(at), now);
  } else {
    rewrite.step = Step::kEnds;
  }
}

// If nobody has the record and it is this node that says so.
void Rewrites::create(Database& db, ByteView key, ByteView value, TimeNs now) {
  const uint32_t hash = jenkins_hash(key);
  if (ctx_.placement.lmaster_of_slot(hash) != ctx_.self) return;
  RecordEntry& entry = db.entry(key, hash);
  if (migration_.unborn_here(entry))
    migration_.rewrite(db, entry, value.subspan(CTDB_RECORD_HEADER_SIZE), now);
}

void Rewrites::empty_or_replace(Database& db, Rewrite& rewrite, RecordEntry& entry, TimeNs now) {
  if (!ctx_.owns(entry) && !entry.in_file && !Migration::has_arrived(entry)) return;
  const size_t fresh = rewrite.staged.find(entry.key());
  const bool none = fresh == rewrite.staged.size();
  if (!rewrite.wiped && none) return;
  const ByteView data = none ? ByteView() : rewrite.staged.value(fresh).subspan(CTDB_RECORD_HEADER_SIZE);
  migration_.rewrite(db, entry, data, now);
}

}  // namespace ctdb
