// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/runtime/scheduling.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libctdbipc/base/time.h"

namespace ctdb {

Result<SchedulerAttributes> scheduler_attributes() {
  SchedulerAttributes found;
  if (syscall(SYS_sched_getattr, 0, &found, sizeof found, 0) != 0) return fail_errno("sched_getattr");
  found.size = sizeof found;
  return found;
}

Result<void> set_scheduler_attributes(const SchedulerAttributes& attributes) {
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) return fail_errno("sched_setattr");
  return {};
}

Result<void> ask_for_short_slice() {
  Result<SchedulerAttributes> attributes = scheduler_attributes();
  if (!attributes) return fail(std::move(attributes.error()));
  if (attributes->policy != SCHED_OTHER) return {};
  attributes->runtime_ns = 100 * kMicrosecond;
  return set_scheduler_attributes(*attributes);
}

}  // namespace ctdb
