// SPDX-License-Identifier: GPL-3.0-or-later
// The lock of a database's transactions while the database is rewritten (rewrite.h): the record of g_lock.tdb that classic and
// native clients use (ARCHITECTURE §4 "The lock"), held by the store.
#include <algorithm>
#include <utility>

#include "ctdb-store/core/rewrite.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/lock_record.h"

namespace ctdb {
namespace {

// Between two looks at a lock that a classic client holds.
constexpr TimeNs kLookAgain = 20 * kMillisecond;

}  // namespace

// nullptr: nobody has ever had a transaction.
Database* Rewrites::lock_database() const {
  return ctx_.databases.find_volatile(database_id(kLockDatabase));
}

void Rewrites::ask_for_lock(uint32_t db_id, Rewrite& rewrite, TimeNs now) {
  rewrite.look_at = kNever;
  Database* locks = lock_database();
  if (locks == nullptr) return lock_came(db_id, true, "", now);
  rewrite.has_lock = true;
  if (migration_.hold_for(db_id, rewrite.endpoint, *locks, transaction_lock_key(db_id), now)) return;
  rewrite.has_lock = false;  // the tool's own
  lock_came(db_id, true, "", now);
}

void Rewrites::on_hold(uint32_t db_id, bool ok, ByteView record) {
  std::string holder;
  for (const TransactionLockHolder& each : holders_in(record))
    holder = "process " + std::to_string(each.pid) + " of node " + std::to_string(each.pnn);
  came_.push_back({db_id, ok, std::move(holder)});
}

// Whether a classic holder lives only its node knows. If it is dead the next who wants the lock finds that out and removes it.
void Rewrites::lock_came(uint32_t db_id, bool ok, const std::string& holder, TimeNs now) {
  const auto at = rewrites_.find(db_id);
  if (at == rewrites_.end() || !at->second->frozen) return;
  Rewrite& rewrite = *at->second;
  rewrite.holder = holder;
  if (ok && holder.empty()) {
    rewrite.give_up_at = kNever;
    return std::exchange(rewrite.frozen, nullptr)("");
  }
  if (ok) let_go_of_lock(db_id, rewrite, now);
  rewrite.has_lock = false;
  rewrite.look_at = now + kLookAgain;
}

void Rewrites::let_go_of_lock(uint32_t db_id, Rewrite& rewrite, TimeNs now) {
  if (!std::exchange(rewrite.has_lock, false)) return;
  if (const Database* locks = lock_database())
    migration_.release_for(db_id, *locks, transaction_lock_key(db_id), now);
}

void Rewrites::tick_locks(TimeNs now) {
  std::vector<uint32_t> waiting;
  for (const auto& [id, rewrite] : rewrites_) {
    if (rewrite->frozen && now >= std::min(rewrite->look_at, rewrite->give_up_at)) waiting.push_back(id);
  }
  for (const uint32_t id : waiting) {
    Rewrite& rewrite = *rewrites_.at(id);
    if (now < rewrite.give_up_at) {
      ask_for_lock(id, rewrite, now);
      continue;
    }
    const std::string who = rewrite.holder.empty() ? "a program" : rewrite.holder;
    std::exchange(rewrite.frozen,
                  nullptr)("a transaction of " + who + " is open on the database; nothing was changed");
    drop(id, now);
  }
}

}  // namespace ctdb
