// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/membership.h"

#include <cstddef>

namespace ctdb {
namespace {

using Matrix = std::vector<std::vector<bool>>;

Matrix reach_matrix(const std::vector<MemberCandidate>& candidates) {
  Matrix reach(candidates.size(), std::vector<bool>(candidates.size(), false));
  for (size_t from = 0; from < candidates.size(); ++from) {
    for (uint32_t to : candidates[from].reachable) {
      if (to < candidates.size()) reach[from][to] = true;
    }
  }
  return reach;
}

size_t missing(const Matrix& reach, const std::vector<uint32_t>& chosen, uint32_t node) {
  size_t count = 0;
  for (uint32_t other : chosen) {
    if (other != node && !(reach[node][other] && reach[other][node])) ++count;
  }
  return count;
}

}  // namespace

std::vector<uint32_t> choose_members(const std::vector<MemberCandidate>& candidates, uint32_t keep) {
  std::vector<uint32_t> chosen;
  for (uint32_t node = 0; node < candidates.size(); ++node) {
    if (candidates[node].eligible) chosen.push_back(node);
  }
  const Matrix reach = reach_matrix(candidates);
  while (true) {
    size_t worst = chosen.size();
    size_t worst_missing = 0;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const size_t count = missing(reach, chosen, chosen[i]);
      if (count == 0) continue;
      const bool spare_keep = worst < chosen.size() && chosen[worst] == keep;
      const bool worse = count >= worst_missing && chosen[i] != keep;
      if (worst == chosen.size() || worse || spare_keep) {
        worst = i;
        worst_missing = count;
      }
    }
    if (worst == chosen.size()) return chosen;
    chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(worst));
  }
}

}  // namespace ctdb
