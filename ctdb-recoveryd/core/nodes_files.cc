// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/nodes_files.h"

#include <algorithm>

namespace ctdb {
namespace {

// The nodes read a changed file one after the other: that is no difference worth a line in the log.
constexpr TimeNs kReloadTakes = 2 * kSecond;
constexpr TimeNs kAskAgain = 5 * kSecond;

}  // namespace

void NodesFiles::send(uint32_t pnn, bool asks) {
  c_.send(pnn, Operation::NODE_LIST, NodeListMessage{asks, c_.durable.decided_generation, c_.nodes}.encode());
}

void NodesFiles::tell_all() {
  for (uint32_t pnn = 0; pnn < c_.lines(); ++pnn) {
    if (pnn != c_.pnn() && c_.known(pnn) && c_.linked(pnn)) send(pnn, false);
  }
  for (auto& [pnn, known] : lists_) compare(known);
}

void NodesFiles::on_link(uint32_t pnn, bool up) {
  if (up) return send(pnn, true);
  lists_.erase(pnn);
}

void NodesFiles::on_list(uint32_t from, const NodeListMessage& message) {
  if (message.asks) send(from, false);
  if (message.decided_generation != CTDB_INVALID_GENERATION) c_.decided_elsewhere = true;
  Known& known = lists_[from];
  known.list = message.nodes;
  compare(known);
}

void NodesFiles::compare(Known& known) {
  std::string difference = node_list_difference(c_.nodes, known.list);
  if (difference == known.difference) return;
  known.difference = std::move(difference);
  known.log_at = known.difference == known.logged ? kNever : c_.now + kReloadTakes;
  known.ask_at = known.difference.empty() ? kNever : c_.now + kAskAgain;
  c_.announce = true;
}

void NodesFiles::work() {
  for (auto& [pnn, known] : lists_) {
    if (c_.now >= known.log_at) log_difference(pnn, known);
    if (c_.now < known.ask_at) continue;
    known.ask_at = c_.now + kAskAgain;
    send(pnn, true);
  }
}

void NodesFiles::log_difference(uint32_t pnn, Known& known) {
  known.log_at = kNever;
  known.logged = known.difference;
  const std::string node = "node " + std::to_string(pnn);
  if (known.difference.empty()) {
    c_.log(RecoverydLog::kNotice, node + " has the same nodes file now");
  } else {
    c_.log(RecoverydLog::kWarning, "the nodes file of " + node + " differs: " + known.difference);
  }
}

TimeNs NodesFiles::next_deadline() const {
  TimeNs next = kNever;
  for (const auto& [pnn, known] : lists_) next = std::min({next, known.log_at, known.ask_at});
  return next;
}

bool NodesFiles::differs(uint32_t pnn) const {
  const auto found = lists_.find(pnn);
  return found != lists_.end() && !found->second.difference.empty();
}

const NodeList& NodesFiles::prevailing() const {
  size_t known = 1;
  for (const auto& [pnn, list] : lists_) known += c_.voters.is_voter(pnn) ? 1 : 0;
  for (const auto& [pnn, one] : lists_) {
    if (!c_.voters.is_voter(pnn) || one.difference.empty()) continue;
    const NodeList& list = one.list;
    const auto same = static_cast<size_t>(std::count_if(lists_.begin(), lists_.end(), [&](const auto& other) {
      return c_.voters.is_voter(other.first) && node_list_difference(list, other.second.list).empty();
    }));
    if (2 * same > known) return list;
  }
  return c_.nodes;
}

bool NodesFiles::odd(uint32_t pnn) const {
  if (pnn == c_.pnn()) return !node_list_difference(c_.nodes, prevailing()).empty();
  const auto found = lists_.find(pnn);
  return found != lists_.end() && !node_list_difference(found->second.list, prevailing()).empty();
}

std::string NodesFiles::remark() const {
  std::string text;
  for (const auto& [pnn, known] : lists_) {
    if (known.difference.empty()) continue;
    text += (text.empty() ? "" : "; ") + ("the nodes file of node " + std::to_string(pnn)) +
            " differs: " + known.difference;
  }
  return text;
}

}  // namespace ctdb
