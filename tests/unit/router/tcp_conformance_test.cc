// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/router/tcp_cluster.h"
#include "tests/unit/router/transport_conformance.h"

namespace ctdb::test {
namespace {

INSTANTIATE_TEST_SUITE_P(Tcp, TransportConformance, testing::Values(&make_tcp_cluster));

}  // namespace
}  // namespace ctdb::test
