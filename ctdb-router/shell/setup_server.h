// SPDX-License-Identifier: GPL-3.0-or-later
// The set-up socket: accepts, waits for the request that says who is there, and hands the connection to whoever looks
// after that kind.
#ifndef CTDB_ROUTER_SHELL_SETUP_SERVER_H_
#define CTDB_ROUTER_SHELL_SETUP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ctdb-router/shell/daemons.h"
#include "ctdb-router/shell/native_clients.h"
#include "libctdbipc/runtime/listener.h"

namespace ctdb {

class SetupServer {
 public:
  // `generation` is asked when a store connects.
  SetupServer(EventLoop& loop, NativeClients& clients, Daemons& daemons, std::function<uint32_t()> generation)
      : loop_(loop), clients_(clients), daemons_(daemons), generation_(std::move(generation)) {}
  Result<void> listen(const std::string& path);

 private:
  void accept_one(UniqueFd socket);
  void on_request(uint64_t stranger, const SetupMessage& request);
  Result<void> give_away(const SetupMessage& request, std::unique_ptr<SetupPeer>& connection);

  EventLoop& loop_;
  NativeClients& clients_;
  Daemons& daemons_;
  std::function<uint32_t()> generation_;
  std::unique_ptr<Listener> listener_;
  std::map<uint64_t, std::unique_ptr<SetupPeer>> strangers_;  // have not said who they are; oldest first
  uint64_t next_stranger_ = 1;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_SETUP_SERVER_H_
