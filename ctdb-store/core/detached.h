// SPDX-License-Identifier: GPL-3.0-or-later
// Volatile databases that somebody has detached. A detach is a recovery that leaves the database out (ARCHITECTURE §9): who is asked tells it to
// all members with its databases (RECORD_DATABASES), all decide the same from what all have told, and all drop it when the generation opens. Who was
// no member is told when it is back, by a note that is kept until all nodes there are have been members.
//
// Invariants:
//  1. A note says of which generation on what was attached before is over. A database of a member that was open in that generation, or in a later
//     one, was attached anew, and the note is of no use any more.
//  2. What an attempt has decided is on disk before this store is prepared for it, and counts when it is known that the generation was decided.
//  3. A name is attached here, or has a note that counts, never both.
#ifndef CTDB_STORE_CORE_DETACHED_H_
#define CTDB_STORE_CORE_DETACHED_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctdb-store/backend/record_file.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Detached {
 public:
  explicit Detached(RecordFiles& files) : files_(files) {}

  // ---- at the start ----
  // What an earlier life has noted, which was open in that generation. Returns names whose files are not to be taken up.
  std::vector<std::string> take_up(uint32_t open_generation);

  // ---- in an open generation ----
  // To be detached by the next recovery.
  void order(std::string_view name);
  bool ordered() const { return !orders_.empty(); }
  // A recovery has to be asked for, and was not yet.
  bool is_news() { return std::exchange(news_, false); }
  void drop_orders() { orders_.clear(); }
  // On purpose: a note about it is of no use any more.
  void attached(std::string_view name);
  // Who was open in that generation last has the one that is over.
  bool is_over(std::string_view name, uint32_t open_generation) const;
  bool is_noted(uint32_t db_id) const;

  // ---- in a recovery ----
  // A new attempt.
  void begin() { heard_.clear(); }
  void tell(RecordDatabases& message) const;
  // From each member once, this node included.
  void hear(const RecordDatabases& message) { heard_.push_back(message); }
  // All have told. Errors: kSystem (what was decided is not on disk).
  Result<void> decide(uint32_t generation);
  // The decision of the attempt under way, or of the last one, is that this database goes.
  bool goes(std::string_view name) const;
  // The newest generation that is known to be decided. Returns names of databases that are no more, wherever they are attached here.
  std::vector<std::string> settle(uint32_t decided);
  // All nodes there are have heard of all.
  void forget();

 private:
  DetachedNote* find(std::string_view name);
  Result<void> save() { return files_.set_detached_list(notes_); }
  bool is_alive(const DetachedEntry& over) const;

  RecordFiles& files_;
  std::vector<DetachedNote> notes_;  // attempt 0: it counts
  std::vector<std::string> orders_;
  std::vector<RecordDatabases> heard_;
  bool news_ = false;
  bool all_know_ = true;  // no member of an older release, which would not obey
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_DETACHED_H_
