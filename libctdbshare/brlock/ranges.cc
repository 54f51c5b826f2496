// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/brlock/ranges.h"

#include <algorithm>
#include <utility>

namespace ctdb_share {
namespace {

// Of a range with bytes. Ends are inclusive: one past the last may not fit.
uint64_t last(const Lock& lock) {
  return lock.start + (lock.size - 1);
}

bool strictly_inside(uint64_t at, const Lock& range) {
  return range.size != 0 && range.start < at && at <= last(range);
}

bool overlap(const Lock& a, const Lock& b) {
  if (a.size == 0) return strictly_inside(a.start, b);
  if (b.size == 0) return strictly_inside(b.start, a);
  return a.start <= last(b) && b.start <= last(a);
}

bool same_context(const Lock& a, const Lock& b) {
  return a.server == b.server && a.context == b.context;
}

bool same_handle(const Lock& a, const Lock& b) {
  return same_context(a, b) && a.handle == b.handle;
}

bool both(const Lock& a, const Lock& b, Flavour flavour) {
  return a.flavour == flavour && b.flavour == flavour;
}

bool same_posix_owner(const Lock& a, const Lock& b) {
  return both(a, b, Flavour::kPosix) && same_context(a, b);
}

bool blocks_io(const Lock& held, const Lock& io) {
  if (held.flavour == Flavour::kPosix || io.size == 0 || !overlap(held, io)) return false;
  if (io.type == LockType::kRead) return held.type == LockType::kWrite && !same_handle(held, io);
  return held.type == LockType::kRead || !same_handle(held, io);
}

// What `hole` leaves of `lock`; both have bytes.
void push_rest(Locks& out, const Lock& lock, const Lock& hole) {
  if (!overlap(lock, hole)) return out.push_back(lock);
  if (lock.start < hole.start) {
    out.push_back(lock);
    out.back().size = hole.start - lock.start;
  }
  if (last(lock) > last(hole)) {
    out.push_back(lock);
    out.back().start = last(hole) + 1;
    out.back().size = last(lock) - last(hole);
  }
}

// Joined they must not be all 2^64 bytes: no size is.
bool can_be_joined(const Lock& a, const Lock& b) {
  const bool apart =
      (a.start > last(b) && a.start - last(b) > 1) || (b.start > last(a) && b.start - last(a) > 1);
  const bool all = std::min(a.start, b.start) == 0 && std::max(last(a), last(b)) == UINT64_MAX;
  return a.type == b.type && !apart && !all;
}

void join(Lock& into, const Lock& other) {
  const uint64_t end = std::max(last(into), last(other));
  into.start = std::min(into.start, other.start);
  into.size = end - into.start + 1;
}

void add_posix(Locks& locks, const Lock& wanted) {
  Locks out;
  out.reserve(locks.size() + 2);
  Lock joined = wanted;
  for (const Lock& lock : locks) {
    if (!same_posix_owner(lock, wanted)) {
      out.push_back(lock);
    } else if (can_be_joined(lock, joined)) {
      join(joined, lock);
    } else {
      push_rest(out, lock, wanted);
    }
  }
  out.push_back(joined);
  locks = std::move(out);
}

void remove_posix(Locks& locks, const Lock& hole) {
  Locks out;
  out.reserve(locks.size() + 1);
  for (const Lock& lock : locks) {
    if (same_posix_owner(lock, hole)) {
      push_rest(out, lock, hole);
    } else {
      out.push_back(lock);
    }
  }
  locks = std::move(out);
}

}  // namespace

bool valid(const Lock& lock) {
  if (lock.size == 0) return lock.flavour == Flavour::kWindows;
  return last(lock) >= lock.start;
}

bool conflicts(const Lock& held, const Lock& wanted) {
  if (held.type == LockType::kRead && wanted.type == LockType::kRead) return false;
  if (!overlap(held, wanted)) return false;
  if (same_posix_owner(held, wanted)) return false;
  const bool stacked =
      both(held, wanted, Flavour::kWindows) && same_handle(held, wanted) && wanted.type == LockType::kRead;
  return !stacked;
}

const Lock* first_conflict(const Locks& locks, const Lock& wanted) {
  const auto at = std::ranges::find_if(locks, [&](const Lock& held) { return conflicts(held, wanted); });
  return at == locks.end() ? nullptr : &*at;
}

const Lock* first_io_conflict(const Locks& locks, const Lock& io) {
  const auto at = std::ranges::find_if(locks, [&](const Lock& held) { return blocks_io(held, io); });
  return at == locks.end() ? nullptr : &*at;
}

void add(Locks& locks, const Lock& wanted) {
  if (wanted.flavour == Flavour::kPosix) return add_posix(locks, wanted);
  locks.push_back(wanted);
}

bool remove(Locks& locks, const Lock& unwanted) {
  if (unwanted.flavour == Flavour::kPosix) {
    remove_posix(locks, unwanted);
    return true;
  }
  // Of two equal ranges the read lock was stacked on the write lock, which goes first (as with UnlockFileEx).
  for (const LockType type : {LockType::kWrite, LockType::kRead}) {
    Lock exactly = unwanted;
    exactly.type = type;
    if (const auto at = std::ranges::find(locks, exactly); at != locks.end()) {
      locks.erase(at);
      return true;
    }
  }
  return false;
}

size_t remove_handle(Locks& locks, const ServerId& server, uint64_t context, uint64_t handle) {
  return std::erase_if(locks, [&](const Lock& lock) {
    return lock.server == server && lock.context == context &&
           (lock.flavour == Flavour::kPosix || lock.handle == handle);
  });
}

}  // namespace ctdb_share
