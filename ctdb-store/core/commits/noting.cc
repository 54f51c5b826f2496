// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/commits/noting.h"

#include <utility>

#include "ctdb-store/core/commits/full_copy.h"

namespace ctdb {

Noting::Noting(Database& db, bool replaces) : db_id_(db.id), replaces_(replaces) {
  if (replaces) mark_ = ++db.replacements;
}

void Noting::add_own(Bytes payload) {
  Part& part = parts_.emplace_back();
  part.own = std::move(payload);
  part.payload = part.own;
}

bool Noting::go_on(Databases& databases, size_t records_max) {
  Database* db = databases.find(db_id_);
  if (db == nullptr) return true;
  for (; !parts_.empty(); --records_max) {
    if (records_max == 0) return false;
    note_next(*db);
  }
  if (!replaces_) return true;
  if (!std::exchange(walks_, true)) walk_.start(*db);
  for (; records_max > 0; --records_max) {
    if (!look_at_next(databases)) return true;
  }
  return false;
}

// One record, or the end of a part.
void Noting::note_next(Database& db) {
  if (!read_) read_ = parse_rec_buffer(parts_.front().payload);
  if (read_ && next_ < read_->records.size()) {
    RecordEntry* entry = note_record(db, read_->records[next_++]);
    if (entry != nullptr) entry->pointer_generation = mark_;
    return;
  }
  read_.reset();
  next_ = 0;
  parts_.pop_front();
}

bool Noting::look_at_next(Databases& databases) {
  Database* db = nullptr;
  RecordEntry* entry = walk_.next(databases, db);
  if (entry == nullptr) return false;
  if (entry->pointer_generation != mark_) note_gone(*db, *entry);
  return true;
}

}  // namespace ctdb
