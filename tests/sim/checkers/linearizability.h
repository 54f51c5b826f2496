// SPDX-License-Identifier: GPL-3.0-or-later
// The history of a run as its clients saw it, and whether each record behaved like one copy (linearisability) as far as it
// can be promised: what was written in a life that ended may be gone, nothing else. Clients record, check() is asked at
// the end. json_lines() writes the same history for check_history.py, which has its own reading of the rules.
//
// Every change names the version it was made from, so the order of changes of a key is given; what is left to check is
// that nobody has seen the past after the future was known: an operation that began when version v was the newest must
// not see or replace one that lacks v, unless v's loss is explained by the ends of lives.
#ifndef CTDB_TESTS_SIM_CHECKERS_LINEARIZABILITY_H_
#define CTDB_TESTS_SIM_CHECKERS_LINEARIZABILITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libctdbipc/base/time.h"
#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/lives.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

struct HistoryEvent {
  enum class Kind : uint8_t {
    kBegin,   // a client wants the record (lock) or its value
    kLocked,  // it has the chain lock and sees `version`
    kWrote,   // it made `version` from `parent`
    kUnlock,
    kRead,      // its store answers with `version`
    kReadCopy,  // it has the chain lock and sees `version`, which others may read too
    kGone,      // the client was killed
  };
  Kind kind = Kind::kBegin;
  TimeNs time = 0;
  uint32_t client = 0, node = 0, key = 0, life = 0;
  bool counts = true;  // its node's life lasts
  bool empty = false;  // the version is a deleted or absent record
  VersionId version = kNoVersion, parent = kNoVersion;
  size_t lives_ended = 0;  // when it happened; filled by add()
};

class Linearizability {
 public:
  Linearizability(const Lives& lives, const History& history, Verdict& verdict)
      : lives_(lives), history_(history), verdict_(verdict) {
    events_.reserve(kUsual);
  }

  void add(const HistoryEvent& event) {
    events_.push_back(event);
    events_.back().lives_ended = lives_.ends().size();
    if (event.kind == HistoryEvent::Kind::kReadCopy) ++copies_read_;
  }
  void check();
  uint64_t copies_read() const { return copies_read_; }
  std::string json_lines() const;

 private:
  bool explained(VersionId lost, const HistoryEvent& seen) const;
  void report(const HistoryEvent& event, VersionId missing);

  static constexpr size_t kUsual = 8192;

  const Lives& lives_;
  const History& history_;
  Verdict& verdict_;
  std::vector<HistoryEvent> events_;
  uint64_t copies_read_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_LINEARIZABILITY_H_
