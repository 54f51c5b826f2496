// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/progress.h"

#include <algorithm>

namespace ctdb::sim {

bool Progress::all_completed(uint64_t operations) const {
  return all_completed(operations, [](uint32_t) { return true; });
}

bool Progress::all_completed(uint64_t operations, const std::function<bool(uint32_t node)>& counts) const {
  return std::all_of(clients_.begin(), clients_.end(), [&](const Client& client) {
    return !counts(client.node) || client.completed - client.phase_start >= operations;
  });
}

void Progress::demand(uint64_t operations, const std::function<bool(uint32_t node)>& counts) {
  for (size_t i = 0; i < clients_.size(); ++i) {
    const Client& client = clients_[i];
    if (!counts(client.node) || client.completed - client.phase_start >= operations) continue;
    verdict_.violation("progress", "client " + std::to_string(i) + " of node " + std::to_string(client.node) +
                                       " completed " + std::to_string(client.completed - client.phase_start) +
                                       " operations after all that counts was healed, it " + client.doing);
  }
}

}  // namespace ctdb::sim
