// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes whose configurations name different quorum rules: both sides say so, and only one kind goes on.
#include "ctdb-recoveryd/core/quorum_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

TEST(PrevailingRule, IsTheOneOfThoseThatServe) {
  EXPECT_EQ(prevailing_rule({{0, "majority"}, {1, "majority"}, {2, "none", true}}), "none");
  EXPECT_EQ(prevailing_rule({{0, "majority", true}, {1, "majority", true}, {2, "none", true}}), "majority");
}
TEST(PrevailingRule, IsElseTheOneOfMost) {
  EXPECT_EQ(prevailing_rule({{0, "none"}, {1, "majority"}, {2, "majority"}}), "majority");
}
TEST(PrevailingRule, IsElseTheOneOfTheLowestNumber) {
  EXPECT_EQ(prevailing_rule({{1, "lock"}, {0, "majority"}}), "majority");
  EXPECT_EQ(prevailing_rule({{0, "lock"}, {1, "majority"}}), "lock");
}

// The rule of each node, by number.
struct Rules : World {
  explicit Rules(std::vector<std::string> rules)
      : World(static_cast<uint32_t>(rules.size()), 1, [rules](RecoverydOptions& options) {
          const std::string& rule = rules[options.pnn];
          options.majority_quorum = rule == "majority";
          options.lock_quorum = rule.starts_with("lock");
          if (options.lock_quorum) options.lock_register = "/register/" + rule;
        }) {}
  bool says(uint32_t pnn, const std::string& text) {
    return state(pnn).reason.find(text) != std::string::npos;
  }
  bool never_opened(uint32_t pnn) const {
    return std::none_of(opened().begin(), opened().end(), [pnn](const auto& one) {
      return std::binary_search(one.second.begin(), one.second.end(), pnn);
    });
  }
};

TEST(QuorumRules, TheOddOneStaysOutAndBothSidesNameIt) {
  for (const char* rule : {"none", "lock"}) {
    Rules world({"majority", "majority", rule});
    world.start_all();
    ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 5 * kSecond)) << rule;
    const size_t begun = world.opened().size();
    world.run(5 * kSecond);
    EXPECT_EQ(world.opened().size(), begun);
    EXPECT_TRUE(world.never_opened(2));
    const std::string full = std::string(rule) == "lock" ? "lock, register /register/lock" : rule;
    EXPECT_EQ(world.state(0).reason, "the quorum rule of node 2 differs: majority here, " + full + " there");
    EXPECT_TRUE(world.says(2, "the quorum rule of node 0 differs: " + full + " here, majority there"))
        << world.state(2).reason;
    EXPECT_EQ(std::ranges::count_if(world.log,
                                    [](const std::string& line) {
                                      return line.find("the quorum rule of node 2 differs") !=
                                             std::string::npos;
                                    }),
              2)
        << "once on each of the others";
  }
}

TEST(QuorumRules, TheSameRuleWithAnotherRegisterIsAnotherRule) {
  Rules world({"lock one", "lock two"});
  world.start_all();
  world.run(kSecond);
  EXPECT_TRUE(
      world.says(1, "differs: lock, register /register/lock two here, lock, register /register/lock one"))
      << world.state(1).reason;
}

// Alone it may go on by its rule; two others that come later do not serve beside it.
TEST(QuorumRules, WhoServesIsNotStoppedByWhoComes) {
  Rules world({"none", "majority", "majority"});
  world.start(0);
  ASSERT_TRUE(world.until([&] { return world.open_together({0}); }, 5 * kSecond));
  world.start(1);
  world.start(2);
  world.run(5 * kSecond);
  EXPECT_TRUE(world.open_together({0}));
  EXPECT_TRUE(world.never_opened(1));
  EXPECT_TRUE(world.never_opened(2));
  EXPECT_TRUE(world.says(1, "the quorum rule of node 0 differs")) << world.state(1).reason;
  EXPECT_TRUE(world.says(0, "the quorum rule of node 2 differs")) << world.state(0).reason;
}

// When both serve already, because they did not see each other, the fewer stop.
TEST(QuorumRules, OfTwoKindsThatServeTheFewerStop) {
  Rules world({"none", "none", "none"});
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond));
  world.run(kSecond);  // what they say of themselves has arrived
  const auto says_majority = [&](uint32_t from) {
    world.forge(0, from, Operation::NODE_LIST,
                NodeListMessage{false, true, CTDB_INVALID_GENERATION, "majority", World::list_of({0, 1, 2})}
                    .encode());
  };
  says_majority(1);
  EXPECT_FALSE(world.store(0).suspended) << "two of its kind serve";
  says_majority(2);
  EXPECT_TRUE(world.store(0).suspended);
  EXPECT_TRUE(world.says(0, "the quorum rule of node 1 differs: none here, majority there"));
  world.run(kSecond);
  EXPECT_NE(world.leader(), 0u);
}

// The list is as long as there are nodes and goes to each of them.
TEST(QuorumRules, ARecoveryIsNoReasonToSendTheListAgain) {
  Rules world({"majority", "majority", "majority"});
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }, 5 * kSecond));
  world.run(kSecond);
  int lists = 0;
  world.on_wire = [&](uint32_t, uint32_t, Operation operation) {
    if (operation == Operation::NODE_LIST) ++lists;
    return true;
  };
  world.kill(2);
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 5 * kSecond));
  world.run(5 * kSecond);
  EXPECT_EQ(lists, 0);
}

TEST(QuorumRules, WhatTheOddOneSendsHasNoEffect) {
  Rules world({"majority", "majority", "none"});
  world.start_all();
  ASSERT_TRUE(world.until([&] { return world.open_together({0, 1}); }, 5 * kSecond));
  const uint64_t term = world.state(0).term;
  const uint64_t refused = world.node(0).counts().refused;
  Heartbeat beat;
  beat.term = term + 1;
  beat.sequence = (term + 1) << 32;
  beat.state.leader = 2;
  beat.state.term = beat.term;
  beat.state.voters = {0, 1, 2};
  world.forge(0, 2, Operation::HEARTBEAT, beat.encode());
  world.forge(0, 2, Operation::VOTE_REQUEST, VoteRequest{term + 1, world.generation(0), false, 0}.encode());
  EXPECT_EQ(world.node(0).counts().refused, refused + 2);
  world.run(kSecond);
  EXPECT_EQ(world.state(0).term, term);
  EXPECT_TRUE(world.open_together({0, 1}));
}

}  // namespace
}  // namespace ctdb::test
