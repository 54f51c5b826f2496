// SPDX-License-Identifier: GPL-3.0-or-later
// Random schedules over three stores: calls, writes, held chains, link resets with recoveries, recoveries cut short,
// stores restarted beside a living router, nodes suspended and back. Nobody dies with records only he has, so nothing may
// ever be lost: every key is a counter that clients raise under the chain lock.
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/store/disorder.h"

namespace ctdb::test {
namespace {

class Chaos : Disorder {
 public:
  explicit Chaos(uint64_t seed) : Disorder(seed, 6) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      check();
      if (::testing::Test::HasFatalFailure()) return;
    }
    settle();
  }

 private:
  void step() {
    const uint64_t what = random_.below(40);
    if (disturb(what)) return;
    switch (what) {
      case 0:
        return recovery();
      case 1:
        return restart();
      case 2:
        return suspend_and_back();
      default:
        break;
    }
    if (random_.one_in(4)) return call();
    if (random_.one_in(3)) return raise();
    if (!w_.carry_one(any_node(), any_node())) w_.work_all();
  }

  void call() {
    const uint32_t callids[] = {CTDB_FUNC_NULL, CTDB_FUNC_FETCH, CTDB_FUNC_FETCH_WITH_HEADER};
    const uint32_t pnn = any_node();
    w_.call(pnn, 10 + pnn, ++reqid_, any_key(), callids[random_.below(3)]);
    asked_.insert({pnn, reqid_});
  }

  // A client that finds the record its own.
  void raise() {
    const std::string& key = any_key();
    const uint32_t pnn = any_node();
    const std::optional<std::string> before = w_.data(pnn, key);
    const uint64_t value = before && !before->empty() ? std::stoull(*before) : 0;
    if (!w_.write(pnn, key, std::to_string(value + 1))) return;
    ASSERT_EQ(value, truth_[key]) << "an update of " << key << " was lost";
    ++truth_[key];
  }

  // With as many attempts that come to nothing as chance will have.
  void recovery() {
    do {
      lose_links();
      w_.begin(++generation_, base_, {0, 1, 2});
      for (uint64_t i = random_.below(60); i > 0; --i) {
        w_.carry_one(any_node(), any_node());
        const uint32_t pnn = any_node();
        if (w_.store(pnn).has_work()) w_.store(pnn).work(w_.now());
        if (random_.one_in(3)) raise();
        if (random_.one_in(5)) call();
        check();
        w_.collect();
      }
    } while (random_.one_in(3));
    finish_recovery();
  }

  void finish_recovery() {
    for (int i = 0; i < 20; ++i) pass_quietly();
    open({0, 1, 2});
  }

  void restart() {
    const uint32_t pnn = any_node();
    std::erase_if(asked_, [&](const auto& call) { return call.first == pnn; });
    end_store(pnn);
    w_.start(pnn, base_);
    recovery();
  }

  void suspend_and_back() {
    StoreSuspend message;
    w_.order(any_node(), Operation::STORE_SUSPEND, message.encode());
    for (uint64_t i = random_.below(10); i > 0; --i) w_.work_all();
    recovery();
  }

  void check() {
    for (const std::string& key : keys_) {
      ASSERT_LE(w_.owners(key).size(), 1u) << key;
    }
  }

  // Whatever happened: without faults everything is answered and everything is there.
  void settle() {
    for (int i = 0; i < 50; ++i) pass_quietly();
    if (w_.store(0).phase() != StorePhase::kOpen) return;
    for (const auto& [pnn, reqid] : asked_)
      ASSERT_TRUE(w_.answered(pnn, 10 + pnn, reqid)) << pnn << " " << reqid;
    for (const std::string& key : keys_) {
      w_.call(0, 99, 1, key, CTDB_FUNC_FETCH);
      w_.pass(kMillisecond);
      const auto reply = w_.answer(0, 99, 1);
      ASSERT_TRUE(reply);
      const uint64_t value = reply->data.empty() ? 0 : std::stoull(std::string(as_text(reply->data)));
      ASSERT_EQ(value, truth_[key]);
    }
    expect_nothing_waits();
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn) EXPECT_EQ(w_.store(pnn).counts().records_fallen_back, 0u);
  }

  std::map<std::string, uint64_t> truth_;
  std::set<std::pair<uint32_t, uint32_t>> asked_;
};

TEST(Chaos, LosesNothing) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos(seed).run(400);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ctdb::test
