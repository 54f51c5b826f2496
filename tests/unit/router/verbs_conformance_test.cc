// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/router/transport_conformance.h"
#include "tests/unit/router/verbs_cluster.h"
#include "tests/verbs/fake_ibverbs.h"

namespace ctdb::test {
namespace {

VerbsConfig config() {
  VerbsConfig config;
  config.records = false;  // else there are no record streams to be tested
  return config;
}

MakeTransport on_verbs() {
  fake_verbs_reset();
  return make_verbs_cluster(config());
}
// Every queue pair fails at once.
MakeTransport never_risen() {
  fake_verbs_reset();
  fake_verbs_break("ibv_modify_qp", EINVAL);
  return make_verbs_cluster(config());
}
MakeTransport without_device() {
  fake_verbs_reset();
  fake_verbs_set_devices(0, 0);
  return make_verbs_cluster(config());
}

INSTANTIATE_TEST_SUITE_P(Verbs, TransportConformance,
                         testing::Values(ClusterKind{&on_verbs, LinkKind::kVerbs}));
// The rise happens in the middle of what a test does.
INSTANTIATE_TEST_SUITE_P(VerbsRising, TransportConformance,
                         testing::Values(ClusterKind{&on_verbs, LinkKind::kNone}));
INSTANTIATE_TEST_SUITE_P(VerbsFailing, TransportConformance,
                         testing::Values(ClusterKind{&never_risen, LinkKind::kTcp}));
INSTANTIATE_TEST_SUITE_P(VerbsWithoutDevice, TransportConformance,
                         testing::Values(ClusterKind{&without_device, LinkKind::kTcp}));

}  // namespace
}  // namespace ctdb::test
