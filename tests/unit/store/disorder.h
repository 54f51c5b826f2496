// SPDX-License-Identifier: GPL-3.0-or-later
// What random schedules over three stores have in common: clients that keep chains, links that are lost, stores that end.
#ifndef CTDB_TESTS_UNIT_STORE_DISORDER_H_
#define CTDB_TESTS_UNIT_STORE_DISORDER_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libctdbipc/base/random.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {

class Disorder {
 protected:
  static constexpr uint32_t kNodes = 3;
  static constexpr MemoryDatabase::Holder kStuckClient = 60;

  Disorder(uint64_t seed, uint32_t keys) : random_(seed), w_(kNodes, 4) {
    w_.recover(generation_, CTDB_INVALID_GENERATION, {0, 1, 2});
    w_.attach(0);
    for (uint32_t i = 0; i < keys; ++i) keys_.push_back("counter" + std::to_string(i));
  }

  uint32_t any_node() { return static_cast<uint32_t>(random_.below(kNodes)); }
  const std::string& any_key() { return keys_[random_.below(keys_.size())]; }

  void toggle_lock() {
    const uint32_t pnn = any_node();
    const std::string& key = any_key();
    if (w_.db(pnn).holder(as_bytes(key)) == kStuckClient) {
      w_.db(pnn).unlock(as_bytes(key), kStuckClient);
    } else {
      w_.db(pnn).lock(as_bytes(key), kStuckClient);
    }
  }

  void lose_links() {
    for (uint32_t a = 0; a < kNodes; ++a) {
      for (uint32_t b = 0; b < kNodes; ++b) {
        if (random_.one_in(2)) w_.link(a, b).clear();
      }
    }
  }

  // What may happen to any of them between two steps. `what` is a random number; false: nothing this time.
  bool disturb(uint64_t what) {
    if (what == 3 || what == 4) return toggle_lock(), true;
    if (what == 8) return w_.serve_workers(), true;
    if (what < 5 || what > 7) return false;
    w_.pass(static_cast<TimeNs>(random_.below(200)) * kMicrosecond);
    return true;
  }

  // Time without new faults, in which nobody keeps a chain.
  void pass_quietly() {
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn) w_.db(pnn).release_all(kStuckClient);
    w_.pass(kMillisecond);
    w_.serve_workers();
  }

  // Its process ends, with its locks, those of its workers and what is on its links.
  void end_store(uint32_t pnn) {
    w_.db(pnn).release_all(MemoryDatabase::kStore);
    for (const uint64_t ticket : w_.node(pnn).granted) w_.db(pnn).release_all(Node::worker(ticket));
    w_.node(pnn).tickets.clear();
    w_.node(pnn).granted.clear();
    w_.stop(pnn);
    for (uint32_t other = 0; other < kNodes; ++other) {
      w_.link(pnn, other).clear();
      w_.link(other, pnn).clear();
    }
  }

  // The members open one after the other, with traffic in between.
  void open(const std::vector<uint32_t>& members) {
    for (const uint32_t pnn : members) ASSERT_TRUE(w_.recovered(pnn, generation_)) << pnn;
    base_ = generation_;
    for (const uint32_t pnn : members) {
      w_.open(generation_, {pnn});
      for (int i = 0; i < 5; ++i) w_.carry_one(any_node(), any_node());
    }
  }

  // With as many attempts that come to nothing as chance will have; `meanwhile` goes on between two packets.
  template <typename Meanwhile>
  void recover(const std::vector<uint32_t>& members, Meanwhile&& meanwhile) {
    do {
      lose_links();
      w_.begin(++generation_, base_, members);
      for (uint64_t i = random_.below(60); i > 0; --i) {
        w_.carry_one(any_node(), any_node());
        w_.work_all();
        meanwhile();
      }
    } while (random_.one_in(3));
    for (int i = 0; i < 20; ++i) pass_quietly();
    open(members);
  }

  static std::vector<uint32_t> all_but(uint32_t pnn) {
    std::vector<uint32_t> others = {0, 1, 2};
    std::erase(others, pnn);
    return others;
  }

  void expect_nothing_waits() {
    for (uint32_t pnn = 0; pnn < kNodes; ++pnn) {
      EXPECT_EQ(w_.store(pnn).counts().calls_pending, 0u);
      EXPECT_EQ(w_.store(pnn).counts().refused_packets, 0u);
      EXPECT_EQ(w_.store(pnn).counts().lock_waiters, 0u);
    }
  }

  Random random_;
  uint32_t generation_ = 10, base_ = 10;
  World w_;
  std::vector<std::string> keys_;
  uint32_t reqid_ = 0;
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_STORE_DISORDER_H_
