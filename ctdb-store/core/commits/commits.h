// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions of full-copy databases (ARCHITECTURE §4 "Commits"): a member's part, the coordinator's part when this node
// is it, and what this node's clients have asked for. Without a disk there are no such databases.
#ifndef CTDB_STORE_CORE_COMMITS_COMMITS_H_
#define CTDB_STORE_CORE_COMMITS_COMMITS_H_

#include <deque>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_coordinator.h"
#include "ctdb-store/core/commits/commit_member.h"
#include "ctdb-store/core/commits/submissions.h"

namespace ctdb {

class Commits : CommitWays {
 public:
  Commits(StoreContext& context, CommitDisk& disk);

  // At start-up: first the databases that are here are attached. damaged: one of them lacks what it should have.
  void take_up(bool damaged) {
    member_.take_up();
    member_.files_taken_up(damaged);
  }
  // A generation is open; `logs`: what its members said of theirs. Without a majority of the voters among the members there
  // are no commits: the others may have some that no member has, and only what any two groups share can tell.
  void open(const std::vector<MemberLog>& logs, bool majority, TimeNs now);
  void close();

  void submit(uint32_t endpoint, CommitKind kind, ByteView payload, Submissions::Answer answer, TimeNs now) {
    submissions_.submit(endpoint, kind, payload, std::move(answer), now);
  }
  void submit_locked(CommitKind kind, ByteView payload, Submissions::Answer answer, TimeNs now) {
    submissions_.submit_locked(kind, payload, std::move(answer), now);
  }
  // This node serves no more.
  void membership_ended() { submissions_.membership_ended(); }
  // false: not understood.
  bool packet(uint32_t from, Operation operation, ByteView payload, TimeNs now);
  void on_disk_done(uint64_t ticket, const std::string& error, TimeNs now);
  void client_gone(uint32_t endpoint) { submissions_.client_gone(endpoint); }
  void all_clients_gone() { submissions_.all_clients_gone(); }

  // Delivers what this node's parts have sent each other; after every event.
  void advance(TimeNs now);
  void tick(TimeNs now);
  TimeNs next_deadline() const;
  bool has_work() const { return member_.has_work() || coordinator_.has_work(); }
  void work(TimeNs now) {
    member_.work(now);
    coordinator_.work();
  }

  const CommitLog& log() const { return member_.log(); }
  LogPosition applied() const { return member_.applied(); }
  // CTDB_UNKNOWN_PNN: none now.
  uint32_t coordinator() const { return coordinator_pnn_; }

 private:
  struct ToSelf {
    Operation operation;
    Bytes payload;
  };
  void send(uint32_t node, Operation operation, ByteView payload) override;

  StoreContext& ctx_;
  CommitMember member_;
  CommitCoordinator coordinator_;
  Submissions submissions_;
  uint32_t coordinator_pnn_ = CTDB_UNKNOWN_PNN;
  std::deque<ToSelf> to_self_;
  bool advancing_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMITS_H_
