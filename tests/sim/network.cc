// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb::sim {
namespace {

// What the transport does: every 500 ms a ping where nothing was heard, down after four unanswered (ARCHITECTURE §3).
constexpr TimeNs kCheck = 500 * kMillisecond;
constexpr TimeNs kCheckLate = 2 * kMillisecond;
constexpr uint32_t kPingsUnanswered = 4;
// A stream that no generation has used by then has one made (ctdb-store/peer_streams.h).
constexpr TimeNs kStreamUnused = 300 * kMillisecond;
constexpr size_t kStream = 2;

}  // namespace

Network::Network(EventQueue& queue, Random& random, Trace& trace, NetworkEvents& events, uint32_t nodes,
                 NetworkOptions options)
    : queue_(queue),
      random_(random),
      trace_(trace),
      events_(events),
      nodes_(nodes),
      options_(options),
      hosts_(nodes),
      ends_(size_t{nodes} * nodes),
      wires_(size_t{nodes} * nodes),
      paths_(size_t{nodes} * nodes),
      peers_(size_t{nodes} * nodes, true),
      connecting_(size_t{nodes} * nodes) {}

void Network::start() {
  for (uint32_t node = 0; node < nodes_; ++node) {
    queue_.after(static_cast<TimeNs>(random_.below(static_cast<uint64_t>(kCheck))),
                 [this, node] { check_links(node); });
  }
}

// ---- packets ----

TimeNs Network::latency(const Path& path) {
  const uint64_t base = static_cast<uint64_t>(options_.latency) * path.slowness;
  uint64_t value = base / 2 + random_.below(base + 1);
  if (random_.one_in(options_.tail)) value += random_.below(static_cast<uint64_t>(options_.tail_latency));
  return static_cast<TimeNs>(value);
}

bool Network::send(uint32_t from, uint32_t to, Lane lane, ByteView packet) {
  const End& end = ends_[index(from, to)];
  if (end.connection == 0) return end.hidden_since != kNever;
  if (meter_) meter_(from, packet);
  Path& path = paths_[index(from, to)];
  size_t way = static_cast<size_t>(lane);
  if (is_record(packet)) {
    const uint32_t generation = read_header(packet).generation;
    path.newest_generation = std::max(path.newest_generation, generation);
    if (generation >= path.stream_from) way = kStream;
  }
  TimeNs& last = path.last_arrival[way];
  const TimeNs own = std::max(queue_.now() + latency(path), path.stalled_until);
  last = options_.reorder && lane == Lane::kData ? own : std::max(last, own);
  const int copies = options_.duplicate && lane == Lane::kData && random_.one_in(10) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    queue_.at(last + i * kMillisecond,
              [this, from, to, connection = end.connection, bytes = to_bytes(packet)]() mutable {
                deliver(from, to, connection, std::move(bytes));
              });
  }
  return true;
}

void Network::deliver(uint32_t from, uint32_t to, uint64_t connection, Bytes packet) {
  Path& path = paths_[index(from, to)];
  if (path.blocked || !path.held.empty()) {
    path.held.push_back({connection, std::move(packet)});
    return;
  }
  End& end = ends_[index(to, from)];
  if (end.connection != connection) {
    // That side has forgotten the connection: its kernel answers with a reset.
    if (ends_[index(from, to)].connection == connection && passes(to, from) && hosts_[to].listening) {
      end_down(from, to, false);
    }
    return;
  }
  end.heard = queue_.now();
  if (is_record(packet) && read_header(packet).generation <= path.lost_until) return;
  events_.link_packet(to, from, std::move(packet));
}

// ---- record streams ----

bool Network::is_record(ByteView packet) {
  return is_record_operation(read_header(packet).operation);
}

void Network::open_stream(uint32_t node, uint32_t peer, uint64_t connection) {
  const TimeNs arrives =
      static_cast<TimeNs>(random_.below(random_.one_in(4) ? 50 * kMillisecond : kMillisecond));
  queue_.after(arrives, [this, node, peer, connection] {
    if (ends_[index(node, peer)].connection != connection) return;
    Path& path = paths_[index(node, peer)];
    path.stream_from = uint64_t{path.newest_generation} + 1;
    queue_.after(kStreamUnused, [this, node, peer, connection] {
      const Path& later = paths_[index(node, peer)];
      const bool unused = later.newest_generation < later.stream_from;
      if (ends_[index(node, peer)].connection == connection && unused) renew(node, peer);
    });
  });
}

