// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/client/fork_guard.h"

#include <sys/mman.h>
#include <unistd.h>

namespace ctdb {

ForkGuard::~ForkGuard() {
  if (page_ != nullptr) munmap(const_cast<unsigned char*>(page_), page_bytes_);
}

Result<void> ForkGuard::claim() {
  if (page_ == nullptr) {
    const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return fail_errno("mmap");
    if (madvise(at, bytes, MADV_WIPEONFORK) != 0) {
      auto error = fail_errno("MADV_WIPEONFORK");
      munmap(at, bytes);
      return error;
    }
    page_ = static_cast<unsigned char*>(at);
    page_bytes_ = bytes;
  }
  *page_ = 1;
  return {};
}

}  // namespace ctdb
