// SPDX-License-Identifier: GPL-3.0-or-later
// Anything at any time, then peace: the world's checks watch, and in the end all nodes must be open together.
// CTDB_SEEDS=N tries more seeds than the few of every test run; CTDB_SEED=N tries one, with its log.
#include <gtest/gtest.h>

#include <cstdlib>

#include "world.h"

namespace ctdb::test {
namespace {

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Storm {
 public:
  explicit Storm(uint64_t seed)
      : dice_(seed * 77), nodes_(static_cast<uint32_t>(2 + seed % 4)), world_(nodes_, seed) {}

  void run() {
    world_.start_all();
    for (int round = 0; round < 15 && !::testing::Test::HasFailure(); ++round) {
      // Often in the middle of what the last blow has caused, sometimes when all is quiet.
      const TimeNs pause = dice_.one_in(4)   ? 3 * kSecond
                           : dice_.one_in(2) ? 5 * kMillisecond
                                             : 300 * kMillisecond;
      world_.run(static_cast<TimeNs>(dice_.below(static_cast<uint64_t>(pause))));
      decided_ = decided_ || world_.open_all();
      strike();
    }
    heal();
    EXPECT_TRUE(world_.until([&] { return world_.open_all(); }, 30 * kSecond));
    if (world_.open_all()) return;
    for (uint32_t pnn = 0; pnn < nodes_; ++pnn) {
      std::string voters;
      for (uint32_t voter : world_.state(pnn).voters) voters += " " + std::to_string(voter);
      world_.log.push_back("in the end node " + std::to_string(pnn) + ", voters" + voters + ": " +
                           world_.state(pnn).reason);
    }
  }

 private:
  void strike() {
    const auto pnn = static_cast<uint32_t>(dice_.below(nodes_));
    const auto other = static_cast<uint32_t>((pnn + 1 + dice_.below(nodes_ - 1)) % nodes_);
    const bool running = world_.running(pnn);
    const uint64_t blow = dice_.below(12);
    world_.log.push_back(std::to_string(world_.now() / kMillisecond) + " ms blow " + std::to_string(blow) +
                         " on " + std::to_string(pnn) + ", " + std::to_string(other));
    switch (blow) {
      case 0:
        return running ? world_.kill(pnn) : world_.start(pnn);
      case 1:
        if (!running) return;
        world_.kill_recoveryd(pnn);
        return world_.start_recoveryd(pnn);
      case 2:
        return world_.store(pnn).up ? world_.kill_store(pnn) : void();
      case 3:
        return world_.store(pnn).up || !running ? void() : world_.start_store(pnn);
      case 4:
        return world_.cut(pnn, other);
      case 5:
        return world_.reset(pnn, other);
      case 6:
        return world_.isolate(pnn);
      case 7:
        return world_.silence(pnn, other, dice_.one_in(2));
      case 8:
        if (!running) return;
        world_.control(pnn, dice_.one_in(2) ? Control::STOP_NODE : Control::CONTINUE_NODE);
        return;
      case 9:
        return running ? world_.rejoin(pnn) : void();
      default:
        return change_files(pnn);
    }
  }

  // `pnn` is taken out of the files or put in again; some nodes hear of it, some do not yet.
  // Not before all know a decision: until then a file that names a node alone makes it a cluster of its own.
  void change_files(uint32_t pnn) {
    if (!decided_) return;
    wish_[pnn] = !wish_[pnn];
    for (uint32_t node = 0; node < nodes_; ++node) {
      std::vector<uint32_t> numbers;
      for (uint32_t other = 0; other < nodes_; ++other) {
        if (wish_[other] || other == node) numbers.push_back(other);
      }
      if (!dice_.one_in(4)) world_.set_nodes(node, numbers);
    }
  }

  void heal() {
    std::vector<uint32_t> all;
    for (uint32_t pnn = 0; pnn < nodes_; ++pnn) all.push_back(pnn);
    for (uint32_t pnn = 0; pnn < nodes_; ++pnn) {
      if (!world_.running(pnn)) world_.start(pnn);
      if (!world_.store(pnn).up) world_.start_store(pnn);
      world_.control(pnn, Control::CONTINUE_NODE);
      for (uint32_t other = 0; other < nodes_; ++other) world_.silence(pnn, other, false);
      world_.set_nodes(pnn, all);
    }
    for (uint32_t pnn = 0; pnn < nodes_; ++pnn) world_.rejoin(pnn);
  }

  Random dice_;
  uint32_t nodes_;
  std::vector<bool> wish_ = std::vector<bool>(nodes_, true);
  World world_;
  bool decided_ = false;
};

TEST(Storms, EndInAnOpenCluster) {
  const uint64_t only = number("CTDB_SEED", 0);
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t last = only != 0 ? only : number("CTDB_SEEDS", 200);
  for (uint64_t seed = first; seed <= last; ++seed) {
    Storm(seed).run();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ctdb::test
