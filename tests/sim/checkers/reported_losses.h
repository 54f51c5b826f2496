// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 3, its second half: no record falls back to an older version, or is gone, without that a store has named it in its log. Those
// who go on name what they know of, the node that was lost the rest when it is back: so what has been said is looked at when all are.
#ifndef CTDB_TESTS_SIM_CHECKERS_REPORTED_LOSSES_H_
#define CTDB_TESTS_SIM_CHECKERS_REPORTED_LOSSES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libctdbipc/base/time.h"
#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class ReportedLosses {
 public:
  ReportedLosses(const History& history, std::function<TimeNs()> clock, Verdict& verdict)
      : history_(history), clock_(std::move(clock)), verdict_(verdict) {}

  // A line of a store's log.
  void said(const std::string& text);
  void wrote(VersionId version) {
    if (version >= written_.size()) written_.resize(version + 1, 0);
    written_[version] = clock_();
  }
  // The tip of `key` is not `version` any more.
  void lost(uint32_t key, VersionId version) { lost_.push_back({key, version}); }
  // A node loses what it has; a copy that it had given away is `version`. If that was the newest, it was on its way, and is lost with giver
  // and receiver: nobody can tell (ARCHITECTURE §4).
  void lost_as_a_copy(VersionId version) { nobody_knows_.insert(version); }
  // A client that went on after its node was left out has deleted the record: so it looks as if nobody had missed it, unless its store had
  // seen it with data.
  void deleted_by_outsider(VersionId version) { nobody_knows_.insert(version); }
  // A store was killed that may have been about to tell of an attempt it was prepared for (ARCHITECTURE §4). What had data the lost owner
  // tells when it is back; nobody tells of deletions then, whose older copies are marked.
  void may_have_killed_teller() { teller_killed_ = true; }
  // All nodes are back. `named`: how a store calls each key's record.
  void at_rest(const std::vector<std::string>& named);

 private:
  struct Loss {
    uint32_t key;
    VersionId version;
  };
  const History& history_;
  std::function<TimeNs()> clock_;
  Verdict& verdict_;
  std::vector<TimeNs> written_;             // by version
  std::map<std::string, TimeNs> named_at_;  // the last time
  TimeNs more_at_ = -1;                     // some were named by their number only
  std::vector<Loss> lost_;
  std::set<VersionId> nobody_knows_;
  bool teller_killed_ = false;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_REPORTED_LOSSES_H_
