// SPDX-License-Identifier: GPL-3.0-or-later
// Links whose data lane may travel over RDMA verbs. Made around another transport (TCP), which stays the control lane, the judge of
// whether a peer lives, and the way back: a link is up and down when that one's is. ARCHITECTURE.md §3 "Verbs".
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_VERBS_TRANSPORT_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_VERBS_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ctdb-router/transport/transport.h"
#include "ctdb-router/transport/verbs/ipoib.h"
#include "libctdbipc/runtime/config.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/nodes_file.h"

namespace ctdb {

struct VerbsTransportOptions {
  uint32_t pnn = 0;
  std::string address;             // this node's
  std::vector<NodeAddress> nodes;  // of the nodes file; memory is taken for some more
  VerbsConfig verbs;
  // Which address of this machine leads to that peer. A seam for tests: else the kernel's routes say.
  std::function<std::string(const std::string& own, const std::string& peer)> source;
  // Where sysfs shows the interfaces of this machine (ipoib.h). Another one for tests.
  std::string interfaces = kNetworkInterfaces;
};

// `make_tcp` makes the transport inside, which reports to the events it is given.
std::unique_ptr<Transport> make_verbs_transport(
    VerbsTransportOptions options, EventLoop& loop, TransportEvents& events,
    const std::function<std::unique_ptr<Transport>(TransportEvents& inner)>& make_tcp);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_VERBS_TRANSPORT_H_
