// SPDX-License-Identifier: GPL-3.0-or-later
// The rules about records as pure functions: what a store of a record does to its header, which copy wins in a
// recovery, who is asked and who is answered. Nothing here has state.
#ifndef CTDB_STORE_CORE_RULES_H_
#define CTDB_STORE_CORE_RULES_H_

#include <cstdint>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

inline constexpr uint32_t kReadOnlyFlags = CTDB_RECORD_RO_HAVE_DELEGATIONS | CTDB_RECORD_RO_HAVE_READONLY |
                                           CTDB_RECORD_RO_REVOKING_READONLY | CTDB_RECORD_RO_REVOKE_COMPLETE;

// Larger data cannot travel: no packet has room for them. Clients can store such a record all the same; it stays where
// it is, and whoever asks for it is told.
inline constexpr size_t kDataBytesMax = kPacketBytesMax - kKeyBytesMax - 1024;

// The server store rule of volatile databases (wire-protocol §5): is the record kept in the local file or removed from
// it, and with which header. `header` is what the store wants to write.
struct Kept {
  bool keep = true;
  RecordHeader header;  // transient flags stripped; rsn + 1 where this node is the owner
};
Kept server_store_rule(const RecordHeader& header, bool has_data, bool self_is_lmaster, uint32_t self);

// What a header of the past says: the node owned the record, maybe until it was suspended.
inline bool was_owned_by(uint32_t node, uint32_t dmaster) {
  return dmaster == node || dmaster == CTDB_UNKNOWN_PNN;
}

// Whether a call of this function stores the record again on a node that owns it (rsn + 1).
bool call_stores(uint32_t callid);

// Read-only copies (client-semantics §6). The first one counts the owner's rsn up by the one number, a copy's is lower by the other,
// and the end of them counts it up again.
inline constexpr uint64_t kFirstDelegationRsn = 3, kDelegatedRsnBelow = 2, kRevokedRsn = 2;
inline bool has_delegations(uint32_t record_flags) {
  return (record_flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) != 0;
}
inline bool is_read_only_copy(uint32_t record_flags) {
  return (record_flags & CTDB_RECORD_RO_HAVE_READONLY) != 0;
}

// Whom a node that is not the owner asks for a record. `hint` is where it last knew the record to be; it is followed only
// if it may be true. At the lmaster the hint is its pointer, the truth. CTDB_UNKNOWN_PNN: nobody can be asked.
uint32_t whom_to_ask(uint32_t self, uint32_t lmaster, uint32_t hint, bool hint_is_member);

// Where a node that is not the owner sends a call it was asked by mistake.
uint32_t whom_to_redirect_to(uint32_t self, uint32_t lmaster, uint32_t pointer);

// Whom the owner answers when it gives a record to `requester`.
struct Answer {
  bool direct = false;  // true: REPLY_DMASTER to the requester; false: REQ_DMASTER to the lmaster
  uint32_t node = CTDB_UNKNOWN_PNN;
};
Answer whom_to_answer(uint32_t self, uint32_t lmaster, uint32_t requester);

// One holder's copy, as it claims it in a recovery.
struct Claim {
  uint32_t holder = CTDB_UNKNOWN_PNN;
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  uint64_t rsn = 0;
  bool has_data = false;
  bool readable = false;   // a read-only copy: clients of its node use it
  bool delegates = false;  // says of itself that there are such copies
  bool owns() const { return dmaster == holder; }
};
// True when `a` wins over `b`: the owner's copy, then the highest rsn, then a copy with data, then the lower pnn.
bool wins_over(const Claim& a, const Claim& b);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RULES_H_
