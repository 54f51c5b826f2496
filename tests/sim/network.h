// SPDX-License-Identifier: GPL-3.0-or-later
// The simulated network: what TCP links between routers promise (ctdb-router/transport/transport.h) and everything
// that may go wrong below them. World owns one; routers of the simulated nodes are its users.
//
// A connection joins two ends. Each end learns on its own when the connection is over, so for a while one side may
// believe in a link the other has given up. Packets in flight when a connection ends are lost.
//
// Invariants:
//  1. Within one lane of one connection packets arrive in the order sent, at most once, and only at an end that is up.
//  2. A connection made again has another session number at both ends.
//  3. Record packets go over the record stream of a connection (ARCHITECTURE.md §3): a way of its own, first in first out,
//     from the generation after its arrival on. Until then, and where there is none, they go with the other data.
//  4. A router that does not listen (dead, quiet) has no links.
//  5. No link comes up at a node whose router does not have the peer in its nodes file, also when it was taken out while the
//     connection was being made: recoveryd, which is told the list first, does not know such a link.
#ifndef CTDB_TESTS_SIM_NETWORK_H_
#define CTDB_TESTS_SIM_NETWORK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "ctdb-router/core/router.h"
#include "libctdbipc/base/random.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/trace.h"

namespace ctdb::sim {

class NetworkEvents {
 public:
  virtual ~NetworkEvents() = default;
  virtual void link_changed(uint32_t node, uint32_t peer, bool up, uint64_t session) = 0;
  // Records in flight were lost or their stream stays unused, the link itself is as before (Router::on_link_renewed).
  virtual void link_renewed(uint32_t node, uint32_t peer, uint64_t session) = 0;
  virtual void link_packet(uint32_t node, uint32_t peer, Bytes packet) = 0;
  // `node` has proof that peer's router and keeper are dead, and its link to it is down.
  virtual void gone(uint32_t node, uint32_t peer) = 0;
  // The node's router can have its keeper hold a wire.
  virtual bool keeper_reachable(uint32_t node) = 0;
};

struct NetworkOptions {
  TimeNs latency = 60 * kMicrosecond;  // typical; one in `tail` packets takes up to `tail_latency` more
  uint64_t tail = 300;
  TimeNs tail_latency = 5 * kMillisecond;
  TimeNs reconnect_delay_max = 200 * kMillisecond;
  // For the mutation tests: connections that come back within this time are not reported as reset.
  TimeNs hide_resets_shorter_than = 0;
  bool links_are_proof = false;     // a link that goes down proves its node dead
  bool resets_are_proof = false;    // one that is reset does
  bool wires_end_in_order = false;  // also when a router that lives lets go of them
  bool reorder = false;             // packets of a lane overtake each other
  bool duplicate = false;           // some arrive twice
};

class Network {
 public:
  Network(EventQueue& queue, Random& random, Trace& trace, NetworkEvents& events, uint32_t nodes,
          NetworkOptions options);
  // Starts the checks of the keepalive.
  void start();

  // ---- routers ----
  // silent: no FIN reaches the peers (power lost), they notice by the missing keepalives.
  void set_listening(uint32_t node, bool listening, bool silent);
  void set_quiet(uint32_t node, bool quiet);
  // Whom its router has in its nodes file, by which it makes and accepts connections.
  void set_peers(uint32_t node, const std::vector<uint32_t>& peers);
  // It has no descriptor for another connection.
  void set_full(uint32_t node, bool full) { hosts_[node].full = full; }
  // A stopped router answers no keepalive.
  void set_responsive(uint32_t node, bool responsive);
  // false: that end is not up.
  bool send(uint32_t from, uint32_t to, Lane lane, ByteView packet);

  // ---- faults ----
  // The connection breaks now; the next is tried after `reconnect_after`.
  void reset(uint32_t a, uint32_t b, TimeNs reconnect_after);
  // `node` closes the connection; the peer hears of it when the way there lets the FIN through.
  void give_up(uint32_t node, uint32_t peer);
  // The record stream beside a link ends: record packets in flight are lost, and so are all of the generations so far;
  // both routers report the link as renewed.
  void end_stream(uint32_t a, uint32_t b);
  // Nothing passes from `from` to `to`; nobody is told.
  void block(uint32_t from, uint32_t to);
  void unblock(uint32_t from, uint32_t to);
  // Everything from `from` to `to` arrives `for_time` later at the earliest.
  void stall(uint32_t from, uint32_t to, TimeNs for_time);
  void set_slowness(uint32_t from, uint32_t to, uint32_t factor);
  // But for what concerns `spared`, if that is a node: it stays cut off from all if it was from any.
  void heal(uint32_t spared);

