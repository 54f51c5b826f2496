// SPDX-License-Identifier: GPL-3.0-or-later
// One connection on the set-up socket, from the router's side: it carries a request in, messages with descriptors out,
// and its end is the death notice of whoever is there. What the socket does not take now waits here, in order.
#ifndef CTDB_ROUTER_SHELL_SETUP_PEER_H_
#define CTDB_ROUTER_SHELL_SETUP_PEER_H_

#include <deque>
#include <functional>
#include <memory>

#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {

class SetupPeer {
 public:
  // The callbacks may destroy the connection. on_end comes once, from the loop, never out of send().
  using OnMessage = std::function<void(SetupMessage message)>;
  using OnEnd = std::function<void()>;

  static Result<std::unique_ptr<SetupPeer>> create(EventLoop& loop, UniqueFd socket);
  ~SetupPeer();
  SetupPeer(const SetupPeer&) = delete;
  SetupPeer& operator=(const SetupPeer&) = delete;

  // Who handles what comes from now on; changes hands when the role is known.
  void set_handlers(OnMessage on_message, OnEnd on_end);
  int descriptor() const { return socket_.get(); }  // a loan
  const PeerCredentials& credentials() const { return credentials_; }

  void send(SetupMessage message);
  // Takes a message about a client back that was not sent yet; false when it is on its way already.
  bool unsend(SetupKind kind, uint32_t endpoint);
  // True when the other side is gone, whether the loop has noticed or not.
  bool ended() const;
  // The other side has closed it, or died.
  bool closed() const;

 private:
  SetupPeer(EventLoop& loop, UniqueFd socket, PeerCredentials credentials)
      : loop_(loop), socket_(std::move(socket)), credentials_(credentials) {}
  void on_event(uint32_t events);
  void write_some();
  void end_later();

  EventLoop& loop_;
  UniqueFd socket_;
  PeerCredentials credentials_;
  OnMessage on_message_;
  OnEnd on_end_;
  std::deque<SetupMessage> waiting_;
  bool write_wanted_ = false;
  EventLoop::TimerId end_timer_ = 0;
  EventLoop::TimerId retry_timer_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_SETUP_PEER_H_
