// SPDX-License-Identifier: GPL-3.0-or-later
// Random schedules over three stores whose clients add to counters, with lost links, recoveries cut short, stores restarted
// beside a living router, nodes suspended and, where there are copies, dead nodes. Whatever happens: what was answered as done
// has happened once, what is unknown at most once, what was refused or has no answer yet not at all or once.
#include <gtest/gtest.h>

#include <map>

#include "libctdbipc/wire/record_functions.h"
#include "tests/unit/store/disorder.h"

namespace ctdb::test {
namespace {

struct Counter {
  int64_t done = 0;
  int64_t unknown = 0;
  std::set<int64_t> results;  // each of a different add
};

class FunctionsChaos : Disorder {
 public:
  FunctionsChaos(uint64_t seed, uint32_t copies) : Disorder(seed, 4), copies_(copies) {
    uint8_t data[8];
    store(data, kDbId);
    store(data + 4, copies);
    w_.control(0, 800, 9, Control::DB_COPIES, data);
    w_.run();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      take_answers();
      for (const std::string& key : keys_) ASSERT_LE(w_.owners(key).size(), 1u) << key;
      if (::testing::Test::HasFatalFailure()) return;
    }
    settle();
  }
  int64_t done() const { return done_; }
  int64_t unknown() const { return unknown_; }

 private:
  void step() {
    switch (random_.below(60)) {
      case 0:
        return recovery();
      case 1:
        return copies_ > 1 && random_.one_in(2) ? die() : restart();
      case 2:
        return suspend_and_back();
      case 3:
      case 4:
        return toggle_lock();
      case 5:
      case 6:
      case 7:
        return w_.pass(static_cast<TimeNs>(random_.below(200)) * kMicrosecond);
      case 8:
        return w_.serve_workers();
      case 9:
      case 10: {
        const uint32_t pnn = any_node();
        return w_.call(pnn, 90 + pnn, ++reqid_, any_key(), CTDB_FUNC_FETCH);
      }
      default:
        break;
    }
    if (random_.one_in(3)) return add();
    if (!w_.carry_one(any_node(), any_node())) w_.work_all();
  }

  void add() {
    const uint32_t pnn = any_node();
    const std::string& key = any_key();
    Bytes packet;
    uint8_t one[8];
    store(one, int64_t{1});
    build(packet, {0, 0, 0, 0, 0, ++reqid_},
          ReqCall{random_.one_in(4) ? CTDB_CALL_IMMEDIATE_MIGRATION : 0, kDbId, CTDB_FUNC_ADD, 0,
                  as_bytes(key), one});
    w_.store(pnn).on_client_packet(10 + pnn, packet, w_.now());
    w_.collect();
    asked_[{pnn, reqid_}] = key;
  }

  void take_answers() {
    for (auto at = asked_.begin(); at != asked_.end();) {
      const auto [pnn, reqid] = at->first;
      const auto reply = w_.answer(pnn, 10 + pnn, reqid);
      if (!reply) {
        ++at;
        continue;
      }
      Counter& counter = counters_[at->second];
      if (reply->status == CTDB_FUNC_STATUS_DONE) {
        ASSERT_EQ(reply->data.size(), 8u);
        ASSERT_TRUE(counter.results.insert(load<int64_t>(reply->data.data())).second)
            << at->second << ": two adds made the same of it";
        ++counter.done;
        ++done_;
      } else {
        ASSERT_EQ(reply->status, CTDB_FUNC_STATUS_UNKNOWN) << as_text(reply->data);
        ++counter.unknown;
        ++unknown_;
      }
      at = asked_.erase(at);
    }
  }

  // The clients of a store that is gone: theirs are not put to the next one.
  void lose_calls(uint32_t pnn) {
    take_answers();
    std::erase_if(asked_, [&](const auto& call) {
      if (call.first.first != pnn) return false;
      ++counters_[call.second].unknown;
      return true;
    });
  }

