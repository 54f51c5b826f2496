// SPDX-License-Identifier: GPL-3.0-or-later
// Makes a failing scenario smaller: faults are left out by halves and one by one, then the workload is reduced, as long
// as the same checker still fails.
#ifndef CTDB_TESTS_SIM_SHRINK_H_
#define CTDB_TESTS_SIM_SHRINK_H_

#include <string>

#include "tests/sim/scenario.h"

namespace ctdb::sim {

struct Shrunk {
  Scenario scenario;
  std::string failure;  // of the smaller one
  uint64_t runs = 0;
};

// `checker` is what failed. At most `runs_max` runs.
Shrunk shrink(const Scenario& scenario, const std::string& checker, uint64_t runs_max);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SHRINK_H_
