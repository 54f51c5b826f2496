// SPDX-License-Identifier: GPL-3.0-or-later
// Who waits for the chain locks of one node's files: clients and the store's lock workers. The locks themselves are
// MemoryDatabase's; this is the kernel's part of a blocking lock: a queue, and the wake-up of the next in it.
#ifndef CTDB_TESTS_SIM_LOCK_TABLE_H_
#define CTDB_TESTS_SIM_LOCK_TABLE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "ctdb-store/backend/memory_file.h"
#include "libctdbipc/base/random.h"
#include "tests/sim/event_queue.h"

namespace ctdb::sim {

class LockTable {
 public:
  using Holder = MemoryDatabase::Holder;
  using Granted = std::function<void()>;
  LockTable(EventQueue& queue, Random& random) : queue_(queue), random_(random) {}

  // Calls `granted` when the holder has the lock: from the event queue, never from inside.
  void acquire(MemoryDatabase& database, ByteView key, Holder holder, Granted granted);
  void release(MemoryDatabase& database, ByteView key, Holder holder);
  // The holder is dead: what it has is free, what it waits for is forgotten.
  void drop(MemoryDatabase& database, ByteView key, Holder holder);
  // The file is open again after its all-record lock.
  void reopened(MemoryDatabase& database, uint32_t chains);
  size_t waiting() const;

 private:
  struct Waiter {
    Holder holder;
    Bytes key;
    Granted granted;
  };
  using Chain =
      std::pair<MemoryDatabase*, uint32_t>;  // never iterated: the order of pointers decides nothing
  void wake(MemoryDatabase& database, uint32_t chain);

  EventQueue& queue_;
  Random& random_;
  std::map<Chain, std::deque<Waiter>> waiters_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_LOCK_TABLE_H_
