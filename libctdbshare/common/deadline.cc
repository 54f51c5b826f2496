// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/common/deadline.h"

#include <algorithm>
#include <climits>
#include <cstdint>

namespace ctdb_share {

int Deadline::left_ms() const {
  if (never_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

}  // namespace ctdb_share
