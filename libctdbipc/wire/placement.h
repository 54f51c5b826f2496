// SPDX-License-Identifier: LGPL-3.0-or-later
// Which node is the location master of a key. Rendezvous hashing over slots: when a node comes or goes only
// the slots that it owns (or will own) move (design §6). Every node of a generation computes the same table
// from the members.
//
// Differs from the classic formula map[hash mod size] on purpose: there, one lost node moves almost every
// key. No client computes lmasters, so nobody outside sees the difference.
#ifndef LIBCTDBIPC_WIRE_PLACEMENT_H_
#define LIBCTDBIPC_WIRE_PLACEMENT_H_

#include <array>
#include <cstdint>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class Placement {
 public:
  static constexpr uint32_t kSlots = 4096;

  // No members: every key has lmaster CTDB_UNKNOWN_PNN.
  Placement();
  explicit Placement(const std::vector<uint32_t>& members) : Placement() { set_members(members); }
  // Becomes the table of these. Looks at the slots of those who leave and at what newcomers take, so that a large
  // cluster that changes by one node does not work the whole table out again.
  void set_members(std::vector<uint32_t> members);

  uint32_t lmaster(ByteView key) const;
  uint32_t lmaster_of_slot(uint32_t slot) const { return owner_[slot % kSlots]; }
  // The members beside `node` that hold copies of its records of that slot, best first; fewer when there are not so many.
  std::vector<uint32_t> nodes_beside(uint32_t slot, uint32_t node, size_t count) const;
  static uint32_t slot_of(ByteView key);
  const std::vector<uint32_t>& members() const { return members_; }
  bool is_member(uint32_t pnn) const;

 private:
  std::vector<uint32_t> members_;  // ascending
  std::array<uint32_t, kSlots> owner_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_PLACEMENT_H_
