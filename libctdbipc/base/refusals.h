// SPDX-License-Identifier: LGPL-3.0-or-later
// What a log gets of packets that are refused: the first of a kind at once, then at most one line a minute with how many there
// were, so that neither one packet goes unseen nor a flood fills the log. A kind is: from whom, what, why. Pure.
#ifndef LIBCTDBIPC_BASE_REFUSALS_H_
#define LIBCTDBIPC_BASE_REFUSALS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "libctdbipc/base/time.h"

namespace ctdb {

class Refusals {
 public:
  static constexpr TimeNs kEvery = 60 * kSecond;
  static constexpr size_t kKindsMax = 256;  // all others are one more

  // The line to log, or "". `what` and `why` must live for ever: they are names and literals. `from` need not be a node.
  std::string line(uint32_t from, std::string_view what, std::string_view why, TimeNs now);

 private:
  struct Count {
    uint64_t unsaid = 0;
    TimeNs said_at = 0;
    bool said = false;
  };
  using Kind = std::tuple<uint32_t, std::string_view, std::string_view>;
  std::map<Kind, Count> counts_;
  Count others_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_REFUSALS_H_
