// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/complaints.h"

#include <algorithm>

#include "ctdb-recoveryd/core/membership.h"
#include "ctdb-recoveryd/core/quorum.h"

namespace ctdb {
namespace {

std::string nodes_text(const std::vector<uint32_t>& nodes) {
  std::string text = nodes.size() == 1 ? "node " : "nodes ";
  for (size_t i = 0; i < nodes.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(nodes[i]);
  return text;
}

}  // namespace

void Complaints::take(uint32_t by, const RecoveryReport& report) {
  Complaint& complaint = of_[by];
  if (complaint.error.empty()) complaint = {report.error, report.all_claimed, report.about};
}

bool Complaints::failed() const {
  return std::any_of(of_.begin(), of_.end(), [](const auto& one) { return !one.second.error.empty(); });
}

// Wrong packets are more than waiting. And who lacks claims cannot have sent assignments: that others wait for those says
// nothing against it.
bool Complaints::counts(const Complaint& complaint) const {
  if (failed()) return !complaint.error.empty();
  const bool claims = std::any_of(of_.begin(), of_.end(), [](const auto& one) {
    return !one.second.all_claimed && !one.second.about.empty();
  });
  return claims != complaint.all_claimed;
}

std::vector<uint32_t> Complaints::accusers(uint32_t pnn) const {
  std::vector<uint32_t> nodes;
  for (const auto& [by, complaint] : of_) {
    if (by != pnn && counts(complaint) && contains(complaint.about, pnn)) nodes.push_back(by);
  }
  return nodes;
}

bool Complaints::agreed(const std::vector<uint32_t>& members) const {
  return members.size() == 2 || std::any_of(members.begin(), members.end(),
                                            [this](uint32_t node) { return accusers(node).size() > 1; });
}

std::string Complaints::why(uint32_t pnn) const {
  const std::vector<uint32_t> by = accusers(pnn);
  if (failed()) {
    if (!by.empty()) return nodes_text(by) + (by.size() == 1 ? " says: " : " say: ") + of_.at(by[0]).error;
    return "its store could not recover: " + of_.at(pnn).error + ", which no other store says";
  }
  std::string late = "its store did not recover in time";
  if (!by.empty()) return late + ": " + nodes_text(by) + (by.size() == 1 ? " waits" : " wait") + " for it";
  const auto own = of_.find(pnn);
  if (own == of_.end() || contains(own->second.about, pnn)) return late;
  return late + ": it waits for " + nodes_text(own->second.about) + ", for which no other store waits";
}

std::map<uint32_t, std::string> Complaints::culprits(const std::vector<uint32_t>& members,
                                                     const std::vector<uint32_t>& prepared,
                                                     uint32_t leader) const {
  if (of_.empty() && prepared.empty()) return {};
  std::vector<MemberCandidate> candidates(members.empty() ? 0 : members.back() + size_t{1});
  for (uint32_t node : members) {
    const auto own = of_.find(node);
    const bool speaks = own != of_.end() && counts(own->second);
    const bool silent = own == of_.end() && !contains(prepared, node) && !failed();
    candidates[node].eligible = !silent && !(speaks && contains(own->second.about, node));
    for (uint32_t other : members) {
      if (!speaks || !contains(own->second.about, other)) candidates[node].reachable.push_back(other);
    }
  }
  const std::vector<uint32_t> others = choose_members(candidates, leader, {});
  std::map<uint32_t, std::string> out;
  if (others.empty()) return out;
  for (uint32_t node : members) {
    if (!contains(others, node)) out[node] = why(node);
  }
  return out;
}

}  // namespace ctdb
