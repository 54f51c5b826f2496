// SPDX-License-Identifier: GPL-3.0-or-later
// Chain locks without waiting: taken at once, or the record is put behind the chain and looked at again when the lock
// is there. A chain that a client holds is tried again after 30, 60 and 120 µs (a client holds it for a microsecond
// or two); after that one lock worker waits for it on behalf of everything that is behind that chain. Where many clients
// want one chain a process that waits in the kernel may find it taken again whenever it wakes up, for 10 ms and more: so it is
// tried beside the worker, too, six times more within 15 ms; and whenever it would be told that it is kept for long, since there may be more chains
// to be waited for than workers. A worker that cannot even begin to wait (it has no descriptor left, say) is asked again less and less often;
// the chain itself is tried every 20 ms meanwhile.
//
// Invariants:
//  1. At most one chain is held at a time, and none when an event is over (a lock worker's lock excepted).
//  2. There is one ticket per chain at most.
#ifndef CTDB_STORE_CORE_CHAIN_LOCKS_H_
#define CTDB_STORE_CORE_CHAIN_LOCKS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ctdb-store/core/activity.h"
#include "ctdb-store/core/database.h"
#include "ctdb-store/core/store.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

// One chain that could not be had, and the records behind it.
struct ChainWait {
  Database* db = nullptr;
  uint32_t chain = 0;
  Activity* first = nullptr;
  Activity* last = nullptr;
  uint32_t tries = 0;
  uint32_t number = 0;    // of this, among all
  uint64_t ticket = 0;    // != 0: a lock worker waits for it
  uint32_t failures = 0;  // of lock workers in a row
  TimeNs ask_at = 0;      // the next one not before
  TimeNs since = 0;
  TimeNs complain_at = 0;
  Timer timer{Timer::Owner::kChain, this};
};

class ChainLocks {
 public:
  class User {
   public:
    virtual ~User() = default;
    // The chain this record waited for is held now; it is let go when all behind it have been served.
    virtual void on_chain_held(Activity& activity, TimeNs now) = 0;
  };

  ChainLocks(StoreOutput& out, StoreCounts& counts, TimerHeap& timers)
      : out_(out), counts_(counts), timers_(timers) {}
  void set_user(User& user) { user_ = &user; }

  // Takes the record's chain, and what it has of leftovers out of the file. false: the record waits for it, User::on_chain_held() follows.
  bool take(Activity& activity, TimeNs now);
  // The same without waiting when it is busy.
  bool try_take(Database& db, const RecordEntry& entry);
  // For each take that succeeded.
  void let_go(Database& db, const RecordEntry& entry);

  void on_timer(ChainWait& wait, TimeNs now);
  void on_locked(uint64_t ticket, TimeNs now);
  // `why`: for the log, which gets one of them a minute for each database.
  void on_failed(uint64_t ticket, const std::string& why, TimeNs now);
  // A chain that is waited for by a lock worker, as it is told to people.
  LockWait described(const ChainWait& wait, TimeNs now) const;

  // The database is going away: nobody waits for its chains any more. Clears Activity::on_chain.
  void forget(Database& db);

 private:
  static ChainWait* find(Database& db, uint32_t chain);
  ChainWait& wait_for(Activity& activity, TimeNs now);
  ChainWait* find_ticket(uint64_t ticket);
  void serve(ChainWait& wait, TimeNs now);
  void drop(ChainWait& wait);
  bool clear_leftovers(Database& db, uint32_t chain);
  void complain(ChainWait& wait, TimeNs now);
  void ask_later(ChainWait& wait, TimeNs now);

  StoreOutput& out_;
  StoreCounts& counts_;
  TimerHeap& timers_;
  User* user_ = nullptr;
  // The chain that is held now, and how many have taken it.
  const Database* held_db_ = nullptr;
  uint32_t held_chain_ = 0;
  uint32_t held_depth_ = 0;
  uint32_t tickets_ = 0;  // that have been given out
  std::vector<std::unique_ptr<ChainWait>> all_;
  std::vector<ChainWait*> free_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_CHAIN_LOCKS_H_
