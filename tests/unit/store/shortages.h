// SPDX-License-Identifier: GPL-3.0-or-later
// What this process cannot have while one of these lives.
#ifndef TESTS_UNIT_STORE_SHORTAGES_H_
#define TESTS_UNIT_STORE_SHORTAGES_H_

#include <sys/resource.h>
#include <unistd.h>

namespace ctdb {

// No memory can be had while this lives, but for what the process has got already.
class NoMemory {
 public:
  NoMemory() {
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{0, before_.rlim_max};
    setrlimit(RLIMIT_AS, &limit);
  }
  ~NoMemory() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

// No descriptor, or only some more, can be had while this lives.
class NoDescriptors {
 public:
  explicit NoDescriptors(int more = 0) {
    const int first_free = dup(0);
    close(first_free);
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{static_cast<rlim_t>(first_free + more), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace ctdb

#endif  // TESTS_UNIT_STORE_SHORTAGES_H_
