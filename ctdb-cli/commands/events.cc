// SPDX-License-Identifier: GPL-3.0-or-later
// events: what happens, a line each. Looks at the counters segments again and again, as wait does: no daemon wakes up for it, and the death of
// all of them is an event like others.
#include <chrono>
#include <optional>
#include <thread>

#include "ctdb-cli/command.h"
#include "ctdb-cli/node_events.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookEvery{100};  // a daemon writes its counters no more often
constexpr uint32_t kSecondsMax = 1u << 30;

Field time_field() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {"time", utc_text(std::chrono::nanoseconds(now).count())};
}

}  // namespace

Outcome events(const Invocation& invocation) {
  const std::string wanted = invocation.optional("seconds").value_or("");
  const std::optional<uint32_t> seconds = parse_number(wanted, kSecondsMax);
  if (!wanted.empty() && seconds.value_or(0) == 0) {
    return failed(Exit::kUsage,
                  "--seconds=" + wanted + ": a number from 1 to " + std::to_string(kSecondsMax));
  }
  const auto begun = steady_clock::now();
  std::optional<NodeView> before;
  for (;;) {
    NodeView now = look_at_node(invocation.place);
    for (Report& event : events_between(before ? &*before : nullptr, now)) {
      event.fields.insert(event.fields.begin(), time_field());
      if (!invocation.print_line(event)) return {};  // nobody reads any more
    }
    before = std::move(now);
    if (seconds && steady_clock::now() - begun >= std::chrono::seconds(*seconds)) return {};
    std::this_thread::sleep_for(kLookEvery);  // between two looks
  }
}

}  // namespace ctdb::cli
