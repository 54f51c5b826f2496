// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/transactions.h"

#include <algorithm>
#include <string>

namespace ctdb::sim {
namespace {

constexpr const char* kName = "transactions";

}  // namespace

// 2: the node left the cluster in between, nobody knows.
void Transactions::answered(uint64_t number, int32_t status) {
  if (status == 0) {
    answers_[number] = Answer::kSuccess;
    ++acknowledged_;
  } else if (status == -1) {
    answers_[number] = Answer::kFailure;
  }
}

void Transactions::at_rest(const std::vector<std::vector<Bytes>>& keys) {
  for (size_t node = 1; node < keys.size(); ++node) {
    if (keys[node] != keys[0]) {
      verdict_.violation(kName, "node " + std::to_string(node) + " has " + std::to_string(keys[node].size()) +
                                    " records, node 0 has " + std::to_string(keys[0].size()));
    }
  }
  for (uint64_t number = 0; number < answers_.size(); ++number) {
    const bool there = std::ranges::binary_search(keys[0], key_of(number));
    const std::string name = "transaction " + std::to_string(number);
    if (answers_[number] == Answer::kSuccess && !there)
      verdict_.violation(kName, name + " was acknowledged and is lost");
    if (answers_[number] == Answer::kFailure && there)
      verdict_.violation(kName, name + " was refused and is there");
  }
}

}  // namespace ctdb::sim