void Network::renew(uint32_t node, uint32_t peer) {
  End& end = ends_[index(node, peer)];
  if (end.connection == 0) return;  // that it was down says the same
  end.session = ++hosts_[node].sessions;
  trace_.add(node, "link renewed", peer, end.session);
  events_.link_renewed(node, peer, end.session);
}

void Network::end_stream(uint32_t a, uint32_t b) {
  if (!is_up(a, b) || !is_up(b, a)) return;
  trace_.add(a, "FAULT record stream ends to", b);
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    Path& path = paths_[index(from, to)];
    path.lost_until = path.newest_generation;
    path.stream_from = kNoStream;
    const uint64_t connection = ends_[index(from, to)].connection;
    queue_.after(static_cast<TimeNs>(random_.below(2 * kMillisecond)),
                 [this, from = from, to = to, connection] {
                   if (ends_[index(from, to)].connection != connection) return;
                   renew(from, to);
                   open_stream(from, to, connection);
                 });
  }
}

// ---- connections ----

void Network::report_down(uint32_t node, uint32_t peer) {
  const End& end = ends_[index(node, peer)];
  trace_.add(node, "link down", peer, end.session);
  events_.link_changed(node, peer, false, end.session);
  const Wire& wire = wires_[index(node, peer)];
  if ((wire.ended != 0 && wire.ended == wire.armed) || options_.links_are_proof) events_.gone(node, peer);
}

void Network::end_down(uint32_t node, uint32_t peer, bool tell_peer) {
  End& end = ends_[index(node, peer)];
  if (end.connection == 0) return;
  const uint64_t connection = end.connection;
  end.connection = 0;
  if (options_.hide_resets_shorter_than > 0) {
    end.hidden_since = queue_.now();
    queue_.after(options_.hide_resets_shorter_than, [this, node, peer, since = queue_.now()] {
      End& late = ends_[index(node, peer)];
      if (late.hidden_since != since) return;
      late.hidden_since = kNever;
      report_down(node, peer);
    });
  } else {
    report_down(node, peer);
  }
  if (tell_peer && passes(node, peer)) {
    Path& path = paths_[index(node, peer)];
    TimeNs when = std::max(queue_.now() + latency(path), path.stalled_until);
    // A FIN comes behind what was sent, a reset overtakes it (and the rest is lost).
    if (random_.one_in(2))
      when = std::max({when, path.last_arrival[0], path.last_arrival[1], path.last_arrival[kStream]});
    queue_.at(when, [this, node, peer, connection] {
      if (ends_[index(peer, node)].connection == connection) end_down(peer, node, false);
    });
  }
  plan_connect(node, peer,
               1 + static_cast<TimeNs>(random_.below(static_cast<uint64_t>(options_.reconnect_delay_max))));
}

void Network::end_up(uint32_t node, uint32_t peer, uint64_t connection) {
  End& end = ends_[index(node, peer)];
  CTDB_ASSERT(end.connection == 0);
  end.connection = connection;
  end.heard = queue_.now();
  end.unanswered = 0;
  if (end.hidden_since != kNever) {
    end.hidden_since = kNever;
    return;
  }
  end.session = ++hosts_[node].sessions;
  Wire& wire = wires_[index(node, peer)];
  wire.armed = wire.ended = 0;  // of the link before
  if (options_.wires_end_in_order) {
    let_go(node, peer, &Wire::router);
  } else {
    wire.given_up = std::max(wire.given_up, std::exchange(wire.router, 0));
  }
  trace_.add(node, "link up", peer, end.session);
  paths_[index(node, peer)].stream_from = kNoStream;
  open_stream(node, peer, connection);
  events_.link_changed(node, peer, true, end.session);
}

void Network::plan_connect(uint32_t a, uint32_t b, TimeNs delay) {
  const uint32_t opener = std::max(a, b), acceptor = std::min(a, b);
  const size_t pair = index(opener, acceptor);
  if (connecting_[pair]) return;
  connecting_[pair] = true;
  queue_.after(delay, [this, opener, acceptor, pair] {
    connecting_[pair] = false;
    try_connect(opener, acceptor);
  });
}

