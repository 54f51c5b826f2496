// SPDX-License-Identifier: GPL-3.0-or-later
// The log of commits on disk: one file, a head and then one entry after another, each with a check sum. Used by the log
// worker for writing, and by the store before its worker starts for reading.
//
// Invariants:
//  1. After sync() without an error everything before it is in the file at the next start, whatever dies in between.
//  2. restart() changes nothing in the file that is there until sync() has the new one complete on disk.
//  3. A torn or damaged entry ends the log: nothing behind it is believed.
#ifndef CTDB_STORE_BACKEND_COMMIT_LOG_FILE_H_
#define CTDB_STORE_BACKEND_COMMIT_LOG_FILE_H_

#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_disk.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

struct CommitLogContents {
  CommitLogImage image;
  // The machine was started anew since the log was written last: database files may lack what was never synced.
  bool machine_restarted = false;
  std::string note;  // what was wrong and what was done about it, "" if nothing
};

// No such file is an empty log. One whose head is damaged is put aside as `<path>.corrupted.<time>Z`, and the log that is
// returned is empty and not trusted. Errors: kSystem.
Result<CommitLogContents> read_commit_log(const std::string& path);

class CommitLogFile {
 public:
  // Opens what read_commit_log() has read (or makes it), without what came behind its end.
  static Result<CommitLogFile> open(const std::string& path);

  void append(const KeptEntry& entry, LogPosition committed);
  Result<void> cut(LogPosition end);
  Result<void> restart(LogPosition start, bool trusted);
  void trust();
  // Writes what was appended and waits until the disk has it. After an error the file is as it was after the last good one;
  // what was appended since restart() is tried again by the next sync, as far as cut() leaves it.
  Result<void> sync();

 private:
  struct Place {
    LogPosition position;
    uint64_t end;  // offset behind the entry
  };
  explicit CommitLogFile(std::string path) : path_(std::move(path)) {}
  uint64_t end_of_file() const;
  Result<void> write_head();
  Result<void> write_pending();

  std::string path_;
  UniqueFd fd_;
  bool replaces_ = false;  // the file is a new one that has not taken the name yet
  LogPosition start_;
  bool trusted_ = true;
  bool head_changed_ = true;
  std::vector<Place> places_;  // of entries in the file
  Bytes pending_;
  std::vector<Place> pending_places_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_COMMIT_LOG_FILE_H_
