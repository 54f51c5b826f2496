// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_io.h"

#include <algorithm>

#include "ctdb-store/core/rules.h"

namespace ctdb {
namespace {

bool written(StoreContext& context, Database& db, const Result<void>& result) {
  if (result) {
    db.file_failing = false;
    return true;
  }
  ++context.counts.file_errors;
  if (!db.file_failing) {
    context.out.log(StoreLog::kError, "writing " + db.file->path() + ": " + result.error().text() +
                                          "; trying again until it works");
  }
  db.file_failing = true;
  return false;
}

}  // namespace

ByteView read_data(StoreContext& context, Activity& activity) {
  if (!activity.entry->in_file || !activity.db->file->fetch(activity.entry->key(), context.value)) return {};
  if (context.value.size() <= CTDB_RECORD_HEADER_SIZE) return {};
  return ByteView(context.value).subspan(CTDB_RECORD_HEADER_SIZE);
}

bool write_record(StoreContext& context, Activity& activity, const RecordHeader& header, ByteView data) {
  context.header.clear();
  append_record_header(context.header, header);
  RecordEntry& entry = *activity.entry;
  if (!written(context, *activity.db, activity.db->file->store(entry.key(), context.header, data)))
    return false;
  entry.in_file = true;
  entry.rsn = header.rsn;
  entry.dmaster = header.dmaster;
  entry.flags = header.flags;
  entry.data_size = static_cast<uint32_t>(data.size());
  return true;
}

bool remove_record(StoreContext& context, Activity& activity) {
  RecordEntry& entry = *activity.entry;
  if (!written(context, *activity.db, activity.db->file->remove(entry.key()))) return false;
  entry.in_file = false;
  entry.rsn = 0;
  entry.flags = 0;
  entry.data_size = 0;
  if (entry.dmaster == context.self) entry.dmaster = CTDB_UNKNOWN_PNN;
  return true;
}

bool write_header(StoreContext& context, Activity& activity, const RecordHeader& header) {
  const ByteView data = read_data(context, activity);
  return write_record(context, activity, header, data);
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
  RecordHeader header{entry.rsn, entry.dmaster, entry.flags};
  switch (activity.job) {
    case HeaderJob::kNone:
      return true;
    case HeaderJob::kDiscard:
      if (entry.in_file && !remove_record(context, activity)) return false;
      entry.dmaster = CTDB_UNKNOWN_PNN;
      entry.pointer_generation = 0;
      break;
    case HeaderJob::kTakeAway:
      header.dmaster = CTDB_UNKNOWN_PNN;
      if (context.owns(entry) && !write_header(context, activity, header)) return false;
      break;
    case HeaderJob::kPoint:
      header.dmaster = activity.job_dmaster;
      if (!write_header(context, activity, header)) return false;
      entry.pointer_generation = context.generation;
      break;
    case HeaderJob::kPromote:
      header.dmaster = context.self;
      header.rsn = std::max(entry.rsn, activity.job_rsn) + 1;
      header.flags &= ~kReadOnlyFlags;
      if (!write_header(context, activity, header)) return false;
      break;
  }
  cancel_header_job(context, activity);
  return true;
}

}  // namespace ctdb
