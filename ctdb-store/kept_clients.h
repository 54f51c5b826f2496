// SPDX-License-Identifier: GPL-3.0-or-later
// What outlives a router: copies of the sockets of its classic clients, of the set-up connections and channels of its native
// clients, and its notes about them (ring/client_notes.h, ring/half_packets.h), kept here until the next router has come. Used by the store's shell
// from its loop.
//
// Invariants:
//  1. What comes back to a router is a native client, or a classic one whose note says that another can go on; the others are
//     ended. The store's own channel of a native client stays until then.
//  2. Nobody waits for a router for longer than kWaitMax: then the connections end.
#ifndef CTDB_STORE_KEPT_CLIENTS_H_
#define CTDB_STORE_KEPT_CLIENTS_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ctdb-store/adopted_clients.h"
#include "ctdb-store/core/endpoints.h"
#include "libctdbipc/ring/client_notes.h"
#include "libctdbipc/ring/half_packets.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {

class KeptClients {
 public:
  // `offer` sends to the router; false: not now. `on_native_lost`: no router takes this one.
  KeptClients(EventLoop& loop, std::function<bool(const SetupMessage&)> offer,
              std::function<void(uint32_t id)> on_native_lost)
      : loop_(loop), offer_(std::move(offer)), on_native_lost_(std::move(on_native_lost)) {}
  ~KeptClients() { loop_.cancel(timer_); }
  KeptClients(const KeptClients&) = delete;
  KeptClients& operator=(const KeptClients&) = delete;

  // The router has said so.
  Result<void> take_notes(UniqueFd memory);
  Result<void> take_halves(UniqueFd memory);
  void keep(SetupMessage message);
  // true: it was a classic client.
  bool forget(uint32_t id);

  // The router is gone. What it and the store have read and written of `adopted` has to fit together.
  void router_is_gone(const AdoptedClients& adopted);
  // With the keeper dead too the others may go on without this node, and nobody takes its records away: classic clients do not wait
  // then. Native ones see it themselves.
  void nobody_fences();
  // The native clients that wait for a router.
  Endpoints natives() const;
  // What a router knows what to do with.
  struct Takes {
    bool clients = false, natives = false, halves = false;
  };
  // One is there. `life` is its own; it may be the one that had seemed to be gone, and then it has its clients still.
  void router_is_back(uint32_t life, Takes takes);
  size_t waiting() const { return waiting_.size(); }

 private:
  bool complete(ClientNote& note, uint32_t id, const AdoptedClients& adopted);
  bool complete_away(ClientNote& note, const AdoptedClients::Sight& sight);
  void give_some();
  void drop_natives(bool end_them);
  void end_broken();
  void give_up(const char* why);

  EventLoop& loop_;
  const std::function<bool(const SetupMessage&)> offer_;
  const std::function<void(uint32_t id)> on_native_lost_;
  UniqueFd memory_, halves_memory_;
  std::unique_ptr<ClientNotes> notes_;
  std::unique_ptr<HalfPackets> halves_;
  std::unordered_map<uint32_t, SetupMessage> kept_;  // by the client's id
  std::deque<SetupMessage> waiting_;                 // for the next router
  std::vector<UniqueFd> broken_;                     // to be ended when the router is known to be dead
  uint32_t life_ = 0;                                // of the last router
  EventLoop::TimerId timer_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_KEPT_CLIENTS_H_
