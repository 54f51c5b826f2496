// SPDX-License-Identifier: GPL-3.0-or-later
// The transport over a real device, three nodes on one port of it: CTDB_VERBS_DEVICE and CTDB_VERBS_GID_INDEX name it.
#include <cstdlib>

#include "tests/unit/router/transport_conformance.h"
#include "tests/unit/router/verbs_cluster.h"

namespace ctdb::test {
namespace {

const char* variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

MakeTransport on_device() {
  VerbsConfig config;
  config.records = false;  // else there are no record streams to be tested
  config.device = variable("CTDB_VERBS_DEVICE");
  config.gid_index = atoi(variable("CTDB_VERBS_GID_INDEX"));
  return make_verbs_cluster(config);
}

INSTANTIATE_TEST_SUITE_P(Verbs, TransportConformance,
                         testing::Values(ClusterKind{&on_device, LinkKind::kVerbs}));
INSTANTIATE_TEST_SUITE_P(VerbsRising, TransportConformance,
                         testing::Values(ClusterKind{&on_device, LinkKind::kNone}));

}  // namespace
}  // namespace ctdb::test
