// SPDX-License-Identifier: LGPL-3.0-or-later
#ifndef LIBCTDBSHARE_COMMON_DEADLINE_H_
#define LIBCTDBSHARE_COMMON_DEADLINE_H_

#include <chrono>

namespace ctdb_share {

// The end of a call's timeout_ms.
class Deadline {
 public:
  explicit Deadline(int timeout_ms) : never_(timeout_ms < 0), at_(Clock::now()) {
    if (!never_) at_ += std::chrono::milliseconds(timeout_ms);
  }
  int left_ms() const;  // -1: no end
  bool over() const { return left_ms() == 0; }

 private:
  using Clock = std::chrono::steady_clock;
  bool never_;
  Clock::time_point at_;
};

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_COMMON_DEADLINE_H_
