// SPDX-License-Identifier: GPL-3.0-or-later
// Design §6: copies of a node that was outside the newest generation that was opened are discarded before they are
// compared with anybody's. Asked when a store begins to make a generation.
#ifndef CTDB_TESTS_SIM_CHECKERS_OUTSIDERS_H_
#define CTDB_TESTS_SIM_CHECKERS_OUTSIDERS_H_

#include <string>

#include "tests/sim/checkers/lives.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class Outsiders {
 public:
  Outsiders(const Lives& lives, Verdict& verdict) : lives_(lives), verdict_(verdict) {}

  // The store of `node`, whose newest generation, opened or prepared, is `newest`, begins to make `generation` and keeps
  // its `records`.
  void keeps(uint32_t node, uint32_t generation, uint32_t newest, uint64_t records) {
    const uint32_t opened = lives_.newest_opened();
    // A store that was stopped works off old orders; they lead to nothing.
    if (records == 0 || generation < opened || newest >= opened) return;
    verdict_.violation("outsiders", "node " + std::to_string(node) + " brings records of generation " +
                                        std::to_string(newest) + " into " + std::to_string(generation) +
                                        ", generation " + std::to_string(opened) + " went on without it");
  }

 private:
  const Lives& lives_;
  Verdict& verdict_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_OUTSIDERS_H_
