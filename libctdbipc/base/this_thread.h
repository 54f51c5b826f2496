// SPDX-License-Identifier: LGPL-3.0-or-later
// The kernel's number of the calling thread: one system call a thread, and one more in a forked child.
#ifndef LIBCTDBIPC_BASE_THIS_THREAD_H_
#define LIBCTDBIPC_BASE_THIS_THREAD_H_

#include <cstdint>

namespace ctdb {

uint32_t this_thread();

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_THIS_THREAD_H_
