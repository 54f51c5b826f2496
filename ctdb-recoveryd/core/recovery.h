// SPDX-License-Identifier: GPL-3.0-or-later
// One attempt to make a generation, as its leader keeps it: preparing (the stores exchange claims) → deciding
// (the generation goes to disk on a majority) → over. Pure bookkeeping; leader.cc sends and judges. An
// attempt is never changed: whatever happens to a member, the leader gives it up and begins another.
#ifndef CTDB_RECOVERYD_CORE_RECOVERY_H_
#define CTDB_RECOVERYD_CORE_RECOVERY_H_

#include <cstdint>
#include <set>
#include <vector>

#include "ctdb-recoveryd/core/quorum.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

class Recovery {
 public:
  enum class Phase : uint8_t { kIdle, kPreparing, kDeciding };

  void begin(uint32_t generation, std::vector<uint32_t> members, std::vector<uint32_t> voters, TimeNs now);
  void give_up() { phase_ = Phase::kIdle; }

  // A member is prepared. True when it was the last one.
  bool prepared(uint32_t pnn, uint32_t generation);
  void decide() { phase_ = Phase::kDeciding; }
  // A voter has the generation on disk. True when a majority has now.
  bool decided(uint32_t pnn, uint32_t generation, const Voters& voters);
  void finish() { phase_ = Phase::kIdle; }

  bool active() const { return phase_ != Phase::kIdle; }
  Phase phase() const { return phase_; }
  uint32_t generation() const { return generation_; }
  const std::vector<uint32_t>& members() const { return members_; }
  const std::vector<uint32_t>& voters() const { return voters_; }  // from this generation on
  bool waits_for(uint32_t pnn) const;
  std::vector<uint32_t> prepared() const { return {prepared_.begin(), prepared_.end()}; }
  TimeNs began() const { return began_; }

 private:
  Phase phase_ = Phase::kIdle;
  uint32_t generation_ = CTDB_INVALID_GENERATION;
  std::vector<uint32_t> members_;
  std::vector<uint32_t> voters_;
  std::set<uint32_t> prepared_;
  std::set<uint32_t> decided_;
  TimeNs began_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_RECOVERY_H_
