// SPDX-License-Identifier: GPL-3.0-or-later
// The pure parts, each alone: votes that are enough, the durable state as bytes, who can be members together,
// what a node says of itself, the bookkeeping of an attempt.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <tuple>

#include "ctdb-recoveryd/core/bench.h"
#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-recoveryd/core/durable_state.h"
#include "ctdb-recoveryd/core/log_holders.h"
#include "ctdb-recoveryd/core/membership.h"
#include "ctdb-recoveryd/core/node_state.h"
#include "ctdb-recoveryd/core/quorum.h"
#include "ctdb-recoveryd/core/recovery.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

using Set = std::vector<uint32_t>;

TEST(Quorum, IsAMajorityOfTheVoters) {
  EXPECT_EQ(Voters({0}, true).needed(), 1u);
  EXPECT_EQ(Voters({0, 1}, true).needed(), 2u);
  EXPECT_EQ(Voters({0, 1, 2}, true).needed(), 2u);
  EXPECT_EQ(Voters({0, 1, 2, 3}, true).needed(), 3u);
  EXPECT_EQ(Voters({0, 2, 4}, true).needed(), 2u);
  EXPECT_EQ(Voters({0, 1, 2, 3, 4}, false).needed(), 1u);
  EXPECT_TRUE(Voters({0, 2, 4}, true).is_voter(4));
  EXPECT_FALSE(Voters({0, 2, 4}, true).is_voter(1));
}

TEST(Quorum, BelievesOnlyAscendingPartsOfTheVoters) {
  const Set voters = {0, 1, 3};
  EXPECT_TRUE(is_part({}, voters));
  EXPECT_TRUE(is_part({0, 1, 3}, voters));
  EXPECT_FALSE(is_part({1, 0}, voters));
  EXPECT_FALSE(is_part({0, 0}, voters));
  EXPECT_FALSE(is_part({0, 2}, voters));
  EXPECT_FALSE(is_part({CTDB_UNKNOWN_PNN}, voters));
}

// ---- the way from those who vote to those of the nodes file ----

constexpr VoterFacts kMember = {true, true, false};
constexpr VoterFacts kPresent = {false, true, false};
constexpr VoterFacts kAway = {false, false, false};

// ---- voters change, and acknowledged transactions must not be lost with that ----

class Holders : public ::testing::Test {
 protected:
  bool may(const Set& now, const Set& next) const {
    return holders.objection(now, next, [this](uint32_t pnn) { return pnn == witness; }).empty();
  }
  LogHolders holders;
  uint32_t witness = CTDB_UNKNOWN_PNN;
};

TEST_F(Holders, TwoNewOnesOfThreeWaitUntilOneOfThemHasAll) {
  holders.start({0}, {0});
  EXPECT_TRUE(may({0}, {0, 1}));
  EXPECT_FALSE(may({0, 1}, {0, 1, 2})) << "1 and 2 would be enough for transactions";
  holders.equal({0, 1});
  EXPECT_TRUE(may({0, 1}, {0, 1, 2}));
}

TEST_F(Holders, ThoseWhoHaveAllMayGoOnAlone) {
  holders.start({0, 1, 2}, {0, 1, 2});
  EXPECT_TRUE(may({0, 1, 2}, {1, 2}));
  EXPECT_TRUE(may({1, 2}, {2}));
  holders.start({0, 1, 2}, {0, 1});
  EXPECT_TRUE(may({0, 1, 2}, {1, 2}));
  EXPECT_FALSE(may({1, 2}, {2})) << "2 was away";
}

TEST_F(Holders, ANewTermThatKnowsNothingTakesAwayOneAndAddsNone) {
  holders.start({0, 1, 2}, {});
  EXPECT_FALSE(may({0, 1, 2}, {0, 1, 2, 3}));
  EXPECT_TRUE(may({0, 1, 2}, {1, 2}));
  EXPECT_FALSE(may({1, 2}, {2}));
}

TEST_F(Holders, OfTwoAndAWitnessTheDeadOneIsReplaced) {
  witness = 9;
  holders.start({0, 1, 9}, {});
  EXPECT_TRUE(may({0, 1, 9}, {0, 9}));
  EXPECT_TRUE(may({0, 9}, {0, 3, 9})) << "with or without 0 is known: 3 alone takes no transactions";
  EXPECT_FALSE(may({0, 3, 9}, {0, 3, 4, 9}));
}

