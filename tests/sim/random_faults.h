// SPDX-License-Identifier: GPL-3.0-or-later
// The faults of a seed: which kinds, how often, and aimed at which points. They are drawn from a generator of their own,
// so that a world in which the same events are told again (scenario.h) takes the same course.
#ifndef CTDB_TESTS_SIM_RANDOM_FAULTS_H_
#define CTDB_TESTS_SIM_RANDOM_FAULTS_H_

#include <vector>

#include "libctdbipc/base/random.h"
#include "tests/sim/faults.h"

namespace ctdb::sim {

struct FaultPlan {
  std::vector<FaultEvent> events;
  TimeNs length = 0;  // how long clients work while things go wrong
};

// One seed in six is about nodes that are cut off for longer than a lease while their clients go on with records of
// their own: among all other faults that comes together too seldom.
inline bool is_lonely(uint64_t seed) {
  return seed % 6 == 0;
}

// copies: points of pushes are aimed at too. lock: the cluster lock breaks too.
FaultPlan draw_faults(uint64_t seed, uint32_t nodes, bool copies, bool lock);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_RANDOM_FAULTS_H_
