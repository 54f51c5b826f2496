// SPDX-License-Identifier: GPL-3.0-or-later
// The databases of this node: name, id, file and index of each.
//
// Invariant: a database's index agrees with its file from the moment it is attached (see record_index.h), leftovers excepted.
#ifndef CTDB_STORE_CORE_DATABASE_H_
#define CTDB_STORE_CORE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "ctdb-store/core/database_statistics.h"
#include "ctdb-store/core/leftovers.h"
#include "ctdb-store/core/record_index.h"
#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

struct ChainWait;

struct Database {
  std::string name;
  uint32_t id = 0;
  uint8_t flags = 0;             // CTDB_DB_*
  uint8_t copies = 1;            // on how many nodes a record is; only grows
  uint16_t copies_round = 0;     // counts when the other nodes have removed all copies
  uint32_t record_limit = 0;     // no value may become larger; those that are stay
  uint32_t told_generation = 0;  // in which the other members have been told of it
  std::unique_ptr<RecordFile> file;
  RecordIndex index;
  Leftovers leftovers;
  bool leftovers_failing = false;       // they could not be noted or removed last time; said once
  std::vector<ChainWait*> chain_waits;  // chains somebody else holds and we wait for, by their numbers
  TimeNs locks_told_at = 0;             // that some of them are kept for long; and how many since then
  uint32_t locks_told = 0;
  std::optional<TimeNs> lock_failure_said;  // that a lock worker failed: once a minute

  bool seqnum_on = false;
  int64_t seqnum_seen = 0;             // up to here the other nodes have been told
  std::optional<TimeNs> failure_said;  // that a write failed: once a minute, not every time
  bool hopeless_said = false;          // that its file cannot be repaired: once

  // The ctdb tool is about to wipe or restore it (rewrite.h): no record leaves; and how many are still to be rewritten.
  bool frozen = false;
  uint32_t rewrites = 0;

  DatabaseStatistics statistics;

  // Every node has all of it; changed by transactions only.
  bool full_copy() const { return (flags & (CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED)) != 0; }
  // Of a full copy (core/commits/full_copy.h keeps it).
  struct {
    uint64_t digest = 0;
    uint64_t records = 0;
    uint64_t sequence = 0;
  } contents;
  uint32_t replacements = 0;  // of all of it: the number of the last one
  // Entries of the log that have been put off (commit_messages.h), of one node and one generation.
  struct {
    uint32_t origin = 0;
    std::vector<LogPosition> entries;
  } put_off;

  uint32_t chain_of(const RecordEntry& entry) const { return file->chain_of(entry.hash); }
  // The entry of a key, made now if there was none.
  RecordEntry& entry(ByteView key);
  RecordEntry& entry(ByteView key, uint32_t hash);  // hash: jenkins_hash(key)
};

class Databases {
 public:
  // By the names of databases; `copies`: what a volatile one has from the beginning.
  explicit Databases(RecordFiles& files, std::vector<CopiesRule> copies = {},
                     std::vector<RecordLimitRule> record_limits = {})
      : files_(files), copies_(std::move(copies)), record_limits_(std::move(record_limits)) {}

  // nullptr: not attached.
  Database* find(uint32_t id) const;
  // The same, but only one whose records have owners.
  Database* find_volatile(uint32_t id) const {
    Database* database = find(id);
    return database != nullptr && database->full_copy() ? nullptr : database;
  }
  // The database of that name; opened and indexed when it is new (`is_new`). keep: with what its file has.
  // One that is there is what it is: asking for a volatile one finds any kind (wire-protocol §8.2.1).
  // Errors: kInvalid (not a name), kRefused (another name with the same id, or another kind, or not now: take_up()), kLimit, and those of
  // RecordFiles::open.
  Result<Database*> attach(std::string_view name, uint8_t flags, bool keep, bool& is_new);
  // A volatile one. Errors: those of RecordFiles::detach; it is gone all the same.
  Result<void> detach(Database& database);
  // What databases have left that an earlier life detached, and that of `more`.
  void discard_detached(const std::vector<std::string>& more);
  // In order of attaching.
  const std::vector<std::unique_ptr<Database>>& all() const { return databases_; }
  // Takes away the volatile files of an earlier life; `visit` sees the records in them first.
  void discard_past(const std::function<void(const std::string& name, ByteView key, ByteView value)>& visit);
  // Names of files that can be taken up again, and of persistent databases.
  std::vector<std::string> existing() { return files_.existing(); }
  std::vector<std::string> existing_persistent() { return files_.existing_persistent(); }
  // While that is so only files that are here already are attached, with what they have: who makes one anew would take what is there away.
  void take_up(bool on) { taking_up_ = on; }
  void tune_files(uint32_t chains, uint32_t max_dead) { files_.tune(chains, max_dead); }

 private:
  Result<void> index_file(Database& database);
  Result<void> index_full_copy(Database& database);

  RecordFiles& files_;
  const std::vector<CopiesRule> copies_;
  const std::vector<RecordLimitRule> record_limits_;
  std::vector<std::unique_ptr<Database>> databases_;
  mutable Database* last_found_ = nullptr;
  bool taking_up_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_DATABASE_H_
