// SPDX-License-Identifier: GPL-3.0-or-later
// Two nodes and a witness: it votes and keeps what was decided, and is never a member. In these tests it has a store all the
// same, which must change nothing.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;
constexpr uint32_t kWitness = 2;

class Witness : public ::testing::Test {
 protected:
  void SetUp() override {
    NodeList list = World::list_of({0, 1, 2});
    list[kWitness].witness = true;
    for (uint32_t pnn = 0; pnn < 3; ++pnn) world.set_nodes(pnn, list);
    world.start_all();
    ASSERT_TRUE(becomes({0, 1}));
  }
  void TearDown() override {
    for (const auto& [generation, members] : world.opened()) {
      EXPECT_FALSE(std::binary_search(members.begin(), members.end(), kWitness))
          << "generation " << generation;
    }
    EXPECT_EQ(world.store(kWitness).entered, CTDB_INVALID_GENERATION) << "its store was asked for something";
  }
  bool becomes(const Set& members) {
    return world.until([&] { return world.open_together(members); }, 10 * kSecond);
  }
  std::string reason(uint32_t pnn) { return world.state(pnn).reason; }

  World world{3};
};

TEST_F(Witness, StoresHearWhetherAllThatHoldRecordsAreMembers) {
  EXPECT_TRUE(world.store(0).everybody);
  world.kill(1);
  EXPECT_TRUE(becomes({0}));
  EXPECT_FALSE(world.store(0).everybody);
  world.start(1);
  EXPECT_TRUE(becomes({0, 1}));
  EXPECT_TRUE(world.store(1).everybody);
}

TEST_F(Witness, OfTheTwoEitherMayDie) {
  for (uint32_t dies : {0u, 1u}) {
    world.kill(dies);
    EXPECT_TRUE(becomes({1 - dies})) << reason(1 - dies);
    EXPECT_EQ(world.leader(), 1 - dies) << "the witness leads nobody";
    world.start(dies);
    EXPECT_TRUE(becomes({0, 1})) << reason(dies);
  }
}

TEST_F(Witness, WhenItDiesNobodyIsDisturbedAndItsDeathIsNamed) {
  const uint32_t generation = world.generation(0);
  EXPECT_EQ(reason(0), "");
  world.kill(kWitness);
  world.run(5 * kSecond);
  for (uint32_t pnn : {0u, 1u}) {
    EXPECT_EQ(world.generation(pnn), generation);
    EXPECT_EQ(reason(pnn), "the witness, node 2, is not reachable");
  }
  world.start(kWitness);
  world.run(kSecond);
  EXPECT_EQ(world.generation(0), generation);
  EXPECT_EQ(reason(0), "");
}

TEST_F(Witness, WithoutItAndOneOfTheTwoTheLastStops) {
  world.kill(kWitness);
  world.kill(0);
  ASSERT_TRUE(world.until([&] { return world.store(1).suspended; }, 5 * kSecond));
  EXPECT_EQ(reason(1), "no quorum: 1 of 3 nodes reachable");
  world.start(kWitness);
  EXPECT_TRUE(becomes({1}));
}

TEST_F(Witness, OfTwoThatDoNotSeeEachOtherOneGoesOn) {
  world.cut(0, 1);
  ASSERT_TRUE(
      world.until([&] { return world.open_together({0}) || world.open_together({1}); }, 10 * kSecond));
  const uint32_t out = world.open_together({0}) ? 1 : 0;
  world.run(3 * kSecond);
  EXPECT_TRUE(world.store(out).suspended);
  EXPECT_TRUE(world.open_together({1 - out}));
  world.join(0, 1);
  EXPECT_TRUE(becomes({0, 1}));
}

// Whatever was decided without node 0 is known when it comes back without node 1.
TEST_F(Witness, KeepsWhatWasDecidedForTheOneThatWasAway) {
  world.kill(0);
  ASSERT_TRUE(becomes({1}));
  const uint32_t decided = world.generation(1);
  world.kill(1);
  world.kill_recoveryd(kWitness);
  world.start_recoveryd(kWitness);
  world.start(0);
  ASSERT_TRUE(becomes({0}));
  EXPECT_EQ(world.leader(), kWitness) << "only it knows what was decided";
  EXPECT_EQ(world.store(0).base, decided) << "its records are older than that: it discards them";
}

TEST_F(Witness, SaysWhatItIsAndStaysIt) {
  EXPECT_EQ(reason(kWitness), "it is a witness: it votes and holds no records");
  EXPECT_EQ(world.state(kWitness).members, (Set{0, 1}));
  EXPECT_EQ(world.state(0).node_flags[kWitness], CTDB_NODE_WITNESS | CTDB_NODE_STOPPED);
  for (const Control control : {Control::CONTINUE_NODE, Control::STOP_NODE, Control::ENABLE_NODE}) {
    const int32_t status = world.control(kWitness, control);
    EXPECT_EQ(status, control == Control::CONTINUE_NODE ? -1 : 0);
  }
  const Bytes role = {1, 0, 0, 0};
  EXPECT_EQ(world.control(kWitness, Control::SET_RECMASTERROLE, role), -1);
  EXPECT_EQ(world.control(kWitness, Control::SET_LMASTERROLE, role), -1);
  world.kill(0);
  EXPECT_TRUE(becomes({1}));
}

TEST_F(Witness, SaysWhyThereIsNobodyToWitness) {
  world.kill(0);
  world.kill(1);
  EXPECT_TRUE(
      world.until([&] { return reason(kWitness) == "no quorum: 1 of 3 nodes reachable"; }, 5 * kSecond))
      << reason(kWitness);
}

}  // namespace
}  // namespace ctdb::test
