// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/recovery.h"

#include <utility>

namespace ctdb {

void Recovery::begin(uint32_t generation, std::vector<uint32_t> members, std::vector<uint32_t> voters,
                     TimeNs now) {
  phase_ = Phase::kPreparing;
  generation_ = generation;
  members_ = std::move(members);
  voters_ = std::move(voters);
  prepared_.clear();
  decided_.clear();
  began_ = now;
}

bool Recovery::prepared(uint32_t pnn, uint32_t generation) {
  if (phase_ != Phase::kPreparing || generation != generation_ || !contains(members_, pnn)) return false;
  return prepared_.insert(pnn).second && prepared_.size() == members_.size();
}

bool Recovery::decided(uint32_t pnn, uint32_t generation, const Voters& voters) {
  if (phase_ != Phase::kDeciding || generation != generation_ || !voters.is_voter(pnn)) return false;
  decided_.insert(pnn);
  return voters.enough(decided_.size());
}

bool Recovery::waits_for(uint32_t pnn) const {
  return phase_ == Phase::kPreparing && contains(members_, pnn) && prepared_.count(pnn) == 0;
}

}  // namespace ctdb
