// SPDX-License-Identifier: GPL-3.0-or-later
// Invariants 3 and 4: whoever gets a record gets every change that was made in a life that lasts, deletes included.
// Two accounts that do not share code: the tree of versions, and the counters inside the value.
#ifndef CTDB_TESTS_SIM_CHECKERS_LOST_UPDATES_H_
#define CTDB_TESTS_SIM_CHECKERS_LOST_UPDATES_H_

#include <optional>
#include <vector>

#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/reported_losses.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class LostUpdates {
 public:
  LostUpdates(const Lives& lives, History& history, ReportedLosses& losses, Verdict& verdict)
      : lives_(lives), history_(history), losses_(losses), verdict_(verdict) {}

  // A client of `node` that owns the record sees `data`; moves the tip. Returns the version.
  VersionId owned(uint32_t node, uint32_t key, ByteView data);
  // It still has the chain lock, its node's life has lasted, and it is about to replace `parent`.
  void replaces(uint32_t node, uint32_t key, VersionId parent);

  // A reader that asked the store: what must be in the answer is settled when it asks.
  struct Expectation {
    std::vector<std::pair<VersionId, uint32_t>> must_have;  // version and its writer's life
    uint64_t fallbacks = 0;
  };
  Expectation expect(uint32_t key) const;
  void read(uint32_t node, uint32_t key, ByteView data, const Expectation& expected);

 private:
  // The first version of a lasting life that `have` does not descend from.
  VersionId missing(uint32_t key, VersionId have) const;
  void check_counters(uint32_t node, uint32_t key, ByteView data);
  void report(uint32_t node, uint32_t key, const char* what, VersionId have, VersionId missing);

  const Lives& lives_;
  History& history_;
  ReportedLosses& losses_;
  Verdict& verdict_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_LOST_UPDATES_H_
