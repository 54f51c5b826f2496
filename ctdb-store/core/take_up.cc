// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/take_up.h"

#include <algorithm>

#include "libctdbipc/base/shortage.h"

namespace ctdb {
namespace {

constexpr TimeNs kFirstRest = 50 * kMillisecond, kLongestRest = 2 * kSecond;

}  // namespace

void TakeUp::begin(bool volatile_ones, bool persistent_ones) {
  if (volatile_ones) {
    for (std::string& name : ctx_.databases.existing()) left_.push_back({std::move(name), 0});
  }
  if (persistent_ones) {
    for (std::string& name : ctx_.databases.existing_persistent())
      left_.push_back({std::move(name), CTDB_DB_PERSISTENT});
  }
  ctx_.databases.take_up(!done());
}

void TakeUp::work(TimeNs now) {
  const auto first_that_waits = std::ranges::find_if(left_, [this](const Left& one) { return !take(one); });
  if (first_that_waits != left_.begin()) rest_ = 0;
  left_.erase(left_.begin(), first_that_waits);
  ctx_.counts.databases = ctx_.databases.all().size();
  rest_ = std::clamp(2 * rest_, kFirstRest, kLongestRest);
  try_at_ = now + rest_;
  if (!done()) return;
  ctx_.databases.take_up(false);
  if (said_ != 0) ctx_.out.log(StoreLog::kWarning, "all database files are taken up now");
}

// false: it is tried again.
bool TakeUp::take(const Left& one) {
  bool is_new = false;
  const Result<Database*> db = ctx_.databases.attach(one.name, one.flags, true, is_new);
  if (!db && is_shortage(db.error())) {
    wait(one, db.error());
    return false;
  }
  const std::string why = db ? (*db)->file->damage() : db.error().text();
  if (!db || !why.empty()) lost(one, why);
  return true;
}

void TakeUp::lost(const Left& one, const std::string& why) {
  ++ctx_.counts.file_errors;
  if ((one.flags & CTDB_DB_PERSISTENT) == 0) {
    ctx_.out.log(StoreLog::kError,
                 "taking up " + one.name + ": " + why +
                     "; its records on this node are lost, older copies on other nodes remain");
    return;
  }
  damaged_ = true;
  ctx_.out.log(StoreLog::kError, "persistent database " + one.name + ": " + why +
                                     "; its records come back from the other nodes, if they have it");
}

void TakeUp::wait(const Left& one, const Error& why) {
  if (said_ == why.saved_errno) return;
  said_ = why.saved_errno;
  ++ctx_.counts.file_errors;
  ctx_.out.log(StoreLog::kError, "taking up " + one.name + ": " + why.text() +
                                     "; nothing is lost, but this node does not serve before it is there: " +
                                     std::string(remedy_of(why)) + "; trying again until it works");
}

}  // namespace ctdb
