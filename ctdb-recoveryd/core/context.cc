// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/context.h"

#include <algorithm>

namespace ctdb {

size_t Context::linked_count() const {
  size_t count = 0;
  for (uint32_t node : voters.numbers()) {
    if (linked(node)) ++count;
  }
  return count;
}

uint32_t Context::linked_before() const {
  uint32_t count = 0;
  for (uint32_t node : voters.numbers()) {
    if (node < pnn() && linked(node)) ++count;
  }
  return count;
}

bool Context::all_linked() const {
  const std::vector<uint32_t> all = numbers_of(nodes);
  return std::all_of(all.begin(), all.end(), [this](uint32_t node) { return linked(node); });
}

std::string Context::quorum_rule() const {
  if (options.lock_quorum) return "lock, register " + options.lock_register;
  return options.majority_quorum ? "majority" : "none";
}

void Context::set_nodes(const NodeList& list) {
  nodes = list;
  count_voters();
}

void Context::remember(DurableState state) {
  durable = std::move(state);
  count_voters();
}

void Context::count_voters() {
  const bool decided = durable.decided_generation != CTDB_INVALID_GENERATION && !durable.voters.empty();
  voters =
      Voters(decided ? durable.voters : numbers_of(nodes), options.majority_quorum && !options.lock_quorum);
  const size_t voting = voters.numbers().empty() ? 0 : voters.numbers().back() + size_t{1};
  links.resize(std::max({links.size(), nodes.size(), voting}));
}

bool Context::save(const DurableState& next) {
  if (next == durable) return true;
  if (!write(next)) return false;
  remember(next);
  return true;
}

bool Context::write(const DurableState& next) {
  const bool written = out.persist(next.encode());
  if (!written && !disk_failing) {
    log(RecoverydLog::kError, "the state of recoveryd cannot be written: this node neither votes nor leads");
  } else if (written && disk_failing) {
    log(RecoverydLog::kNotice, "the state of recoveryd can be written again");
  }
  disk_failing = !written;
  return written;
}

void Context::refuse(std::string_view why) {
  ++counts.refused;
  const OperationRow* row = find_operation(packet.operation);
  const std::string line =
      refusals_.line(packet.from, row == nullptr ? "a packet of no known operation" : row->name, why, now);
  if (!line.empty()) log(RecoverydLog::kWarning, line);
}

std::string Context::until(TimeNs when) const {
  constexpr int64_t kDay = int64_t{24} * 60 * 60;
  const int64_t seconds = (out.wall_clock_ns() + (when - now)) / kSecond % kDay;
  const auto two = [](int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return "until " + two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60) + " UTC";
}

void Context::send(uint32_t to, Operation operation, const Bytes& payload) {
  if (!router_up) return;
  build_own(built_, {0, stamp, static_cast<uint32_t>(operation), to, pnn(), 0}, payload);
  out.to_router(RecoverydLane::kControl, 0, built_);
}

}  // namespace ctdb
