// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/lives.h"

#include <algorithm>

namespace ctdb::sim {
void Lives::end(uint32_t pnn) {
  Node& node = nodes_[pnn];
  if (!node.valid) return;
  watcher_.life_ended(pnn);
  node.valid = false;
  ends_.push_back({static_cast<uint32_t>(&node - nodes_.data()), node.life});
  ++node.life;
}

void Lives::generation_begun(uint32_t generation, const std::vector<uint32_t>& members) {
  const auto [made, fresh] = made_.try_emplace(generation);
  made->second.members = members;
  if (!fresh) return;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) made->second.served.push_back(watcher_.may_serve(pnn));
}

void Lives::generation_takes_effect(uint32_t generation) {
  if (generation <= newest_effect_) return;
  const std::vector<uint32_t> before = made_[newest_effect_].members;
  newest_effect_ = generation;
  const auto found = made_.find(generation);
  if (found == made_.end()) return;
  fewest_members_ = std::min(fewest_members_, found->second.members.size());
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    const bool member = std::ranges::binary_search(found->second.members, pnn);
    // The base of a recovery may be older than an attempt that was given up. Who was prepared for that one keeps its records;
    // who only began it does not.
    if (member || nodes_[pnn].prepared >= generation) continue;
    const bool was_member = std::ranges::binary_search(before, pnn);
    // It may have died, and come back, between the decision and what shows it.
    const bool serves = found->second.served[pnn] && watcher_.may_serve(pnn);
    if (was_member && nodes_[pnn].valid && serves) watcher_.wrongly_excluded(pnn);
    end(pnn);
  }
}

void Lives::store_recovers(uint32_t pnn, uint32_t generation, bool discards) {
  Node& node = nodes_[pnn];
  if (node.discarding) end(pnn);  // it was told to
  node.recovering = generation;
  node.discarding = false;
  // A store that was stopped works off old orders: they bring nobody back.
  if (!discards && generation >= newest_effect_) node.valid = true;
}

void Lives::store_claims(uint32_t pnn, uint32_t generation) {
  if (nodes_[pnn].recovering == generation && generation >= newest_effect_) nodes_[pnn].valid = true;
}

void Lives::store_cleared(uint32_t pnn) {
  end(pnn);
  nodes_[pnn].recovering = nodes_[pnn].prepared = 0;
}

}  // namespace ctdb::sim
