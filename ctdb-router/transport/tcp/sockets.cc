// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/tcp/sockets.h"

#include <netinet/tcp.h>

#include <cerrno>

#include "ctdb-router/transport/tcp/port_holder.h"

namespace ctdb {
namespace {

constexpr int kBacklog = 128;

void set_option(int socket, int level, int name) {
  const int one = 1;
  setsockopt(socket, level, name, &one, sizeof one);
}

}  // namespace

Result<UniqueFd> tcp_listen(const SocketAddress& address) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  const std::string name = address_text(address.storage);
  const bool listens = bind(fd.get(), address.get(), address.size) == 0 && listen(fd.get(), kBacklog) == 0;
  if (!listens && errno == EADDRINUSE) return fail(ErrorCode::kRefused, port_taken_text(address));
  if (!listens) return fail_errno("listening on " + name);
  return fd;
}

void tcp_adopt(int socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY);
}

Result<UniqueFd> tcp_connect(const SocketAddress& own, const SocketAddress& peer) {
  UniqueFd fd(socket(peer.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno("socket");
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  // Without this a bind to port 0 takes a port for all destinations, and a node with many links runs out sooner.
  set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  if (bind(fd.get(), own.get(), own.size) != 0) return fail_errno("binding " + address_text(own.storage));
  if (connect(fd.get(), peer.get(), peer.size) != 0 && errno != EINPROGRESS) return fail_errno("connecting");
  return fd;
}

}  // namespace ctdb
