// SPDX-License-Identifier: GPL-3.0-or-later
// Who may vote and how many votes decide: the configured nodes that are not deleted, and a majority of them.
// Pure. Administratively stopped nodes go on voting: their recoveryd lives, and leaving them out would need a
// second decision protocol for the voter set.
#ifndef CTDB_RECOVERYD_CORE_QUORUM_H_
#define CTDB_RECOVERYD_CORE_QUORUM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctdb {

class Voters {
 public:
  // `majority` false is "quorum = none": one vote decides. For tests and single nodes.
  Voters(std::vector<bool> deleted, bool majority);

  bool is_voter(uint32_t pnn) const { return pnn < deleted_.size() && !deleted_[pnn]; }
  bool is_deleted(uint32_t pnn) const { return pnn < deleted_.size() && deleted_[pnn]; }
  size_t count() const { return count_; }
  // Lines of the nodes file: pnns are below.
  uint32_t lines() const { return static_cast<uint32_t>(deleted_.size()); }
  size_t needed() const { return majority_ ? count_ / 2 + 1 : 1; }
  bool enough(size_t votes) const { return votes >= needed(); }
  // Ascending, no doubles, voters only. What a packet says about members is believed only then.
  bool valid_members(const std::vector<uint32_t>& members) const;

 private:
  std::vector<bool> deleted_;
  size_t count_ = 0;
  bool majority_;
};

bool contains(const std::vector<uint32_t>& ascending, uint32_t pnn);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_QUORUM_H_
