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

bool LockTable::waits_from(MemoryDatabase& database, ByteView key, Holder first) const {
  const auto found = waiters_.find({&database, database.chain_of(key)});
  if (found == waiters_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [first](const Waiter& waiter) { return waiter.holder >= first; });
}

size_t LockTable::waiting() const {
  size_t count = 0;
  for (const auto& [chain, waiters] : waiters_) count += waiters.size();
  return count;
}

}  // namespace ctdb::sim
