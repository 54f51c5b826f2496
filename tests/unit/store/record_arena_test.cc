// SPDX-License-Identifier: GPL-3.0-or-later
// Blocks of all sizes, in whatever order they come and go: none overlaps another, and what is not used is given back.
#include "ctdb-store/core/record_arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <vector>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

struct Block {
  size_t bytes = 0;
  uint8_t filled = 0;
};

TEST(RecordArena, BlocksKeepWhatIsInThemWhateverComesAndGoes) {
  Random random(1);
  RecordArena arena;
  std::map<uint32_t, Block> model;
  const auto check_and_free = [&](std::map<uint32_t, Block>::iterator at) {
    const auto* bytes = static_cast<const uint8_t*>(arena.at(at->first));
    for (size_t i = 0; i < at->second.bytes; ++i) ASSERT_EQ(bytes[i], at->second.filled);
    arena.free(at->first, at->second.bytes);
    model.erase(at);
  };
  for (int step = 0; step < 50'000; ++step) {
    if (!model.empty() && random.below(1000) < (step % 10'000 < 6000 ? 400u : 600u)) {
      auto at = model.lower_bound(static_cast<uint32_t>(random.below(model.rbegin()->first + 1)));
      check_and_free(at);
      continue;
    }
    const size_t bytes = random.one_in(500) ? random.below(100'000) : random.below(600);
    const uint32_t number = arena.allocate(bytes);
    ASSERT_NE(number, 0u);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(arena.at(number)) % 8, 0u);
    const auto filled = static_cast<uint8_t>(random.below(256));
    std::memset(arena.at(number), filled, bytes);
    ASSERT_TRUE(model.emplace(number, Block{bytes, filled}).second);
  }
  while (!model.empty()) check_and_free(model.begin());
  EXPECT_LE(arena.bytes(), size_t{64} << 10) << "but for the chunk that new blocks are cut from";
}

TEST(RecordArena, UsesRoomAgain) {
  RecordArena arena;
  std::vector<uint32_t> numbers(10'000);
  for (uint32_t& number : numbers) number = arena.allocate(150);
  const size_t full = arena.bytes();
  EXPECT_LE(full, numbers.size() * 152 + (size_t{64} << 10) + numbers.size() * 152 / 50);
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < numbers.size(); i += 2) arena.free(numbers[i], 150);
    for (size_t i = 0; i < numbers.size(); i += 2) numbers[i] = arena.allocate(150);
  }
  EXPECT_EQ(arena.bytes(), full);
}

}  // namespace
}  // namespace ctdb
