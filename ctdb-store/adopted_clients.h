// SPDX-License-Identifier: GPL-3.0-or-later
// Connections of classic clients that the router has handed over (ARCHITECTURE.md §2): calls and notices of deletions go straight
// into the core, and answers straight into the socket; everything else a client sends goes to the router in its name, and what
// the router has for it comes back the same way. Used by the store's shell from its loop.
//
// Invariants:
//  1. The shared state of a connection is truthful at every instruction (ring/connection_states.h).
//  2. While not everything for the router is in its ring, or the router or the store says so, no connection is read.
//  3. A connection whose last kPatience packets were not for the core is returned.
#ifndef CTDB_STORE_ADOPTED_CLIENTS_H_
#define CTDB_STORE_ADOPTED_CLIENTS_H_

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/connection_states.h"
#include "libctdbipc/runtime/classic_connections.h"

namespace ctdb {

class AdoptedClients : ClassicConnections::Owner {
 public:
  struct Handlers {
    // A well-formed REQ_CALL, or SCHEDULE_FOR_DELETION for this node that nobody answers.
    std::function<void(uint32_t endpoint, MutableBytes packet)> to_core;
    std::function<void(FrameInfo info, ByteView packet)> to_router;
    std::function<bool()> all_in_ring;  // of what went to the router
  };
  AdoptedClients(EventLoop& loop, uint32_t pnn, Handlers handlers)
      : pnn_(pnn), handlers_(std::move(handlers)), connections_(loop, *this) {}
  AdoptedClients(const AdoptedClients&) = delete;
  AdoptedClients& operator=(const AdoptedClients&) = delete;

  // The memory that the router looks into when this process has died; comes before the first connection.
  Result<void> share(UniqueFd memory);
  void adopt(uint32_t endpoint, uint16_t hand_over, UniqueFd socket);
  // A frame with flags: a packet to be written, or an order.
  void on_router_frame(FrameInfo info, ByteView packet);
  // The core's answer to a call. false: no adopted client has this id.
  bool answer(uint32_t endpoint, ByteView packet);
  void write() { connections_.flush(); }
  // At the end of each turn: writes, and says what has become of the connections that moved.
  void flush();
  // No connection is read while `hold`: the store has enough to do.
  void hold(bool hold) {
    held_ = hold;
    set_pause();
  }
  // A client at the end of a turn: what went both ways in this hand-over, the one unanswered call and what it is in the middle of,
  // loans.
  struct Sight {
    uint64_t to_router = 0, from_router = 0;
    ByteView call;
    Unfinished unfinished;
  };
  bool has(uint32_t endpoint) const { return clients_.contains(endpoint); }
  // nullopt: it ends, waits for more than one call, or is not in this hand-over.
  std::optional<Sight> sight(uint32_t endpoint, uint16_t hand_over) const;
  // The router is gone, and so are the clients that kept_clients.h has not.
  void drop_all();
  size_t size() const { return connections_.size(); }

 private:
  struct Client {
    ConnectionSlot* slot = nullptr;
    uint16_t hand_over = 0;
    uint64_t to_write = 0;   // packets of the router, all
    uint64_t to_router = 0;  // the client's, all but those for the core
    uint32_t calls = 0;      // unanswered
    bool call_kept = false;  // the only one of them is in the slot
    bool touched = false;    // in touched_
    uint32_t patience = 0;
  };

  // ClassicConnections::Owner
  void on_connection_ready(uint32_t endpoint) override;
  void on_connection_packet(uint32_t endpoint, MutableBytes packet) override;
  void on_connection_gone(uint32_t endpoint, bool cut) override;

  void touch(uint32_t endpoint, Client& client);
  void take_call(uint32_t endpoint, Client& client, MutableBytes packet);
  bool is_deletion(ByteView packet) const;
  void lose_patience(Client& client);
  bool settle(uint32_t endpoint);
  void give_back(uint32_t endpoint, Client& client);
  void tell_router(ConnectionFrame kind, uint32_t endpoint, uint16_t hand_over, uint64_t value);
  void retire(ConnectionSlot* slot) { retired_.push_back(slot); }
  void set_pause();

  const uint32_t pnn_;
  const Handlers handlers_;
  ClassicConnections connections_;
  std::unique_ptr<ConnectionStates> states_;
  std::unordered_map<uint32_t, Client> clients_;
  std::vector<uint32_t> touched_;         // their slots say kBusy
  std::vector<ConnectionSlot*> retired_;  // free when what was said about them is in the ring
  ConnectionTotals totals_;
  ConnectionTotals told_;
  uint64_t skipped_before_ = 0;  // this router
  bool router_pauses_ = false;
  bool held_ = false;
  bool paused_ = false;
};

}  // namespace ctdb

#endif  // CTDB_STORE_ADOPTED_CLIENTS_H_
