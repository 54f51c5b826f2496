// SPDX-License-Identifier: LGPL-3.0-or-later
// A daemon's set-up connection to its router: finds the router, again and again until it answers, and hands on what it
// says. Its end is the router's end. Used by the shells of store and recoveryd from their loops.
//
// Nothing waits here: with socket activation a connection is made at once and answered when there is a router.
#ifndef LIBCTDBIPC_RUNTIME_ROUTER_LINK_H_
#define LIBCTDBIPC_RUNTIME_ROUTER_LINK_H_

#include <deque>
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
  // `pnn` is this node's: a router of another node is not taken.
  RouterLink(EventLoop& loop, std::string path, DaemonRole role, uint32_t pnn, Handlers handlers);
  ~RouterLink();
  RouterLink(const RouterLink&) = delete;
  RouterLink& operator=(const RouterLink&) = delete;

  // Tries at once.
  void start() { connect(); }
  bool up() const { return up_; }
  // What the router does not take now waits, in order. Without a connection it is nobody's.
  void send(SetupMessage message);
  // false: the router does not take it now.
  bool offer(const SetupMessage& message);
  // The router broke the rules: drops the connection as if it had ended.
  void give_up(const std::string& why);

 private:
  void connect();
  Result<void> try_connect();
  void retry_later();
  void on_event(uint32_t events);
  void on_readable();
  void write_some();
  Result<void> on_first(SetupMessage& reply);
  void complain(const std::string& why);
  void drop();

  EventLoop& loop_;
  const std::string path_;
  const DaemonRole role_;
  const uint32_t pnn_;
  Handlers handlers_;
  UniqueFd socket_;
  bool up_ = false;  // it has answered
  std::deque<SetupMessage> waiting_;
  bool write_wanted_ = false;
  EventLoop::TimerId retry_timer_ = 0;
  TimeNs retry_after_;
  bool complained_ = false;  // about a router that is not there
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_ROUTER_LINK_H_
