// SPDX-License-Identifier: GPL-3.0-or-later
// Clients with channels: one to the router, one straight to the store.
//
// Invariants:
//  1. While a store is connected every native client has a channel to it, made for this store: when the store is
//     replaced, so are the channels.
//     The store of the last router is no other one: a client that it has kept goes on with the channel it has.
//  2. A client whose frames break the rules, or that does not read, is cut and counted; nobody else notices.
#ifndef CTDB_ROUTER_SHELL_NATIVE_CLIENTS_H_
#define CTDB_ROUTER_SHELL_NATIVE_CLIENTS_H_

#include <memory>
#include <unordered_map>

#include "ctdb-router/shell/daemons.h"
#include "ctdb-router/shell/endpoint_ids.h"
#include "ctdb-router/shell/events.h"
#include "ctdb-router/shell/noted_clients.h"
#include "ctdb-router/shell/setup_peer.h"
#include "libctdbipc/runtime/channel_queue.h"

namespace ctdb {

class NativeClients {
 public:
  NativeClients(EventLoop& loop, EndpointIds& ids, ClientEvents& events, Daemons& daemons,
                NotedClients& noted, uint32_t pnn, std::string node_page_path)
      : loop_(loop),
        ids_(ids),
        events_(events),
        daemons_(daemons),
        noted_(noted),
        pnn_(pnn),
        node_page_path_(std::move(node_page_path)) {}

  // Takes a connection whose peer asked to be a client and answers it. Errors: kLimit, kSystem; the connection is
  // then untouched.
  Result<void> connect(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection);
  // The store has kept a client for the last router (SetupKind::kKeptClient); `note`: nullptr when what it had registered is not
  // known. It goes on with the same id.
  void restore(SetupMessage& message, const ClientNote* note);
  // false: no native client has this id.
  bool send(uint32_t id, ByteView packet);
  // Bytes that wait for it outside its ring; 0 for ids of others.
  size_t queued_bytes(uint32_t id) const {
    const auto found = clients_.find(id);
    return found == clients_.end() ? 0 : found->second.channel->queued_bytes();
  }
  bool has(uint32_t id) const { return clients_.contains(id); }
  // A new store is there: every client gets a new channel to it.
  void attach_all();
  // Ends a client's connection; ids of others are ignored.
  void close(uint32_t id, const char* why);
  void pause(bool paused);
  uint64_t cut() const { return cut_; }

 private:
  struct Client {
    std::unique_ptr<SetupPeer> setup;
    std::unique_ptr<ChannelQueue> channel;
  };
  // Tells the store of the client and returns the client's end of their channel.
  Result<ChannelFds> attach(uint32_t id, const PeerCredentials& credentials);
  Result<std::unique_ptr<ChannelQueue>> open(uint32_t id, ChannelFds end, ChannelLife life);
  Client& add(uint32_t id, std::unique_ptr<SetupPeer> setup, std::unique_ptr<ChannelQueue> channel);
  void note(uint32_t id);
  void on_frame(uint32_t id, const Channel::Frame& frame);
  void on_end(uint32_t id);
  void detach(uint32_t id);  // from the store
  void remove(uint32_t id);

  EventLoop& loop_;
  EndpointIds& ids_;
  ClientEvents& events_;
  Daemons& daemons_;
  NotedClients& noted_;
  const uint32_t pnn_;
  const std::string node_page_path_;  // clients get a descriptor of it
  std::unordered_map<uint32_t, Client> clients_;
  bool paused_ = false;
  uint64_t cut_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_NATIVE_CLIENTS_H_
