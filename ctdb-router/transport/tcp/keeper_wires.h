// SPDX-License-Identifier: GPL-3.0-or-later
// Keeper wires (ARCHITECTURE.md §5, "Fencing"): one quiet connection beside each link, whose end on each node is held by that
// node's router and its keeper. Nobody sends anything on it, so the kernel closes it in order (FIN) when the last of
// the two lets go, also when both are killed. That, and only that, proves that they are dead. Used by the TCP transport.
//
// Invariants:
//  1. An end counts as proof only when the other side has said that its keeper holds the wire: the acceptor with its answer to
//     HELLO, the opener with one byte after it.
//  2. A router that lives lets go of a wire with a reset only, which is no proof.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_KEEPER_WIRES_H_
#define CTDB_ROUTER_TRANSPORT_TCP_KEEPER_WIRES_H_

#include <cstdint>
#include <functional>
#include <map>

#include "ctdb-router/transport/transport.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class KeeperWires {
 public:
  // A wire has ended; `gone`: the other node's router and keeper are dead.
  using OnEnd = std::function<void(uint32_t pnn, bool gone)>;
  KeeperWires(EventLoop& loop, OnEnd on_end) : loop_(loop), on_end_(std::move(on_end)) {}
  ~KeeperWires();
  KeeperWires(const KeeperWires&) = delete;
  KeeperWires& operator=(const KeeperWires&) = delete;

  // Replaces the wire to that node. `answer`: what is to be said when our keeper has it, the answer to HELLO; empty: this
  // node opened it, and the answer has come.
  void add(uint32_t pnn, UniqueFd socket, Bytes answer);
  // Passes a copy on, if there is a wire.
  void give(uint32_t pnn, TransportEvents& events);
  void held(uint32_t pnn, uint32_t number);
  // The link has come up anew.
  void drop(uint32_t pnn);
  bool have(uint32_t pnn) const;
  bool proved_gone(uint32_t pnn) const;

 private:
  struct Wire {
    UniqueFd socket;  // invalid: it has ended
    uint32_t number = 0;
    Bytes answer;
    bool armed = false;   // the other side's keeper holds it
    bool told = false;    // the other side knows that ours does
    bool opened = false;  // by us
    bool gone = false;
  };
  void on_readable(uint32_t pnn);
  void end(uint32_t pnn, bool gone);

  EventLoop& loop_;
  const OnEnd on_end_;
  std::map<uint32_t, Wire> wires_;
  uint32_t numbers_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_KEEPER_WIRES_H_
