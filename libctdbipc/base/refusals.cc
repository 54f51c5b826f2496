// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/base/refusals.h"

namespace ctdb {

std::string Refusals::line(uint32_t from, std::string_view what, std::string_view why, TimeNs now) {
  const Kind kind{from, what, why};
  const auto known = counts_.find(kind);
  const bool other = known == counts_.end() && counts_.size() == kKindsMax;
  Count& count = other ? others_ : counts_[kind];
  ++count.unsaid;
  if (count.said && now < count.said_at + kEvery) return "";
  std::string text =
      "refused " + std::string(what) + " from node " + std::to_string(from) + ": " + std::string(why);
  if (count.unsaid > 1) text += " (" + std::to_string(count.unsaid) + " since the last such line)";
  if (other) text += "; there are too many kinds of this to tell them apart";
  count = {0, now, true};
  return text;
}

}  // namespace ctdb
