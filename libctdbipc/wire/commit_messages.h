// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages of stores about transactions of databases of which every node has all (persistent and replicated ones), in an open
// generation (ARCHITECTURE §4 "Commits"). One member, the coordinator, orders all transactions in one log; every
// member has that log on its disk before a transaction counts, and applies it before its client hears of it.
//
// Views are loans of the payload.
#ifndef LIBCTDBIPC_WIRE_COMMIT_MESSAGES_H_
#define LIBCTDBIPC_WIRE_COMMIT_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

// Answer to a TRANS3_COMMIT of which nobody knows whether it happened: what the classic daemon says when a recovery ended it
// (wire-protocol §8.2.4). smbd looks at the sequence number then.
inline constexpr int32_t kCommitUnknown = 2;
// Nothing was written: another transaction came first, or the hold under which it was made is lost. Classic clients hear -1.
inline constexpr int32_t kCommitConflict = -2;

enum class CommitKind : uint8_t {
  kRecords,  // payload: rec_buffer (wire-protocol §7.2), each record with its header
  kWipe,     // payload: u32 db_id; the database has no records from here on
  kReplace,  // payload: rec_buffer; the database has these records and no others
  // The same with more records than one entry has room for (rec_buffers): nothing is visible before the last, then all is.
  // They are of one node and one generation, and nothing else happens to the database in between, or the last is refused.
  kReplaceBegins,
  kReplaceGoesOn,
  kReplaceEnds,
};
inline constexpr uint8_t kCommitKinds = 6;
// Its effect comes with a later entry.
inline constexpr bool is_put_off(CommitKind kind) {
  return kind == CommitKind::kReplaceBegins || kind == CommitKind::kReplaceGoesOn;
}
// It needs the entries before it.
inline constexpr bool goes_on(CommitKind kind) {
  return kind == CommitKind::kReplaceGoesOn || kind == CommitKind::kReplaceEnds;
}

// A client's store -> coordinator. `id` is the sender's: one that is sent again (after a change of generation: `again`) is
// the same transaction and is done once.
struct CommitSubmit {
  uint64_t id = 0;
  CommitKind kind = CommitKind::kRecords;
  bool again = false;
  ByteView payload;
  Bytes encode() const;
  static std::optional<CommitSubmit> decode(ByteView payload);
};
// status 0: on all members' disks and visible there. Otherwise nothing of it was kept.
struct CommitResult {
  uint64_t id = 0;
  int32_t status = 0;
  std::string error;
  Bytes encode() const;
  static std::optional<CommitResult> decode(ByteView payload);
};

struct CommitEntry {
  LogPosition position;
  CommitKind kind = CommitKind::kRecords;
  uint32_t origin = 0;  // node, and its number of the transaction
  uint64_t id = 0;
  ByteView payload;
};
// Coordinator -> member: after `previous` your log goes on with these and ends; what it has beyond is cut off.
struct CommitAppend {
  LogPosition previous;
  LogPosition committed;  // up to here all members have it
  bool restart = false;   // forget your log: it begins at `previous` (databases that differ will be sent)
  std::vector<CommitEntry> entries;
  Bytes encode() const;
  static std::optional<CommitAppend> decode(ByteView payload);
};
// The member's log ends there, on its disk. ok = false: it could not be written, and ends where it did.
struct CommitAppended {
  LogPosition end;
  bool ok = true;
  std::string error;
  Bytes encode() const;
  static std::optional<CommitAppended> decode(ByteView payload);
};
// Coordinator -> member: all have it, make it visible.
struct CommitApply {
  LogPosition committed;
  bool tell_digests = false;
  bool complete = false;  // your databases are what they should be
  Bytes encode() const;
  static std::optional<CommitApply> decode(ByteView payload);
};
struct DatabaseDigest {
  uint32_t db_id = 0;
  uint64_t digest = 0;  // of all keys and values; equal contents have equal ones
  uint64_t records = 0;
  uint64_t sequence = 0;  // what its record "__db_sequence_number__" says
};
struct CommitApplied {
  LogPosition applied;
  bool with_digests = false;
  std::vector<DatabaseDigest> digests;  // of all databases, if they were asked for
  uint32_t taken_db_id = 0;             // contents for it came and were taken (or could not be)
  Bytes encode() const;
  static std::optional<CommitApplied> decode(ByteView payload);
};

// Coordinator -> a member whose copy is good: send all of it to that node.
struct DatabaseWanted {
  uint32_t db_id = 0;
  uint32_t node = 0;
  Bytes encode() const;
  static std::optional<DatabaseWanted> decode(ByteView payload);
};
// Parts of a database, counted from 0; with the last one they become all its contents.
struct DatabaseContent {
  uint32_t db_id = 0;
  uint32_t part = 0;
  bool last = false;
  ByteView records;  // rec_buffer
  Bytes encode() const;
  static std::optional<DatabaseContent> decode(ByteView payload);
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_COMMIT_MESSAGES_H_
