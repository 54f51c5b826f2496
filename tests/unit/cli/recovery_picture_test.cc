// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/recovery_picture.h"

#include <gtest/gtest.h>

namespace ctdb::cli {
namespace {

RecoveryMember member(uint32_t pnn, uint64_t reported_ns) {
  RecoveryMember m;
  m.pnn = pnn;
  m.reported_ns = reported_ns;
  m.statistics.step_ns = {0, 2000000, 5000000, 6000000, 7000000, 7500000};
  m.statistics.databases.push_back({0x11, 10, 20, 3, 0, 6000000});
  return m;
}

TEST(RecoveryPicture, AMembersTimesStandOnTheLeadersClock) {
  EXPECT_EQ(began_ns(member(0, 9000000)), 1500000u);
  EXPECT_EQ(began_ns(member(0, 10)), 0u) << "a report that cannot be is not drawn before the beginning";
}

TEST(RecoveryPicture, ShowsEveryNodeStepAndDatabase) {
  RecoveryRecord record;
  record.generation = 258;
  record.reason = "node 1 left (\"<its links & more>\")";
  record.decided_ns = 9500000;
  record.opened_ns = 10000000;
  record.members = {member(0, 9000000), member(2, 9000000)};
  record.left = {1};
  const std::string picture = recovery_picture(record, {{0x11, "locking.tdb"}});
  EXPECT_NE(picture.find("Recovery to generation 258: node 1 left (&quot;&lt;its links &amp; more>&quot;)"),
            std::string::npos);
  for (const char* text : {"node 0", "node 1", ">left<", "node 2", "locking.tdb", "claim: 2.0 ms",
                           "await claims: 3.0 ms", "open 10.0 ms", "10 claimed, 20 decided, 3 promoted"}) {
    EXPECT_NE(picture.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(picture.find("discard: "), std::string::npos) << "a step that was not taken";
}

TEST(RecoveryPicture, AnEmptyRecordIsAPictureToo) {
  EXPECT_TRUE(recovery_picture({}, {}).starts_with("<svg"));
}

}  // namespace
}  // namespace ctdb::cli
