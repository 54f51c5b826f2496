// SPDX-License-Identifier: GPL-3.0-or-later
// Writes down what another router must know to go on with this one's classic clients (ring/client_notes.h), and has the store
// keep that and copies of their sockets. Of a native client that is what it has registered: its packets stay in its rings, which
// the store keeps too. A part of ClassicClients, which tells it what happens, and used by NativeClients.
//
// Invariants:
//  1. A note is busy from touch() on, until settle() finds that another router could go on.
//  2. Without a store that keeps clients nothing is written, but what a client waits for is counted all the same.
#ifndef CTDB_ROUTER_SHELL_NOTED_CLIENTS_H_
#define CTDB_ROUTER_SHELL_NOTED_CLIENTS_H_

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ctdb-router/shell/daemons.h"
#include "libctdbipc/ring/client_notes.h"
#include "libctdbipc/ring/half_packets.h"

namespace ctdb {

class NotedClients {
 public:
  // A client at the end of a turn.
  struct Sight {
    bool away = false;
    uint16_t hand_over = 0;
    Unfinished unfinished;
  };
  struct Questions {
    std::function<int(uint32_t id)> socket;                  // a loan; -1: it has none any more
    std::function<std::optional<Sight>(uint32_t id)> sight;  // nullopt: another router cannot go on
    std::function<Bytes(uint32_t id, size_t bytes_max)> registrations;
  };
  NotedClients(Daemons& daemons, Questions questions) : daemons_(daemons), questions_(std::move(questions)) {}

  void add(uint32_t id) { add(id, nullptr); }
  // A native client; `ends` copies its set-up connection and this router's end of its channel, while it is here.
  using Ends = std::function<Result<SetupMessage>()>;
  void add(uint32_t id, Ends ends);
  void remove(uint32_t id);
  // Something is about to be read from it, or to be done for it.
  void touch(uint32_t id);
  // A native client asked for something, after which it may have registered other things. Its other packets do not matter here.
  void asked_native(uint32_t id);
  // A packet of it came to the router; one is sent to it. Both touch.
  void asked(uint32_t id, ByteView packet);
  void answered(uint32_t id, ByteView packet);
  // Its connection goes to the store; what is counted from here on, packets for it and from it.
  void handed_over(uint32_t id);
  void sent_to_store(uint32_t id);
  void came_from_store(uint32_t id);
  void settle();
  // Another router could go on with all that are kept.
  bool all_clean() const;
  // A store has come: keeps them all from here on, if it can. And it is gone.
  void on_store();
  void on_store_gone();

 private:
  struct Client {
    Ends ends;  // of a native client
    ClientNote* note = nullptr;
    bool touched = false;
    bool half = false;  // what is unfinished has a place in halves_
    uint64_t to_store = 0, from_store = 0;
    std::vector<ClientNote::Control> controls;  // unanswered
    // What it has registered changes with its controls only, and is not put together for each packet.
    bool registered = true;         // maybe, since the note was written
    size_t registration_bytes = 0;  // in the note, unless there are too many
    size_t calls = 0;               // unanswered
    Bytes call;                     // when it is one, and not too large
  };
  Result<SetupMessage> copy_of(uint32_t id, const Client& client) const;
  void keep(uint32_t id, Client& client);
  void touch(uint32_t id, Client& client);
  void write(Client& client, const Sight& sight) const;
  bool keep_half(Client& client, const Unfinished& unfinished);
  void drop_half(Client& client);
  template <typename Memory>
  std::unique_ptr<Memory> share(SetupKind kind);
  void write_registrations(uint32_t id, Client& client) const;
  static bool fits(const Client& client);

  Daemons& daemons_;
  const Questions questions_;
  std::unique_ptr<ClientNotes> notes_;
  std::unique_ptr<HalfPackets> halves_;  // not with a store of an earlier version
  std::unordered_map<uint32_t, Client> clients_;
  std::vector<uint32_t> touched_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_NOTED_CLIENTS_H_
