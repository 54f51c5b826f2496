// SPDX-License-Identifier: LGPL-3.0-or-later
// Waiting for a lock: a place in the record's queue, and sleep until somebody wakes us or it is time to look again.
#include <exception>

#include "libctdbshare/brlock/handle.h"

namespace ctdb_share {
namespace {

class Wait {
 public:
  Wait(ctdb_brlock& brlock, ctdb_blob file, const Lock& wanted)
      : brlock_(brlock), file_(file), wanted_(wanted), ticket_(++brlock.numbers) {}
  ~Wait() { leave(); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  // 0: locked. CTDB_BRLOCK_CONFLICT: blocker() is in the way, and we are in the queue.
  int look(const Deadline& deadline) {
    bool granted = false;
    brlock_.woken = false;
    const int error = change(brlock_, file_, deadline, [&](Record& record) {
      const Lock* const found = first_blocker(record, wanted_, ticket_);
      granted = found == nullptr;
      if (granted) {
        remove_waiter(record, wanted_.server, ticket_);
        add(record.locks, wanted_);
        return true;
      }
      // Something else is in the way than last time: the queue moves.
      if (*found != blocker_.lock) pause_.shorten();
      blocker_ = {*found, first_conflict(record.locks, wanted_) == nullptr};
      looked_at_ = record;
      // Not there any more: the record fell back to an older copy.
      if (find_waiter(record, wanted_.server, ticket_) != nullptr) return false;
      record.waiters.push_back({ticket_, wanted_});
      queued_ = true;
      return true;
    });
    if (error != 0) return error;
    if (granted) queued_ = false;
    return granted ? 0 : CTDB_BRLOCK_CONFLICT;
  }

  int drop_blocker_if_dead(const Deadline& deadline, bool* dropped) {
    return drop_if_dead(brlock_, file_, deadline, blocker_.lock, looked_at_, dropped);
  }

  int sleep(const Deadline& deadline) { return pause_.sleep(brlock_, deadline); }

  bool queued() const { return queued_; }
  const Blocker& blocker() const { return blocker_; }

 private:
  // Whoever is behind us in the queue must not wait for one who has given up: as long as it takes.
  void leave() noexcept {
    if (!queued_) return;
    try {
      (void)change(brlock_, file_, Deadline(-1),
                   [&](Record& record) { return remove_waiter(record, wanted_.server, ticket_); });
    } catch (const std::exception&) {
      return;  // no memory: the others wait until this process ends
    }
  }

  ctdb_brlock& brlock_;
  const ctdb_blob file_;
  const Lock wanted_;
  const uint64_t ticket_;
  bool queued_ = false;
  Blocker blocker_;
  Record looked_at_;
  Pause pause_;
};

int wait_for(Wait& wait, const Deadline& deadline) {
  for (;;) {
    int result = wait.look(deadline);
    // The time was over while the record was away; what was in the way is known.
    if (result == CTDB_ERR_TIMEOUT && wait.queued()) return CTDB_BRLOCK_CONFLICT;
    if (result != CTDB_BRLOCK_CONFLICT) return result;
    bool dropped = false;
    result = wait.drop_blocker_if_dead(deadline, &dropped);
    if (result == 0 && dropped) continue;
    if (result == 0 && deadline.over()) return CTDB_BRLOCK_CONFLICT;
    if (result == 0) result = wait.sleep(deadline);
    if (result != 0) return result;
  }
}

}  // namespace

int lock_waiting(ctdb_brlock& brlock, ctdb_blob file, const Lock& wanted, const Deadline& deadline,
                 Blocker* blocker) {
  // Says now what would keep us from sleeping, before anybody sees us in the queue.
  if (!brlock.local) {
    if (const int handled = ctdb_wait(brlock.client, 0); handled < 0) return handled;
  }
  Wait wait(brlock, file, wanted);
  const int result = wait_for(wait, deadline);
  if (result == CTDB_BRLOCK_CONFLICT) *blocker = wait.blocker();
  return result;
}

}  // namespace ctdb_share
