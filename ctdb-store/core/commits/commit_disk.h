// SPDX-License-Identifier: GPL-3.0-or-later
// The disk as the commits of full-copy databases need it: a log that is durable, and database files that are changed a
// transaction at a time. Implementations: backend/commit_workers.h (two processes, because a sync takes milliseconds and a
// transaction waits for readers of the file) and
// backend/memory_disk.h (simulator, unit tests).
//
// Orders of one kind (log_, database_) are carried out one after another. Orders with a ticket are answered later with
// Store::on_disk_done(ticket, error), never from inside the call; error = "" is success.
//
// Invariant: what the log had when log_sync() was answered without an error is there again after any crash, in the
// same order, until log_cut() or log_restart() was followed by a sync.
#ifndef CTDB_STORE_CORE_COMMITS_COMMIT_DISK_H_
#define CTDB_STORE_CORE_COMMITS_COMMIT_DISK_H_

#include <string>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "libctdbipc/wire/commit_messages.h"

namespace ctdb {

// A log as it was found at start-up. Entries own their payload.
struct KeptEntry {
  LogPosition position;
  CommitKind kind = CommitKind::kRecords;
  uint32_t origin = 0;
  uint64_t id = 0;
  Bytes payload;
};
struct CommitLogImage {
  LogPosition start;      // all before it is in the database files
  LogPosition committed;  // what is known to have been on all members
  bool trusted = true;    // the databases have what they should, but for entries to be repeated
  std::vector<KeptEntry> entries;
};

class CommitDisk {
 public:
  virtual ~CommitDisk() = default;
  // What the log had when this process was started.
  virtual CommitLogImage take_log() = 0;
  // `committed` is kept with the entry, as a hint for the next start.
  virtual void log_append(const KeptEntry& entry, LogPosition committed) = 0;
  virtual void log_cut(LogPosition end) = 0;
  virtual void log_restart(LogPosition start, bool trusted) = 0;
  virtual void log_trust() = 0;
  // After an error nothing is appended any more until log_cut() or log_restart(): all syncs up to then fail.
  virtual void log_sync(uint64_t ticket) = 0;

  // The transaction as a whole, or nothing.
  virtual void database_apply(uint64_t ticket, const RecordFile& file, CommitKind kind, ByteView payload) = 0;
  // Parts (rec_buffer) of new contents; with the last one they replace what the file has. `first` forgets parts of an earlier try.
  virtual void database_replace(const RecordFile& file, ByteView records, bool first) = 0;
  // parts: how many there are. An error and no change if they are not all here: who kept them may have died in between.
  virtual void database_replaced(uint64_t ticket, const RecordFile& file, size_t parts) = 0;
  // So many parts are on their way that more had better wait. When that ends Store::has_work() is asked again.
  virtual bool database_busy() const { return false; }
  // All databases have what the log says up to `at`: makes that durable without the log.
  virtual void database_checkpoint(uint64_t ticket) = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMIT_DISK_H_
