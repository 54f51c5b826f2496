// SPDX-License-Identifier: GPL-3.0-or-later
// CommitDisk in memory, for tests and the simulator: orders are carried out when it is told to, one at a time, and a crash
// loses those that were not.
#ifndef CTDB_STORE_BACKEND_MEMORY_DISK_H_
#define CTDB_STORE_BACKEND_MEMORY_DISK_H_

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "ctdb-store/backend/memory_file.h"
#include "ctdb-store/core/commits/commit_disk.h"

namespace ctdb {

class MemoryDisk : public CommitDisk {
 public:
  explicit MemoryDisk(MemoryFiles& files) : files_(files) {}

  struct Answer {
    uint64_t ticket = 0;
    std::string error;
  };
  // Carries out orders up to the next one that is answered; nullopt: there is none. lie: a sync is answered and nothing is
  // on the disk.
  std::optional<Answer> carry_out(bool lie = false);
  // Told of every order that will be answered.
  std::function<void()> on_order = [] {};
  bool idle() const { return orders_.empty(); }
  // The processes die: what was not carried out never happens, what was not synced is gone.
  void crash();
  // Syncs and transactions fail while set.
  void set_full(bool full) { full_ = full; }
  // The log is lost, as with a new disk.
  void lose_log() {
    synced_ = written_ = {};
    same_ = 0;
  }
  // The log begins where it ended: nothing is repeated at the next start.
  void forget_entries() {
    if (!synced_.entries.empty()) synced_.start = synced_.committed = synced_.entries.back().position;
    synced_.entries.clear();
    written_ = synced_;
    same_ = 0;
  }
  const CommitLogImage& log() const { return synced_; }
  // How many were ordered.
  uint64_t checkpoints() const { return checkpoints_; }
  // Bytes that were ordered to become contents of databases, alone or as parts of them.
  uint64_t database_bytes() const { return database_bytes_; }
  // Who keeps the parts of contents dies, and another takes its place.
  void lose_parts() { parts_.clear(); }

  CommitLogImage take_log() override { return synced_; }
  void log_append(const KeptEntry& entry, LogPosition committed) override;
  void log_cut(LogPosition end) override;
  void log_restart(LogPosition start, bool trusted) override;
  void log_trust() override;
  void log_sync(uint64_t ticket) override;
  void database_apply(uint64_t ticket, const RecordFile& file, CommitKind kind, ByteView payload) override;
  void database_replace(const RecordFile& file, ByteView records, bool first) override;
  void database_replaced(uint64_t ticket, const RecordFile& file, size_t parts) override;
  void database_checkpoint(uint64_t ticket) override;

 private:
  // "" is success. Of an order without a ticket the result is of no interest.
  struct Order {
    uint64_t ticket = 0;
    std::function<std::string()> work;
  };
  void order(uint64_t ticket, std::function<std::string()> work);
  bool full() const { return full_ || files_.has_no_room(); }
  MemoryDatabase* database(const RecordFile& file);
  static void write(MemoryDatabase& database, ByteView payload);
  void make_same(const CommitLogImage& from, CommitLogImage& to);

  MemoryFiles& files_;
  std::deque<Order> orders_;
  CommitLogImage written_, synced_;
  size_t same_ = 0;  // so many entries at the beginning are the same in both
  std::string failed_;
  std::map<std::string, std::vector<Bytes>> parts_;
  uint64_t checkpoints_ = 0;
  uint64_t database_bytes_ = 0;
  bool full_ = false;
  bool lie_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_MEMORY_DISK_H_