void Network::try_connect(uint32_t opener, uint32_t acceptor) {
  if (!accepts(hosts_[opener]) || is_up(opener, acceptor)) return;
  if (!listed(opener, acceptor) || !listed(acceptor, opener)) return;  // set_peers() plans the next
  const bool possible = can_connect(hosts_[opener]) && can_connect(hosts_[acceptor]) &&
                        passes(opener, acceptor) && passes(acceptor, opener);
  if (!possible) {
    return plan_connect(opener, acceptor,
                        50 * kMillisecond + static_cast<TimeNs>(random_.below(200 * kMillisecond)));
  }
  const uint64_t connection = ++connections_;
  // The acceptor may still believe in an older connection of that peer.
  end_down(acceptor, opener, false);
  end_up(acceptor, opener, connection);
  Path& back = paths_[index(acceptor, opener)];
  const TimeNs when = queue_.now() + latency(back);
  for (TimeNs& last : back.last_arrival) last = std::max(last, when);
  queue_.at(when, [this, opener, acceptor, connection] { finish_connect(opener, acceptor, connection); });
}

// The opener's router has closed what it was making (TcpTransport::drop_peer()). set_peers() plans the next.
void Network::abandon_connect(uint32_t opener, uint32_t acceptor, uint64_t connection) {
  if (!passes(opener, acceptor)) return;
  if (ends_[index(acceptor, opener)].connection == connection) end_down(acceptor, opener, false);
}

void Network::finish_connect(uint32_t opener, uint32_t acceptor, uint64_t connection) {
  if (is_up(opener, acceptor)) return;
  if (!listed(opener, acceptor)) return abandon_connect(opener, acceptor, connection);
  const bool lost = ends_[index(acceptor, opener)].connection != connection || !passes(acceptor, opener);
  if (lost || !accepts(hosts_[opener]) || !hosts_[opener].responsive) {
    return plan_connect(opener, acceptor, 20 * kMillisecond);
  }
  end_up(opener, acceptor, connection);
  queue_.after(200 * kMicrosecond + static_cast<TimeNs>(random_.below(3 * kMillisecond)),
               [=, this] { make_wire(opener, acceptor, connection); });
}

void Network::close_all(uint32_t node, bool tell_peers, bool tell_router) {
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (peer == node) continue;
    End& end = ends_[index(node, peer)];
    paths_[index(peer, node)].held.clear();
    if (tell_router) {
      end_down(node, peer, tell_peers);
      continue;
    }
    const uint64_t connection = end.connection;
    end = {};
    if (connection == 0 || !tell_peers || !passes(node, peer)) continue;
    queue_.after(latency(paths_[index(node, peer)]), [this, node, peer, connection] {
      if (ends_[index(peer, node)].connection == connection) end_down(peer, node, false);
    });
  }
}

void Network::set_listening(uint32_t node, bool listening, bool silent) {
  Host& host = hosts_[node];
  if (!listening) {
    for (uint32_t peer = 0; peer < nodes_; ++peer) {
      Wire& wire = wires_[index(node, peer)];
      wire.armed = wire.ended = 0;
      if (silent) wire = {};
      if (!silent) let_go(node, peer, &Wire::router);
    }
    close_all(node, !silent, false);
  }
  host = {};
  host.listening = listening;
  if (!listening) return;
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (peer != node) plan_connect(node, peer, static_cast<TimeNs>(random_.below(10 * kMillisecond)));
  }
}

void Network::set_peers(uint32_t node, const std::vector<uint32_t>& peers) {
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (peer == node) continue;
    const bool now = std::find(peers.begin(), peers.end(), peer) != peers.end();
    if (now == listed(node, peer)) continue;
    peers_[index(node, peer)] = now;
    if (!now) end_down(node, peer, true);
    if (now) plan_connect(node, peer, static_cast<TimeNs>(random_.below(10 * kMillisecond)));
  }
}

void Network::set_quiet(uint32_t node, bool quiet) {
  Host& host = hosts_[node];
  if (!host.listening || host.quiet == quiet) return;
  host.quiet = quiet;
  if (quiet) return close_all(node, true, true);
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (peer != node) plan_connect(node, peer, static_cast<TimeNs>(random_.below(50 * kMillisecond)));
  }
}

void Network::set_responsive(uint32_t node, bool responsive) {
  hosts_[node].responsive = responsive;
  for (uint32_t peer = 0; peer < nodes_; ++peer) ends_[index(node, peer)].heard = queue_.now();
}

