// SPDX-License-Identifier: GPL-3.0-or-later
// Who can be a member: of the eligible nodes those that all reach each other, both ways. Pure.
//
// A cut between two nodes that both reach the leader must not leave them members together: packets between
// them would be lost for as long as the cut lasts (cluster-semantics §20.1).
#ifndef CTDB_RECOVERYD_CORE_MEMBERSHIP_H_
#define CTDB_RECOVERYD_CORE_MEMBERSHIP_H_

#include <cstdint>
#include <vector>

namespace ctdb {

struct MemberCandidate {
  bool eligible = false;
  std::vector<uint32_t> reachable;  // what it says it has links to; any order
};

// `candidates` is indexed by pnn. Returns the chosen pnns, ascending. While two of them do not reach each
// other, the one that misses most goes; of equals the higher pnn, and `keep` (the leader) last.
std::vector<uint32_t> choose_members(const std::vector<MemberCandidate>& candidates, uint32_t keep);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_MEMBERSHIP_H_
