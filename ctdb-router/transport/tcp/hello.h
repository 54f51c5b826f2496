// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of HELLO, apart from sockets: who may open a link to whom, and what the first packet must say
// (ARCHITECTURE.md §3). Used by the TCP transport for both directions.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_HELLO_H_
#define CTDB_ROUTER_TRANSPORT_TCP_HELLO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

// What this node knows before it reads anything.
struct HelloRules {
  uint32_t pnn = 0;
  std::string cluster_name;
  std::vector<NodeAddress> nodes;
};

// The node that `address` belongs to, from the nodes file. Errors: kRefused with the reason for the other side.
Result<uint32_t> node_of_address(const HelloRules& rules, const std::string& address);

// Checks the first packet of a connection with node `peer` (by its address). `incoming`: the peer opened it. The
// packet passed check_header. Errors: kRefused with the reason; when the packet is a HELLO_REFUSED, the reason that
// the other side gave.
Result<Hello> check_hello(const HelloRules& rules, uint32_t peer, bool incoming, ByteView packet);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_HELLO_H_
