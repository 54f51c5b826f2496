// SPDX-License-Identifier: GPL-3.0-or-later
// Clients on the classic unix stream socket (wire-protocol §1.4).
//
// Invariants:
//  1. One read (a few when it fills the buffer) and one write per client and turn.
//  2. A client that breaks framing, or does not read until kClientSendQueueBytesMax wait for it, is cut and counted;
//     nobody else notices.
//  3. A client never disappears inside send() or on_client_packet(): it is marked and removed later in the loop.
#ifndef CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_
#define CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ctdb-router/shell/endpoint_ids.h"
#include "ctdb-router/shell/events.h"
#include "ctdb-router/transport/listener.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/wire/frame_reader.h"

namespace ctdb {

class ClassicClients {
 public:
  ClassicClients(EventLoop& loop, EndpointIds& ids, ClientEvents& events);
  ~ClassicClients();
  ClassicClients(const ClassicClients&) = delete;
  ClassicClients& operator=(const ClassicClients&) = delete;

  Result<void> listen(const std::string& path);
  // Queues for flush(). false: no classic client has this id.
  bool send(uint32_t id, ByteView packet);
  void flush();
  // Ends a client's connection; ids of others are ignored.
  void close(uint32_t id, const char* why);
  // Stops and resumes reading from all; sending goes on.
  void pause(bool paused);

  uint64_t cut() const { return cut_; }
  uint64_t skipped() const { return skipped_; }

 private:
  struct Client {
    Client(uint32_t number, UniqueFd descriptor);
    const uint32_t id;
    UniqueFd fd;
    FrameReader reader;
    uint64_t skipped_seen = 0;
    Bytes out;
    size_t out_at = 0;  // written up to here
    bool dirty = false;
    bool write_wanted = false;
    bool doomed = false;
  };

  void accept_one(UniqueFd socket);
  void on_event(uint32_t id, uint32_t events);
  void read_some(Client& client);
  bool deliver(Client& client);
  void write_some(Client& client);
  void set_interest(Client& client);
  void doom(Client& client, const char* why);
  void bury();
  void remove(uint32_t id);

  EventLoop& loop_;
  EndpointIds& ids_;
  ClientEvents& events_;
  std::unique_ptr<Listener> listener_;
  std::unordered_map<uint32_t, std::unique_ptr<Client>> clients_;
  std::vector<Client*> dirty_;
  std::vector<uint32_t> doomed_;
  EventLoop::TimerId burial_ = 0;
  bool paused_ = false;
  uint64_t cut_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_CLASSIC_CLIENTS_H_
