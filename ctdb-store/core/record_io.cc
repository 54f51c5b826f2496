// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_io.h"

#include <algorithm>

#include "ctdb-store/core/rules.h"
#include "ctdb-store/core/sizes.h"
#include "libctdbipc/base/refusals.h"

namespace ctdb {
namespace {

bool written(StoreContext& context, Database& db, const Result<void>& result) {
  if (result) return true;
  ++context.counts.file_errors;
  if (result.error().code == ErrorCode::kCorrupt) context.found_damaged.push_back(db.id);
  // On a full disk small records are written between large ones that are not.
  if (!db.failure_said || context.packet.at - *db.failure_said >= Refusals::kEvery) {
    db.failure_said = context.packet.at;
    context.out.log(StoreLog::kError, "writing " + db.file->path() + ": " + result.error().text() +
                                          "; trying again until it works");
  }
  return false;
}

bool write_file(StoreContext& context, Database& db, const RecordEntry& entry, const RecordHeader& header,
                ByteView data) {
  context.header.clear();
  append_record_header(context.header, header);
  return written(context, db, db.file->store(entry.key(), context.header, data));
}

void forget_copy(const StoreContext& context, RecordEntry& entry) {
  entry.in_file = entry.has_data = entry.had_data = false;
  entry.rsn = 0;
  entry.flags = 0;
  if (entry.dmaster == context.self) entry.dmaster = CTDB_UNKNOWN_PNN;
}

// Of a record that this node owns: its file does not say so, because it is held, or because no file may say so now.
bool is_hidden(const StoreContext& context, const RecordEntry& entry) {
  return context.out.records_taken() || (entry.activity() != nullptr && entry.activity()->away);
}

// That are not elsewhere yet: nobody is told that they are kept.
void forget_changes(const Activity& activity) {
  for (Waiting* item = activity.queue.front(); item != nullptr; item = item->next) {
    if (item->is_push()) item->epoch = kNoEpoch;
  }
}

void end_discard(StoreContext& context, Activity& activity) {
  activity.entry->dmaster = CTDB_UNKNOWN_PNN;
  activity.entry->pointer_generation = 0;
  cancel_header_job(context, activity);
}

}  // namespace

ByteView read_data(StoreContext& context, Activity& activity) {
  RecordEntry& entry = *activity.entry;
  if (!entry.in_file || !activity.db->file->fetch(entry.key(), context.value)) return {};
  const std::optional<RecordHeader> header = read_record_header(context.value);
  if (!header) return {};
  // Taken away by clients, and by a keeper that fences.
  constexpr uint32_t kTakenByOthers = CTDB_RECORD_MAY_BE_OLDER | CTDB_RECORD_RO_HAVE_READONLY;
  entry.flags &= header->flags | ~kTakenByOthers;
  const ByteView data = ByteView(context.value).subspan(CTDB_RECORD_HEADER_SIZE);
  entry.had_data = entry.had_data || !data.empty();
  if (data.size() > activity.db->record_limit) tell_over_limit(context, *activity.db, entry, data.size());
  return data;
}

bool write_record(StoreContext& context, Activity& activity, const RecordHeader& header, ByteView data) {
  RecordEntry& entry = *activity.entry;
  if (!write_file(context, *activity.db, entry, header, data)) return false;
  entry.in_file = true;
  entry.rsn = header.rsn;
  entry.dmaster = header.dmaster;
  entry.flags = header.flags;
  entry.has_data = !data.empty();
  entry.had_data = entry.had_data || !data.empty();
  return true;
}

bool hide_record(StoreContext& context, Activity& activity, ByteView data) {
  const RecordEntry& entry = *activity.entry;
  return write_file(context, *activity.db, entry, {entry.rsn, CTDB_UNKNOWN_PNN, entry.flags}, data);
}

bool remove_record(StoreContext& context, Activity& activity) {
  RecordEntry& entry = *activity.entry;
  if (!written(context, *activity.db, activity.db->file->remove(entry.key()))) return false;
  forget_copy(context, entry);
  return true;
}

// What this node owned, also before it was suspended, has the newest data. If a client has deleted it since it came here, which one
// that has the chain may do when the others have gone on already, an older copy of theirs is the record again.
bool discard_record(StoreContext& context, Activity& activity) {
  const RecordEntry& entry = *activity.entry;
  const bool has_data = activity.db->file->value_bytes(entry.key()) > CTDB_RECORD_HEADER_SIZE;
  const bool lost = was_owned_by(context.self, entry.dmaster) && (has_data || entry.had_data);
  if (!remove_record(context, activity)) return false;
  if (lost) context.left_behind.note(activity.db->name, entry.key());
  return true;
}

void lose_record(StoreContext& context, Database& db, RecordEntry& entry) {
  context.damaged.note(db.name, entry.key());
  if (entry.activity() != nullptr) forget_changes(*entry.activity());
  const bool was_empty = context.owns(entry) && !entry.had_data;
  const uint32_t flags = entry.flags | CTDB_RECORD_MAY_BE_OLDER;
  const uint32_t dmaster = is_hidden(context, entry) ? CTDB_UNKNOWN_PNN : entry.dmaster;
  if (was_empty && write_file(context, db, entry, {entry.rsn, dmaster, flags}, {})) {
    entry.flags = flags;
    return;
  }
  entry.missed = context.owns(entry);
  if (entry.missed && context.lmaster(entry) == context.self) entry.lost = true;
  if (entry.activity() != nullptr) entry.activity()->lose_hold();
  forget_copy(context, entry);
  context.rule_broken_in = context.generation;
}

void discard_unseen(StoreContext& context, Activity& activity) {
  RecordEntry& entry = *activity.entry;
  if (was_owned_by(context.self, entry.dmaster) && entry.had_data)
    context.left_behind.note(activity.db->name, entry.key());
  forget_copy(context, entry);
  end_discard(context, activity);
}

void discard_past(StoreContext& context) {
  context.databases.discard_past([&](const std::string& name, ByteView key, ByteView value) {
    const std::optional<RecordHeader> header = read_record_header(value);
    const bool had_data = header && value.size() > CTDB_RECORD_HEADER_SIZE;
    if (had_data && was_owned_by(context.self, header->dmaster)) context.left_behind.note(name, key);
  });
}

void set_header_job(StoreContext& context, Activity& activity, HeaderJob job) {
  cancel_header_job(context, activity);
  activity.job = job;
  if (!waits_for_open(job)) ++context.header_jobs;
}

void cancel_header_job(StoreContext& context, Activity& activity) {
  if (activity.job == HeaderJob::kNone) return;
  if (!waits_for_open(activity.job)) --context.header_jobs;
  activity.job = HeaderJob::kNone;
}

bool run_header_job(StoreContext& context, Activity& activity) {
  RecordEntry& entry = *activity.entry;
  if (activity.job == HeaderJob::kNone) return true;
  if (activity.job == HeaderJob::kDiscard) {
    if (entry.in_file && !discard_record(context, activity)) return false;
    end_discard(context, activity);
    return true;
  }
  const ByteView data = read_data(context, activity);
  RecordHeader header{entry.rsn, entry.dmaster, entry.flags};
  bool changes = true;
  switch (activity.job) {
    case HeaderJob::kTakeAway:
      changes = context.owns(entry) || is_read_only_copy(entry.flags);
      if (context.owns(entry)) header.dmaster = CTDB_UNKNOWN_PNN;
      header.flags &= ~kReadOnlyFlags;
      break;
    case HeaderJob::kPoint:
      header.dmaster = activity.job_dmaster;
      header.flags &= ~kReadOnlyFlags;
      break;
    default:  // kPromote
      header.dmaster = context.self;
      header.rsn = std::max(entry.rsn, activity.job_rsn) + 1;
      header.flags &= ~kReadOnlyFlags;
      if (activity.job_older) header.flags |= CTDB_RECORD_MAY_BE_OLDER;
      if (!activity.job_delegated) break;
      // Which members have them its last owner knew.
      header.rsn += kFirstDelegationRsn - 1;
      header.flags |= CTDB_RECORD_RO_HAVE_DELEGATIONS;
      if (RecordExtra* extra = entry.extra_if_any()) extra->readers = 0;
  }
  if (changes && !write_record(context, activity, header, data)) return false;
  if (activity.job == HeaderJob::kPoint) entry.pointer_generation = context.generation;
  cancel_header_job(context, activity);
  return true;
}

}  // namespace ctdb
