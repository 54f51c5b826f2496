// SPDX-License-Identifier: GPL-3.0-or-later
// What is done when a client has ended, because nobody says whether it ended in the middle of a change of a volatile database:
//
//  - A native client that was changing what holds a file together says so in its channel, and its values are whole in any case
//    (tdb/value_writer.h): that file is examined.
//  - Otherwise the locks are looked at, without taking any, and then all chains in slices, each under its own lock. A lock that a dead
//    thread has left is told with the keys behind it, unless the thread was a native client's: the value may be torn. That file,
//    and one with a chain that leads nowhere, is examined.
//  - Examining needs the file for itself (RecordFile::examine()); it is tried until nobody holds a chain. Records that are gone are
//    named, and a recovery brings older copies back where there are any. A file may be sound and have lost one: libtdb deletes a record
//    that outgrows its block before it stores it anew, and its client may be killed in between. Whoever wants such a record before the file is
//    examined makes the store find it (Migration::lock()).
//
// Looking and examining cost some percent of the processor at the most, however often clients end: then several share one.
//
// What is not seen: the lock of a client that dies while another classic client waits for it, or that another takes before it was looked at.
#ifndef CTDB_STORE_CORE_FILE_CHECKS_H_
#define CTDB_STORE_CORE_FILE_CHECKS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ctdb-store/core/store_context.h"

namespace ctdb {

class FileChecks {
 public:
  explicit FileChecks(StoreContext& context) : ctx_(context) {}

  // Any client. `changing_db`: it died while it was changing what holds this database's file together; 0: not that one knows.
  void client_ended(uint32_t changing_db, TimeNs now);

  // By somebody who wanted to read or write.
  void found_damaged(uint32_t db_id, TimeNs now);

  // Records that are gone from their files, if any are new.
  void tell_gone();

  void tick(TimeNs now);
  TimeNs next_deadline() const;

 private:
  struct Suspect {
    uint32_t db_id = 0;
    TimeNs since = 0;
    TimeNs try_at = 0;
    bool told = false;  // that it takes long
  };
  struct LeftLock {
    uint32_t db_id = 0;
    uint32_t chain = 0;
    uint32_t thread = 0;
    TimeNs since = 0;
    TimeNs try_at = 0;
  };

  void suspect(const Database& db, TimeNs now);
  void look_at_locks(TimeNs now);
  void look_slice(TimeNs now);
  void end_look(TimeNs now);
  void left(Database& db, const RecordFile::DeadLock& lock, TimeNs now);
  bool tell_values(Database& db, const LeftLock& lock);
  void tell_left(TimeNs now);
  void examine(TimeNs now);
  bool examined(Suspect& suspect, TimeNs now);
  void find_lost(Database& db, const RecordFile::ChainMarks& there);
  void take_away(const Database& db);

  StoreContext& ctx_;
  std::vector<Suspect> suspects_;
  std::vector<LeftLock> left_;
  TimeNs examine_at_ = kNever;
  TimeNs examine_from_ = 0;  // not before
  // The look: database number db_ of all, from chain_ on.
  TimeNs look_at_ = kNever;  // the next slice; before it nothing
  bool looking_ = false;
  bool again_ = false;  // a client has ended since it began
  size_t db_ = 0;
  uint32_t chain_ = 0;
  TimeNs chains_from_ = 0;  // not before
  TimeNs locks_from_ = 0;   // the same
  TimeNs locks_at_ = kNever;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_FILE_CHECKS_H_
