// SPDX-License-Identifier: LGPL-3.0-or-later
// When waiting awake pays: design §3 "Spinning".
#ifndef LIBCTDBIPC_BASE_SPIN_TIME_H_
#define LIBCTDBIPC_BASE_SPIN_TIME_H_

#include <thread>

#include "libctdbipc/base/time.h"

namespace ctdb {

inline constexpr TimeNs kSpinTime = 20 * kMicrosecond;

inline bool enough_processors_to_spin() {
  static const bool enough = std::thread::hardware_concurrency() > 2;
  return enough;
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_SPIN_TIME_H_
