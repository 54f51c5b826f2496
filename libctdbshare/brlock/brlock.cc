// SPDX-License-Identifier: LGPL-3.0-or-later
// The functions of ctdb_brlock.h.
#include "ctdb_brlock.h"

#include <memory>

#include "libctdbshare/brlock/handle.h"

namespace ctdb_share {
namespace {

bool to_lock(const ctdb_brlock& brlock, const ctdb_brlock_range& range, Lock* lock) {
  if (range.type < 0 || range.type > 1 || range.flavour < 0 || range.flavour > 1) return false;
  *lock = {brlock.self,
           range.context,
           range.handle,
           range.start,
           range.size,
           static_cast<LockType>(range.type),
           static_cast<Flavour>(range.flavour)};
  return valid(*lock);
}

ctdb_brlock_holder to_holder(const Lock& lock, bool waiting) {
  return {{lock.context, lock.handle, lock.start, lock.size, static_cast<int>(lock.type),
           static_cast<int>(lock.flavour)},
          lock.server.pnn,
          lock.server.pid,
          lock.server.unique,
          waiting ? 1 : 0};
}

int lock_at_once(ctdb_brlock& brlock, ctdb_blob file, const Lock& wanted, const Deadline& deadline,
                 Lock* blocker) {
  for (;;) {
    const Lock* found = nullptr;
    Record looked_at;
    int error = change(brlock, file, deadline, [&](Record& record) {
      found = first_conflict(record.locks, wanted);
      if (found == nullptr) {
        add(record.locks, wanted);
        return true;
      }
      *blocker = *found;
      looked_at = record;
      return false;
    });
    if (error != 0 || found == nullptr) return error;
    bool dropped = false;
    error = drop_if_dead(brlock, file, deadline, *blocker, looked_at, &dropped);
    if (error != 0) return error;
    if (!dropped) return CTDB_BRLOCK_CONFLICT;
  }
}

using FirstConflict = const Lock* (*)(const Locks&, const Lock&);

int test(ctdb_brlock& brlock, ctdb_blob file, const Lock& wanted, const Deadline& deadline,
         FirstConflict first, Lock* blocker) {
  for (;;) {
    Record record;
    if (const int error = look(brlock, file, deadline, &record); error != 0) return error;
    const Lock* const found = first(record.locks, wanted);
    if (found == nullptr) return 0;
    *blocker = *found;
    bool dropped = false;
    if (const int error = drop_if_dead(brlock, file, deadline, *found, record, &dropped); error != 0)
      return error;
    if (!dropped) return CTDB_BRLOCK_CONFLICT;
  }
}

// Every function on a range: body(lock, deadline, &blocker).
template <typename F>
int on_range(ctdb_brlock* brlock, const ctdb_brlock_range* range, int timeout_ms, ctdb_brlock_holder* blocker,
             F&& body) {
  return guarded([&]() -> int {
    Lock lock;
    if (const int error = begin(brlock, timeout_ms); error != 0) return error;
    if (range == nullptr || !to_lock(*brlock, *range, &lock)) return CTDB_ERR_INVALID;
    Blocker found;
    const int result = body(lock, Deadline(timeout_ms), &found);
    if (result == CTDB_BRLOCK_CONFLICT && blocker != nullptr) *blocker = to_holder(found.lock, found.waits);
    return result;
  });
}

void on_message(ctdb_client* /*client*/, uint64_t /*srvid*/, ctdb_blob /*data*/, void* private_data) {
  static_cast<ctdb_brlock*>(private_data)->woken = true;
}

void close(ctdb_brlock* brlock) {
  leave(*brlock);
  delete brlock;
}

struct Closer {
  void operator()(ctdb_brlock* brlock) const { close(brlock); }
};

}  // namespace
}  // namespace ctdb_share

using ctdb_share::Blocker;
using ctdb_share::Deadline;
using ctdb_share::guarded;
using ctdb_share::Lock;
using ctdb_share::Record;

