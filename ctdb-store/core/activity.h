// SPDX-License-Identifier: GPL-3.0-or-later
// What is going on with one record: the requests that wait for it, a migration under way, a header change that a recovery
// wants. Most records have none; an Activity is attached to an entry for as long as there is something and comes out of a
// pool, so that a record that moves all the time costs no allocation.
//
// Invariant: entry->activity() points back at it exactly while it is used.
#ifndef CTDB_STORE_CORE_ACTIVITY_H_
#define CTDB_STORE_CORE_ACTIVITY_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "ctdb-store/core/database.h"
#include "ctdb-store/core/timer_heap.h"
#include "ctdb-store/core/waiting.h"

namespace ctdb {

// A change of a record's header that is not a migration; it needs the chain lock like everything that writes.
enum class HeaderJob : uint8_t {
  kNone,
  kDiscard,   // remove the copy: it is not of the last generation
  kTakeAway,  // dmaster = unknown: this node may not serve it any more
  kPoint,     // somebody else owns it
  kPromote,   // this copy becomes the record
};
// What a recovery has decided is carried out when its generation opens, so that an attempt which is given up leaves no
// trace: a node it went without may be in the next one, with newer copies.
inline constexpr bool waits_for_open(HeaderJob job) {
  return job == HeaderJob::kPoint || job == HeaderJob::kPromote;
}

struct Activity {
  Database* db = nullptr;
  RecordEntry* entry = nullptr;
  bool used = false;
  size_t place = 0;  // in the pool

  WaitingList queue;       // first come, first served
  WaitingList joined;      // local calls that will be answered by the migration under way
  bool migrating = false;  // our REQ_CALL is out
  uint32_t reqid = 0;      // of that
  // That of the last generation was not answered, and somebody has left: the record may have been on its way here.
  bool question_lost = false;
  bool told = false;  // the node that did not know the database has been told of it

  HeaderJob job = HeaderJob::kNone;
  uint32_t job_dmaster = 0;
  uint64_t job_rsn = 0;
  bool job_older = false;      // kPromote: the newest data are lost
  bool job_delegated = false;  // kPromote: other members have read-only copies

  // Copies (copies.cc).
  WaitingList covered;   // pushes that the one under way is for
  bool pushing = false;  // copies are out
  bool leaving = false;  // and when they have arrived `grant` goes out for the call at the front of the queue
  uint8_t push_nodes = 0;  // how many were to get one
  uint16_t push_round = 0;
  uint32_t push_reqid = 0;
  uint64_t push_print = 0;        // fingerprint of the data
  std::vector<uint32_t> awaited;  // nodes that have not answered, also for the end of read-only copies
  Bytes grant;

  // The end of read-only copies (delegations.cc).
  bool revoke_wanted = false;  // without that anybody waits for the record
  bool revoking = false;       // `awaited` are to end theirs; pushing is set too
  bool revoked = false;        // they have, and the header does not say so yet

  // A hold (holds.cc): the record is a client's alone.
  uint32_t holder = 0;      // its endpoint; 0: nobody's
  uint64_t hold = 0;        // number of this hold
  bool committing = false;  // its transaction is under way
  bool let_go = false;      // and the hold ends with that at the latest
  bool away =
      false;  // the file may say that this node does not own the record, so that its clients ask for it

  Waiting* rewrite = nullptr;  // comes before everything in the queue (rewrite.h)

  uint32_t functions_sent = 0;  // of local clients, to the node that has the record (function_calls.cc)

  bool on_chain = false;  // waits for the chain lock
  Activity* chain_next = nullptr;

  // The grant hold (grant_hold.cc).
  bool holding = false;     // a call of another node waits for local clients to have their turn
  bool seen_held = false;   // and one of them was seen at it
  uint16_t turns_seen = 0;  // how often one was
  TimeNs quiet_until = 0;   // it ends when none is seen until then
  TimeNs hold_until = 0;    // and then in any case

  Timer timer{Timer::Owner::kActivity, this};  // look at this record again

  void lose_hold() {
    holder = 0;
    hold = 0;
    committing = let_go = away = false;
  }
  bool idle() const {
    return queue.empty() && joined.empty() && !migrating && !pushing && job == HeaderJob::kNone &&
           !on_chain && holder == 0 && !away && !revoke_wanted && rewrite == nullptr && functions_sent == 0;
  }
};

// It is this node's, but its file does not say so yet: it was not looked at since the generation opened, or a client has had its chain
// locked since before.
inline bool becomes_ours(const RecordEntry& entry) {
  const Activity* activity = entry.activity();
  return activity != nullptr && activity->job == HeaderJob::kPromote;
}

class ActivityPool {
 public:
  explicit ActivityPool(TimerHeap& timers) : timers_(timers) {}

  // The entry's activity, attached now if it had none.
  Activity& attach(Database& db, RecordEntry& entry) {
    if (Activity* known = entry.activity(); known != nullptr) return *known;
    if (used_ == all_.size()) all_.push_back(std::make_unique<Activity>());
    Activity* activity = all_[used_].get();
    activity->place = used_++;
    activity->db = &db;
    activity->entry = &entry;
    activity->used = true;
    db.index.begin(entry, *activity);
    return *activity;
  }
  void release_if_idle(Activity& activity) {
    if (!activity.used || !activity.idle()) return;
    timers_.cancel(activity.timer);
    activity.db->index.end(*activity.entry);
    activity.used = activity.holding = activity.seen_held = activity.question_lost = false;
    const size_t place = activity.place;
    all_[place].swap(all_[--used_]);
    all_[place]->place = place;
    if (all_.size() - used_ > kSpareMax) all_.pop_back();
  }
  // `visit` may release the one it is given and attach others (which may or may not be visited).
  template <typename Visit>
  void for_each_used(Visit visit) {
    for (size_t left = used_; left > 0;) visit_next(left, visit);
  }
  // The same in pieces: `left` begins as used(), and is 0 when all that were there then have been visited, some of them perhaps twice.
  template <typename Visit>
  void visit_next(size_t& left, Visit visit) {
    left = std::min(left, used_);
    if (left > 0) visit(*all_[--left]);
  }
  size_t used() const { return used_; }

 private:
  // A recovery may need one for each record; what is more than this is given back.
  static constexpr size_t kSpareMax = 4096;

  TimerHeap& timers_;
  std::vector<std::unique_ptr<Activity>> all_;  // the first used_ of them are used
  size_t used_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_ACTIVITY_H_
