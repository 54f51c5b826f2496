// SPDX-License-Identifier: GPL-3.0-or-later
// Transactions of the persistent database: each writes one key that no other writes, so what is left shows which happened.
// At rest all nodes have the same contents, what was answered with success is there, what was answered with failure is not.
#ifndef CTDB_TESTS_SIM_CHECKERS_TRANSACTIONS_H_
#define CTDB_TESTS_SIM_CHECKERS_TRANSACTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class Transactions {
 public:
  explicit Transactions(Verdict& verdict) : verdict_(verdict) {}

  // A new transaction; its key is this number.
  uint64_t begin() {
    answers_.push_back(Answer::kNone);
    return answers_.size() - 1;
  }
  void answered(uint64_t number, int32_t status);
  // keys: what each node's file has.
  void at_rest(const std::vector<std::vector<Bytes>>& keys);
  uint64_t acknowledged() const { return acknowledged_; }

  static Bytes key_of(uint64_t number) {
    Bytes key(8);
    store(key.data(), number);
    return key;
  }

 private:
  enum class Answer : uint8_t { kNone, kSuccess, kFailure };
  Verdict& verdict_;
  std::vector<Answer> answers_;
  uint64_t acknowledged_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_TRANSACTIONS_H_
