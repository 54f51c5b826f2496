// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes of tcp_cluster.h with verbs over the devices of tests/verbs/fake_ibverbs.h.
#ifndef CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_
#define CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_

#include "ctdb-router/transport/verbs/verbs_transport.h"
#include "tests/unit/router/tcp_cluster.h"

namespace ctdb::test {

inline MakeTransport make_verbs_cluster(const VerbsConfig& config) {
  const uint16_t port = free_port();
  return [port, config](uint32_t pnn, uint64_t boot_id, EventLoop& loop, TransportEvents& events) {
    return make_verbs_transport({pnn, tcp_node_address(pnn), 3, config}, loop, events,
                                [&](TransportEvents& inner) {
                                  return make_tcp_transport(tcp_options(pnn, boot_id, port), loop, inner);
                                });
  };
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_
