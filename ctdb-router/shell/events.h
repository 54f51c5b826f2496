// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of the router's shell report to the one that composes them (shell/shell.cc). None of these is called
// from inside a send: RouterOutput callbacks stay free of events.
#ifndef CTDB_ROUTER_SHELL_EVENTS_H_
#define CTDB_ROUTER_SHELL_EVENTS_H_

#include <cstdint>
#include <span>

#include "ctdb-router/core/router.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb {

// Both kinds of local clients.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  virtual void on_client(uint32_t id, int32_t pid) = 0;
  // `packet` passed check_header; it may be changed in place.
  virtual void on_client_packet(uint32_t id, MutableBytes packet) = 0;
  virtual void on_client_gone(uint32_t id) = 0;
  // Questions: Router::registrations(), Router::has_traverse().
  virtual Bytes registrations_of(uint32_t id, size_t bytes_max) = 0;
  virtual bool has_traverse(uint32_t id) = 0;
  // After on_client(): the last router had it.
  virtual void on_client_restored(uint32_t id, ByteView registrations,
                                  std::span<const UnansweredControl> unanswered) = 0;
};

// The daemons of this node.
class DaemonEvents {
 public:
  virtual ~DaemonEvents() = default;
  virtual void on_daemon(Server who, bool up, uint64_t instance) = 0;
  virtual void on_daemon_packet(Server from, uint32_t endpoint, MutableBytes packet) = 0;
  // The store speaks of the connection of a classic client (ring/connection_states.h).
  virtual void on_connection_frame(FrameInfo info, MutableBytes packet) = 0;
  // The same, to the store.
  virtual void on_connection_frame_sent(FrameInfo info, ByteView packet) = 0;
  // The store is disconnected, on_daemon follows. `dead`: it has no connection any more; else it may still be alive.
  virtual void on_connections_lost(bool dead) = 0;
  // The store gives back what it has kept for the last router (ring/client_notes.h): the notes, a client, the end.
  virtual void on_kept(SetupMessage& message) = 0;
  // The store found that this native client broke the rules of its channel.
  virtual void on_store_cut_client(uint32_t id) = 0;
  // A record stream of the store broke (`broken`), or has come too late for the generation under way.
  virtual void on_stream_report(uint32_t pnn, bool broken) = 0;
  // The keeper has the wire of that number to that node.
  virtual void on_keeper_holds(uint32_t pnn, uint32_t number) = 0;
  // The store has a keeper, which wants all wires.
  virtual void on_keeper() = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_EVENTS_H_
