// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/golden/allocation_watch.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace ctdb {
size_t largest_allocation = 0;
}  // namespace ctdb

void* operator new(size_t size) {
  ctdb::largest_allocation = std::max(ctdb::largest_allocation, size);
  if (void* at = std::malloc(size)) return at;
  std::abort();
}
void operator delete(void* at) noexcept {
  std::free(at);
}
void operator delete(void* at, size_t) noexcept {
  std::free(at);
}
