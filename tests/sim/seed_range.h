// SPDX-License-Identifier: GPL-3.0-or-later
// Many seeds on all cores. The range is cut into pieces and each piece runs in a process of its own, so that a core that
// aborts costs one seed. What is done is kept in a file if one is named: a range that was interrupted goes on there.
#ifndef CTDB_TESTS_SIM_SEED_RANGE_H_
#define CTDB_TESTS_SIM_SEED_RANGE_H_

#include <cstdint>
#include <map>
#include <string>

#include "libctdbipc/base/result.h"
#include "tests/sim/figures.h"
#include "tests/sim/mutations.h"

namespace ctdb::sim {

struct SeedRange {
  uint64_t first = 1, last = 1;
  uint32_t jobs = 1;
  uint64_t piece = 100;
  uint64_t failures_max = 1;  // no new piece after so many
  bool twice = false;         // every seed twice: the traces must be equal
  Mutation mutation = Mutation::kNone;
  std::string resume;  // file; empty: none
};

struct RangeResult {
  Figures figures;                           // with "wall milliseconds"
  std::map<uint64_t, std::string> failures;  // by seed
};

// Errors: the file cannot be read or written, or it is about another range.
Result<RangeResult> run_range(const SeedRange& range);

inline constexpr const char* kCrashed = "crash: the process was killed while it ran this seed";

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SEED_RANGE_H_
