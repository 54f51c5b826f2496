// SPDX-License-Identifier: GPL-3.0-or-later
// wait: for scripts, and for ctdb-healthy.service. Looks at the counters segments again and again, because nobody can be told when a
// mapped file changes and the daemons may not run yet.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "ctdb-cli/command.h"
#include "ctdb-cli/node_view.h"
#include "ctdb-cli/service_status.h"
#include "ctdb-cli/text.h"

namespace ctdb::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLookEvery{20};

using Question = std::vector<std::string> (NodeView::*)() const;

Question question_of(const std::string& condition) {
  if (condition == "healthy") return &NodeView::why_not_healthy;
  if (condition == "ready") return &NodeView::why_not_ready;
  if (condition == "leader") return &NodeView::why_no_leader;
  return nullptr;
}

volatile std::sig_atomic_t told_to_end = 0;

// Whoever waits no longer learns what was missing, from a script's `timeout` and from systemd as well.
void end_with(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::signal(SIGTERM, SIG_DFL);
  std::raise(SIGTERM);
}

}  // namespace

Outcome wait(const Invocation& invocation) {
  const std::string& condition = invocation.argument("for");
  const Question question = question_of(condition);
  if (question == nullptr) return failed(Exit::kUsage, "--for=" + condition + ": healthy, ready or leader");
  std::signal(SIGTERM, [](int) { told_to_end = 1; });
  ServiceStatus status;
  const auto begun = steady_clock::now();
  const auto deadline = begun + milliseconds(invocation.timeout_ms);
  std::vector<std::string> why;
  while (!(why = (look_at_node(invocation.place).*question)()).empty()) {
    const std::string missing = "not " + condition + ": " + joined(why, "; ");
    status.tell("waiting, " + missing);
    if (told_to_end != 0) end_with(missing);
    const auto left = deadline - steady_clock::now();
    if (left <= left.zero()) return failed(Exit::kNotHealthy, missing);
    std::this_thread::sleep_for(std::min<steady_clock::duration>(left, kLookEvery));
  }
  status.tell(condition);
  Outcome outcome;
  const auto waited = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
  outcome.report.headline.push_back(condition);
  outcome.report.json_field("condition", condition);
  outcome.report.json_field("waited_ms", static_cast<int64_t>(waited.count()));
  return outcome;
}

}  // namespace ctdb::cli
