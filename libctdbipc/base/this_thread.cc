// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/this_thread.h"

#include <pthread.h>
#include <unistd.h>

namespace ctdb {
namespace {

thread_local uint32_t number = 0;

// A child has its parent's copy.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { number = 0; });

}  // namespace

uint32_t this_thread() {
  if (number == 0) number = static_cast<uint32_t>(gettid());
  return number;
}

}  // namespace ctdb
