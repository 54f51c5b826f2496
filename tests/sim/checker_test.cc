// SPDX-License-Identifier: GPL-3.0-or-later
// Checkers that no broken rule makes complain first, as others see the same sooner: what they would say.
#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace ctdb::sim {
namespace {

// The rule must be missed by this one, not by any.
TEST(OldGenerationsChecker, SeesWhatAPacketOfThePastDoes) {
  constexpr uint64_t kSeedsMax = 300;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const RunResult result = run_scenario(scenario_of_seed(seed, Mutation::kRestampGenerations));
    if (result.checker() == "old_generations") return;
  }
  ADD_FAILURE() << "it has seen nothing";
}

class LinearizabilityChecker : public testing::Test, private Lives::Watcher {
 protected:
  using Kind = HistoryEvent::Kind;
  LinearizabilityChecker() {
    lives.store_recovers(0, 300, false);
    lives.store_recovers(1, 300, false);
    first = write(0, history.tip(0));
    second = write(0, first);
  }
  VersionId write(uint32_t node, VersionId parent) {
    const Bytes data = Value::encode(history.next_id(), {0, 0}, 0);
    const VersionId id = history.add(0, parent, node, 1, data, true);
    happens(Kind::kWrote, node, id);
    return id;
  }
  // On each node there is one client.
  void happens(Kind kind, uint32_t node, VersionId version = kNoVersion) {
    HistoryEvent event;
    event.kind = kind;
    event.client = event.node = node;
    event.version = version;
    checker.add(event);
  }
  bool complains() {
    checker.check();
    return verdict.text().starts_with("linearizability: ");
  }
  bool may_serve(uint32_t) override { return true; }
  void wrongly_excluded(uint32_t) override {}
  void life_ended(uint32_t) override {}

  Lives lives{2, *this};
  History history{2, 1, lives};
  Verdict verdict;
  Linearizability checker{lives, history, verdict};
  VersionId first = kNoVersion, second = kNoVersion;
};

TEST_F(LinearizabilityChecker, ComplainsOfThePastUnderALock) {
  happens(Kind::kLocked, 1, first);
  EXPECT_TRUE(complains());
}

TEST_F(LinearizabilityChecker, ComplainsOfThePastInAnAnswer) {
  happens(Kind::kBegin, 1);
  happens(Kind::kRead, 1, first);
  EXPECT_TRUE(complains());
}

TEST_F(LinearizabilityChecker, ComplainsOfThePastInACopy) {
  happens(Kind::kReadCopy, 1, first);
  EXPECT_TRUE(complains());
}

TEST_F(LinearizabilityChecker, AnAnswerMayBeWhatWasTrueWhenItWasAskedFor) {
  happens(Kind::kBegin, 1);
  write(0, second);
  happens(Kind::kRead, 1, second);
  EXPECT_FALSE(complains());
}

TEST_F(LinearizabilityChecker, ALifeThatEndedTakesItsChangesAlong) {
  lives.store_cleared(0);
  happens(Kind::kLocked, 1, first);
  EXPECT_FALSE(complains()) << verdict.text();
}

}  // namespace
}  // namespace ctdb::sim
