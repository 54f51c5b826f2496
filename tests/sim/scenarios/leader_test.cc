// SPDX-License-Identifier: GPL-3.0-or-later
// Somebody dies in every phase of a recovery (reliability S16).
#include "tests/sim/scenarios/scenario.h"

namespace ctdb::sim {
namespace {

constexpr Operation kPhases[] = {Operation::RECOVERY_BEGIN,    Operation::RECORD_CLAIMS,
                                 Operation::RECORD_CLAIMS_END, Operation::RECORD_ASSIGN_END,
                                 Operation::RECOVERY_REPORT,   Operation::RECOVERY_COMMIT,
                                 Operation::STORE_OPEN};

std::string name_of(const testing::TestParamInfo<Operation>& info) {
  return find_operation(static_cast<uint32_t>(info.param))->name;
}

class LeaderDies : public testing::TestWithParam<Operation> {};
INSTANTIATE_TEST_SUITE_P(InPhase, LeaderDies, testing::ValuesIn(kPhases), name_of);

// A recovery is started by losing a link session.
void begin_recovery(Scenario& s) {
  const uint32_t leader = s.leader();
  s.world.network.reset((leader + 1) % s.world.node_count(), (leader + 2) % s.world.node_count(),
                        kMillisecond);
}

TEST_P(LeaderDies, WithItsWholeNode) {
  Scenario s(Scenario::busy(3));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  s.world.node(s.leader()).kill_all();
  s.run_for(3 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST_P(LeaderDies, OnlyItsRecoveryd) {
  Scenario s(Scenario::busy(5));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  s.world.node(s.leader()).kill_recoveryd();
  s.run_for(100 * kMillisecond);
  EXPECT_EQ(s.finish(), "");
}

TEST_P(LeaderDies, ByIsolationAndComesBackToAnotherLeader) {
  Scenario s(Scenario::busy(3));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  s.isolate(s.leader());
  s.run_for(4 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

class MemberDies : public testing::TestWithParam<Operation> {};
INSTANTIATE_TEST_SUITE_P(InPhase, MemberDies, testing::ValuesIn(kPhases), name_of);

TEST_P(MemberDies, WithItsWholeNode) {
  Scenario s(Scenario::busy(3));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  s.world.node((s.leader() + 1) % 3).kill_all();
  s.run_for(3 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST_P(MemberDies, OnlyItsStore) {
  Scenario s(Scenario::busy(3));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  Node& member = s.world.node((s.leader() + 1) % 3);
  member.kill_store();
  s.run_for(50 * kMillisecond);
  member.start_store();
  s.run_for(2 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

TEST_P(MemberDies, OnlyItsRouter) {
  Scenario s(Scenario::busy(3));
  begin_recovery(s);
  s.run_until_sent(GetParam());
  Node& member = s.world.node((s.leader() + 1) % 3);
  member.kill_router();
  s.run_for(50 * kMillisecond);
  member.start_router();
  s.run_for(2 * kSecond);
  EXPECT_EQ(s.finish(), "");
}

}  // namespace
}  // namespace ctdb::sim
