// SPDX-License-Identifier: GPL-3.0-or-later
// Connections that break and are back at once: the classic daemon leaves a client hanging for ever (reliability A, D).
#include "tests/sim/scenarios/scenario.h"

namespace ctdb::sim {
namespace {

TEST(Reset, AHotRecordSurvivesAHundredResetsWithinAMillisecond) {
  Scenario s(Scenario::busy(3, 1));
  for (uint32_t i = 0; i < 100 && s.ok(); ++i) {
    const uint32_t a = i % 3;
    s.world.network.reset(a, (a + 1) % 3, 500 * kMicrosecond);
    s.run_for(20 * kMillisecond + i * kMillisecond);
  }
  EXPECT_EQ(s.finish(), "");
}

TEST(Reset, EveryStepOfAMigrationMayBeLost) {
  for (const Operation step : {Operation::REQ_CALL, Operation::REQ_DMASTER, Operation::REPLY_DMASTER}) {
    Scenario s(Scenario::busy(3, 1));
    for (int i = 0; i < 20 && s.ok(); ++i) {
      const uint32_t sender = s.run_until_sent(step);
      for (uint32_t peer = 0; peer < 3; ++peer) {
        if (peer != sender) s.world.network.reset(sender, peer, 100 * kMicrosecond);
      }
      s.run_for(300 * kMillisecond);
    }
    EXPECT_EQ(s.finish(), "");
  }
}

TEST(Reset, AllLinksAtOnce) {
  Scenario s(Scenario::busy(4, 2));
  for (int i = 0; i < 20 && s.ok(); ++i) {
    for (uint32_t a = 0; a < 4; ++a) {
      for (uint32_t b = a + 1; b < 4; ++b) s.world.network.reset(a, b, 200 * kMicrosecond);
    }
    s.run_for(200 * kMillisecond);
  }
  EXPECT_EQ(s.finish(), "");
}

}  // namespace
}  // namespace ctdb::sim
