// SPDX-License-Identifier: GPL-3.0-or-later
// A walk through all records of all databases in pieces, while databases and records come and go.
#ifndef CTDB_STORE_CORE_RECORD_WALK_H_
#define CTDB_STORE_CORE_RECORD_WALK_H_

#include <optional>
#include <vector>

#include "ctdb-store/core/database.h"

namespace ctdb {

class RecordWalk {
 public:
  // Walks through the volatile databases that are attached now: those whose records have owners.
  void start(const Databases& databases) {
    stop();
    for (const auto& database : databases.all()) {
      if (!database->full_copy()) ids_.push_back(database->id);
    }
  }
  // keeps_recent: see RecordIndex::Cursor; from the first look on.
  void start(const Database& database, bool keeps_recent = false) {
    stop();
    keeps_recent_ = keeps_recent;
    ids_.push_back(database.id);
  }
  void stop() {
    cursor_.reset();
    keeps_recent_ = false;
    ids_.clear();
    at_ = 0;
  }
  // The record it stands on and its database; nullptr: there are no more.
  RecordEntry* current(const Databases& databases, Database*& database) {
    for (; at_ < ids_.size(); ++at_, cursor_.reset()) {
      database = databases.find(ids_[at_]);
      if (database == nullptr) continue;
      if (!cursor_) cursor_.emplace(database->index, keeps_recent_);
      if (RecordEntry* entry = cursor_->at(); entry != nullptr) return entry;
    }
    stop();
    return nullptr;
  }
  void advance() {
    if (cursor_) cursor_->advance();
  }
  // The same, and goes on to the next one: what is returned may be removed.
  RecordEntry* next(const Databases& databases, Database*& database) {
    RecordEntry* entry = current(databases, database);
    advance();
    return entry;
  }

 private:
  std::vector<uint32_t> ids_;
  size_t at_ = 0;
  bool keeps_recent_ = false;
  std::optional<RecordIndex::Cursor> cursor_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECORD_WALK_H_
