// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes of tcp_cluster.h with verbs over the devices of tests/verbs/fake_ibverbs.h.
#ifndef CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_
#define CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_

#include "ctdb-router/transport/verbs/verbs_transport.h"
#include "tests/unit/router/tcp_cluster.h"

namespace ctdb::test {

using Source = std::function<std::string(const std::string& own, const std::string& peer)>;

// `config` of that node, and where it finds its network interfaces (all of them find those of this machine, if it is empty).
inline MakeTransport make_verbs_cluster(const std::function<VerbsConfig(uint32_t pnn)>& config,
                                        Source source = {},
                                        std::function<std::string(uint32_t pnn)> interfaces = {}) {
  const uint16_t port = free_port();
  return [=](uint32_t pnn, uint64_t boot_id, EventLoop& loop, TransportEvents& events) {
    const TcpOptions tcp = tcp_options(pnn, boot_id, port);
    VerbsTransportOptions options{pnn, tcp_node_address(pnn), tcp.nodes, config(pnn), source};
    if (interfaces) options.interfaces = interfaces(pnn);
    return make_verbs_transport(std::move(options), loop, events,
                                [&](TransportEvents& inner) { return make_tcp_transport(tcp, loop, inner); });
  };
}
inline MakeTransport make_verbs_cluster(const VerbsConfig& config, Source source = {}) {
  return make_verbs_cluster([config](uint32_t) { return config; }, std::move(source));
}

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_VERBS_CLUSTER_H_
