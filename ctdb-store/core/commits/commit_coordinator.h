// SPDX-License-Identifier: GPL-3.0-or-later
// The coordinator's part in the commits: the one member that orders the transactions of a generation. It is the one
// whose log reaches furthest, so everything that was ever acknowledged is in its log.
//
// First it makes all members equal: their logs, then what they have applied, then, by digest, their databases. Then it takes
// transactions: checked against what is committed, appended on all members' disks, made visible on all, answered.
//
// Invariants:
//  1. A transaction is answered with success when all members have applied it, with failure when no member has it any more.
//  2. Of one database one transaction is under way at a time; others wait in the order they came. So it is checked
//     against all that was before it. Transactions of different databases share one round and one sync.
//  3. Numbers are never used again, also not of a transaction that was taken back.
#ifndef CTDB_STORE_CORE_COMMITS_COMMIT_COORDINATOR_H_
#define CTDB_STORE_CORE_COMMITS_COMMIT_COORDINATOR_H_

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_log.h"
#include "ctdb-store/core/commits/commit_ways.h"
#include "ctdb-store/core/store_context.h"

namespace ctdb {

// What a member said of its log before the generation opened.
struct MemberLog {
  uint32_t pnn = 0;
  LogPosition end;
  bool trusted = true;
};
// Who coordinates; all members find the same one. `logs` is not empty.
uint32_t choose_coordinator(const std::vector<MemberLog>& logs);

class CommitCoordinator {
 public:
  // `log` is this node's own.
  CommitCoordinator(StoreContext& context, const CommitLog& log, CommitWays& ways);

  void start(const std::vector<MemberLog>& logs);
  void stop();

  void submit(uint32_t from, const CommitSubmit& message);
  void appended(uint32_t from, const CommitAppended& message, TimeNs now);
  void applied(uint32_t from, const CommitApplied& message);

  // Nothing is on its way and new transactions are taken.
  bool ready() const { return step_ == Step::kReady; }
  void tick(TimeNs now);
  TimeNs next_deadline() const { return retry_at_; }
  // What members lack of the log is sent in slices.
  bool has_work() const;
  void work();

 private:
  enum class Step : uint8_t {
    kIdle,       // another member coordinates
    kLogs,       // until all logs are equal
    kApplying,   // until all have applied them
    kComparing,  // until all databases are equal
    kReady,
    kTakingBack,  // a member could not write: until no member has the transactions under way
  };
  struct Follower {
    uint32_t pnn = 0;
    LogPosition end, applied;
    bool trusted = true;
    // While it lacks some of the log: what it was sent ends here; or the next has to say that it begins anew.
    bool lacks = false, restarts = false;
    LogPosition sent;
    bool told_digests = false;
    std::map<uint32_t, DatabaseDigest> digests;
    std::set<uint32_t> databases_due;  // sent to it, not taken yet
  };
  struct Waiting {
    uint32_t node = 0;
    uint64_t id = 0;
    CommitKind kind = CommitKind::kRecords;
    bool again = false;
    uint32_t db_id = 0;
    Bytes payload;
  };
  struct UnderWay {
    LogPosition position;
    uint32_t node = 0;
    uint64_t id = 0;
    uint32_t db_id = 0;
  };

  Follower* follower(uint32_t pnn);
  LogPosition least(LogPosition Follower::*position) const;
  void make_logs_equal();
  void send_missing(Follower& to);
  void send_more(Follower& to);
  void advance();
  void ask_for_digests();
  void compare();
  const DatabaseDigest* best_copy(const Database& db, uint32_t& holder) const;
  void pump();
  bool accept(Waiting& waiting, std::vector<CommitEntry>& batch);
  void append_to_all(const std::vector<CommitEntry>& entries, LogPosition previous);
  void apply_on_all(bool tell_digests, bool complete);
  void finish_applied();
  void take_back(const std::string& why);
  void taken_back();
  void answer(uint32_t node, uint64_t id, int32_t status, const std::string& error);

  StoreContext& ctx_;
  const CommitLog& log_;
  CommitWays& ways_;
  Step step_ = Step::kIdle;
  std::vector<Follower> followers_;  // all members, this node too
  LogPosition end_;                  // of the log as all are to have it
  LogPosition committed_;
  uint64_t last_number_ = 0;
  std::deque<Waiting> queue_;
  std::deque<UnderWay> under_way_;
  std::string why_taken_back_;
  uint32_t comparisons_ = 0;
  TimeNs retry_at_ = kNever;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMIT_COORDINATOR_H_
