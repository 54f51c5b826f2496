// SPDX-License-Identifier: GPL-3.0-or-later
// The store and recoveryd of this node: their set-up connections and channels. Each comes and goes on its own.
#ifndef CTDB_ROUTER_SHELL_DAEMONS_H_
#define CTDB_ROUTER_SHELL_DAEMONS_H_

#include <array>
#include <memory>

#include "ctdb-router/core/router.h"
#include "ctdb-router/shell/events.h"
#include "ctdb-router/shell/setup_peer.h"
#include "libctdbipc/runtime/channel_queue.h"

namespace ctdb {

class Daemons {
 public:
  // `boot_id` makes instance numbers differ from those of an earlier life of this router.
  Daemons(EventLoop& loop, DaemonEvents& events, uint32_t pnn, uint64_t boot_id)
      : loop_(loop), events_(events), pnn_(pnn), boot_id_(boot_id) {}

  // Takes a connection whose peer asked for a role and answers it. `generation` is told to a store. Errors: kRefused
  // (another one is alive, or the peer is somebody else's process), kSystem; the connection is then untouched.
  Result<void> connect(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection,
                       uint32_t generation);

  bool to_store(FrameInfo info, ByteView packet);
  bool to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet);
  bool store_up() const { return store_.setup != nullptr; }
  // There is one, and it keeps clients for the next router.
  bool store_keeps() const { return store_up() && store_.keeps; }
  bool store_keeps_channels() const { return store_up() && store_.keeps_channels; }
  bool store_keeps_halves() const { return store_up() && store_.keeps_halves; }
  bool recoveryd_up() const { return recoveryd_.setup != nullptr; }
  // Where the store is told of native clients; nullptr: no store.
  SetupPeer* store_setup() { return store_.setup.get(); }
  // The store is told; without one the stream is closed.
  void give_record_stream(uint32_t pnn, UniqueFd stream);
  void end_record_stream(uint32_t pnn);
  // For the keeper to hold; and that it has all there are.
  void give_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire);
  void keeper_ready();
  // Of the lane where most waits.
  size_t queued_bytes() const;
  // Both end.
  void shutdown();

 private:
  struct Port {
    std::unique_ptr<SetupPeer> setup;
    std::array<std::unique_ptr<ChannelQueue>, 2> lanes;  // by Lane; the store has the data lane only
    uint64_t instance = 0;
    bool keeps = false;  // a store: see SetupMessage, kKeepsClients
    bool keeps_channels = false;
    bool keeps_halves = false;
  };
  Port& port(Server who) { return who == Server::store ? store_ : recoveryd_; }
  Result<void> may_connect(Server who, const SetupPeer& connection);
  Result<ChannelFds> open_lane(Server who, Lane lane, uint64_t instance,
                               std::unique_ptr<ChannelQueue>& queue);
  void on_setup_message(Server who, uint64_t instance, SetupMessage& message);
  void end(Server who, uint64_t instance, const char* why);

  EventLoop& loop_;
  DaemonEvents& events_;
  const uint32_t pnn_;
  const uint64_t boot_id_;
  uint64_t connections_ = 0;
  Port store_;
  Port recoveryd_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_DAEMONS_H_
