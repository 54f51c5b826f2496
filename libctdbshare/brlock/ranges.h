// SPDX-License-Identifier: LGPL-3.0-or-later
// Which byte-range locks go together, and what becomes of them: the table in ctdb_brlock.h. Pure; arrays are in the order in which locks
// were made. What must hold: every lock in an array is valid(); locks of one POSIX owner do not overlap.
#ifndef LIBCTDBSHARE_BRLOCK_RANGES_H_
#define LIBCTDBSHARE_BRLOCK_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libctdbshare/common/server_id.h"

namespace ctdb_share {

enum class LockType : uint8_t { kRead = 0, kWrite = 1 };
enum class Flavour : uint8_t { kWindows = 0, kPosix = 1 };

struct Lock {
  ServerId server;
  uint64_t context = 0, handle = 0;
  uint64_t start = 0, size = 0;
  LockType type = LockType::kRead;
  Flavour flavour = Flavour::kWindows;
  bool operator==(const Lock&) const = default;
};
using Locks = std::vector<Lock>;

bool valid(const Lock& lock);

// Whether `held` keeps `wanted` from being granted.
bool conflicts(const Lock& held, const Lock& wanted);
// The first lock that does; NULL: it can be granted.
const Lock* first_conflict(const Locks& locks, const Lock& wanted);
// The first that forbids reading or writing (`io.type`) these bytes through that handle.
const Lock* first_io_conflict(const Locks& locks, const Lock& io);

// Only what is valid and conflicts with none. A POSIX lock replaces its owner's locks below it: at most two entries more.
void add(Locks& locks, const Lock& wanted);
// false: there is no such lock (only the Windows flavour needs one). At most one entry more.
bool remove(Locks& locks, const Lock& unwanted);

// All that a context has on the file by the POSIX flavour, and by the Windows flavour through this handle. Returns how many went.
size_t remove_handle(Locks& locks, const ServerId& server, uint64_t context, uint64_t handle);

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_BRLOCK_RANGES_H_
