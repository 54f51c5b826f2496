// SPDX-License-Identifier: GPL-3.0-or-later
// What this process cannot have while one of these lives.
#ifndef TESTS_UNIT_STORE_SHORTAGES_H_
#define TESTS_UNIT_STORE_SHORTAGES_H_

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace ctdb {

// Half a megabyte more than the process has, for what it needs all the time; nothing that a file of a megabyte needs can be had while this
// lives. With sanitizers too, whose own memory the process has from its start.
class NoMemory {
 public:
  NoMemory() {
    constexpr rlim_t kMore = 512 << 10;
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kMore, before_.rlim_max};
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
