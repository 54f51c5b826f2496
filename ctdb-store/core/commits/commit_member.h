// SPDX-License-Identifier: GPL-3.0-or-later
// A member's part in the commits: keeps its log on disk as the coordinator says, makes what is committed visible in its
// databases, tells both, and sends or takes whole databases.
//
// Invariants:
//  1. APPENDED(end) is told when the log is on disk up to there and has nothing behind it.
//  2. Only what the coordinator called committed is applied, in order, each entry once (and once more after a restart).
//  3. applied <= committed <= log end; what was applied is never cut off.
#ifndef CTDB_STORE_CORE_COMMITS_COMMIT_MEMBER_H_
#define CTDB_STORE_CORE_COMMITS_COMMIT_MEMBER_H_

#include <deque>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_log.h"
#include "ctdb-store/core/commits/commit_ways.h"
#include "ctdb-store/core/commits/noting.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/store_context.h"

namespace ctdb {

class CommitMember {
 public:
  CommitMember(StoreContext& context, CommitDisk& disk, CommitWays& ways);

  // Reads the log and repeats what was committed: after a crash of the machine the files may lack it.
  void take_up();
  void files_taken_up(bool damaged);
  // A generation is open and `coordinator` orders its commits. / It is over.
  void open(uint32_t coordinator);
  void close();

  const CommitLog& log() const { return log_; }
  LogPosition applied() const { return applied_; }

  // Before every event.
  void at(TimeNs now) { now_ = now; }
  void append(uint32_t from, const CommitAppend& message);
  void apply(uint32_t from, const CommitApply& message);
  void wanted(uint32_t from, const DatabaseWanted& message);
  void content(uint32_t from, const DatabaseContent& message);

  // false: the ticket is not one of these.
  bool on_disk_done(uint64_t ticket, const std::string& error, TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const { return retry_at_; }
  // Whatever is as large as a database is done in slices.
  bool has_work() const {
    return has_part_to_send() || has_part_to_hand_over() || !notings_.empty() || forgetting_;
  }
  void work(TimeNs now);

 private:
  struct Sending {
    uint32_t db_id = 0, node = 0;
    uint32_t part = 0;
    RecordWalk walk;
  };
  struct Taking {
    std::vector<Bytes> parts;
    uint64_t ticket = 0;  // of the replacement, once all parts are here
  };
  // What is visible in a file, and not in the index yet.
  struct Visible {
    Visible(Database& db, bool replaces, bool is_taken) : noting(db, replaces), taken(is_taken) {}
    Noting noting;
    bool taken;  // from another member; otherwise it is the entry being applied
  };

  bool from_coordinator(uint32_t from);
  void sync_log();
  void log_synced(const std::string& error);
  void tell_appended(bool ok, const std::string& error);
  void tell_logs_are_equal();
  void apply_next();
  bool must_wait_for_database(LogPosition of);
  Database* database_of(const KeptEntry& entry) const;
  bool takes_no_disk(Database& db, const KeptEntry& entry);
  void order_apply(const Database& db, const KeptEntry& entry);
  bool is_put_off_open() const;
  void entry_applied(const std::string& error, TimeNs now);
  void entry_noted();
  void forget_applying();
  bool is_applying() const { return apply_ticket_ != 0 || notes_entry_; }
  bool has_part_to_hand_over() const { return !handing_over_.empty() && !disk_.database_busy(); }
  void hand_over_part();
  void note_visible();
  void taken_noted(uint32_t db_id);
  void forget_some();
  void tell_applied(uint32_t taken_db_id = 0);
  void checkpoint_if_due();
  void checkpoint_done(const std::string& error);
  bool has_part_to_send() const { return !sending_.empty() && !ctx_.out.congested(); }
  void send_part();
  bool add_records(Database& db, RecordWalk& walk, Bytes& buffer);
  void taken(uint32_t db_id, const std::string& error);
  void tell_taken();

  StoreContext& ctx_;
  CommitDisk& disk_;
  CommitWays& ways_;
  CommitLog log_;
  LogPosition durable_, committed_, applied_;
  LogPosition taken_up_;  // entries up to here are of an earlier life
  TimeNs now_ = 0;
  uint32_t coordinator_ = CTDB_UNKNOWN_PNN;

  uint64_t sync_ticket_ = 0;
  LogPosition syncing_to_;
  bool sync_again_ = false;
  bool owes_appended_ = false;
  // The disk has not said yet that its log begins where this one does; and the sync under way will say so.
  bool begins_anew_ = false, syncs_beginning_ = false;

  uint64_t apply_ticket_ = 0;
  LogPosition applying_;
  // Of the entry being applied: entries that the disk has to have with it, one after the other, and how many it has.
  std::vector<LogPosition> handing_over_;
  size_t handed_over_ = 0;
  bool notes_entry_ = false;  // the file has it, the index not yet
  TimeNs retry_at_ = kNever;
  bool owes_applied_ = false, digests_wanted_ = false;

  uint64_t checkpoint_ticket_ = 0;
  LogPosition checkpoint_at_;
  size_t log_bytes_ = 0;     // on disk since the last checkpoint, about
  bool forgetting_ = false;  // what memory has of the log up to here:
  LogPosition forget_to_;

  std::deque<Sending> sending_;
  std::map<uint32_t, Taking> taking_;
  std::list<Visible> notings_;   // in the order in which the files changed
  std::vector<uint32_t> taken_;  // databases, not told yet
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMIT_MEMBER_H_
