// SPDX-License-Identifier: GPL-3.0-or-later
// Clients on the classic unix stream socket (wire-protocol §1.4), and the handing over of their connections to the store
// and back (ARCHITECTURE.md §2): the connection of a client that asks for records is read and written by the store, so
// that a call wakes the router no more; everything else of the client stays here.
//
// Invariants:
//  1. A connection is read and written by one process at a time. It goes to the store between two packets, and comes back
//     when the store says so, or is dead: then if the shared state says that nothing was half done, else the client ends.
//  2. Of packets to a client whose connection is away a copy stays until they are written.
//  3. A client never disappears inside send() or close().
#ifndef CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_
#define CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ctdb-router/shell/daemons.h"
#include "ctdb-router/shell/endpoint_ids.h"
#include "ctdb-router/shell/events.h"
#include "ctdb-router/shell/kept_packets.h"
#include "ctdb-router/shell/noted_clients.h"
#include "libctdbipc/ring/connection_states.h"
#include "libctdbipc/runtime/classic_connections.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/listener.h"

namespace ctdb {

class ClassicClients : ClassicConnections::Owner {
 public:
  ClassicClients(EventLoop& loop, EndpointIds& ids, ClientEvents& events, Daemons& daemons)
      : loop_(loop),
        ids_(ids),
        events_(events),
        daemons_(daemons),
        connections_(loop, *this),
        noted_(daemons,
               {[this](uint32_t id) { return descriptor(id); }, [this](uint32_t id) { return sight(id); },
                [this](uint32_t id, size_t bytes_max) { return events_.registrations_of(id, bytes_max); }}) {}
  ClassicClients(const ClassicClients&) = delete;
  ClassicClients& operator=(const ClassicClients&) = delete;

  Result<void> listen(const std::string& path);
  // Queues for flush(). false: no classic client has this id.
  bool send(uint32_t id, ByteView packet);
  // Bytes that wait for it; 0 for ids of others.
  size_t queued_bytes(uint32_t id);
  // Writes, and hands over connections that ask for it.
  void flush();
  // Ends a client's connection; ids of others are ignored.
  void close(uint32_t id, const char* why);
  void close_all(const char* why);
  // Stops and resumes reading from all, wherever their connections are; sending goes on.
  void pause(bool paused);

  NotedClients& noted() { return noted_; }
  // What the last router has noted about the client of kKeptClient. nullptr: nothing to go on with.
  const ClientNote* last_note(const SetupMessage& message) const;

  // A store has connected.
  void on_store() { noted_.on_store(); }
  // What the store has kept for the last router.
  void on_kept(SetupMessage& message);
  // The store speaks of a connection.
  void on_store_frame(FrameInfo info, MutableBytes packet);
  // The store is disconnected. `dead`: it cannot touch a connection any more.
  void on_store_gone(bool dead);

  uint64_t cut() const { return connections_.cut() + cut_away_; }
  uint64_t skipped() const { return connections_.skipped() + skipped_away_; }
  // What went past the router, since this was asked last; the router counts them as its own.
  CallCounts take_calls_elsewhere();

 private:
  enum class Place : uint8_t { kHere, kGoing, kStore };  // kGoing: the store has not said yet that it has it
  struct Client {
    Place place = Place::kHere;
    bool ending = false;  // away: shut down, the store's word is awaited
    uint16_t hand_over = 0;
    uint32_t wish = 0;                     // how much it wants to be with the store
    UniqueFd fd;                           // away: our copy
    const ConnectionSlot* slot = nullptr;  // kStore
    KeptPackets kept;
  };

  // ClassicConnections::Owner
  void on_connection_ready(uint32_t id) override { noted_.touch(id); }
  void on_connection_packet(uint32_t id, MutableBytes packet) override;
  void on_connection_gone(uint32_t id, bool cut) override;

  bool prepare_store();
  void hand_over(uint32_t id, Client& client);
  void taken(uint32_t id, Client& client, uint64_t slot);
  void take_back(uint32_t id, Client& client, uint64_t written);
  void take_back_or_end(uint32_t id, Client& client, bool dead);
  void send_away(uint32_t id, Client& client, ByteView packet);
  void remove(uint32_t id);
  // 0: it was refused.
  uint32_t add(UniqueFd socket);
  void restore(UniqueFd socket, const ClientNote& note);
  std::optional<HalfPackets::Kept> last_half(const ClientNote& note) const;
  int descriptor(uint32_t id) const;
  std::optional<NotedClients::Sight> sight(uint32_t id) const;
  void take_totals();

  EventLoop& loop_;
  EndpointIds& ids_;
  ClientEvents& events_;
  Daemons& daemons_;
  ClassicConnections connections_;
  NotedClients noted_;
  std::unique_ptr<ClientNotes> last_notes_;  // of the last router
  std::unique_ptr<HalfPackets> last_halves_;
  std::unique_ptr<Listener> listener_;
  std::unordered_map<uint32_t, Client> clients_;
  std::vector<uint32_t> wishing_;
  std::unique_ptr<ConnectionStates> states_;  // shared with the store that is connected, once it needs it
  ConnectionTotals seen_;                     // of states_, as far as they are in the counts below
  CallCounts uncounted_;
  uint64_t skipped_away_ = 0;
  uint64_t cut_away_ = 0;
  bool paused_ = false;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_
