// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/quorum_rules.h"

#include <algorithm>
#include <map>

namespace ctdb {
namespace {

struct Kind {
  bool open = false;
  size_t nodes = 0;
  uint32_t lowest = UINT32_MAX;
};

bool goes_before(const Kind& one, const Kind& other) {
  if (one.open != other.open) return one.open;
  return one.nodes != other.nodes ? one.nodes > other.nodes : one.lowest < other.lowest;
}

}  // namespace

std::string prevailing_rule(const std::vector<RuleOfNode>& all) {
  std::map<std::string, Kind> kinds;
  for (const RuleOfNode& node : all) {
    Kind& kind = kinds[node.rule];
    kind.open = kind.open || node.open;
    ++kind.nodes;
    kind.lowest = std::min(kind.lowest, node.pnn);
  }
  auto best = kinds.begin();
  for (auto kind = kinds.begin(); kind != kinds.end(); ++kind) {
    if (goes_before(kind->second, best->second)) best = kind;
  }
  return best->first;
}

}  // namespace ctdb
