// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/single_owner.h"

#include <string>

namespace ctdb::sim {

void SingleOwner::used(uint32_t node, uint32_t key, bool allowed) {
  if (!lives_.valid(node)) {
    if (!allowed) {
      verdict_.violation("single_owner", "node " + std::to_string(node) + " let a client use key " +
                                             std::to_string(key) +
                                             " although the cluster goes on without it");
    }
    return;
  }
  for (uint32_t other = 0; other < lives_.node_count(); ++other) {
    if (other == node || !lives_.valid(other)) continue;
    const std::optional<RecordHeader> header = sight_(other, key);
    if (!header || header->dmaster != other) continue;
    verdict_.violation("single_owner", "key " + std::to_string(key) + " is used on node " +
                                           std::to_string(node) + " while the file of node " +
                                           std::to_string(other) + " says dmaster = self, rsn " +
                                           std::to_string(header->rsn));
  }
}

}  // namespace ctdb::sim
