// SPDX-License-Identifier: LGPL-3.0-or-later
// A listening socket in the loop: accepts a bounded number a turn, and rests for a moment when the process is out
// of descriptors (a waiting connection would wake it for ever).
#ifndef LIBCTDBIPC_RUNTIME_LISTENER_H_
#define LIBCTDBIPC_RUNTIME_LISTENER_H_

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class Listener {
 public:
  // `peer` is meaningful for internet sockets only. Accepted sockets are non-blocking and close-on-exec.
  using OnAccept = std::function<void(UniqueFd socket, const sockaddr_storage& peer)>;

  static Result<std::unique_ptr<Listener>> create(EventLoop& loop, UniqueFd socket, OnAccept on_accept);
  // On the unix socket of `path` (service_socket()).
  static Result<std::unique_ptr<Listener>> create_local(EventLoop& loop, const std::string& path, int type,
                                                        mode_t mode,
                                                        std::function<void(UniqueFd socket)> on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  Listener(EventLoop& loop, UniqueFd socket, OnAccept on_accept)
      : loop_(loop), socket_(std::move(socket)), on_accept_(std::move(on_accept)) {}
  Result<void> watch();
  void accept_some();
  void rest();

  EventLoop& loop_;
  UniqueFd socket_;
  OnAccept on_accept_;
  bool watched_ = false;
  bool complained_ = false;
  EventLoop::TimerId rest_timer_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_LISTENER_H_
