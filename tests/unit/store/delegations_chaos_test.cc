// SPDX-License-Identifier: GPL-3.0-or-later
// Random schedules over three stores whose clients read and change records of a database with read-only copies, with lost links,
// recoveries cut short, stores restarted, nodes suspended and dead. At every moment whatever a client of any node may read
// without asking is what was written last; and nobody dies with a value that somebody else could read.
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/store/disorder.h"

namespace ctdb::test {
namespace {

class DelegationsChaos : Disorder {
 public:
  DelegationsChaos(uint64_t seed, uint32_t copies) : Disorder(seed, 4) {
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, copies);
    w_.control(0, 800, 9, Control::DB_COPIES, data);
    w_.run();
    turn_on();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      check();
      if (::testing::Test::HasFatalFailure()) return;
    }
    settle();
  }
  uint64_t copies_read() const { return copies_read_; }
  uint64_t saved() const { return saved_; }

 private:
  void turn_on() {
    uint8_t id[4];
    store(id, kDbId);
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn) {
      if (w_.node(pnn).store != nullptr) w_.control(pnn, 800, 8, Control::SET_DB_READONLY, id);
    }
  }

  void step() {
    const uint64_t what = random_.below(60);
    if (disturb(what)) return;
    switch (what) {
      case 0:
        return recovery();
      case 1:
        return random_.one_in(3) ? die() : restart();
      case 2:
        return suspend_and_back();
      default:
        break;
    }
    if (random_.one_in(4)) return call();
    if (random_.one_in(4)) return raise();
    if (!w_.carry_one(any_node(), any_node())) w_.work_all();
  }

  void call() {
    const uint32_t callids[] = {CTDB_FUNC_NULL, CTDB_FUNC_FETCH, CTDB_FUNC_FETCH_WITH_HEADER};
    const uint32_t pnn = any_node();
    const uint32_t callid = callids[random_.below(3)];
    if (random_.one_in(4)) {
      w_.call(pnn, 10 + pnn, ++reqid_, any_key(), callid);
    } else {
      w_.read(pnn, 10 + pnn, ++reqid_, any_key(), callid, random_.one_in(2));
    }
    asked_.insert({pnn, reqid_});
  }

  // A client that finds the record its own, and nobody else reading it.
  void raise() {
    const std::string& key = any_key();
    const uint32_t pnn = any_node();
    if (w_.node(pnn).store == nullptr) return;
    const std::string next = std::to_string(number(truth_[key]) + 1);
    if (w_.write(pnn, key, next)) truth_[key] = next;
  }

  static uint64_t number(const std::string& value) { return value.empty() ? 0 : std::stoull(value); }

  void recovery(const std::vector<uint32_t>& members = {0, 1, 2}) {
    const bool all = members.size() == kNodes;
    recover(members, [&] {
      if (all && random_.one_in(5)) call();
      if (all && random_.one_in(3)) raise();
      check();
    });
  }

  void end_store_with_clients(uint32_t pnn) {
    std::erase_if(asked_, [&](const auto& call) { return call.first == pnn; });
    w_.db(pnn).release_all(kStuckClient);
    end_store(pnn);
  }

  void restart() {
    const uint32_t pnn = any_node();
    end_store_with_clients(pnn);
    w_.start(pnn, base_);
    recovery();
    turn_on();
  }

  // With its files. What nobody else could read falls back.
  void die() {
    const uint32_t pnn = any_node();
    end_store_with_clients(pnn);
    w_.db(pnn).clear();
    std::map<std::string, bool> left;
    for (const std::string& key : keys_) {
      for (uint32_t other = 0; other < kNodes; ++other) left[key] = left[key] || w_.readable(other, key);
    }
    std::map<std::string, std::string> before = truth_;
    look_ = false;
    recovery(all_but(pnn));
    for (int i = 0; i < 20; ++i) pass_quietly();
    for (const std::string& key : keys_) {
      const std::vector<uint32_t> owners = w_.owners(key);
      truth_[key] = owners.empty() ? "" : *w_.data(owners.front(), key);
      if (!left[key]) continue;
      ++saved_;
      ASSERT_EQ(truth_[key], before[key]) << key << " could be read on another node and is lost";
    }
    look_ = true;
    check();
    w_.start(pnn);
    for (int i = 0; i < 20; ++i) pass_quietly();
    recovery();
    turn_on();
  }

  void suspend_and_back() {
    const uint32_t pnn = any_node();
    w_.order(pnn, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
    for (uint64_t i = random_.below(10); i > 0; --i) w_.work_all();
    recovery();
  }

  void check() {
    if (!look_) return;
    for (const std::string& key : keys_) {
      ASSERT_LE(w_.owners(key).size(), 1u) << key;
      for (uint32_t pnn = 0; pnn < kNodes; ++pnn) {
        const std::optional<std::string> value = w_.readable(pnn, key);
        if (!value) continue;
        ASSERT_EQ(*value, truth_[key]) << key << " as clients of node " << pnn << " read it";
        if (w_.header(pnn, key)->dmaster != pnn) ++copies_read_;
      }
    }
  }

  void settle() {
    for (int i = 0; i < 50; ++i) pass_quietly();
    for (const auto& [pnn, reqid] : asked_)
      ASSERT_TRUE(w_.answered(pnn, 10 + pnn, reqid)) << pnn << " " << reqid;
    for (const std::string& key : keys_) {
      for (uint32_t pnn = 0; pnn < kNodes; ++pnn) {
        w_.read(pnn, 99, 1, key);
        w_.pass(2 * kMillisecond);
        const auto reply = w_.answer(pnn, 99, 1);
        ASSERT_TRUE(reply) << key << " on node " << pnn;
        EXPECT_EQ(as_text(reply->data), truth_[key]) << key << " on node " << pnn;
      }
    }
    expect_nothing_waits();
  }

  bool look_ = true;
  std::map<std::string, std::string> truth_;
  std::set<std::pair<uint32_t, uint32_t>> asked_;
  uint64_t copies_read_ = 0;
  uint64_t saved_ = 0;
};

void schedules(uint64_t first, uint32_t copies) {
  uint64_t read = 0, saved = 0;
  for (uint64_t seed = first; seed < first + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    DelegationsChaos chaos(seed, copies);
    chaos.run(400);
    if (::testing::Test::HasFailure()) return;
    read += chaos.copies_read();
    saved += chaos.saved();
  }
  EXPECT_GT(read, 10000u) << "too few copies were there for this to mean anything";
  EXPECT_GT(saved, 100u) << "too few records were left readable by a death";
}

TEST(DelegationsChaos, WhatIsReadWithoutAskingIsTheNewest) {
  schedules(1, 1);
}

TEST(DelegationsChaos, AlsoOfADatabaseWithCopies) {
  schedules(1001, 2);
}

}  // namespace
}  // namespace ctdb::test
