// SPDX-License-Identifier: GPL-3.0-or-later
// What runs add up to: named counts, so that processes can hand them to each other as text and a range of seeds can be
// continued another day. Names: "seeds", "steps", ..., "fault NAME", "point NAME", "hit POINT FAULT".
#ifndef CTDB_TESTS_SIM_FIGURES_H_
#define CTDB_TESTS_SIM_FIGURES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ctdb::sim {

class Figures {
 public:
  void add(std::string_view name, uint64_t value) {
    if (value != 0) counts_[std::string(name)] += value;
  }
  void add(const Figures& other) {
    for (const auto& [name, value] : other.counts_) counts_[name] += value;
  }
  uint64_t get(std::string_view name) const {
    const auto found = counts_.find(std::string(name));
    return found == counts_.end() ? 0 : found->second;
  }
  const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  std::map<std::string, uint64_t> counts_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_FIGURES_H_
