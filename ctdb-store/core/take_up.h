// SPDX-License-Identifier: GPL-3.0-or-later
// The files that earlier stores of this node have left, until they are this one's. A file that cannot be had because the system is
// short of something (base/shortage.h) is as good as it was: it is tried again, less and less often. Meanwhile this store
// says nothing of itself, so its node takes no part in anything; what the file says to clients holds as long as the lease does, and then
// the keeper takes it away, as for a store that is not there.
#ifndef CTDB_STORE_CORE_TAKE_UP_H_
#define CTDB_STORE_CORE_TAKE_UP_H_

#include <string>
#include <vector>

#include "ctdb-store/core/store_context.h"

namespace ctdb {

class TakeUp {
 public:
  explicit TakeUp(StoreContext& context) : ctx_(context) {}

  // What there is of volatile databases, if `volatile_ones`, and of persistent ones, if `persistent_ones`. Until done() nobody else attaches
  // any.
  void begin(bool volatile_ones, bool persistent_ones);
  // Tries those that are left.
  void work(TimeNs now);
  // All are there, or lost and told.
  bool done() const { return left_.empty(); }
  // A persistent one lacks what it should have.
  bool damaged() const { return damaged_; }
  TimeNs next_deadline() const { return done() ? kNever : try_at_; }

 private:
  struct Left {
    std::string name;
    uint8_t flags = 0;
  };
  bool take(const Left& one);
  void lost(const Left& one, const std::string& why);
  void wait(const Left& one, const Error& why);

  StoreContext& ctx_;
  std::vector<Left> left_;  // the first is the next
  bool damaged_ = false;
  TimeNs try_at_ = 0;
  TimeNs rest_ = 0;
  int said_ = 0;  // the errno that was told
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_TAKE_UP_H_