// Keepalives: an end that has heard nothing for too long gives its connection up. Idle peers that could answer do. Each
// node looks at its links at times of its own, and so notices a silence up to 500 ms sooner or later than others.
void Network::check_links(uint32_t node) {
  for (uint32_t peer = 0; peer < nodes_ && hosts_[node].responsive; ++peer) {
    End& end = ends_[index(node, peer)];
    if (end.connection == 0) continue;
    const bool same = ends_[index(peer, node)].connection == end.connection;
    const bool both_ways = passes(node, peer) && passes(peer, node);
    if (both_ways && same && hosts_[peer].responsive) end.heard = queue_.now();
    const bool reset = both_ways && !same && hosts_[peer].listening;
    if (end.heard > end.checked) end.unanswered = 0;
    end.checked = queue_.now();
    if (reset || end.unanswered >= kPingsUnanswered) {
      end_down(node, peer, true);
    } else {
      ++end.unanswered;
    }
  }
  queue_.after(kCheck + static_cast<TimeNs>(random_.below(static_cast<uint64_t>(kCheckLate))),
               [this, node] { check_links(node); });
}

// ---- faults ----

void Network::reset(uint32_t a, uint32_t b, TimeNs reconnect_after) {
  if (!is_up(a, b) && !is_up(b, a)) return;
  trace_.add(a, "FAULT reset to", b, static_cast<uint64_t>(reconnect_after));
  plan_connect(a, b, reconnect_after);
  end_down(a, b, false);
  if (options_.resets_are_proof) events_.gone(a, b);
  // The other side hears of it at once or a little later.
  const uint64_t connection = ends_[index(b, a)].connection;
  queue_.after(random_.one_in(2) ? 0 : static_cast<TimeNs>(random_.below(kMillisecond)),
               [this, a, b, connection] {
                 if (connection != 0 && ends_[index(b, a)].connection == connection) end_down(b, a, false);
               });
}

void Network::give_up(uint32_t node, uint32_t peer) {
  if (!is_up(node, peer)) return;
  trace_.add(node, "FAULT gives up link to", peer);
  end_down(node, peer, true);
}

void Network::block(uint32_t from, uint32_t to) {
  if (from == to || paths_[index(from, to)].blocked) return;
  trace_.add(from, "FAULT block to", to);
  paths_[index(from, to)].blocked = true;
}

void Network::unblock(uint32_t from, uint32_t to) {
  Path& path = paths_[index(from, to)];
  if (from == to || !path.blocked) return;
  trace_.add(from, "unblock to", to);
  path.blocked = false;
  std::deque<Held> held;
  held.swap(path.held);
  for (Held& packet : held) deliver(from, to, packet.connection, std::move(packet.packet));
  plan_connect(from, to, static_cast<TimeNs>(random_.below(50 * kMillisecond)));
}

void Network::stall(uint32_t from, uint32_t to, TimeNs for_time) {
  trace_.add(from, "FAULT stall to", to, static_cast<uint64_t>(for_time));
  Path& path = paths_[index(from, to)];
  path.stalled_until = std::max(path.stalled_until, queue_.now() + for_time);
}

void Network::set_slowness(uint32_t from, uint32_t to, uint32_t factor) {
  trace_.add(from, "FAULT slow to", to, factor);
  paths_[index(from, to)].slowness = factor;
}

// Of two that do not reach each other either one is left out: it is to be this one. What is cut between it and one is cut to all.
void Network::cut_off(uint32_t node) {
  const auto blocked = [&](bool there) {
    for (uint32_t peer = 0; peer < nodes_; ++peer) {
      if (paths_[there ? index(node, peer) : index(peer, node)].blocked) return true;
    }
    return false;
  };
  const bool mute = blocked(true), deaf = blocked(false);
  for (uint32_t peer = 0; peer < nodes_; ++peer) {
    if (mute) block(node, peer);
    if (deaf) block(peer, node);
  }
}

void Network::heal(uint32_t spared) {
  if (spared < nodes_) cut_off(spared);
  for (uint32_t from = 0; from < nodes_; ++from) {
    for (uint32_t to = 0; to < nodes_; ++to) {
      if (from == spared || to == spared) continue;
      unblock(from, to);
      paths_[index(from, to)].slowness = 1;
    }
  }
}

}  // namespace ctdb::sim
