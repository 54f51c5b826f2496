// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/brlock/record.h"

#include <algorithm>
#include <utility>

#include "libctdbshare/common/bytes.h"

namespace ctdb_share {
namespace {

constexpr uint32_t kMagic = 0x4B4C5242;  // "BRLK"
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 16, kLockBytes = 52, kWaiterBytes = 8 + kLockBytes;

void put(Out& out, const Lock& lock) {
  out.put(lock.server);
  for (const uint64_t word : {lock.context, lock.handle, lock.start, lock.size}) out.put(word);
  out.put(static_cast<uint8_t>(lock.type));
  out.put(static_cast<uint8_t>(lock.flavour));
  out.put(uint16_t{0});
}

bool get(In& in, Lock* lock) {
  lock->server = in.get_server();
  for (uint64_t* word : {&lock->context, &lock->handle, &lock->start, &lock->size})
    *word = in.get<uint64_t>();
  const auto type = in.get<uint8_t>(), flavour = in.get<uint8_t>();
  const auto zero = in.get<uint16_t>();
  lock->type = static_cast<LockType>(type);
  lock->flavour = static_cast<Flavour>(flavour);
  return type <= 1 && flavour <= 1 && zero == 0 && valid(*lock);
}

bool wrong(std::string* why, std::string text) {
  *why = "no record of locks: " + std::move(text);
  return false;
}

}  // namespace

std::vector<uint8_t> encode(const Record& record) {
  Out out(kHeaderBytes + record.locks.size() * kLockBytes + record.waiters.size() * kWaiterBytes);
  out.put(kMagic);
  out.put(kVersion);
  out.put(static_cast<uint32_t>(record.locks.size()));
  out.put(static_cast<uint32_t>(record.waiters.size()));
  for (const Lock& lock : record.locks) put(out, lock);
  for (const Waiter& waiter : record.waiters) {
    out.put(waiter.ticket);
    put(out, waiter.wanted);
  }
  return out.take();
}

bool decode(std::span<const uint8_t> bytes, Record* record, std::string* why) {
  *record = {};
  if (bytes.empty()) return true;
  if (bytes.size() < kHeaderBytes) return wrong(why, "it has " + std::to_string(bytes.size()) + " bytes");
  In in(bytes);
  if (in.get<uint32_t>() != kMagic) return wrong(why, "it begins otherwise");
  if (const auto version = in.get<uint32_t>(); version != kVersion)
    return wrong(why, "version " + std::to_string(version) + " is not known here");
  const auto locks = in.get<uint32_t>(), waiters = in.get<uint32_t>();
  if (bytes.size() != kHeaderBytes + uint64_t{locks} * kLockBytes + uint64_t{waiters} * kWaiterBytes) {
    return wrong(why, std::to_string(locks) + " locks and " + std::to_string(waiters) + " waiters in " +
                          std::to_string(bytes.size()) + " bytes");
  }
  record->locks.resize(locks);
  record->waiters.resize(waiters);
  for (Lock& lock : record->locks) {
    if (!get(in, &lock)) return wrong(why, "a lock that cannot be");
  }
  for (Waiter& waiter : record->waiters) {
    waiter.ticket = in.get<uint64_t>();
    if (!get(in, &waiter.wanted)) return wrong(why, "a waiter for a lock that cannot be");
  }
  return true;
}

const Lock* first_blocker(const Record& record, const Lock& wanted, uint64_t ticket) {
  if (const Lock* held = first_conflict(record.locks, wanted); held != nullptr) return held;
  for (const Waiter& waiter : record.waiters) {
    if (waiter.ticket == ticket && waiter.wanted.server == wanted.server) return nullptr;
    if (conflicts(waiter.wanted, wanted)) return &waiter.wanted;
  }
  return nullptr;
}

const Waiter* first_that_can_go(const Record& record) {
  const auto at = std::ranges::find_if(record.waiters, [&](const Waiter& waiter) {
    return first_blocker(record, waiter.wanted, waiter.ticket) == nullptr;
  });
  return at == record.waiters.end() ? nullptr : &*at;
}

const Waiter* find_waiter(const Record& record, const ServerId& server, uint64_t ticket) {
  const auto at = std::ranges::find_if(record.waiters, [&](const Waiter& waiter) {
    return waiter.ticket == ticket && waiter.wanted.server == server;
  });
  return at == record.waiters.end() ? nullptr : &*at;
}

bool remove_waiter(Record& record, const ServerId& server, uint64_t ticket) {
  const auto is_it = [&](const Waiter& waiter) {
    return waiter.ticket == ticket && waiter.wanted.server == server;
  };
  return std::erase_if(record.waiters, is_it) > 0;
}

bool remove_dead(Record& record, const ServerId& dead, const Record& looked_at) {
  const auto was_there = [](const auto& all, const auto& one) {
    return std::ranges::find(all, one) != all.end();
  };
  const size_t locks = std::erase_if(record.locks, [&](const Lock& lock) {
    return lock.server == dead && was_there(looked_at.locks, lock);
  });
  const size_t waiters = std::erase_if(record.waiters, [&](const Waiter& waiter) {
    return waiter.wanted.server == dead && was_there(looked_at.waiters, waiter);
  });
  return locks + waiters > 0;
}

}  // namespace ctdb_share
