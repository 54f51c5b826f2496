// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes files that change while the cluster runs, and such as differ: who votes, who takes part, who is told what.
#include <gtest/gtest.h>

#include <algorithm>

#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

bool all_vote(World& world, const Set& nodes, const Set& voters) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [&](uint32_t pnn) { return world.state(pnn).voters == voters; });
}

void set_nodes(World& world, const Set& where, const Set& numbers) {
  for (uint32_t pnn : where) world.set_nodes(pnn, numbers);
}

// Nobody was out of the cluster, not even for a moment: the same node is a member in every state since.
void expect_undisturbed(World& world, const Set& nodes, const std::vector<size_t>& since) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::vector<ClusterState> states = world.states(nodes[i]);
    for (size_t at = since[i]; at < states.size(); ++at) {
      EXPECT_TRUE(std::binary_search(states[at].members.begin(), states[at].members.end(), nodes[i]))
          << "node " << nodes[i] << ": " << states[at].reason;
    }
  }
}
std::vector<size_t> marks(World& world, const Set& nodes) {
  std::vector<size_t> since;
  for (uint32_t pnn : nodes) since.push_back(world.states(pnn).size());
  return since;
}

// `running` nodes with a file of just them.
class Nodes : public ::testing::Test {
 protected:
  void begin(World& world, const Set& running) {
    for (uint32_t pnn : running) world.set_nodes(pnn, running);
    for (uint32_t pnn : running) world.start(pnn);
    ASSERT_TRUE(world.until([&] { return world.open_together(running); }, kSecond));
    world.run(300 * kMillisecond);
  }
};

TEST_F(Nodes, AFourthJoinsAndNobodyIsDisturbed) {
  World world(4);
  begin(world, {0, 1, 2});
  const std::vector<size_t> since = marks(world, {0, 1, 2});
  set_nodes(world, {0, 1, 2}, {0, 1, 2, 3});
  world.run(kSecond);
  EXPECT_TRUE(all_vote(world, {0, 1, 2}, {0, 1, 2})) << "it is not there yet";
  EXPECT_EQ(world.state(world.leader()).reason,
            "node 3 is new in the nodes file and not there yet: start it");
  world.start(3);
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  EXPECT_TRUE(all_vote(world, {0, 1, 2, 3}, {0, 1, 2, 3}));
  expect_undisturbed(world, {0, 1, 2}, since);
}

TEST_F(Nodes, ADeadOneIsRemovedAndTheOthersNeedItNoMore) {
  World world(4);
  begin(world, {0, 1, 2, 3});
  world.kill(3);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1, 2}); }, 5 * kSecond));
  set_nodes(world, {0, 1, 2}, {0, 1, 2});
  ASSERT_TRUE(world.until([&] { return all_vote(world, {0, 1, 2}, {0, 1, 2}); }, 2 * kSecond));
  world.kill(2);
  EXPECT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 5 * kSecond)) << "two of three";
}

TEST_F(Nodes, OneThatTakesPartKeepsItsVoteUntilItIsStopped) {
  World world(3);
  begin(world, {0, 1, 2});
  const uint32_t leader = world.leader();
  const uint32_t goes = leader == 2 ? 1 : 2;
  const Set stay = leader == 2 ? Set{0, 2} : Set{0, 1};
  set_nodes(world, stay, stay);
  world.run(kSecond);
  EXPECT_TRUE(all_vote(world, stay, {0, 1, 2}));
  EXPECT_NE(world.state(leader).reason.find(" is in the nodes file no more but takes part: stop it"),
            std::string::npos)
      << world.state(leader).reason;
  EXPECT_EQ(world.control(goes, Control::STOP_NODE), 0);
  ASSERT_TRUE(
      world.until([&] { return all_vote(world, stay, stay) && world.open_together(stay); }, 5 * kSecond));
}

TEST_F(Nodes, OfTwoOneCanBeRemoved) {
  World world(2);
  begin(world, {0, 1});
  const uint32_t stays = world.leader();
  EXPECT_EQ(world.control(1 - stays, Control::STOP_NODE), 0);
  ASSERT_TRUE(world.until([&] { return world.open_together({stays}); }, 5 * kSecond));
  set_nodes(world, {stays}, {stays});
  ASSERT_TRUE(world.until([&] { return all_vote(world, {stays}, {stays}); }, 5 * kSecond));
  world.kill(1 - stays);
  world.run(3 * kSecond);
  EXPECT_TRUE(world.open_together({stays}));
}

