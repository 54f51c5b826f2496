// SPDX-License-Identifier: GPL-3.0-or-later
// Links over TCP: one connection per pair of nodes, opened by the node with the higher pnn (ARCHITECTURE.md §3).
#ifndef CTDB_ROUTER_TRANSPORT_TCP_TCP_TRANSPORT_H_
#define CTDB_ROUTER_TRANSPORT_TCP_TCP_TRANSPORT_H_

#include <memory>
#include <vector>

#include "ctdb-router/transport/cluster_key.h"
#include "ctdb-router/transport/transport.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

struct TcpOptions {
  uint32_t pnn = 0;
  std::vector<NodeAddress> nodes;
  uint16_t port = 4379;
  std::string cluster_name;
  uint64_t boot_id = 0;
  ClusterKey key;
  int pings_unanswered_max = 4;  // one each half second; a peer that leaves more unanswered is gone
};

std::unique_ptr<Transport> make_tcp_transport(TcpOptions options, EventLoop& loop, TransportEvents& events);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_TCP_TRANSPORT_H_
