// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/checkers/reported_losses.h"

#include <algorithm>

namespace ctdb::sim {

void ReportedLosses::said(const std::string& text) {
  for (const std::string start : {"fallen back or gone: ", "left behind: "}) {
    if (text.starts_with(start)) named_at_[text.substr(start.size())] = clock_();
  }
  if (text.starts_with("and ") && text.ends_with(" more of them")) more_at_ = clock_();
}

void ReportedLosses::at_rest(const std::vector<std::string>& named) {
  for (const Loss& loss : lost_) {
    const TimeNs since = loss.version < written_.size() ? written_[loss.version] : 0;
    const auto said = named_at_.find(named[loss.key]);
    const TimeNs last = std::max(more_at_, said == named_at_.end() ? -1 : said->second);
    const Version& version = history_.version(loss.version);
    if (version.empty && teller_killed_) continue;
    if (last >= since || nobody_knows_.contains(loss.version)) continue;
    verdict_.violation("reported_losses", "key " + std::to_string(loss.key) + " has lost version " +
                                              std::to_string(loss.version) + " of node " +
                                              std::to_string(version.node) + ", and no store has said so");
  }
}

}  // namespace ctdb::sim
