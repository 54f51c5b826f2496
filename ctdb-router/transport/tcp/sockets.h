// SPDX-License-Identifier: GPL-3.0-or-later
// The system calls behind TCP links. All sockets are non-blocking, close-on-exec and without Nagle's delay.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_SOCKETS_H_
#define CTDB_ROUTER_TRANSPORT_TCP_SOCKETS_H_

#include "ctdb-router/transport/tcp/address.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

Result<UniqueFd> tcp_listen(const SocketAddress& address);

// Takes over an accepted socket.
void tcp_adopt(int socket);

// Starts connecting from `own` (any port) to `peer`.
Result<UniqueFd> tcp_connect(const SocketAddress& own, const SocketAddress& peer);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_SOCKETS_H_
