// SPDX-License-Identifier: GPL-3.0-or-later
// Who has the port that this node should listen on: for the line that says why the router does not start.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_PORT_HOLDER_H_
#define CTDB_ROUTER_TRANSPORT_TCP_PORT_HOLDER_H_

#include <string>

#include "ctdb-router/transport/tcp/address.h"

namespace ctdb {

// What, who as far as this process may see it, and the remedy. In a unit's sandbox processes of others cannot be seen; the
// text then says how an administrator sees them.
std::string port_taken_text(const SocketAddress& address);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_PORT_HOLDER_H_
