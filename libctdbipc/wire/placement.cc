// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/placement.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

inline uint64_t weight(uint32_t slot, uint32_t pnn) {
  return Random::mix((uint64_t{slot} << 32) | pnn);
}

// Which of two is the heavier nobody can guess, so there is no branch for it.
uint32_t slot_owner(uint32_t slot, const std::vector<uint32_t>& members) {
  if (members.empty()) return CTDB_UNKNOWN_PNN;
  uint32_t best = members.front();
  uint64_t best_weight = weight(slot, best);
  for (size_t i = 1; i < members.size(); ++i) {
    const uint64_t its = weight(slot, members[i]);
    best = its > best_weight ? members[i] : best;
    best_weight = std::max(best_weight, its);
  }
  return best;
}

}  // namespace

Placement::Placement() {
  owner_.fill(CTDB_UNKNOWN_PNN);
}

void Placement::set_members(std::vector<uint32_t> members) {
  std::ranges::sort(members);
  if (members == members_) return;
  std::vector<uint32_t> leaving;
  std::ranges::set_difference(members_, members, std::back_inserter(leaving));
  std::vector<uint32_t> rivals;  // those who come, and whoever has the slot
  std::ranges::set_difference(members, members_, std::back_inserter(rivals));
  const bool somebody_comes = !rivals.empty();
  rivals.push_back(CTDB_UNKNOWN_PNN);
  if (members_.empty()) leaving.push_back(CTDB_UNKNOWN_PNN);
  members_ = std::move(members);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    uint32_t& owner = owner_[slot];
    if (std::ranges::find(leaving, owner) != leaving.end()) {
      owner = slot_owner(slot, members_);
    } else if (somebody_comes) {
      rivals.back() = owner;
      owner = slot_owner(slot, rivals);
    }
  }
}

std::vector<uint32_t> Placement::nodes_beside(uint32_t slot, uint32_t node, size_t count) const {
  std::vector<uint32_t> found;
  for (uint32_t pnn : members_) {
    if (pnn != node) found.push_back(pnn);
  }
  std::ranges::sort(found, std::greater<>(), [slot](uint32_t pnn) { return weight(slot % kSlots, pnn); });
  if (found.size() > count) found.resize(count);
  return found;
}

uint32_t Placement::slot_of(ByteView key) {
  return jenkins_hash(key) % kSlots;
}

uint32_t Placement::lmaster(ByteView key) const {
  return owner_[slot_of(key)];
}

bool Placement::is_member(uint32_t pnn) const {
  return std::binary_search(members_.begin(), members_.end(), pnn);
}

}  // namespace ctdb
