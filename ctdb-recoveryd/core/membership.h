// SPDX-License-Identifier: GPL-3.0-or-later
// Who can be a member: of the eligible nodes the largest set whose nodes all reach each other, both ways. Pure.
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

// Up to so many nodes that lack links among themselves the largest set is found, beyond that (or when it takes too many steps)
// a large one: while two do not reach each other, the one that misses most goes. Nodes that reach everybody do not count.
inline constexpr uint32_t kCutNodesMax = 64;

// `candidates` is indexed by pnn. Returns the chosen pnns, ascending. Of sets of one size: the one with most of `members` (those
// that are members now, ascending), so that a cluster that runs stays as it is; then one with `leader`; then the one
// with the lower pnns.
std::vector<uint32_t> choose_members(const std::vector<MemberCandidate>& candidates, uint32_t leader,
                                     const std::vector<uint32_t>& members);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_MEMBERSHIP_H_
