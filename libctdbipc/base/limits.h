// SPDX-License-Identifier: LGPL-3.0-or-later
// Every capacity of the suite in one place, with the relations between them asserted. Units are in the names.
#ifndef LIBCTDBIPC_BASE_LIMITS_H_
#define LIBCTDBIPC_BASE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace ctdb {

// Largest packet accepted anywhere: client socket, ring, link. Larger length fields are refused before memory
// is taken (wire-protocol §1.1 has no limit; reliability §4.5 asks for one).
inline constexpr size_t kPacketBytesMax = 16u << 20;
// Before HELLO has been answered a peer may send this much and no more.
inline constexpr size_t kHelloBytesMax = 1024;
inline constexpr size_t kKeyBytesMax = 64u << 10;
// The largest value of a record: CTDB_VALUE_BYTES_MAX of ctdb.h, and what "[database] record limit" may say.
inline constexpr uint32_t kValueBytesMax = 15u << 20;
inline constexpr uint32_t kRecordLimitLeast = 4u << 10;

inline constexpr size_t kNodesMax = 1024;      // lines of the nodes file, deleted ones included
inline constexpr size_t kClientsMax = 65536;   // per node, both kinds
inline constexpr size_t kDatabasesMax = 1024;  // per node

inline constexpr uint32_t kCopiesMax = 8;  // of a record, the owner's included

// Rings: powers of two. A frame may take at most half a ring, so that a full ring always drains.
inline constexpr size_t kClientRingBytes = 256u << 10;
inline constexpr size_t kDaemonRingBytes = 4u << 20;

// Quotas of one client.
inline constexpr size_t kClientRequestsInFlightMax = 4096;
inline constexpr size_t kClientSendQueueBytesMax = 64u << 20;
// When so much waits for a client, traverses for it rest.
inline constexpr size_t kClientCrowdedBytes = 1u << 20;
inline constexpr size_t kClientSrvidsMax = 65536;

// Bytes queued to a daemon that is busy or stopped before senders are held back, and before it is given up and must connect again.
inline constexpr size_t kDaemonQueueHighWaterBytes = 32u << 20;
inline constexpr size_t kDaemonQueueBytesMax = 128u << 20;

// Bytes queued to one peer before senders are held back, and before the link is given up.
inline constexpr size_t kLinkQueueHighWaterBytes = 4u << 20;
inline constexpr size_t kLinkQueueBytesMax = 256u << 20;

static_assert((kClientRingBytes & (kClientRingBytes - 1)) == 0);
static_assert((kDaemonRingBytes & (kDaemonRingBytes - 1)) == 0);
static_assert(kDaemonQueueHighWaterBytes < kDaemonQueueBytesMax);
static_assert(kLinkQueueHighWaterBytes < kLinkQueueBytesMax);
static_assert(kHelloBytesMax < kPacketBytesMax);
static_assert(kRecordLimitLeast < kValueBytesMax);
static_assert(kPacketBytesMax <= kLinkQueueBytesMax);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_LIMITS_H_
