// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/lives.h"

#include <algorithm>

namespace ctdb::sim {
namespace {

// Longer than a lease: a daemon that was stopped has heard by then that its node is out.
constexpr TimeNs kImpairedAfter = 2500 * kMillisecond;

}  // namespace

void Lives::end(Node& node) {
  if (!node.valid) return;
  node.valid = false;
  ends_.push_back({static_cast<uint32_t>(&node - nodes_.data()), node.life});
  ++node.life;
}

void Lives::generation_begun(uint32_t generation, const std::vector<uint32_t>& members) {
  members_[generation] = members;
}

void Lives::generation_takes_effect(uint32_t generation) {
  if (generation <= newest_effect_) return;
  newest_effect_ = generation;
  const auto found = members_.find(generation);
  if (found == members_.end()) return;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    const bool member = std::binary_search(found->second.begin(), found->second.end(), pnn);
    if (member || nodes_[pnn].recovering >= generation) continue;
    end(nodes_[pnn]);
  }
}

void Lives::store_recovers(uint32_t pnn, uint32_t generation, bool discards) {
  Node& node = nodes_[pnn];
  // It was told to. Or it came back from a crash and had missed that a generation it had prepared was opened.
  if (node.discarding || (discards && node.store_restarted)) end(node);
  node.recovering = generation;
  node.discarding = false;
  node.store_restarted = false;
  // A store that was stopped works off old orders: they bring nobody back.
  if (!discards && generation >= newest_effect_) node.valid = true;
}

void Lives::store_claims(uint32_t pnn, uint32_t generation) {
  if (nodes_[pnn].recovering == generation && generation >= newest_effect_) nodes_[pnn].valid = true;
}

void Lives::store_cleared(uint32_t pnn) {
  end(nodes_[pnn]);
  nodes_[pnn].recovering = 0;
}

void Lives::set_daemons_running(uint32_t pnn, bool all, TimeNs now) {
  Node& node = nodes_[pnn];
  if (all && !node.daemons_running) node.running_since = now;
  node.daemons_running = all;
}

bool Lives::impaired(uint32_t pnn, TimeNs now) const {
  const Node& node = nodes_[pnn];
  return !node.daemons_running || now - node.running_since < kImpairedAfter;
}

}  // namespace ctdb::sim
