// SPDX-License-Identifier: LGPL-3.0-or-later
// The clock of leases and event loops: CLOCK_BOOTTIME, which goes on while the machine is suspended. Not in base/: cores are
// given the time and read no clock. From the vDSO, no system call.
#ifndef LIBCTDBIPC_RING_BOOT_TIME_H_
#define LIBCTDBIPC_RING_BOOT_TIME_H_

#include <time.h>

#include "libctdbipc/base/time.h"

namespace ctdb {

inline TimeNs boot_time() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_BOOT_TIME_H_
