// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages of two routers about the way over verbs beside their link (ARCHITECTURE.md §3 "Verbs"), which travel by TCP, and
// what GET_LINKS says of links. What travels over the queue pairs themselves: ctdb-router/transport/verbs/chunk.h.
#ifndef LIBCTDBIPC_WIRE_VERBS_MESSAGES_H_
#define LIBCTDBIPC_WIRE_VERBS_MESSAGES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// Links of this version and later may speak of verbs.
inline constexpr uint32_t kLinkVersionVerbs = 2;

using Gid = std::array<uint8_t, 16>;

// VERBS_OFFER and VERBS_ACCEPT: the sender's queue pair for this link.
struct QueuePair {
  uint64_t attempt = 0;  // counts up within a link; all that follows names it
  uint32_t number = 0;   // 24 bits, not 0
  uint32_t first_psn = 0;
  uint32_t lid = 0;          // InfiniBand; 0 elsewhere
  uint32_t mtu = 0;          // as verbs number them: 1 = 256 bytes to 5 = 4096
  uint32_t window = 0;       // receive buffers for this link
  uint32_t chunk_bytes = 0;  // of each
  Gid gid{};
  Bytes encode() const;
  static std::optional<QueuePair> decode(ByteView payload);
};

// On the data lane: what follows of it comes over verbs, until VERBS_DOWN.
struct VerbsSwitch {
  uint64_t attempt = 0;
  Bytes encode() const;
  static std::optional<VerbsSwitch> decode(ByteView payload);
};

// The attempt has ended, or an offer is refused.
struct VerbsDown {
  uint64_t attempt = 0;
  uint64_t received = 0;  // whole packets that came over verbs in it: the other side sends the rest by TCP
  std::string reason;
  Bytes encode() const;
  static std::optional<VerbsDown> decode(ByteView payload);
};

enum class LinkKind : uint32_t { kNone = 0, kTcp = 1, kVerbs = 2 };

// Round trips over verbs by their time: class i took less than 2^i microseconds, the last one longer.
inline constexpr size_t kRoundTripClasses = 18;

// A link as its router sees it. Packets are those of the data lane, since the router was started.
struct LinkReport {
  uint32_t node = 0;
  LinkKind kind = LinkKind::kNone;
  uint64_t age_ns = 0;   // since when it has been of that kind
  std::string why;       // why not verbs; empty: it is on verbs
  uint64_t credits = 0;  // chunks that may be sent before the other side says more
  uint64_t attempts = 0, falls = 0;
  uint64_t tcp_out = 0, tcp_in = 0, verbs_out = 0, verbs_in = 0;
  std::vector<uint64_t> round_trips;
};
// GET_LINKS: of all nodes there are to be links to.
struct LinkReports {
  std::vector<LinkReport> links;
  Bytes encode() const;
  static std::optional<LinkReports> decode(ByteView payload);
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_VERBS_MESSAGES_H_
