// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions of this node's clients: on their way to the coordinator, sent again when that is another one, answered once.
//
// Invariants:
//  1. A transaction is answered when it is known whether it happened; or, when this node leaves the cluster in the middle of
//     it, with kCommitUnknown: smbd looks at the sequence number then, and asks again (client-semantics §7.1). So is one
//     that failed when it was put again: a member of the earlier generation that is not in this one may still have it on
//     its disk, and if nothing else is committed until it is back, then it happens.
//  2. While this node is no member nothing new is taken; the refusal comes after a while, because smbd asks again at once.
#ifndef CTDB_STORE_CORE_COMMITS_SUBMISSIONS_H_
#define CTDB_STORE_CORE_COMMITS_SUBMISSIONS_H_

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ctdb-store/core/commits/commit_ways.h"
#include "ctdb-store/core/store_context.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/commit_messages.h"

namespace ctdb {

class Submissions {
 public:
  // status and error as in CommitResult, or kCommitUnknown.
  using Answer = std::function<void(int32_t status, const std::string& error)>;
  // A transaction travels with others' in one packet and needs some room beside itself.
  static constexpr size_t kTransactionBytesMax = kPacketBytesMax - (64u << 10);

  // `first_id`: not one that this node has used before.
  Submissions(StoreContext& context, CommitWays& ways, uint64_t first_id);

  // endpoint: of the client, 0 for none (the answer is for a node).
  void submit(uint32_t endpoint, CommitKind kind, ByteView payload, Answer answer, TimeNs now);
  // One that may only happen while this node has been a member without a break: its client has a lock for that long.
  void submit_locked(CommitKind kind, ByteView payload, Answer answer, TimeNs now);
  void membership_ended();
  void result(uint32_t from, const CommitResult& message);
  void open(uint32_t coordinator);
  void close() { coordinator_ = CTDB_UNKNOWN_PNN; }
  // Nobody waits for its answers any more.
  void client_gone(uint32_t endpoint);
  void all_clients_gone();
  void tick(TimeNs now);
  TimeNs next_deadline() const;

 private:
  struct Pending {
    uint32_t endpoint = 0;
    CommitKind kind = CommitKind::kRecords;
    bool sent = false;
    bool again = false;  // it was sent in an earlier generation, too
    bool locked = false;
    Bytes payload;
    Answer answer;
  };
  struct Refusal {
    TimeNs at = 0;
    uint32_t endpoint = 0;
    Answer answer;
    std::string why;
  };

  void take(uint32_t endpoint, CommitKind kind, bool locked, ByteView payload, Answer answer, TimeNs now);
  void send(uint64_t id, Pending& pending);
  void give_up(const Pending& pending);
  void give_up_pending();
  bool is_out() const;
  std::string why_out() const;

  StoreContext& ctx_;
  CommitWays& ways_;
  uint64_t next_id_;
  uint32_t coordinator_ = CTDB_UNKNOWN_PNN;
  std::map<uint64_t, Pending> pending_;  // in the order they came
  size_t bytes_ = 0;
  std::deque<Refusal> refusals_;
  TimeNs out_since_ = kNever;  // this node is no member
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_SUBMISSIONS_H_
