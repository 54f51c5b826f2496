// SPDX-License-Identifier: LGPL-3.0-or-later
// How the kernel shares a processor between a daemon and busy programs. Called by daemon_main() once, before anything
// is forked: children inherit it.
#ifndef LIBCTDBIPC_RUNTIME_SCHEDULING_H_
#define LIBCTDBIPC_RUNTIME_SCHEDULING_H_

#include <cstdint>

#include "libctdbipc/base/result.h"

namespace ctdb {

// The kernel's struct sched_attr (sched_setattr(2)), first published size. Kernel and C library headers that declare it
// exclude each other.
struct SchedulerAttributes {
  uint32_t size = 48;
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;  // of normal processes: the slice, 0 before Linux 6.12
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

// Of the calling thread. Errors: kSystem.
Result<SchedulerAttributes> scheduler_attributes();
Result<void> set_scheduler_attributes(const SchedulerAttributes& attributes);

// Asks for the shortest slice (100 us) of the normal scheduling class. A daemon works for microseconds at a time and its
// clients may spin through local hits: with a short slice its wake-up interrupts them instead of waiting for the
// scheduler's tick. It gets no larger share of the processor and no higher priority. Kernels before 6.12 ignore it, and a
// process that an administrator gave another scheduling class is left as it is. Errors: kSystem.
Result<void> ask_for_short_slice();

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SCHEDULING_H_
