// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/seen_breaks.h"

namespace ctdb_share::open_files {

void SeenBreaks::saw(const std::string& file, const Lease& lease, Time now) {
  if (!files_.contains(file)) forget_what_nobody_looks_for(now);
  const auto [seen, is_new] = files_[file].try_emplace(lease.key, Seen{lease.number, now, now});
  if (!is_new && seen->second.number != lease.number) seen->second = {lease.number, now, now};
  seen->second.last = now;
}

bool SeenBreaks::too_long(const std::string& file, const Lease& lease, Time now) const {
  const auto at = files_.find(file);
  if (at == files_.end()) return false;
  const auto seen = at->second.find(lease.key);
  return seen != at->second.end() && seen->second.number == lease.number &&
         now - seen->second.first >= timeout_;
}

// Who gave up does not say so.
void SeenBreaks::forget_what_nobody_looks_for(Time now) {
  for (auto& [file, leases] : files_)
    std::erase_if(leases, [&](const auto& seen) { return now - seen.second.last > timeout_; });
  std::erase_if(files_, [](const auto& file) { return file.second.empty(); });
}

}  // namespace ctdb_share::open_files
