// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes whose configurations name different quorum rules: a majority is not the same thing to them, so they must not vote for
// or follow each other, and at most one kind may serve. Pure.
#ifndef CTDB_RECOVERYD_CORE_QUORUM_RULES_H_
#define CTDB_RECOVERYD_CORE_QUORUM_RULES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ctdb {

struct RuleOfNode {
  uint32_t pnn = 0;
  std::string rule;
  bool open = false;  // it is in an open generation
};

// The rule whose nodes go on, of nodes that see each other: who serves is not stopped by who comes; else most nodes; else
// those with the lowest number. `all` is not empty. Everybody who sees the same nodes finds the same rule.
std::string prevailing_rule(const std::vector<RuleOfNode>& all);

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_QUORUM_RULES_H_
