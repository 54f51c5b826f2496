// SPDX-License-Identifier: LGPL-3.0-or-later
// Where things stand in the answer of GET_DB_STATISTICS (wire-protocol §7.7): offsets and sizes in bytes. Behind the image come the hot
// keys' names.
#ifndef LIBCTDBIPC_WIRE_DB_STATISTICS_LAYOUT_H_
#define LIBCTDBIPC_WIRE_DB_STATISTICS_LAYOUT_H_

#include <cstddef>

namespace ctdb::db_statistics {

inline constexpr size_t kImageBytes = 464;

// Waits for chain locks. Times are doubles, in seconds.
inline constexpr size_t kLockCount = 0;
inline constexpr size_t kLocksWaiting = 4;
inline constexpr size_t kLockFailed = 12;
inline constexpr size_t kLatency = 16;  // {count, padding, minimum, maximum, total}
inline constexpr size_t kLatencyMin = 8, kLatencyMax = 16, kLatencyTotal = 24;
inline constexpr size_t kLockBuckets = 48;  // u32 each

inline constexpr size_t kVacuumLatency = 112;  // of removing deleted records, likewise

// Read-only copies given to other nodes, and how often all of a record's came to their end.
inline constexpr size_t kDelegations = 144;
inline constexpr size_t kDelegationsRevoked = 148;

// Hops of calls: bucket 0 has those without one, bucket i those from 2^(i-1) on.
inline constexpr size_t kHopBuckets = 152;
inline constexpr size_t kBuckets = 16;

inline constexpr size_t kKeyCount = 216;
inline constexpr size_t kKeys = 224;
inline constexpr size_t kKeyBytes = 24;  // {moves u32, …, size of the name u64}
// Ours, where the classic daemon has padding and a pointer of its own: the longest wait of a call for the record, in microseconds (u32);
// the most hops of one (u16); questions of other nodes for its value in one second (u16); what is done about it (u32).
inline constexpr size_t kKeyWait = 4, kKeyHops = 8, kKeyReads = 10, kKeyState = 12;
inline constexpr uint32_t kKeyIsSticky = 1, kKeyIsRead = 2;
inline constexpr size_t kKeyNameSize = 16;
inline constexpr size_t kKeysMax = 10;

static_assert(kKeys + kKeysMax * kKeyBytes == kImageBytes);

}  // namespace ctdb::db_statistics

#endif  // LIBCTDBIPC_WIRE_DB_STATISTICS_LAYOUT_H_
