// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/quorum.h"

#include <algorithm>
#include <utility>

namespace ctdb {

Voters::Voters(std::vector<bool> deleted, bool majority) : deleted_(std::move(deleted)), majority_(majority) {
  count_ = static_cast<size_t>(std::count(deleted_.begin(), deleted_.end(), false));
}

bool Voters::valid_members(const std::vector<uint32_t>& members) const {
  for (size_t i = 0; i < members.size(); ++i) {
    if (!is_voter(members[i])) return false;
    if (i > 0 && members[i - 1] >= members[i]) return false;
  }
  return true;
}

bool contains(const std::vector<uint32_t>& ascending, uint32_t pnn) {
  return std::binary_search(ascending.begin(), ascending.end(), pnn);
}

}  // namespace ctdb
