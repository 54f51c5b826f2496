// SPDX-License-Identifier: GPL-3.0-or-later
// Counters that clients raise with functions on records: what was answered as done has happened once, everything else at most
// once. That nothing is missing is demanded as long as fewer nodes were lost than there are copies.
#ifndef CTDB_TESTS_SIM_CHECKERS_COUNTERS_H_
#define CTDB_TESTS_SIM_CHECKERS_COUNTERS_H_

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class Counters {
 public:
  static constexpr uint32_t kCounters = 4;
  explicit Counters(Verdict& verdict) : verdict_(verdict) {}

  static Bytes key_of(uint32_t counter) { return to_bytes(as_bytes("counter" + std::to_string(counter))); }
  // An add of 1 is under way: it may be done from now on.
  void begun(uint32_t counter) { ++counters_[counter].begun; }
  // The store says that it is done, or that it is not and will not be.
  void done(uint32_t counter, int64_t value, bool nothing_may_be_lost);
  void not_done(uint32_t counter) { --counters_[counter].begun; }
  void at_rest(uint32_t counter, int64_t value, bool nothing_may_be_lost);
  uint64_t acknowledged() const;

 private:
  struct Counter {
    int64_t begun = 0;  // and not refused
    int64_t done = 0;
    std::set<int64_t> values;
  };
  Verdict& verdict_;
  std::array<Counter, kCounters> counters_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_COUNTERS_H_
