// SPDX-License-Identifier: GPL-3.0-or-later
// CommitDisk over two processes of its own, so that the store's loop waits neither for a disk nor for a reader of a file.
// They are forked at start-up; one that was killed is made again, and what it was asked for is answered with an error.
#ifndef CTDB_STORE_BACKEND_COMMIT_WORKERS_H_
#define CTDB_STORE_BACKEND_COMMIT_WORKERS_H_

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "ctdb-store/backend/commit_log_file.h"
#include "ctdb-store/backend/commit_orders.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/packet_stream.h"

namespace ctdb {

class CommitWorkers : public CommitDisk {
 public:
  // Called from the loop.
  using Done = std::function<void(uint64_t ticket, const std::string& error)>;
  // Reads the log and forks. Errors: kSystem.
  static Result<std::unique_ptr<CommitWorkers>> start(EventLoop& loop, const std::string& log_path,
                                                      Done done);
  ~CommitWorkers() override;

  // Of the log that was read: persistent files are not what they were.
  bool machine_restarted() const { return contents_.machine_restarted; }
  const std::string& note() const { return contents_.note; }

  CommitLogImage take_log() override { return std::move(contents_.image); }
  void log_append(const KeptEntry& entry, LogPosition committed) override;
  void log_cut(LogPosition end) override;
  void log_restart(LogPosition start, bool trusted) override;
  void log_trust() override;
  void log_sync(uint64_t ticket) override;
  void database_apply(uint64_t ticket, const RecordFile& file, CommitKind kind, ByteView payload) override;
  void database_replace(const RecordFile& file, ByteView records, bool first) override;
  void database_replaced(uint64_t ticket, const RecordFile& file, size_t parts) override;
  bool database_busy() const override;
  void database_checkpoint(uint64_t ticket) override;

 private:
  class Worker;

  explicit CommitWorkers(Done done);

  // The log as the store knows it: what is on the way, and what is on the disk.
  void synced(const std::string& error);
  void database_done(uint64_t ticket, const std::string& error);

  Done done_;
  CommitLogContents contents_;
  LogPosition log_end_, syncing_to_, synced_to_;
  // Persistent files of which the log has more than their copies, and those that the checkpoint under way copies. The process that
  // writes them would take what it knew of that along when it is killed.
  std::set<std::string> changed_, copied_;
  uint64_t checkpoint_ticket_ = 0;
  std::unique_ptr<Worker> log_, databases_;
  Bytes payload_, packet_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_COMMIT_WORKERS_H_
