// SPDX-License-Identifier: GPL-3.0-or-later
// link list.
#include <algorithm>

#include "ctdb-cli/connection.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb::cli {
namespace {

std::string kind_text(LinkKind kind) {
  return kind == LinkKind::kVerbs ? "verbs" : kind == LinkKind::kTcp ? "tcp" : "down";
}

// Microseconds that this share of all round trips stayed below.
Value below(const LinkReport& link, double share) {
  uint64_t all = 0;
  for (const uint64_t count : link.round_trips) all += count;
  uint64_t so_far = 0;
  for (size_t i = 0; i < link.round_trips.size(); ++i) {
    so_far += link.round_trips[i];
    if (so_far > 0 && static_cast<double>(so_far) >= share * static_cast<double>(all))
      return i + 1 < kRoundTripClasses ? Value(uint64_t{1} << i) : Value();
  }
  return {};
}

void add_rows(Table& links, Table& round_trips, uint32_t node, const LinkReports& reports) {
  for (const LinkReport& link : reports.links) {
    const bool verbs = link.kind == LinkKind::kVerbs;
    links.rows.push_back({static_cast<uint64_t>(node), static_cast<uint64_t>(link.node), kind_text(link.kind),
                          static_cast<double>(link.age_ns) / 1e9,
                          link.why.empty() ? Value() : Value(link.why), below(link, 0.5), below(link, 0.99),
                          verbs ? Value(link.credits) : Value(), link.attempts, link.falls, link.tcp_out,
                          link.tcp_in, link.verbs_out, link.verbs_in});
    for (size_t i = 0; i < link.round_trips.size(); ++i) {
      if (link.round_trips[i] == 0) continue;
      round_trips.rows.push_back({static_cast<uint64_t>(node), static_cast<uint64_t>(link.node),
                                  i + 1 < kRoundTripClasses ? Value(uint64_t{1} << i) : Value(),
                                  link.round_trips[i]});
    }
  }
}

}  // namespace

Outcome link_list(const Invocation& invocation) {
  auto connection = Connection::open(invocation);
  if (!connection) return failed(connection.error());
  Table links{"links",
              {"node", "peer", "kind", "since_s", "why_not_verbs", "rtt_p50_us", "rtt_p99_us", "credits",
               "attempts", "fall_backs", "tcp_out", "tcp_in", "verbs_out", "verbs_in"},
              {}};
  Table round_trips{"round_trips", {"node", "peer", "below_us", "count"}, {}};
  const Result<std::string> trouble =
      (*connection)->ask_all(Control::GET_LINKS, [&](uint32_t node, ByteView answer) {
        const std::optional<LinkReports> reports = LinkReports::decode(answer);
        if (reports) add_rows(links, round_trips, node, *reports);
        return reports.has_value();
      });
  if (!trouble) return failed(trouble.error());
  Outcome outcome;
  outcome.report.tables = {std::move(links), std::move(round_trips)};
  outcome.error = *trouble;
  if (!trouble->empty()) outcome.exit = Exit::kFailed;
  return outcome;
}

}  // namespace ctdb::cli