TEST(NextVoters, NothingToDoWhenTheyAreThose) {
  const NextVoters next = next_voters({0, 1, 2}, {0, 1, 2}, {kMember, {true, true, true}, kMember});
  EXPECT_EQ(next.numbers, (Set{0, 1, 2}));
  EXPECT_EQ(next.why_not, "");
}

TEST(NextVoters, OneAtATimeThoseWhoGoFirst) {
  const std::vector<VoterFacts> facts = {kMember, kMember, kAway, kAway, kPresent, kPresent};
  Set now = {0, 1, 2, 3};
  const Set wish = {0, 1, 4, 5};
  std::vector<Set> way;
  while (now != wish && way.size() < 10) way.push_back(now = next_voters(now, wish, facts).numbers);
  EXPECT_EQ(way, (std::vector<Set>{{0, 1, 3}, {0, 1}, {0, 1, 4}, {0, 1, 4, 5}}));
}

TEST(NextVoters, ANodeThatTakesPartKeepsItsVote) {
  const NextVoters next = next_voters({0, 1, 2}, {0, 1}, {kMember, kMember, kMember});
  EXPECT_EQ(next.numbers, (Set{0, 1, 2}));
  EXPECT_EQ(next.why_not, "node 2 is in the nodes file no more but takes part: stop it");
}

TEST(NextVoters, ANewNodeVotesWhenItIsThereWithTheSameList) {
  const auto fourth = [](VoterFacts facts) {
    return next_voters({0, 1, 2}, {0, 1, 2, 3}, {kMember, kMember, kMember, facts});
  };
  EXPECT_EQ(fourth(kAway).numbers, (Set{0, 1, 2}));
  EXPECT_EQ(fourth(kAway).why_not, "node 3 is new in the nodes file and not there yet: start it");
  EXPECT_EQ(fourth({false, true, true}).why_not, "node 3 is new in the nodes file and has another one");
  EXPECT_EQ(fourth(kPresent).numbers, (Set{0, 1, 2, 3}));
  EXPECT_EQ(fourth(kPresent).why_not, "");
}

TEST(NextVoters, WaitsForMembersThatHaveNotReadTheNewList) {
  const NextVoters next =
      next_voters({0, 1, 2}, {0, 1, 2, 3}, {kMember, {true, true, true}, kMember, kPresent});
  EXPECT_EQ(next.numbers, (Set{0, 1, 2}));
  EXPECT_EQ(next.why_not, "node 1 has another nodes file: reload it there as well");
}

TEST(DurableStateBytes, ComeBackAsTheyWere) {
  const DurableState state{71, 2, 18177, {0, 2, 5}, {0, 1, 2, 5}};
  EXPECT_EQ(DurableState::decode(state.encode()), state);
  EXPECT_EQ(DurableState::decode(DurableState{}.encode()), DurableState{});
}

TEST(DurableStateBytes, AnyChangedOrMissingByteIsNoticed) {
  const Bytes good = DurableState{71, 2, 18177, {0, 2, 5}, {0, 1, 2, 5}}.encode();
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {0x01, 0x80}) {
      Bytes bad = good;
      bad[i] = static_cast<uint8_t>(bad[i] ^ flip);
      EXPECT_FALSE(DurableState::decode(bad).has_value()) << i;
    }
    EXPECT_FALSE(DurableState::decode(ByteView(good).first(i)).has_value()) << i;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(DurableState::decode(longer).has_value());
}

// "RCS1": written before voters were kept.
TEST(DurableStateBytes, OfTheVersionBeforeAreRead) {
  Bytes bytes;
  Writer w(bytes);
  for (const uint32_t word : {0x31534352u, 71u, 0u, 2u, 18177u, 2u, 0u, 5u}) w.u32(word);
  w.u32(jenkins_hash(bytes));
  EXPECT_EQ(DurableState::decode(bytes), (DurableState{71, 2, 18177, {0, 5}, {}}));
}

TEST(Generations, GrowWithTermAndAttemptAndAreNeverTheInvalidOnes) {
  EXPECT_GT(make_generation(1, 1), 1u);
  EXPECT_GT(make_generation(2, 1), make_generation(1, kAttemptsPerTermMax));
  EXPECT_EQ(term_of_generation(make_generation(kTermMax, 255)), kTermMax);
}

