// SPDX-License-Identifier: GPL-3.0-or-later
// Socket addresses of nodes.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_ADDRESS_H_
#define CTDB_ROUTER_TRANSPORT_TCP_ADDRESS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
// `text` is a canonical IPv4 or IPv6 address; size 0 if it is neither.
SocketAddress make_address(const std::string& text, uint16_t port);
// Without the port.
std::string address_text(const sockaddr_storage& storage);
// The 28-byte image of wire-protocol §7.3.
Bytes address_image(const SocketAddress& address);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_ADDRESS_H_
