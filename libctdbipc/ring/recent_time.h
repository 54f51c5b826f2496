// SPDX-License-Identifier: LGPL-3.0-or-later
// The boot-time clock for those who ask several times a microsecond, as a client does in its local hits: there reading it was a third of
// the time. What was read a moment ago serves as long as the processor's own counter says that it was a moment.
#ifndef LIBCTDBIPC_RING_RECENT_TIME_H_
#define LIBCTDBIPC_RING_RECENT_TIME_H_

#include <sched.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#include <cstdint>

#include "libctdbipc/base/time.h"
#include "libctdbipc/ring/boot_time.h"

namespace ctdb {

// What one processor's counter said. Counters of two processors need not agree.
struct TickStamp {
  static constexpr int kNone = -1;
  uint64_t ticks = 0;
  int cpu = kNone;  // kNone: there is no counter to rely on, or the thread was moved meanwhile
};

#if defined(__x86_64__)
// The counter goes on at one rate (of 1 GHz and more) whatever the processor does.
inline const bool kTicksAreInvariant = [] {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
}();
inline TickStamp tick_stamp() {
  if (!kTicksAreInvariant) return {};
  const int cpu = sched_getcpu();
  const uint64_t ticks = __rdtsc();
  return {ticks, sched_getcpu() == cpu ? cpu : TickStamp::kNone};
}
#else
inline TickStamp tick_stamp() {
  return {};
}
#endif

class RecentTime {
 public:
  static constexpr uint64_t kTicks = 1 << 15;
  static constexpr TimeNs kLate = 100 * kMicrosecond;  // that many ticks take 33 us at most

  // It is not later than this now, and at most kLate earlier.
  TimeNs not_later_than() { return not_later_than(tick_stamp(), boot_time); }
  template <typename Clock>
  TimeNs not_later_than(TickStamp now, Clock&& clock) {
    const bool recent =
        now.cpu != TickStamp::kNone && now.cpu == read_at_.cpu && now.ticks - read_at_.ticks < kTicks;
    if (recent) return read_ + kLate;
    read_at_ =
        now;  // from before the clock is read: who is stopped in between has a late time, and not an early one
    read_ = clock();
    return read_;
  }

 private:
  TickStamp read_at_;
  TimeNs read_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_RECENT_TIME_H_