// ---- membership ----

std::vector<MemberCandidate> full_mesh(uint32_t nodes) {
  Set all;
  for (uint32_t node = 0; node < nodes; ++node) all.push_back(node);
  return std::vector<MemberCandidate>(nodes, {true, all});
}

void cut_one_way(std::vector<MemberCandidate>& mesh, uint32_t from, uint32_t to) {
  std::erase(mesh[from].reachable, to);
}

TEST(Membership, TakesAllThatReachEachOther) {
  EXPECT_EQ(choose_members(full_mesh(4), 2, {}), (Set{0, 1, 2, 3}));
  std::vector<MemberCandidate> mesh = full_mesh(4);
  mesh[1].eligible = false;
  EXPECT_EQ(choose_members(mesh, 2, {}), (Set{0, 2, 3}));
  EXPECT_EQ(choose_members({}, 0, {}), Set{});
}

TEST(Membership, ACutBetweenTwoCostsTheHigherPnn) {
  std::vector<MemberCandidate> mesh = full_mesh(4);
  cut_one_way(mesh, 1, 3);
  cut_one_way(mesh, 3, 1);
  EXPECT_EQ(choose_members(mesh, 0, {}), (Set{0, 1, 2}));
}

TEST(Membership, OneDirectionMissingIsACut) {
  std::vector<MemberCandidate> mesh = full_mesh(3);
  cut_one_way(mesh, 1, 2);
  EXPECT_EQ(choose_members(mesh, 0, {}), (Set{0, 1}));
}

TEST(Membership, TheLeaderStays) {
  std::vector<MemberCandidate> mesh = full_mesh(3);
  cut_one_way(mesh, 0, 2);
  EXPECT_EQ(choose_members(mesh, 2, {}), (Set{1, 2}));
}

TEST(Membership, WhoMissesMostGoesFirst) {
  std::vector<MemberCandidate> mesh = full_mesh(5);
  for (uint32_t other : {2u, 3u, 4u}) cut_one_way(mesh, 1, other);
  EXPECT_EQ(choose_members(mesh, 0, {}), (Set{0, 2, 3, 4}));
}

TEST(Membership, ReachableNodesBeyondTheListAreIgnored) {
  std::vector<MemberCandidate> mesh = full_mesh(2);
  mesh[0].reachable.push_back(4000000000u);
  EXPECT_EQ(choose_members(mesh, 0, {}), (Set{0, 1}));
}

// The leader misses as many as nobody else, and yet the largest set is without it.
TEST(Membership, TheLargestSetIsTakenAlsoWithoutTheLeader) {
  std::vector<MemberCandidate> mesh = full_mesh(5);
  for (uint32_t other : {1u, 2u}) cut_one_way(mesh, 0, other);
  EXPECT_EQ(choose_members(mesh, 0, {0, 1, 2, 3, 4}), (Set{1, 2, 3, 4}));
}

TEST(Membership, OfEqualSetsTheOneThatRunsStays) {
  std::vector<MemberCandidate> mesh = full_mesh(4);
  cut_one_way(mesh, 1, 3);
  EXPECT_EQ(choose_members(mesh, 1, {0, 2, 3}), (Set{0, 2, 3}));
  EXPECT_EQ(choose_members(mesh, 3, {0, 1, 2, 3}), (Set{0, 2, 3}));
  EXPECT_EQ(choose_members(mesh, 0, {}), (Set{0, 1, 2}));
}

