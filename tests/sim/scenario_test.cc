// SPDX-License-Identifier: GPL-3.0-or-later
// Scenarios as text, replay, and the shrinking of failing ones.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

TEST(ScenarioText, ASeedWrittenAndReadAgainTakesTheSameCourse) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const Scenario scenario = scenario_of_seed(seed);
    const std::string text = scenario_text(scenario);
    const Result<std::vector<Scenario>> read = parse_scenarios("again", text);
    ASSERT_TRUE(read.has_value()) << read.error().text();
    ASSERT_EQ(read->size(), 1u);
    EXPECT_EQ(scenario_text(read->front()), text);
    EXPECT_EQ(run_scenario(read->front()).trace_hash, run_scenario(scenario).trace_hash) << seed;
  }
}

TEST(ScenarioText, NamesTheLineThatItDoesNotUnderstand) {
  const auto error = [](const char* text) {
    const Result<std::vector<Scenario>> read = parse_scenarios("story", text);
    return read ? std::string() : read.error().text();
  };
  EXPECT_NE(error("nodes 3\nrun far\n").find("story, line 2"), std::string::npos);
  EXPECT_NE(error("do kill-store\n"), "");
  EXPECT_NE(error("do reset 1\n"), "");         // no peer
  EXPECT_NE(error("do kill-store 1-2\n"), "");  // a peer
  EXPECT_NE(error("at granted[2] kill-store 1\n"), "");
  EXPECT_NE(error("at nowhere kill-store 1\n"), "");
  EXPECT_NE(error("repeat 2\nrun 1s\n"), "");
  EXPECT_NE(error("end\n"), "");
  EXPECT_NE(error("keys 0\n"), "");
  EXPECT_NE(error("run 1s 2s\n"), "");
}

TEST(ScenarioText, EachTellsItOnceForEveryWord) {
  const auto read =
      parse_scenarios("x", "each $when claims-ended[2] committed\nat $when kill-store sender\nrun 1s\n");
  ASSERT_TRUE(read.has_value()) << read.error().text();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].statements[0].event.at->text(), "claims-ended[2]");
  EXPECT_EQ((*read)[1].statements[0].event.at->text(), "committed");
}

TEST(Simulation, SameSeedGivesTheSameRun) {
  for (uint64_t seed : {1u, 2u, 3u}) EXPECT_EQ(run_seed(seed).trace_hash, run_seed(seed).trace_hash) << seed;
}

TEST(Simulation, AnotherSeedGivesAnotherRun) {
  EXPECT_NE(run_seed(1).trace_hash, run_seed(2).trace_hash);
}

size_t faults_in(const Scenario& scenario) {
  return static_cast<size_t>(
      std::count_if(scenario.statements.begin(), scenario.statements.end(),
                    [](const Statement& statement) { return statement.kind == Statement::Kind::kAt; }));
}

// In a world without a rule, what is left fails in the same way with a handful of faults.
TEST(Shrink, LeavesAFewFaultsThatStillFail) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const Scenario scenario = scenario_of_seed(seed, Mutation::kIgnoreSuspend);
    if (faults_in(scenario) < 8) continue;
    const RunResult result = run_scenario(scenario);
    if (result.ok) continue;
    const Shrunk shrunk = shrink(scenario, result.checker(), 300);
    EXPECT_LE(faults_in(shrunk.scenario), 3u);
    const auto read = parse_scenarios("shrunk", scenario_text(shrunk.scenario));
    ASSERT_TRUE(read.has_value()) << read.error().text();
    EXPECT_EQ(run_scenario(read->front()).failure, shrunk.failure);
    return;
  }
  FAIL() << "no seed fails without the rule";
}

}  // namespace
}  // namespace ctdb::sim
