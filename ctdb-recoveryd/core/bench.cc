// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/bench.h"

#include <algorithm>

namespace ctdb {

TimeNs Bench::put(uint32_t pnn, TimeNs now) {
  Seat& seat = nodes_[pnn];
  const bool anew = seat.lasts == 0 || now >= seat.until + most_;
  seat.lasts = anew ? first_ : std::min(2 * seat.lasts, most_);
  seat.until = now + seat.lasts;
  return seat.lasts;
}

TimeNs Bench::until(uint32_t pnn) const {
  const auto at = nodes_.find(pnn);
  return at == nodes_.end() ? 0 : at->second.until;
}

std::string Bench::reason(uint32_t pnn) const {
  const auto at = nodes_.find(pnn);
  return at == nodes_.end() ? "" : at->second.reason;
}

std::vector<LeftOut> Bench::tell(TimeNs now) {
  std::erase_if(nodes_, [&](const auto& one) { return now >= one.second.until + most_; });
  std::vector<LeftOut> told;
  for (const auto& [pnn, seat] : nodes_) {
    const TimeNs left = std::max<TimeNs>(0, seat.until - now), over = std::max<TimeNs>(0, now - seat.until);
    told.push_back({pnn, static_cast<uint64_t>(seat.lasts), static_cast<uint64_t>(left),
                    static_cast<uint64_t>(over), seat.reason});
  }
  return told;
}

// A leader whose recoveryd was just started knows less; what is longest ago over is forgotten by itself.
void Bench::learn(const std::vector<LeftOut>& told, uint32_t lines, TimeNs now) {
  const auto at_most = [this](uint64_t ns) { return std::min(static_cast<TimeNs>(ns), most_); };
  for (const LeftOut& one : told) {
    if (one.pnn >= lines) continue;
    const TimeNs until = now + at_most(one.left) - (one.left == 0 ? at_most(one.over) : 0);
    Seat& seat = nodes_[one.pnn];
    if (seat.lasts == 0 || until >= seat.until)
      seat = {until, std::max(first_, at_most(one.lasts)), one.reason};
  }
}

}  // namespace ctdb
