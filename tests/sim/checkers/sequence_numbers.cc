// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/sequence_numbers.h"

namespace ctdb::sim {

void SequenceNumbers::seen(uint32_t node, uint32_t key, uint64_t rsn, uint64_t made_under, bool empty) {
  Key& last = keys_[key];
  const bool lost = !last.known || !lives_.valid(last.node) || lives_.life(last.node) != last.life;
  const uint64_t bound = lost ? made_under : last.rsn;
  const bool moved = !lost && last.node != node;
  if (!empty && (moved ? rsn <= bound : rsn < bound)) {
    verdict_.violation("sequence_numbers", "key " + std::to_string(key) + " has rsn " + std::to_string(rsn) +
                                               " on node " + std::to_string(node) + ", it had " +
                                               std::to_string(bound) + " before");
  }
  last = {node, lives_.life(node), rsn, true};
}

}  // namespace ctdb::sim
