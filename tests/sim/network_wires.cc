// SPDX-License-Identifier: GPL-3.0-or-later
// Keeper wires: what the router's KeeperWires, the store and the keeper do with them, in one place. A wire's end on a node is
// closed when both its router and its keeper have let go; the peer's router hears of it in order (FIN). Resets of links
// do not touch wires, and a machine that loses power closes nothing.
#include <algorithm>

#include "tests/sim/network.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kRetransmit = 200 * kMillisecond;

}  // namespace

// Again and again until it is made or the connection is gone.
void Network::make_wire(uint32_t opener, uint32_t acceptor, uint64_t connection) {
  if (ends_[index(opener, acceptor)].connection != connection ||
      ends_[index(acceptor, opener)].connection != connection) {
    return;
  }
  const auto ready = [this](uint32_t node) {
    return accepts(hosts_[node]) && hosts_[node].responsive && events_.keeper_reachable(node);
  };
  if (!ready(opener) || !ready(acceptor) || !passes(opener, acceptor) || !passes(acceptor, opener)) {
    const TimeNs later = 20 * kMillisecond + static_cast<TimeNs>(random_.below(500 * kMillisecond));
    return queue_.after(later, [=, this] { make_wire(opener, acceptor, connection); });
  }
  for (const auto& [node, peer] : {std::pair(opener, acceptor), std::pair(acceptor, opener)}) {
    Wire& wire = wires_[index(node, peer)];
    wire.router = connection;
    const uint64_t before = std::exchange(wire.keeper, connection);
    if (before != connection) send_wire_end(node, peer, before);
  }
  trace_.add(opener, "keeper wire to", acceptor, connection);
  // The acceptor's answer comes first, then the opener's byte.
  wires_[index(opener, acceptor)].armed = connection;
  queue_.after(latency(paths_[index(opener, acceptor)]), [=, this] {
    const bool same = wires_[index(acceptor, opener)].router == connection;
    if (same && passes(opener, acceptor)) wires_[index(acceptor, opener)].armed = connection;
  });
}

void Network::let_go(uint32_t node, uint32_t peer, uint64_t Wire::*holder) {
  const uint64_t connection = std::exchange(wires_[index(node, peer)].*holder, 0);
  send_wire_end(node, peer, connection);
}

// If nobody on the node holds it any more.
void Network::send_wire_end(uint32_t node, uint32_t peer, uint64_t connection) {
  const Wire& wire = wires_[index(node, peer)];
  if (connection <= wire.given_up || wire.router == connection || wire.keeper == connection) return;
  const Path& path = paths_[index(node, peer)];
  const TimeNs when = std::max(queue_.now() + latency(path), path.stalled_until);
  queue_.at(when, [=, this] { wire_ended(peer, node, connection); });
}

void Network::wire_ended(uint32_t node, uint32_t peer, uint64_t connection) {
  if (!passes(peer, node)) {
    return queue_.after(kRetransmit, [=, this] { wire_ended(node, peer, connection); });
  }
  Wire& wire = wires_[index(node, peer)];
  if (!hosts_[node].listening || wire.armed != connection) return;
  wire.ended = connection;
  trace_.add(node, "keeper wire ended", peer, connection);
  if (ends_[index(node, peer)].connection == 0) events_.gone(node, peer);
}

void Network::keeper_died(uint32_t node) {
  for (uint32_t peer = 0; peer < nodes_; ++peer) let_go(node, peer, &Wire::keeper);
}

std::vector<uint64_t> Network::router_wires(uint32_t node) const {
  std::vector<uint64_t> wires;
  for (uint32_t peer = 0; peer < nodes_; ++peer) wires.push_back(wires_[index(node, peer)].router);
  return wires;
}

void Network::keeper_takes(uint32_t node, const std::vector<uint64_t>& wires) {
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (wires[peer] != 0) wires_[index(node, peer)].keeper = wires[peer];
  }
}

}  // namespace ctdb::sim
