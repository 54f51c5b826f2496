// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/losses.h"

#include "libctdbipc/base/printable.h"

namespace ctdb {

void Losses::note(std::string_view database, ByteView key) {
  ++count_;
  if (named_.size() < kNamed) named_.push_back(std::string(database) + " " + argument_from_bytes(key));
}

uint64_t Losses::tell(StoreOutput& out, std::string_view what, std::string_view each) {
  const uint64_t count = count_;
  if (count == 0) return 0;
  out.log(StoreLog::kWarning, std::to_string(count) + " records " + std::string(what));
  for (const std::string& name : named_) out.log(StoreLog::kWarning, std::string(each) + ": " + name);
  if (count > named_.size())
    out.log(StoreLog::kWarning, "and " + std::to_string(count - named_.size()) + " more of them");
  forget();
  return count;
}

}  // namespace ctdb
