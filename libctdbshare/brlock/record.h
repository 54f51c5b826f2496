// SPDX-License-Identifier: LGPL-3.0-or-later
// The record of a file: its locks, and who waits for some, first come first. Little endian:
//   u32 "BRLK", u32 version (1), u32 count of locks, u32 count of waiters, the locks, the waiters
//   lock (52 bytes): u32 pnn, i32 pid, u64 unique id, u64 context, u64 handle, u64 start, u64 size, u8 type, u8 flavour, u16 0
//   waiter (60 bytes): u64 ticket, the lock it waits for
// An empty record has neither.
#ifndef LIBCTDBSHARE_BRLOCK_RECORD_H_
#define LIBCTDBSHARE_BRLOCK_RECORD_H_

#include <span>
#include <string>
#include <vector>

#include "libctdbshare/brlock/ranges.h"

namespace ctdb_share {

struct Waiter {
  uint64_t ticket = 0;  // the server's own number for this wait
  Lock wanted;
  bool operator==(const Waiter&) const = default;
};

struct Record {
  Locks locks;
  std::vector<Waiter> waiters;
  bool empty() const { return locks.empty() && waiters.empty(); }
  bool operator==(const Record&) const = default;
};

std::vector<uint8_t> encode(const Record& record);
// false: it is none, and *why says what is wrong with it; *record is then as far as it was read.
bool decode(std::span<const uint8_t> bytes, Record* record, std::string* why);

// What `wanted` has to wait for: a lock, or an earlier waiter that is in its way; all are earlier than one that is not in the queue.
// NULL: nothing.
const Lock* first_blocker(const Record& record, const Lock& wanted, uint64_t ticket);
// Whom to wake: the first waiter whose lock could be granted. NULL: none.
const Waiter* first_that_can_go(const Record& record);
const Waiter* find_waiter(const Record& record, const ServerId& server, uint64_t ticket);
// false: it was not there.
bool remove_waiter(Record& record, const ServerId& server, uint64_t ticket);

// Of a dead server, what was there when it was looked at. false: nothing.
bool remove_dead(Record& record, const ServerId& dead, const Record& looked_at);

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_BRLOCK_RECORD_H_
