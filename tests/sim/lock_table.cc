// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/lock_table.h"

#include <algorithm>

namespace ctdb::sim {

void LockTable::acquire(MemoryDatabase& database, ByteView key, Holder holder, Granted granted) {
  const uint32_t chain = database.chain_of(key);
  waiters_[{&database, chain}].push_back({holder, to_bytes(key), std::move(granted)});
  wake(database, chain);
}

void LockTable::wake(MemoryDatabase& database, uint32_t chain) {
  const TimeNs delay = 1 * kMicrosecond + static_cast<TimeNs>(random_.below(3 * kMicrosecond));
  queue_.after(delay, [this, &database, chain] {
    std::deque<Waiter>& waiters = waiters_[{&database, chain}];
    if (waiters.empty() || !database.lock(waiters.front().key, waiters.front().holder)) return;
    const Waiter waiter = std::move(waiters.front());
    waiters.pop_front();
    waiter.granted();
  });
}

void LockTable::release(MemoryDatabase& database, ByteView key, Holder holder) {
  database.unlock(key, holder);
  wake(database, database.chain_of(key));
}

void LockTable::drop(MemoryDatabase& database, ByteView key, Holder holder) {
  const uint32_t chain = database.chain_of(key);
  std::erase_if(waiters_[{&database, chain}],
                [holder](const Waiter& waiter) { return waiter.holder == holder; });
  database.release_all(holder);
  wake(database, chain);
}

void LockTable::reopened(MemoryDatabase& database, uint32_t chains) {
  for (uint32_t chain = 0; chain < chains; ++chain) wake(database, chain);
}

size_t LockTable::waiting() const {
  size_t count = 0;
  for (const auto& [chain, waiters] : waiters_) count += waiters.size();
  return count;
}

}  // namespace ctdb::sim
