// SPDX-License-Identifier: GPL-3.0-or-later
// The transport over a real device, three nodes on one port of it: CTDB_VERBS_DEVICE and CTDB_VERBS_GID_INDEX name it.
#include <cstdlib>

#include "tests/unit/router/transport_conformance.h"
#include "tests/unit/router/verbs_cluster.h"
#include "tests/unit/router/verbs_devices.h"

namespace ctdb::test {
namespace {

const char* variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

VerbsConfig device_config() {
  VerbsConfig config;
  config.records = false;  // else there are no record streams to be tested
  config.device = variable("CTDB_VERBS_DEVICE");
  config.gid_index = atoi(variable("CTDB_VERBS_GID_INDEX"));
  return config;
}

MakeTransport on_device() {
  return make_verbs_cluster(device_config());
}

INSTANTIATE_TEST_SUITE_P(Verbs, TransportConformance,
                         testing::Values(ClusterKind{&on_device, LinkKind::kVerbs}));
INSTANTIATE_TEST_SUITE_P(VerbsRising, TransportConformance,
                         testing::Values(ClusterKind{&on_device, LinkKind::kNone}));

class VerbsOnKernel : public testing::Test {
 protected:
  LoneDevice a{device_config(), "127.0.0.1"}, b{device_config(), "127.0.0.1"};
};

TEST_F(VerbsOnKernel, AReceiveQueueThatRunsLowIsTold) {
  expect_low_receive_queue_is_told(a, b);
}

TEST_F(VerbsOnKernel, ChildrenDoNoHarm) {
  expect_children_do_no_harm(a, b);
}

// Whoever runs this has reserved some.
TEST_F(VerbsOnKernel, HugePagesAreUsed) {
  EXPECT_EQ(memory_not_inherited("KernelPageSize"), "2048") << "kB";
  expect_children_do_no_harm(a, b);
}

}  // namespace
}  // namespace ctdb::test
