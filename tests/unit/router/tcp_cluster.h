// SPDX-License-Identifier: GPL-3.0-or-later
// Three nodes on 127.0.0.1 to 127.0.0.3, on a port that was free a moment ago.
#ifndef CTDB_TESTS_UNIT_ROUTER_TCP_CLUSTER_H_
#define CTDB_TESTS_UNIT_ROUTER_TCP_CLUSTER_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include "ctdb-router/transport/tcp/sockets.h"
#include "ctdb-router/transport/tcp/tcp_transport.h"
#include "libctdbipc/base/random.h"
#include "tests/unit/router/transport_world.h"

namespace ctdb::test {

inline std::string tcp_node_address(uint32_t pnn) {
  return "127.0.0." + std::to_string(pnn + 1);
}

// Bound on all addresses, so it is free on each; and below those that the kernel gives to connections of tests that run beside this one.
inline uint16_t free_port() {
  constexpr uint16_t kFrom = 10240, kTo = 32768;
  static Random random(Random::mix(static_cast<uint64_t>(getpid())) ^ static_cast<uint64_t>(test_clock()));
  for (int tries = 0; tries < 1000; ++tries) {
    const auto port = static_cast<uint16_t>(kFrom + random.below(kTo - kFrom));
    if (tcp_listen(make_address("0.0.0.0", port))) return port;
  }
  ADD_FAILURE() << "no port is free";
  return 0;
}

inline ClusterKey test_key(const std::string& text = "the secret of the nodes of this test cluster") {
  return ClusterKey(Bytes(text.begin(), text.end()));
}

inline TcpOptions tcp_options(uint32_t pnn, uint64_t boot_id, uint16_t port, ClusterKey key = {}) {
  TcpOptions options;
  options.pnn = pnn;
  for (uint32_t node = 0; node < 3; ++node) options.nodes.push_back({node, tcp_node_address(node), false});
  options.port = port;
  options.cluster_name = "test";
  options.boot_id = boot_id;
  options.key = std::move(key);
  return options;
}

inline MakeTransport make_tcp_cluster(const ClusterKey& key) {
  const uint16_t port = free_port();
  return [port, key](uint32_t pnn, uint64_t boot_id, EventLoop& loop, TransportEvents& events) {
    return make_tcp_transport(tcp_options(pnn, boot_id, port, key), loop, events);
  };
}
}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_TCP_CLUSTER_H_
