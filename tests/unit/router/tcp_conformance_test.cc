// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/router/tcp_cluster.h"
#include "tests/unit/router/transport_conformance.h"

namespace ctdb::test {
namespace {

MakeTransport plain() {
  return make_tcp_cluster({});
}
MakeTransport keyed() {
  return make_tcp_cluster(test_key());
}

INSTANTIATE_TEST_SUITE_P(Tcp, TransportConformance, testing::Values(ClusterKind{&plain}));
INSTANTIATE_TEST_SUITE_P(TcpWithKey, TransportConformance, testing::Values(ClusterKind{&keyed}));

}  // namespace
}  // namespace ctdb::test