  void recovery(const std::vector<uint32_t>& members = {0, 1, 2}) {
    do {
      lose_links();
      w_.begin(++generation_, base_, members);
      for (uint64_t i = random_.below(60); i > 0; --i) {
        w_.carry_one(any_node(), any_node());
        w_.work_all();
        if (members.size() == kNodes && random_.one_in(5)) add();
      }
    } while (random_.one_in(3));
    for (int i = 0; i < 20; ++i) pass_quietly();
    open(members);
  }

  void end_store_with_clients(uint32_t pnn) {
    lose_calls(pnn);
    w_.db(pnn).release_all(kStuckClient);
    end_store(pnn);
  }

  // Its files are taken up as they are.
  void restart() {
    const uint32_t pnn = any_node();
    end_store_with_clients(pnn);
    w_.start(pnn, base_);
    recovery();
  }

  // Its files are gone, but all copies are where they should be.
  void die() {
    for (int i = 0; i < 20; ++i) pass_quietly();
    const uint32_t pnn = any_node();
    for (int i = 0; i < 10; ++i) {
      add();
      w_.carry_one(any_node(), any_node());
    }
    end_store_with_clients(pnn);
    std::vector<uint32_t> others = {0, 1, 2};
    std::erase(others, pnn);
    recovery(others);
    w_.start(pnn);
    for (int i = 0; i < 20; ++i) pass_quietly();
    recovery();
    for (int i = 0; i < 20; ++i) pass_quietly();
  }

  void suspend_and_back() {
    const uint32_t pnn = any_node();
    w_.order(pnn, Operation::STORE_SUSPEND, StoreSuspend{}.encode());
    ++w_.node(pnn).epoch;
    for (uint64_t i = random_.below(10); i > 0; --i) w_.work_all();
    recovery();
  }

  void settle() {
    for (int i = 0; i < 50; ++i) pass_quietly();
    take_answers();
    ASSERT_TRUE(asked_.empty()) << "without faults everything is answered";
    for (const std::string& key : keys_) {
      w_.call(0, 99, 1, key, CTDB_FUNC_FETCH);
      w_.pass(5 * kMillisecond);
      const auto reply = w_.answer(0, 99, 1);
      ASSERT_TRUE(reply);
      const int64_t value = reply->data.size() == 8 ? load<int64_t>(reply->data.data()) : 0;
      const Counter& counter = counters_[key];
      EXPECT_LE(counter.done, value) << key << ": an add that was answered is lost";
      EXPECT_LE(value, counter.done + counter.unknown) << key << ": an add was done twice";
      EXPECT_TRUE(counter.results.empty() || *counter.results.rbegin() <= value) << key;
    }
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn) {
      EXPECT_EQ(w_.store(pnn).counts().calls_pending, 0u);
      EXPECT_EQ(w_.store(pnn).counts().refused_packets, 0u);
    }
  }

  const uint32_t copies_;
  std::map<std::string, Counter> counters_;
  std::map<std::pair<uint32_t, uint32_t>, std::string> asked_;
  int64_t done_ = 0, unknown_ = 0;
};

void schedules(uint64_t first, uint32_t copies) {
  int64_t done = 0, unknown = 0;
  for (uint64_t seed = first; seed < first + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    FunctionsChaos chaos(seed, copies);
    chaos.run(400);
    if (::testing::Test::HasFailure()) return;
    done += chaos.done();
    unknown += chaos.unknown();
  }
  EXPECT_GT(done, 4 * unknown) << "too few are known to have been done for this to mean anything";
  EXPECT_GT(unknown, 0);
}

TEST(FunctionsChaos, CountOnce) {
  schedules(1, 1);
}

TEST(FunctionsChaos, WithCopiesTheyCountOnceAlsoWhenNodesDie) {
  schedules(1001, 2);
}

}  // namespace
}  // namespace ctdb::test
