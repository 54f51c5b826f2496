// SPDX-License-Identifier: GPL-3.0-or-later
// Databases emptied and restored by the ctdb tool (`wipedb`, `restoredb`): it tells every active node step by step to freeze the
// database, to begin, to forget all records, takes the new ones there as messages, and ends with commit and thaw
// (wire-protocol §9.2). A node keeps what it was told until the commit, so that a tool that ends in between has changed nothing.
//
// Full copies: the lowest member has it done as one transaction of the log, of several entries if need be; the others only say
// yes. Volatile databases: every
// node rewrites the records it owns and removes its copies of others'. Between freeze and thaw no record of the
// database leaves its node, so each has exactly one that rewrites it. Clients are not kept from what they own.
//
// A full copy's transactions are locked (g_lock.tdb) from the freeze to the thaw, by the tool's own node: those that are open are
// waited for, and none is begun. A tool that has the lock itself (ctdb-cli) is asked for nothing more.
//
// Invariant: nothing is frozen longer than kForgottenAfter after its tool's last word, nor beyond the generation. A commit under
// way comes to its end all the same.
#ifndef CTDB_STORE_CORE_REWRITE_H_
#define CTDB_STORE_CORE_REWRITE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commits.h"
#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/staged_records.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {

class Rewrites : HoldWatcher {
 public:
  // "": yes.
  using Answer = std::function<void(const std::string& error)>;

  Rewrites(StoreContext& context, Migration& migration, Commits* commits)
      : ctx_(context), migration_(migration), commits_(commits) {
    ctx_.holds = this;
  }

  // ---- the tool's steps; each "" or why not ----
  void freeze(Database& db, uint32_t endpoint, Answer answer, TimeNs now);
  std::string begin(uint32_t db_id, uint32_t transaction, TimeNs now);
  std::string wipe(uint32_t db_id, uint32_t transaction, TimeNs now);
  std::string take_records(uint32_t db_id, uint64_t srvid, TimeNs now);
  // How many came.
  std::string confirm(uint32_t db_id, uint32_t* records, TimeNs now);
  void commit(Database& db, uint32_t transaction, Answer answer, TimeNs now);
  std::string cancel(uint32_t db_id);
  // While a commit is under way this only lets the records move.
  void thaw(uint32_t db_id, TimeNs now);

  // Records for whoever waits for this srvid.
  void message(uint64_t srvid, ByteView data, TimeNs now);

  void client_gone(uint32_t endpoint, TimeNs now);
  void all_clients_gone();
  // The generation is over, and with it all of this. A freeze that comes now waits for the next one.
  void close();
  void opened(TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;
  bool has_work() const;
  void work(TimeNs now);

 private:
  // Of a commit, in slices. Those of a full copy follow each other as its parts are done.
  enum class Step : uint8_t {
    kReads,    // what was staged
    kWalks,    // through what there is
    kCreates,  // what there is not
    kEnds,     // when all is rewritten
  };
  struct Rewrite {
    uint32_t endpoint = 0;  // of the client of this node that froze it last
    TimeNs heard = 0;
    // The lock of the database's transactions.
    Answer frozen;          // set: the freeze waits for it
    bool has_lock = false;  // or waits in its queue
    TimeNs look_at = kNever, give_up_at = kNever;
    std::string holder;  // who was seen to have it
    std::optional<uint32_t> transaction;
    bool wiped = false;
    std::optional<uint64_t> srvid;
    StagedRecords staged;
    std::string fault;  // why the records that came are not good
    // The commit.
    Answer answer;        // set: it is under way
    bool thawed = false;  // and nothing is frozen any more
    Step step = Step::kEnds;
    RecordWalk walk;
    size_t next = 0;  // of what is staged: the first that is not made yet, or not submitted
    // Of a full copy: entries of the log are submitted one after the other; the last makes all of them count.
    bool part_is_out = false;
    bool in_parts = false;
  };

  // A freeze that came while there was no generation.
  struct EarlyFreeze {
    uint32_t db_id = 0, endpoint = 0;
    Answer answer;
    TimeNs give_up_at = 0;
  };

  Rewrite* find(uint32_t db_id, TimeNs now);
  // Why it takes no step of a transaction now; "": it does.
  static std::string why_not(const Rewrite* rewrite);
  void give_up_early(TimeNs now);
  void unfreeze(uint32_t db_id, TimeNs now);
  void drop(uint32_t db_id, TimeNs now);
  // rewrite_lock.cc
  Database* lock_database() const;
  void ask_for_lock(uint32_t db_id, Rewrite& rewrite, TimeNs now);
  void on_hold(uint32_t db_id, bool ok, ByteView record) override;
  void lock_came(uint32_t db_id, bool ok, const std::string& holder, TimeNs now);
  void let_go_of_lock(uint32_t db_id, Rewrite& rewrite, TimeNs now);
  void tick_locks(TimeNs now);
  void reset_staged(Rewrite& rewrite);
  void check_sizes(const Database& db, const RecBuffer& buffer, Rewrite& rewrite);
  void start(Database& db, Rewrite& rewrite, TimeNs now);
  void commit_full_copy(Database& db, Rewrite& rewrite, TimeNs now);
  bool has_step(const Database& db, const Rewrite& rewrite) const;
  void work_on(Database& db, Rewrite& rewrite, TimeNs now);
  void empty_or_replace(Database& db, Rewrite& rewrite, RecordEntry& entry, TimeNs now);
  void walk_on(Database& db, Rewrite& rewrite, TimeNs now);
  void create_next(Database& db, Rewrite& rewrite, TimeNs now);
  void create(Database& db, ByteView key, ByteView value, TimeNs now);
  Bytes next_part(uint32_t db_id, Rewrite& rewrite) const;
  void submit_part(uint32_t db_id, Rewrite& rewrite, CommitKind kind, const Bytes& part, TimeNs now);
  void part_done(uint32_t db_id, const std::string& error);
  void give_up_parts(uint32_t db_id, TimeNs now);
  void end_commit(Rewrite& rewrite);

  StoreContext& ctx_;
  Migration& migration_;
  Commits* commits_;
  std::map<uint32_t, std::unique_ptr<Rewrite>> rewrites_;  // by database
  std::vector<EarlyFreeze> early_;
  size_t bytes_ = 0;
  std::vector<StagedRecords> used_up_;  // and not given back yet
  struct Hold {
    uint32_t db_id = 0;
    bool ok = false;
    std::string holder;
  };
  std::vector<Hold> came_;  // and were not looked at yet
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_REWRITE_H_