// Every graph of five nodes, every leader, every set of members: compared with the best of all 32 sets.
TEST(Membership, IsTheBestOfAllSetsOfFive) {
  constexpr uint32_t kNodes = 5;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  for (uint32_t a = 0; a < kNodes; ++a) {
    for (uint32_t b = a + 1; b < kNodes; ++b) pairs.push_back({a, b});
  }
  const auto set_of = [](uint32_t bits) {
    Set set;
    for (uint32_t node = 0; node < kNodes; ++node) {
      if ((bits >> node & 1) != 0) set.push_back(node);
    }
    return set;
  };
  for (uint32_t cuts = 0; cuts < 1u << pairs.size(); ++cuts) {
    std::vector<MemberCandidate> mesh = full_mesh(kNodes);
    std::vector<uint32_t> allowed;
    for (size_t i = 0; i < pairs.size(); ++i) {
      if ((cuts >> i & 1) != 0) cut_one_way(mesh, pairs[i].first, pairs[i].second);
    }
    for (uint32_t bits = 0; bits < 1u << kNodes; ++bits) {
      bool fits = true;
      for (size_t i = 0; i < pairs.size(); ++i) {
        const uint32_t both = 1u << pairs[i].first | 1u << pairs[i].second;
        fits = fits && !((cuts >> i & 1) != 0 && (bits & both) == both);
      }
      if (fits) allowed.push_back(bits);
    }
    for (uint32_t leader = 0; leader < kNodes; ++leader) {
      for (uint32_t members = 0; members < 1u << kNodes; ++members) {
        const auto better = [&](uint32_t a, uint32_t b) {
          const auto rank = [&](uint32_t set) {
            return std::tuple(std::popcount(set), std::popcount(set & members), set >> leader & 1);
          };
          if (rank(a) != rank(b)) return rank(a) < rank(b);
          return (b >> std::countr_zero(a ^ b) & 1) != 0;
        };
        const uint32_t best = *std::max_element(allowed.begin(), allowed.end(), better);
        ASSERT_EQ(choose_members(mesh, leader, set_of(members)), set_of(best))
            << "cuts " << cuts << " leader " << leader << " members " << members;
      }
    }
  }
}

// However many there are: it ends, and two that do not reach each other are never taken together.
TEST(Membership, ManyCutsAreNoTrouble) {
  Random dice(7);
  for (const uint32_t nodes : {64u, 200u}) {
    for (const uint32_t rare : {2u, 10u, 100u}) {
      std::vector<MemberCandidate> mesh = full_mesh(nodes);
      for (uint32_t a = 0; a < nodes; ++a) {
        for (uint32_t b = 0; b < a; ++b) {
          if (dice.one_in(rare)) cut_one_way(mesh, a, b);
        }
      }
      const Set chosen = choose_members(mesh, 3, {});
      EXPECT_FALSE(chosen.empty());
      for (uint32_t a : chosen) {
        const Set& reach = mesh[a].reachable;
        for (uint32_t b : chosen) EXPECT_TRUE(std::binary_search(reach.begin(), reach.end(), b));
      }
    }
  }
  // Pairs that are cut have nothing to do with each other: one of each stays.
  std::vector<MemberCandidate> mesh = full_mesh(200);
  for (uint32_t node = 0; node < 200; node += 2) cut_one_way(mesh, node, node + 1);
  EXPECT_EQ(choose_members(mesh, 1, {}).size(), 100u);
}

// ---- who is left out for a while ----

TEST(LeftOutFor, IsTwiceAsLongEachTimeUpToTheMostAndBeginsAnewAfterThat) {
  Bench bench(10 * kSecond, 35 * kSecond);
  EXPECT_EQ(bench.put(2, 0), 10 * kSecond);
  EXPECT_EQ(bench.until(2), 10 * kSecond);
  EXPECT_EQ(bench.put(2, 10 * kSecond), 20 * kSecond);
  EXPECT_EQ(bench.put(2, 30 * kSecond), 35 * kSecond);
  EXPECT_EQ(bench.put(2, 65 * kSecond), 35 * kSecond);
  EXPECT_EQ(bench.put(2, 135 * kSecond), 10 * kSecond);
  EXPECT_EQ(bench.put(1, 135 * kSecond), 10 * kSecond);
  EXPECT_EQ(bench.until(0), 0);
}

TEST(LeftOutFor, GoesFromNodeToNodeWhoseClocksDiffer) {
  Bench here(10 * kSecond, 100 * kSecond), there(10 * kSecond, 100 * kSecond);
  here.put(2, 0);
  here.put(2, 10 * kSecond);
  here.set_reason(2, "it failed");
  there.learn(here.tell(15 * kSecond), 3, 1000 * kSecond);
  EXPECT_EQ(there.until(2), 1015 * kSecond);
  EXPECT_EQ(there.reason(2), "it failed");
  EXPECT_EQ(there.put(2, 1020 * kSecond), 40 * kSecond);
  there.learn(here.tell(35 * kSecond), 3, 1020 * kSecond);
  EXPECT_EQ(there.until(2), 1060 * kSecond) << "what was known is newer";
  EXPECT_TRUE(here.tell(130 * kSecond).empty()) << "well for long enough";
}

