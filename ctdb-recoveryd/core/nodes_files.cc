// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/nodes_files.h"

#include <algorithm>

#include "ctdb-recoveryd/core/quorum_rules.h"

namespace ctdb {
namespace {

// The nodes read a changed file one after the other: that is no difference worth a line in the log.
constexpr TimeNs kReloadTakes = 2 * kSecond;
constexpr TimeNs kAskAgain = 5 * kSecond;
// A recovery that takes less than this is no news: the list goes to every node, and is as long as there are nodes.
constexpr TimeNs kRecoveryTakes = 2 * kSecond;

}  // namespace

void NodesFiles::send(uint32_t pnn, bool asks) {
  c_.send(pnn, Operation::NODE_LIST,
          NodeListMessage{asks, open_, c_.durable.decided_generation, c_.quorum_rule(), c_.nodes}.encode());
}

void NodesFiles::tell_all() {
  for (uint32_t pnn = 0; pnn < c_.lines(); ++pnn) {
    if (pnn != c_.pnn() && c_.known(pnn) && c_.linked(pnn)) send(pnn, false);
  }
  for (auto& [pnn, known] : lists_) compare(pnn, known);
}

void NodesFiles::on_link(uint32_t pnn, bool up) {
  if (up) return send(pnn, true);
  lists_.erase(pnn);
}

void NodesFiles::on_list(uint32_t from, const NodeListMessage& message) {
  if (message.asks) send(from, false);
  Known& known = lists_[from];
  known.list = message.nodes;
  known.rule = message.quorum_rule;
  known.open = message.open;
  compare(from, known);
  if (message.decided_generation != CTDB_INVALID_GENERATION && !known.other_rule) c_.decided_elsewhere = true;
}

void NodesFiles::compare(uint32_t pnn, Known& known) {
  const std::string list = node_list_difference(c_.nodes, known.list);
  const std::string of_node = " of node " + std::to_string(pnn) + " differs: ";
  known.other_list = !list.empty();
  known.other_rule = known.rule != c_.quorum_rule();
  std::string difference;
  if (known.other_list) difference = "the nodes file" + of_node + list;
  if (known.other_rule) {
    difference += (difference.empty() ? "the quorum rule" : "; the quorum rule") + of_node +
                  c_.quorum_rule() + " here, " + known.rule + " there";
  }
  if (difference == known.difference) return;
  known.difference = std::move(difference);
  known.log_at = known.difference == known.logged ? kNever : c_.now + kReloadTakes;
  known.ask_at = known.difference.empty() ? kNever : c_.now + kAskAgain;
  c_.announce = true;
}

void NodesFiles::work(bool open) {
  // Also while all rules are equal: who meets a node of another rule later goes by what it was told before.
  if (open || !open_) {
    closed_is_news_at_ = kNever;
  } else if (closed_is_news_at_ == kNever) {
    closed_is_news_at_ = c_.now + kRecoveryTakes;
  }
  if (open != open_ && (open || c_.now >= closed_is_news_at_)) {
    open_ = open;
    closed_is_news_at_ = kNever;
    tell_all();
  }
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
    c_.log(RecoverydLog::kWarning, known.difference);
  }
}

TimeNs NodesFiles::next_deadline() const {
  TimeNs next = closed_is_news_at_;
  for (const auto& [pnn, known] : lists_) next = std::min({next, known.log_at, known.ask_at});
  return next;
}

bool NodesFiles::differs(uint32_t pnn) const {
  const auto found = lists_.find(pnn);
  return found != lists_.end() && found->second.other_list;
}

bool NodesFiles::other_rule(uint32_t pnn) const {
  const auto found = lists_.find(pnn);
  return found != lists_.end() && found->second.other_rule;
}

bool NodesFiles::rules_differ() const {
  return std::any_of(lists_.begin(), lists_.end(), [](const auto& one) { return one.second.other_rule; });
}

bool NodesFiles::rule_prevails() const {
  if (!rules_differ()) return true;
  std::vector<RuleOfNode> all = {{c_.pnn(), c_.quorum_rule(), open_}};
  for (const auto& [pnn, known] : lists_) all.push_back({pnn, known.rule, known.open});
  return prevailing_rule(all) == c_.quorum_rule();
}

const NodeList& NodesFiles::prevailing() const {
  size_t known = 1;
  for (const auto& [pnn, list] : lists_) known += c_.voters.is_voter(pnn) ? 1 : 0;
  for (const auto& [pnn, one] : lists_) {
    if (!c_.voters.is_voter(pnn) || !one.other_list) continue;
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
    if (!known.difference.empty()) text += (text.empty() ? "" : "; ") + known.difference;
  }
  return text;
}

}  // namespace ctdb
