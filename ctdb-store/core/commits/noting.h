// SPDX-License-Identifier: GPL-3.0-or-later
// The index and the digest of a full copy brought up to what has become visible in its file, in slices: a million records take a
// second altogether.
//
// Invariants:
//  1. Payloads that are loans last until go_on() has returned true.
//  2. What comes with a replacement is marked, and then what is not marked goes. So whoever walks through the index meanwhile
//     (a traverse, a transfer) misses no record that the file has; what the file has no more it does not find there.
#ifndef CTDB_STORE_CORE_COMMITS_NOTING_H_
#define CTDB_STORE_CORE_COMMITS_NOTING_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "ctdb-store/core/database.h"
#include "ctdb-store/core/record_walk.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {

class Noting {
 public:
  // replaces: there is nothing but what comes.
  Noting(Database& db, bool replaces);
  // In the order in which they were written; malformed ones change nothing. The first is a loan.
  void add(ByteView payload) { parts_.push_back({{}, payload}); }
  void add_own(Bytes payload);

  uint32_t db_id() const { return db_id_; }
  // Some `records_max` more. true: that was all, or the database is gone.
  bool go_on(Databases& databases, size_t records_max);

 private:
  struct Part {
    Bytes own;
    ByteView payload;
  };
  void note_next(Database& db);
  // false: all have been looked at.
  bool look_at_next(Databases& databases);

  uint32_t db_id_;
  bool replaces_;
  uint32_t mark_ = 0;
  std::deque<Part> parts_;
  std::optional<RecBuffer> read_;  // the first part
  size_t next_ = 0;                // of its records
  bool walks_ = false;
  RecordWalk walk_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_NOTING_H_