TEST(LeftOutFor, WhatCannotBeIsBounded) {
  Bench bench(10 * kSecond, 100 * kSecond);
  bench.learn({{7, 1, 1, 0, ""}, {1, ~uint64_t{0} / 8, ~uint64_t{0} / 8, 0, ""}}, 3, 0);
  EXPECT_EQ(bench.until(7), 0) << "there is no such node";
  EXPECT_EQ(bench.until(1), 100 * kSecond);
  EXPECT_EQ(bench.put(1, 100 * kSecond), 100 * kSecond);
}

// ---- what a node says of itself ----

TEST(NodeStateOf, StartsUnhealthyAndGetsWellWithTheFirstGeneration) {
  NodeState node(false, false, true, true);
  EXPECT_EQ(node.flags(), CTDB_NODE_UNHEALTHY);
  EXPECT_EQ(node.runstate(), CTDB_RUNSTATE_INIT);
  EXPECT_EQ(node.capabilities(), CTDB_CAPABILITIES_DEFAULT);
  node.store_ready();
  EXPECT_EQ(node.runstate(), CTDB_RUNSTATE_FIRST_RECOVERY);
  node.opened();
  EXPECT_EQ(node.flags(), 0u);
  EXPECT_EQ(node.runstate(), CTDB_RUNSTATE_RUNNING);
  node.store_ready();
  EXPECT_EQ(node.runstate(), CTDB_RUNSTATE_RUNNING);
}

TEST(NodeStateOf, ABanEndsByItselfAndCanBeRestarted) {
  NodeState node(false, false, true, true);
  node.ban(10, 0);
  EXPECT_TRUE(node.inactive());
  EXPECT_FALSE(node.may_lead());
  EXPECT_EQ(node.ban_left_s(0), 10u);
  EXPECT_EQ(node.ban_left_s(8 * kSecond + kMillisecond), 2u);
  EXPECT_FALSE(node.expire_ban(9 * kSecond));
  node.ban(10, 9 * kSecond);
  EXPECT_FALSE(node.expire_ban(10 * kSecond));
  EXPECT_TRUE(node.expire_ban(19 * kSecond));
  EXPECT_FALSE(node.inactive());
  EXPECT_EQ(node.ban_until(), kNever);
}

TEST(NodeStateOf, CanBeConfiguredStoppedDisabledAndWithoutRoles) {
  const NodeState node(true, true, false, false);
  EXPECT_EQ(node.flags(), CTDB_NODE_STOPPED | CTDB_NODE_DISABLED | CTDB_NODE_UNHEALTHY);
  EXPECT_EQ(node.capabilities(), CTDB_CAPABILITIES_DEFAULT & ~3u);
}

// ---- an attempt ----

TEST(Attempt, IsPreparedOnceByAllAndDecidedByAMajority) {
  const Voters voters({0, 1, 2}, true);
  Recovery recovery;
  EXPECT_FALSE(recovery.prepared(0, 0));
  recovery.begin(300, {0, 2}, {0, 1, 2}, 0);
  EXPECT_TRUE(recovery.waits_for(2));
  EXPECT_FALSE(recovery.prepared(0, 300));
  EXPECT_FALSE(recovery.prepared(0, 300)) << "told twice";
  EXPECT_FALSE(recovery.prepared(1, 300)) << "no member";
  EXPECT_FALSE(recovery.prepared(2, 299)) << "an older attempt";
  EXPECT_FALSE(recovery.decided(0, 300, voters)) << "not yet";
  EXPECT_TRUE(recovery.prepared(2, 300));
  recovery.decide();
  EXPECT_FALSE(recovery.decided(0, 300, voters));
  EXPECT_FALSE(recovery.decided(1, 299, voters));
  EXPECT_FALSE(recovery.decided(7, 300, voters));
  EXPECT_TRUE(recovery.decided(1, 300, voters)) << "who is no member has a voice all the same";
  recovery.finish();
  EXPECT_FALSE(recovery.active());
}

}  // namespace
}  // namespace ctdb
