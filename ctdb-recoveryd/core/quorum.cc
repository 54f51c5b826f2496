// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/quorum.h"

#include <algorithm>
#include <functional>

namespace ctdb {
namespace {

std::string node(uint32_t pnn) {
  return "node " + std::to_string(pnn);
}

}  // namespace

bool contains(const std::vector<uint32_t>& ascending, uint32_t pnn) {
  return std::binary_search(ascending.begin(), ascending.end(), pnn);
}

bool is_part(const std::vector<uint32_t>& part, const std::vector<uint32_t>& all) {
  return std::adjacent_find(part.begin(), part.end(), std::greater_equal<>()) == part.end() &&
         std::all_of(part.begin(), part.end(), [&all](uint32_t pnn) { return contains(all, pnn); });
}

bool Voters::is_voter(uint32_t pnn) const {
  return contains(numbers_, pnn);
}

NextVoters next_voters(const std::vector<uint32_t>& now, const std::vector<uint32_t>& wish,
                       const std::vector<VoterFacts>& facts) {
  NextVoters next{now, ""};
  if (now == wish) return next;
  const auto of = [&facts](uint32_t pnn) { return pnn < facts.size() ? facts[pnn] : VoterFacts(); };
  for (uint32_t pnn = 0; pnn < facts.size(); ++pnn) {
    if (!of(pnn).member || !of(pnn).other_list || !contains(wish, pnn)) continue;
    next.why_not = node(pnn) + " has another nodes file: reload it there as well";
    return next;
  }
  for (const uint32_t pnn : now) {
    if (contains(wish, pnn)) continue;
    if (of(pnn).member) {
      next.why_not = node(pnn) + " is in the nodes file no more but takes part: stop it";
      continue;
    }
    std::erase(next.numbers, pnn);
    next.why_not.clear();
    return next;
  }
  for (const uint32_t pnn : wish) {
    if (contains(now, pnn)) continue;
    if (!of(pnn).present || of(pnn).other_list) {
      next.why_not = node(pnn) + " is new in the nodes file and " +
                     (of(pnn).present ? "has another one" : "not there yet: start it");
      continue;
    }
    next.numbers.insert(std::upper_bound(next.numbers.begin(), next.numbers.end(), pnn), pnn);
    next.why_not.clear();
    return next;
  }
  return next;
}

}  // namespace ctdb
