// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/refusals.h"

#include <gtest/gtest.h>

namespace ctdb {
namespace {

TEST(Refusals, TheFirstOfAKindIsToldAtOnceThenOneAMinuteWithTheirNumber) {
  Refusals refusals;
  EXPECT_EQ(refusals.line(3, "HEARTBEAT", "too old", kSecond), "refused HEARTBEAT from node 3: too old");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(refusals.line(3, "HEARTBEAT", "too old", (2 + i) * kSecond), "");
  EXPECT_EQ(refusals.line(3, "HEARTBEAT", "too old", 61 * kSecond),
            "refused HEARTBEAT from node 3: too old (10 since the last such line)");
  EXPECT_EQ(refusals.line(3, "HEARTBEAT", "too old", 62 * kSecond), "");
}

TEST(Refusals, WhoWhatAndWhyMakeAKind) {
  Refusals refusals;
  EXPECT_NE(refusals.line(3, "HEARTBEAT", "too old", 0), "");
  EXPECT_NE(refusals.line(4, "HEARTBEAT", "too old", 0), "");
  EXPECT_NE(refusals.line(3, "VOTE_REPLY", "too old", 0), "");
  EXPECT_NE(refusals.line(3, "HEARTBEAT", "malformed", 0), "");
  EXPECT_EQ(refusals.line(3, "HEARTBEAT", "malformed", 0), "");
}

TEST(Refusals, ManyKindsNeedNoMoreMemoryAndAreToldTogether) {
  Refusals refusals;
  for (uint32_t from = 0; from < Refusals::kKindsMax; ++from) EXPECT_NE(refusals.line(from, "X", "y", 0), "");
  EXPECT_NE(refusals.line(10000, "X", "y", 0), "");
  EXPECT_EQ(refusals.line(10001, "X", "y", 0), "");
  EXPECT_NE(refusals.line(10002, "X", "y", Refusals::kEvery).find("(2 since"), std::string::npos);
  EXPECT_NE(refusals.line(0, "X", "y", Refusals::kEvery), "");
}

}  // namespace
}  // namespace ctdb
