// SPDX-License-Identifier: GPL-3.0-or-later
// Whole databases from one member to another that lacks commits or whose file was damaged.
#include <algorithm>
#include <utility>

#include "ctdb-store/core/commits/commit_member.h"
#include "ctdb-store/core/commits/full_copy.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr size_t kPartBytes = 128u << 10;
constexpr uint32_t kRecordsPerSlice = 512;

}  // namespace

void CommitMember::wanted(uint32_t from, const DatabaseWanted& message) {
  if (!from_coordinator(from)) return;
  const Database* db = ctx_.databases.find(message.db_id);
  if (db == nullptr || !db->full_copy() || !ctx_.is_member(message.node))
    return ctx_.refuse("of no database or member that is known");
  ++ctx_.counts.databases_sent;
  ctx_.out.log(StoreLog::kInfo,
               "sending " + db->name + " to node " + std::to_string(message.node) + ", whose copy differs");
  Sending& sending = sending_.emplace_back();
  sending.db_id = message.db_id;
  sending.node = message.node;
  sending.walk.start(*db);
}

void CommitMember::send_part() {
  Sending& sending = sending_.front();
  Database* db = ctx_.databases.find(sending.db_id);
  if (db == nullptr) {
    sending_.pop_front();
    return;
  }
  Bytes buffer = begin_rec_buffer(sending.db_id);
  const bool last = !add_records(*db, sending.walk, buffer);
  ways_.send(sending.node, Operation::DATABASE_CONTENT,
             DatabaseContent{sending.db_id, sending.part++, last, buffer}.encode());
  if (last) sending_.pop_front();
}

// false: that was the last one. A reader that holds a record's lock may keep it from being read now: the walk stands
// there and the next slice tries again.
bool CommitMember::add_records(Database& db, RecordWalk& walk, Bytes& buffer) {
  for (uint32_t i = 0; i < kRecordsPerSlice && buffer.size() < kPartBytes; ++i) {
    Database* of = nullptr;
    const RecordEntry* entry = walk.current(ctx_.databases, of);
    if (entry == nullptr) return false;
    if (!ctx_.chains.try_take(db, *entry)) return true;
    const bool found = db.file->fetch(entry->key(), ctx_.value);
    ctx_.chains.let_go(db, *entry);
    if (found && ctx_.value.size() >= CTDB_RECORD_HEADER_SIZE)
      add_to_rec_buffer(buffer, entry->key(), ctx_.value);
    walk.advance();
  }
  return true;
}

void CommitMember::content(uint32_t, const DatabaseContent& message) {
  Database* db = ctx_.databases.find(message.db_id);
  const std::optional<RecBuffer> buffer = parse_rec_buffer(message.records);
  if (db == nullptr || !db->full_copy() || !buffer || buffer->db_id != message.db_id)
    return ctx_.rule_broken("of no database that is known, or malformed");
  Taking& taking = taking_[message.db_id];
  if (taking.ticket != 0 || message.part != (message.part == 0 ? 0 : taking.parts.size()))
    return ctx_.rule_broken("a part that does not follow the last one");
  if (message.part == 0) taking.parts.clear();
  taking.parts.push_back(to_bytes(message.records));
  disk_.database_replace(*db->file, message.records, message.part == 0);
  if (!message.last) return;
  taking.ticket = ctx_.new_ticket();
  disk_.database_replaced(taking.ticket, *db->file, taking.parts.size());
}

void CommitMember::taken(uint32_t db_id, const std::string& error) {
  Taking taking = std::move(taking_[db_id]);
  taking_.erase(db_id);
  Database* db = ctx_.databases.find(db_id);
  if (db == nullptr) return;
  if (error.empty()) {
    Noting& noting = notings_.emplace_back(*db, true, true).noting;
    for (Bytes& part : taking.parts) noting.add_own(std::move(part));
    return note_visible();
  }
  ++ctx_.counts.file_errors;
  ctx_.out.log(StoreLog::kError, "bringing " + db->name + " up to date: " + error);
  taken_.push_back(db_id);
  if (notings_.empty()) tell_taken();
}

void CommitMember::taken_noted(uint32_t db_id) {
  taken_.push_back(db_id);
  if (const Database* db = ctx_.databases.find(db_id))
    ctx_.out.log(StoreLog::kInfo,
                 db->name + " was brought up to date: " + std::to_string(db->contents.records) + " records");
}

// With digests of all databases, so none may be half noted.
void CommitMember::tell_taken() {
  for (const uint32_t db_id : std::exchange(taken_, {})) {
    digests_wanted_ = true;
    tell_applied(db_id);
  }
  apply_next();
}

}  // namespace ctdb
