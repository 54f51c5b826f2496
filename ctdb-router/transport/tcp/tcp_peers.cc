// SPDX-License-Identifier: GPL-3.0-or-later
// Part of the TCP transport: which nodes there are to be links to, and what is known of each.
#include <algorithm>

#include "ctdb-router/transport/tcp/tcp_links.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {

LinkReport TcpTransport::report(uint32_t pnn) const {
  LinkReport report;
  report.node = pnn;
  if (pnn >= peers_.size()) return report;
  const Peer& peer = peers_[pnn];
  report.kind = peer.up == nullptr ? LinkKind::kNone : LinkKind::kTcp;
  report.age_ns = static_cast<uint64_t>(loop_.now() - peer.changed_at);
  if (peer.up == nullptr) report.why = peer.last_failure;
  return report;
}

std::string TcpTransport::refusal(uint32_t pnn) const {
  return pnn < peers_.size() && peers_[pnn].refused ? peers_[pnn].last_failure : "";
}

void TcpTransport::set_peers(const NodeList& peers) {
  for (uint32_t pnn = 0; pnn < std::max(peers.size(), peers_.size()); ++pnn) {
    const std::string wanted = in_list(peers, pnn) ? peers[pnn].address : "";
    const std::string now = pnn < options_.nodes.size() ? options_.nodes[pnn].address : "";
    if (pnn == options_.pnn || wanted == now) continue;
    if (!now.empty()) drop_peer(pnn);
    if (!wanted.empty()) add_peer(pnn, wanted);
  }
}

void TcpTransport::add_peer(uint32_t pnn, const std::string& address) {
  for (uint32_t next = static_cast<uint32_t>(peers_.size()); next <= pnn; ++next) {
    peers_.push_back({});
    options_.nodes.push_back({next, "", true, false});
  }
  options_.nodes[pnn] = {pnn, address, false, false};
  rules_.nodes = options_.nodes;
  peers_[pnn].address = make_address(address, options_.port);
  peers_[pnn].retry_delay = kRetryFirst;
  peers_[pnn].last_failure.clear();
  peers_[pnn].refused = false;
  peers_[pnn].changed_at = loop_.now();
  if (pnn < options_.pnn && !quiet_) dial(pnn);
}

// First nobody is to be dialled, then all ends.
void TcpTransport::drop_peer(uint32_t pnn) {
  peers_[pnn].address = {};
  loop_.cancel(peers_[pnn].retry_timer);
  peers_[pnn].retry_timer = 0;
  std::vector<Link*> links;
  for (const auto& link : links_) {
    if (link->peer == pnn) links.push_back(link.get());
  }
  for (Link* link : links) end(*link, "it is not in the nodes file any more");
  wires_.drop(pnn);
  options_.nodes[pnn] = {pnn, "", true};
  rules_.nodes = options_.nodes;
}

void TcpTransport::set_quiet(bool quiet) {
  if (quiet == quiet_) return;
  quiet_ = quiet;
  log_notice(quiet ? "this node is quiet: all links closed" : "this node is active again");
  if (!quiet) return dial_all();
  for (Peer& peer : peers_) loop_.cancel(peer.retry_timer);
  while (!links_.empty()) end(*links_.back(), "this node is quiet");
}

}  // namespace ctdb
