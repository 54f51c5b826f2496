// SPDX-License-Identifier: GPL-3.0-or-later
// The store's set-up connection: finds the router, again and again until it answers, and hands on what it says. Its
// end is the router's end. Used by the store's shell from its loop.
#ifndef CTDB_STORE_ROUTER_LINK_H_
#define CTDB_STORE_ROUTER_LINK_H_

#include <functional>
#include <string>

#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {

class RouterLink {
 public:
  struct Handlers {
    // The router has answered. An error gives the connection up (and it is tried again).
    std::function<Result<void>(SetupMessage& reply)> on_up;
    std::function<void(SetupMessage& message)> on_message;
    // Once per on_up that was good. From here on there is no connection, a new one is being looked for.
    std::function<void()> on_down;
  };
  RouterLink(EventLoop& loop, std::string path, Handlers handlers);
  ~RouterLink();
  RouterLink(const RouterLink&) = delete;
  RouterLink& operator=(const RouterLink&) = delete;

  // Tries at once.
  void start() { connect(); }
  bool up() const { return socket_.valid(); }
  // Best effort: a router that does not read will end the connection anyway.
  void send(const SetupMessage& message);
  // The router broke the rules: drops the connection as if it had ended.
  void give_up(const std::string& why);

 private:
  void connect();
  Result<void> try_connect();
  void retry_later();
  void on_readable();

  EventLoop& loop_;
  const std::string path_;
  Handlers handlers_;
  UniqueFd socket_;
  EventLoop::TimerId retry_timer_ = 0;
  TimeNs retry_after_;
  bool complained_ = false;  // about a router that is not there
};

}  // namespace ctdb

#endif  // CTDB_STORE_ROUTER_LINK_H_
