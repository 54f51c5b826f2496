// SPDX-License-Identifier: GPL-3.0-or-later
// What a node must not forget when its recoveryd is killed: its vote (else it could vote twice in a term) and
// the newest decided generation with its members (else a majority that was restarted could take old copies
// for new ones) and its voters (else two majorities could decide).
#ifndef CTDB_RECOVERYD_CORE_DURABLE_STATE_H_
#define CTDB_RECOVERYD_CORE_DURABLE_STATE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ctdb-recoveryd/core/quorum.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

struct DurableState {
  uint64_t term = 0;
  uint32_t voted_for = CTDB_UNKNOWN_PNN;  // in `term`
  uint32_t decided_generation = CTDB_INVALID_GENERATION;
  std::vector<uint32_t> decided_members;  // empty with a valid generation: known only that it exists
  std::vector<uint32_t> voters;           // of that generation; empty: those of the nodes file

  // Of a generation that is only known to exist anybody may be a member.
  bool may_have_member(uint32_t pnn) const {
    return contains(decided_members, pnn) ||
           (decided_members.empty() && decided_generation != CTDB_INVALID_GENERATION);
  }
  // It knows more of what was decided.
  bool newer_decision_than(const DurableState& other) const {
    if (decided_generation == CTDB_INVALID_GENERATION) return false;
    if (other.decided_generation == CTDB_INVALID_GENERATION) return true;
    return decided_generation > other.decided_generation ||
           (decided_generation == other.decided_generation && other.decided_members.empty() &&
            !decided_members.empty());
  }
  void take_decision_of(const DurableState& other) {
    decided_generation = other.decided_generation;
    decided_members = other.decided_members;
    voters = other.voters;
  }
  Bytes encode() const;
  // nullopt: damaged, truncated or of another version.
  static std::optional<DurableState> decode(ByteView bytes);
  bool operator==(const DurableState&) const = default;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_DURABLE_STATE_H_