TEST_F(Nodes, ManyChangesAtOnceAreMadeOneByOne) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world(7, seed);
    begin(world, {0, 1, 2});
    for (uint32_t pnn = 3; pnn < 7; ++pnn) world.start(pnn);
    for (uint32_t pnn = 0; pnn < 7; ++pnn) world.set_nodes(pnn, Set{0, 1, 2, 3, 4, 5, 6});
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond)) << "seed " << seed;
    for (const ClusterState& state : world.states(0)) EXPECT_GE(state.voters.size(), 3u);
    const std::vector<ClusterState> states = world.states(0);
    for (size_t i = 1; i < states.size(); ++i) {
      EXPECT_LE(states[i].voters.size(), states[i - 1].voters.size() + 1) << "seed " << seed;
    }
    EXPECT_EQ(states.back().voters.size(), 7u);
  }
}

// One becomes three: the two new ones are a majority of the new file.
TEST_F(Nodes, NewOnesAreNoClusterOfTheirOwn) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    World world(3, seed);
    begin(world, {0});
    for (uint32_t pnn = 0; pnn < 3; ++pnn) world.set_nodes(pnn, Set{0, 1, 2});
    const size_t before = world.opened().size();
    world.start(1);
    world.cut(0, 1);  // the links to those that are new are up first
    world.start(2);
    world.cut(0, 2);
    world.run(50 * kMillisecond);
    world.join(0, 1);
    world.join(0, 2);
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond)) << "seed " << seed;
    const auto& opened = world.opened();
    for (auto at = std::next(opened.begin(), static_cast<std::ptrdiff_t>(before)); at != opened.end(); ++at)
      EXPECT_EQ(at->second.front(), 0u) << "seed " << seed << " generation " << at->first;
  }
}

TEST_F(Nodes, AReloadThatReachesOnlySomeStopsNobody) {
  World world(4);
  begin(world, {0, 1, 2});
  const uint32_t generation = world.generation(0);
  const std::vector<size_t> since = marks(world, {0, 1, 2});
  world.set_nodes(0, Set{0, 1, 2, 3});
  world.start(3);
  world.run(5 * kSecond);
  EXPECT_EQ(world.generation(0), generation);
  EXPECT_EQ(world.state(1).reason, "the nodes file of node 0 differs: node 3: none here, 10.0.0.4 there");
  EXPECT_NE(world.state(0).reason.find("the nodes file of node 1 differs: node 3: 10.0.0.4 here, none there"),
            std::string::npos)
      << world.state(0).reason;
  set_nodes(world, {1, 2}, {0, 1, 2, 3});
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 2 * kSecond));
  expect_undisturbed(world, {0, 1, 2}, since);
}

TEST_F(Nodes, ANewLeaderConfirmsBeforeItChangesVoters) {
  World world(4);
  begin(world, {0, 1, 2});
  set_nodes(world, {0, 1, 2}, {0, 1, 2, 3});
  world.kill(world.leader());
  world.run(20 * kMillisecond);
  world.start(3);
  ASSERT_TRUE(world.until([&] { return all_vote(world, {3}, {0, 1, 2, 3}); }, 10 * kSecond));
}

// One becomes three while its store hangs. The two new ones alone would be a majority, and what it has told clients of
// transactions would be lost.
TEST_F(Nodes, NewOnesDoNotOutvoteTheOneThatHasTheTransactions) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world(3, seed);
    begin(world, {0});
    world.store(0).hangs = true;
    world.run(2 * kSecond);
    set_nodes(world, {0, 1, 2}, {0, 1, 2});
    world.start(1);
    world.start(2);
    world.run(5 * kSecond);
    EXPECT_FALSE(world.open_together({1, 2})) << "seed " << seed;
    EXPECT_LE(world.state(0).voters.size(), 2u) << "two of two take no transactions without it";
    world.store(0).hangs = false;
    ASSERT_TRUE(world.until([&] { return world.open_all(); }, 10 * kSecond)) << "seed " << seed;
    EXPECT_TRUE(all_vote(world, {0, 1, 2}, {0, 1, 2}));
  }
}

TEST_F(Nodes, ASecondNewOneWaitsUntilTheFirstHasTheTransactions) {
  World world(3);
  begin(world, {0});
  for (uint32_t pnn : {0u, 1u, 2u}) world.store(pnn).lacks_transactions = true;
  set_nodes(world, {0, 1, 2}, {0, 1, 2});
  world.start(1);
  world.start(2);
  world.run(3 * kSecond);
  const ClusterState& leader = world.state(world.leader());
  EXPECT_EQ(leader.members.size(), 2u);
  EXPECT_EQ(leader.voters.size(), 2u);
  EXPECT_NE(leader.reason.find("transactions"), std::string::npos) << leader.reason;
  for (uint32_t pnn : {0u, 1u, 2u}) world.store(pnn).lacks_transactions = false;
  EXPECT_EQ(world.control(0, Control::SET_RECMODE, Bytes{1, 0, 0, 0}), 0);
  ASSERT_TRUE(world.until([&] { return all_vote(world, {0, 1, 2}, {0, 1, 2}); }, 5 * kSecond));
}

