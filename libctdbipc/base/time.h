// SPDX-License-Identifier: LGPL-3.0-or-later
// Time as cores see it: nanoseconds of one clock that never goes back, passed in with every event.
// Shells fill it from CLOCK_BOOTTIME (a suspended machine must notice that its lease ran out); the simulator
// from its own virtual clock.
#ifndef LIBCTDBIPC_BASE_TIME_H_
#define LIBCTDBIPC_BASE_TIME_H_

#include <cstdint>
#include <limits>

namespace ctdb {

using TimeNs = int64_t;
inline constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();
inline constexpr TimeNs kMicrosecond = 1000;
inline constexpr TimeNs kMillisecond = 1000 * kMicrosecond;
inline constexpr TimeNs kSecond = 1000 * kMillisecond;

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_TIME_H_
