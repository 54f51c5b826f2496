// SPDX-License-Identifier: GPL-3.0-or-later
// Two nodes that do not reach each other are *at odds*. Nodes at odds with nobody are members; the others fall into groups
// that have nothing to do with each other, mostly of two, and each is solved for itself: which nodes of it may stay so that
// none is at odds with another, and their weight is the highest.
#include "ctdb-recoveryd/core/membership.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace ctdb {
namespace {

constexpr uint32_t kStepsMax = 20000;  // a few milliseconds

// A node more counts for more than whatever else is said for a set.
constexpr uint64_t kNode = uint64_t{1} << 32, kMemberNow = uint64_t{1} << 16, kLeads = 1;

struct Node {
  uint32_t pnn = 0;
  uint64_t weight = 0;
  std::vector<size_t> odds;  // of the others, whom it is at odds with; ascending
};
using Graph = std::vector<Node>;  // by pnn, ascending

Graph graph_of(const std::vector<MemberCandidate>& candidates, uint32_t leader,
               const std::vector<uint32_t>& members) {
  Graph graph;
  std::vector<std::vector<bool>> reach;
  for (uint32_t pnn = 0; pnn < candidates.size(); ++pnn) {
    if (!candidates[pnn].eligible) continue;
    const bool is_member = std::binary_search(members.begin(), members.end(), pnn);
    graph.push_back({pnn, kNode + (is_member ? kMemberNow : 0) + (pnn == leader ? kLeads : 0), {}});
    reach.emplace_back(candidates.size(), false);
    for (uint32_t to : candidates[pnn].reachable) {
      if (to < candidates.size()) reach.back()[to] = true;
    }
  }
  for (size_t a = 0; a < graph.size(); ++a) {
    for (size_t b = 0; b < graph.size(); ++b) {
      if (a != b && !(reach[a][graph[b].pnn] && reach[b][graph[a].pnn])) graph[a].odds.push_back(b);
    }
  }
  return graph;
}

// Those that have to do with `first` at last, over others. They are taken out of `left`.
std::vector<size_t> group_of(const Graph& graph, size_t first, std::vector<bool>& left) {
  std::vector<size_t> group{first};
  left[first] = false;
  for (size_t i = 0; i < group.size(); ++i) {
    for (size_t other : graph[group[i]].odds) {
      if (!left[other]) continue;
      left[other] = false;
      group.push_back(other);
    }
  }
  std::sort(group.begin(), group.end());
  return group;
}

// While two are at odds the one with most of that goes, of equals the lighter, then the higher pnn.
std::vector<size_t> by_turns(const Graph& graph, std::vector<size_t> group) {
  while (true) {
    size_t worst = group.size(), most = 0;
    for (size_t i = 0; i < group.size(); ++i) {
      const std::vector<size_t>& odds = graph[group[i]].odds;
      const auto among = static_cast<size_t>(std::count_if(group.begin(), group.end(), [&](size_t other) {
        return std::binary_search(odds.begin(), odds.end(), other);
      }));
      const bool lighter = worst == group.size() || graph[group[i]].weight <= graph[group[worst]].weight;
      if (among > most || (among == most && among > 0 && lighter)) worst = i, most = among;
    }
    if (most == 0) return group;
    group.erase(group.begin() + static_cast<std::ptrdiff_t>(worst));
  }
}

// Branch and bound over a group of at most 64; nodes are bits, the lowest pnn the lowest bit.
class Search {
 public:
  Search(const Graph& graph, const std::vector<size_t>& group) : size_(group.size()) {
    for (size_t i = 0; i < group.size(); ++i) {
      weight_[i] = graph[group[i]].weight;
      for (size_t j = 0; j < group.size(); ++j) {
        const std::vector<size_t>& odds = graph[group[i]].odds;
        if (std::binary_search(odds.begin(), odds.end(), group[j])) odds_[i] |= bit(j);
      }
    }
  }
  // Starts from what is known already.
  uint64_t run(uint64_t known) {
    take(known, weight_of(known));
    step(0, 0, size_ == 64 ? ~uint64_t{0} : bit(size_) - 1);
    return best_;
  }

 private:
  static uint64_t bit(size_t at) { return uint64_t{1} << at; }
  static size_t lowest(uint64_t set) { return static_cast<size_t>(std::countr_zero(set)); }

  uint64_t weight_of(uint64_t set) const {
    uint64_t weight = 0;
    for (; set != 0; set &= set - 1) weight += weight_[lowest(set)];
    return weight;
  }
  // Of two that are at odds only one can stay.
  uint64_t bound(uint64_t left) const {
    uint64_t weight = 0;
    while (left != 0) {
      const size_t one = lowest(left);
      left &= left - 1;
      const uint64_t others = odds_[one] & left;
      if (others == 0) {
        weight += weight_[one];
      } else {
        weight += std::max(weight_[one], weight_[lowest(others)]);
        left &= ~bit(lowest(others));
      }
    }
    return weight;
  }
  // The one with the lowest pnn that only one of the two has.
  static bool lower(uint64_t a, uint64_t b) { return a != b && (a & bit(lowest(a ^ b))) != 0; }
  void take(uint64_t set, uint64_t weight) {
    if (weight < best_weight_ || (weight == best_weight_ && !lower(set, best_))) return;
    best_ = set;
    best_weight_ = weight;
  }
  void step(uint64_t chosen, uint64_t weight, uint64_t left) {
    if (++steps_ > kStepsMax || weight + bound(left) < best_weight_) return;
    size_t most = 0, at = 64;
    for (uint64_t rest = left; rest != 0; rest &= rest - 1) {
      const auto count = static_cast<size_t>(std::popcount(odds_[lowest(rest)] & left));
      if (count > most) most = count, at = lowest(rest);
    }
    if (at == 64) return take(chosen | left, weight + weight_of(left));
    step(chosen | bit(at), weight + weight_[at], left & ~odds_[at] & ~bit(at));
    step(chosen, weight, left & ~bit(at));
  }

  size_t size_;
  uint64_t weight_[kCutNodesMax] = {};
  uint64_t odds_[kCutNodesMax] = {};
  uint64_t best_ = 0, best_weight_ = 0;
  uint32_t steps_ = 0;
};

std::vector<size_t> heaviest(const Graph& graph, const std::vector<size_t>& group) {
  std::vector<size_t> large = by_turns(graph, group);
  if (group.size() > kCutNodesMax) return large;
  uint64_t known = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    if (std::binary_search(large.begin(), large.end(), group[i])) known |= uint64_t{1} << i;
  }
  const uint64_t best = Search(graph, group).run(known);
  std::vector<size_t> chosen;
  for (size_t i = 0; i < group.size(); ++i) {
    if ((best >> i & 1) != 0) chosen.push_back(group[i]);
  }
  return chosen;
}

}  // namespace

std::vector<uint32_t> choose_members(const std::vector<MemberCandidate>& candidates, uint32_t leader,
                                     const std::vector<uint32_t>& members) {
  const Graph graph = graph_of(candidates, leader, members);
  std::vector<bool> left(graph.size(), true);
  std::vector<uint32_t> chosen;
  for (size_t first = 0; first < graph.size(); ++first) {
    if (!left[first]) continue;
    for (size_t node : heaviest(graph, group_of(graph, first, left))) chosen.push_back(graph[node].pnn);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace ctdb
