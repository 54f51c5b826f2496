// SPDX-License-Identifier: GPL-3.0-or-later
// Records whose newest data are lost: how many, the first of them by name, and what the log says of them.
#ifndef CTDB_STORE_CORE_LOSSES_H_
#define CTDB_STORE_CORE_LOSSES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctdb-store/core/store.h"
#include "libctdbipc/base/bytes.h"

namespace ctdb {

// In front of the names, also for those who read logs.
inline constexpr std::string_view kFallenBack = "fallen back or gone", kLeftBehind = "left behind",
                                  kDamaged = "gone from its file";

class Losses {
 public:
  void note(std::string_view database, ByteView key);
  bool empty() const { return count_ == 0; }
  void forget() {
    count_ = 0;
    named_.clear();
  }
  // Logs "N records `what`", then "`each`: DATABASE KEY" of the first ones, and forgets them. Returns how many there were.
  uint64_t tell(StoreOutput& out, std::string_view what, std::string_view each);

 private:
  static constexpr size_t kNamed = 20;
  uint64_t count_ = 0;
  std::vector<std::string> named_;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_LOSSES_H_
