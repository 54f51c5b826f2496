// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 2: the rsn that users of a record see never goes back, and it is higher when the record has moved. Two things
// start it over: the loss of the node that had the record last (the version that is left then bounds it), and an empty
// record, which nodes may have forgotten altogether.
#ifndef CTDB_TESTS_SIM_CHECKERS_SEQUENCE_NUMBERS_H_
#define CTDB_TESTS_SIM_CHECKERS_SEQUENCE_NUMBERS_H_

#include <cstdint>
#include <vector>

#include "tests/sim/checkers/lives.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class SequenceNumbers {
 public:
  SequenceNumbers(uint32_t keys, const Lives& lives, Verdict& verdict)
      : keys_(keys), lives_(lives), verdict_(verdict) {}

  // A client of `node` sees the record with `rsn`. `made_under`: the rsn its version was made under; `empty`: it has no
  // data.
  void seen(uint32_t node, uint32_t key, uint64_t rsn, uint64_t made_under, bool empty);

 private:
  struct Key {
    uint32_t node = 0;
    uint32_t life = 0;
    uint64_t rsn = 0;
    bool known = false;
  };
  std::vector<Key> keys_;
  const Lives& lives_;
  Verdict& verdict_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_SEQUENCE_NUMBERS_H_
