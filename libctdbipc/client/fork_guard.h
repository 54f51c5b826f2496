// SPDX-License-Identifier: LGPL-3.0-or-later
// Tells, without a system call, whether this process is the one that made the object: a page of memory that
// the kernel hands to a forked child as zeros. Works for fork() and clone() alike, however the child was
// made.
#ifndef LIBCTDBIPC_CLIENT_FORK_GUARD_H_
#define LIBCTDBIPC_CLIENT_FORK_GUARD_H_

#include <cstddef>

#include "libctdbipc/base/result.h"

namespace ctdb {

class ForkGuard {
 public:
  ForkGuard() = default;
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  // Makes the calling process the owner. Errors: kSystem.
  Result<void> claim();
  // False in a forked child, and before claim().
  bool owned() const { return page_ != nullptr && *page_ != 0; }

 private:
  volatile unsigned char* page_ = nullptr;
  size_t page_bytes_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_FORK_GUARD_H_
