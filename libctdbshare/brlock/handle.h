// SPDX-License-Identifier: LGPL-3.0-or-later
// What a ctdb_brlock is, and the two ways of all its functions to a record: change() under the record's lock, and drop_if_dead(), which asks
// for the owner of a lock and holds nothing meanwhile.
#ifndef LIBCTDBSHARE_BRLOCK_HANDLE_H_
#define LIBCTDBSHARE_BRLOCK_HANDLE_H_

#include <functional>

#include "ctdb_brlock.h"
#include "libctdbshare/brlock/record.h"
#include "libctdbshare/common/owner.h"

struct ctdb_brlock : ctdb_share::Owner {};

namespace ctdb_share {

// Reads the record without locking it.
int look(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, Record* record);

// Locks the record, lets `edit` change it, and stores it if that says true. Wakes the waiter that is the first one to go on now and was not
// before, when the record is unlocked. `edit` is run again when nothing came of the last time.
int change(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline,
           const std::function<bool(Record&)>& edit);

// Asks whether the owner of `blocker`, which is in `looked_at`, lives. If not, drops what it had there: *dropped.
int drop_if_dead(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, const Lock& blocker,
                 const Record& looked_at, bool* dropped);

// A lock, or one that is waited for.
struct Blocker {
  Lock lock;
  bool waits = false;
};

// Waits in the queue, see ctdb_brlock_lock_wait(). CTDB_BRLOCK_CONFLICT: *blocker was in the way to the end.
int lock_waiting(ctdb_brlock& brlock, ctdb_blob file, const Lock& wanted, const Deadline& deadline,
                 Blocker* blocker);

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_BRLOCK_HANDLE_H_