TEST_F(Nodes, OneThatComesWithAnotherFileStaysOutAndBothSidesSayWhy) {
  World world(3);
  begin(world, {0, 1, 2});
  const uint32_t odd = world.leader() == 2 ? 1 : 2;
  const uint32_t other = odd == 2 ? 1 : 2;
  const Set others = odd == 2 ? Set{0, 1} : Set{0, 2};
  world.kill(odd);
  ASSERT_TRUE(world.until([&] { return world.open_together(others); }, 5 * kSecond));
  const uint32_t generation = world.generation(0);
  NodeList list = World::list_of({0, 1, 2});
  list[other] = "10.0.0.99";
  world.set_nodes(odd, list);
  const size_t lines = world.log.size();
  world.start(odd);
  world.run(10 * kSecond);
  EXPECT_EQ(world.generation(0), generation);
  EXPECT_EQ(world.generation(odd), CTDB_INVALID_GENERATION);
  const std::string right = "10.0.0." + std::to_string(other + 1);
  const std::string node = "node " + std::to_string(other) + ": ";
  EXPECT_EQ(world.state(0).reason, "the nodes file of node " + std::to_string(odd) + " differs: " + node +
                                       right + " here, 10.0.0.99 there");
  EXPECT_NE(world.state(odd).reason.find("the nodes file of node 0 differs: " + node + "10.0.0.99 here, " +
                                         right + " there"),
            std::string::npos)
      << world.state(odd).reason;
  const auto told = std::count_if(
      world.log.begin() + static_cast<std::ptrdiff_t>(lines), world.log.end(),
      [](const std::string& line) { return line.find("the nodes file of") != std::string::npos; });
  EXPECT_EQ(told, 2) << "once a side: the third has no link to it";
  world.set_nodes(odd, Set{0, 1, 2});
  EXPECT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond));
}

TEST_F(Nodes, AtTheFirstStartNodesWithDifferentFilesDoNotVoteForEachOther) {
  World world(4);
  set_nodes(world, {0, 1}, {0, 1, 2});
  world.set_nodes(2, Set{0, 1, 2, 3});
  world.set_nodes(3, Set{0, 1, 2, 3});
  world.start_all();
  world.run(5 * kSecond);
  EXPECT_NE(world.generation(0), CTDB_INVALID_GENERATION);
  EXPECT_EQ(world.state(0).members, (Set{0, 1}));
  EXPECT_EQ(world.generation(2), CTDB_INVALID_GENERATION);
  EXPECT_EQ(world.generation(3), CTDB_INVALID_GENERATION);
  EXPECT_NE(world.state(2).reason.find("the nodes file of node 0 differs: node 3: 10.0.0.4 here, none there"),
            std::string::npos)
      << world.state(2).reason;
}

TEST_F(Nodes, WhoVotesIsOnDiskAndAFileThatNamesOthersChangesNothing) {
  World world(5);
  begin(world, {0, 1, 2, 3, 4});
  for (uint32_t pnn = 0; pnn < 5; ++pnn) world.kill(pnn);
  for (const uint32_t pnn : {0u, 1u}) {
    world.set_nodes(pnn, Set{0, 1});
    world.start(pnn);
  }
  world.run(10 * kSecond);
  EXPECT_EQ(world.leader(), CTDB_UNKNOWN_PNN);
  EXPECT_EQ(
      world.state(0).reason,
      "no quorum: 2 of 5 nodes reachable (by the last decision those that vote are 0 1 2 3 4; the nodes "
      "file has others, which count when they agree)");
}

TEST_F(Nodes, ALeaderWhoseFileIsTheOddOneLetsTheOthersIn) {
  World world(3);
  begin(world, {0, 1, 2});
  const uint32_t leader = world.leader();
  for (uint32_t pnn = 0; pnn < 3; ++pnn) world.kill(pnn);
  world.run(3 * kSecond);
  world.set_nodes(leader, Set{0, 1, 2, 3});
  world.start_all();
  world.run(5 * kSecond);
  Set others = {0, 1, 2};
  std::erase(others, leader);
  for (uint32_t pnn : others) EXPECT_EQ(world.state(pnn).members, others);
  EXPECT_EQ(world.generation(leader), CTDB_INVALID_GENERATION);
}

}  // namespace
}  // namespace ctdb::test