int ctdb_brlock_open(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms,
                     ctdb_brlock** brlock) {
  return guarded([&]() -> int {
    if (client == nullptr || brlock == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    std::unique_ptr<ctdb_brlock, ctdb_share::Closer> made(new ctdb_brlock);
    const int error =
        become(*made, client, name, flags, Deadline(timeout_ms), ctdb_share::on_message, made.get());
    if (error == 0) *brlock = made.release();
    return error;
  });
}

void ctdb_brlock_close(ctdb_brlock* brlock) {
  if (brlock != nullptr) ctdb_share::close(brlock);
}

const char* ctdb_brlock_error_text(const ctdb_brlock* brlock) {
  return ctdb_share::error_text(brlock);
}

int ctdb_brlock_lock(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range, int timeout_ms,
                     ctdb_brlock_holder* blocker) {
  const auto body = [&](const Lock& wanted, const Deadline& deadline, Blocker* found) {
    return ctdb_share::lock_at_once(*brlock, file, wanted, deadline, &found->lock);
  };
  return ctdb_share::on_range(brlock, range, timeout_ms, blocker, body);
}

int ctdb_brlock_lock_wait(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range, int timeout_ms,
                          ctdb_brlock_holder* blocker) {
  const auto body = [&](const Lock& wanted, const Deadline& deadline, Blocker* found) {
    return ctdb_share::lock_waiting(*brlock, file, wanted, deadline, found);
  };
  return ctdb_share::on_range(brlock, range, timeout_ms, blocker, body);
}

int ctdb_brlock_unlock(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range, int timeout_ms) {
  const auto body = [&](const Lock& unwanted, const Deadline& deadline, Blocker*) {
    bool found = false;
    const int error = ctdb_share::change(*brlock, file, deadline, [&](Record& record) {
      found = remove(record.locks, unwanted);
      return found;
    });
    return error == 0 && !found ? CTDB_ERR_NOT_FOUND : error;
  };
  return ctdb_share::on_range(brlock, range, timeout_ms, nullptr, body);
}

int ctdb_brlock_test(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range, int timeout_ms,
                     ctdb_brlock_holder* blocker) {
  const auto body = [&](const Lock& wanted, const Deadline& deadline, Blocker* found) {
    return ctdb_share::test(*brlock, file, wanted, deadline, ctdb_share::first_conflict, &found->lock);
  };
  return ctdb_share::on_range(brlock, range, timeout_ms, blocker, body);
}

int ctdb_brlock_test_io(ctdb_brlock* brlock, ctdb_blob file, const ctdb_brlock_range* range, int timeout_ms,
                        ctdb_brlock_holder* blocker) {
  const auto body = [&](const Lock& io, const Deadline& deadline, Blocker* found) {
    return ctdb_share::test(*brlock, file, io, deadline, ctdb_share::first_io_conflict, &found->lock);
  };
  return ctdb_share::on_range(brlock, range, timeout_ms, blocker, body);
}

int ctdb_brlock_close_handle(ctdb_brlock* brlock, ctdb_blob file, uint64_t context, uint64_t handle,
                             int timeout_ms) {
  return guarded([&]() -> int {
    if (const int error = ctdb_share::begin(brlock, timeout_ms); error != 0) return error;
    return ctdb_share::change(*brlock, file, Deadline(timeout_ms), [&](Record& record) {
      return remove_handle(record.locks, brlock->self, context, handle) > 0;
    });
  });
}

int ctdb_brlock_list(ctdb_brlock* brlock, ctdb_blob file, int timeout_ms, ctdb_brlock_each_fn each,
                     void* private_data) {
  return guarded([&]() -> int {
    if (const int error = ctdb_share::begin(brlock, timeout_ms); error != 0) return error;
    Record record;
    if (const int error = ctdb_share::look(*brlock, file, Deadline(timeout_ms), &record); error != 0)
      return error;
    const auto tell = [&](const Lock& lock, bool waiting) {
      const ctdb_brlock_holder holder = ctdb_share::to_holder(lock, waiting);
      if (each != nullptr) each(&holder, private_data);
    };
    for (const Lock& lock : record.locks) tell(lock, false);
    for (const ctdb_share::Waiter& waiter : record.waiters) tell(waiter.wanted, true);
    return static_cast<int>(record.locks.size());
  });
}