  // ---- keeper wires (ARCHITECTURE §5): one beside each connection, its ends held by routers and keepers ----
  void keeper_died(uint32_t node);
  // A new keeper is handed copies of the wires the router has: first what they are, then, later, that it holds them.
  std::vector<uint64_t> router_wires(uint32_t node) const;
  void keeper_takes(uint32_t node, const std::vector<uint64_t>& wires);

  // Told of every packet that is sent.
  using Meter = std::function<void(uint32_t from, ByteView packet)>;
  void set_meter(Meter meter) { meter_ = std::move(meter); }

  bool is_up(uint32_t node, uint32_t peer) const { return ends_[index(node, peer)].connection != 0; }
  bool is_blocked(uint32_t from, uint32_t to) const { return paths_[index(from, to)].blocked; }

 private:
  struct Host {
    bool listening = false;
    bool quiet = false;
    bool responsive = true;
    bool full = false;
    uint64_t sessions = 0;
  };
  struct End {
    uint64_t connection = 0;
    uint64_t session = 0;
    TimeNs heard = 0;
    TimeNs checked = 0;            // the last look at it,
    uint32_t unanswered = 0;       // and how many before found nothing heard
    TimeNs hidden_since = kNever;  // mutation: the router has not been told that this end is down
  };
  struct Wire {                       // of one node to one peer; connections by number, 0: none
    uint64_t router = 0, keeper = 0;  // what they hold
    uint64_t armed = 0;               // the router here knows that the peer's keeper holds its end
    uint64_t ended = 0;               // it has seen the end of that one
    uint64_t given_up = 0;            // up to here the router here, alive, has let go: they end with a reset
  };
  struct Held {
    uint64_t connection;
    Bytes packet;
  };
  struct Path {
    bool blocked = false;
    uint32_t slowness = 1;
    TimeNs stalled_until = 0;
    TimeNs last_arrival[3] = {0, 0, 0};  // by lane, and of the record stream
    // The stream carries record packets of generations from here on; kNoStream: there is none.
    uint64_t stream_from = kNoStream;
    uint32_t newest_generation = 0;  // of record packets sent so far
    uint32_t lost_until = 0;         // record packets of generations up to this do not arrive
    std::deque<Held> held;
  };

  size_t index(uint32_t from, uint32_t to) const { return static_cast<size_t>(from) * nodes_ + to; }
  static bool accepts(const Host& host) { return host.listening && !host.quiet; }
  static bool can_connect(const Host& host) { return accepts(host) && host.responsive && !host.full; }
  bool listed(uint32_t by, uint32_t peer) const { return peers_[index(by, peer)]; }
  bool passes(uint32_t from, uint32_t to) const { return !paths_[index(from, to)].blocked; }
  static constexpr uint64_t kNoStream = ~uint64_t{0};
  static bool is_record(ByteView packet);
  void open_stream(uint32_t node, uint32_t peer, uint64_t connection);
  void renew(uint32_t node, uint32_t peer);
  TimeNs latency(const Path& path);
  void deliver(uint32_t from, uint32_t to, uint64_t connection, Bytes packet);
  void end_down(uint32_t node, uint32_t peer, bool tell_peer);
  void end_up(uint32_t node, uint32_t peer, uint64_t connection);
  void report_down(uint32_t node, uint32_t peer);
  void cut_off(uint32_t node);
  void close_all(uint32_t node, bool tell_peers, bool tell_router);
  void plan_connect(uint32_t a, uint32_t b, TimeNs delay);
  void try_connect(uint32_t opener, uint32_t acceptor);
  void abandon_connect(uint32_t opener, uint32_t acceptor, uint64_t connection);
  void finish_connect(uint32_t opener, uint32_t acceptor, uint64_t connection);
  void check_links(uint32_t node);
  // network_wires.cc
  void make_wire(uint32_t opener, uint32_t acceptor, uint64_t connection);
  void let_go(uint32_t node, uint32_t peer, uint64_t Wire::*holder);
  void send_wire_end(uint32_t node, uint32_t peer, uint64_t connection);
  void wire_ended(uint32_t node, uint32_t peer, uint64_t connection);

  EventQueue& queue_;
  Random& random_;
  Trace& trace_;
  NetworkEvents& events_;
  const uint32_t nodes_;
  const NetworkOptions options_;
  std::vector<Host> hosts_;
  std::vector<End> ends_;
  std::vector<Wire> wires_;
  std::vector<Path> paths_;
  std::vector<bool> peers_;       // by index(node, peer)
  std::vector<bool> connecting_;  // by index(opener, acceptor): an attempt is planned
  uint64_t connections_ = 0;
  Meter meter_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_NETWORK_H_
