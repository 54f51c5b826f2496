// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/placement.h"

#include <algorithm>
#include <functional>

#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

uint64_t weight(uint32_t slot, uint32_t pnn) {
  return Random::mix((uint64_t{slot} << 32) | pnn);
}

uint32_t slot_owner(uint32_t slot, const std::vector<uint32_t>& members) {
  uint32_t best = CTDB_UNKNOWN_PNN;
  uint64_t best_weight = 0;
  for (uint32_t pnn : members) {
    const uint64_t its = weight(slot, pnn);
    if (best == CTDB_UNKNOWN_PNN || its > best_weight) {
      best = pnn;
      best_weight = its;
    }
  }
  return best;
}

}  // namespace

Placement::Placement() {
  owner_.fill(CTDB_UNKNOWN_PNN);
}

Placement::Placement(const std::vector<uint32_t>& members) : members_(members) {
  std::sort(members_.begin(), members_.end());
  for (uint32_t slot = 0; slot < kSlots; ++slot) owner_[slot] = slot_owner(slot, members_);
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
