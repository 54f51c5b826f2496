// SPDX-License-Identifier: GPL-3.0-or-later
// What a cluster goes through, told as stories: start, deaths at the worst moment, cuts, operators.
#include <gtest/gtest.h>

#include "libctdbipc/wire/reader.h"
#include "world.h"

namespace ctdb::test {
namespace {

using Set = std::vector<uint32_t>;

TEST(Start, ThreeNodesOpenWellUnderASecond) {
  World world(3);
  world.start_all();
  const TimeNs began = world.now();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  EXPECT_LT(world.now() - began, 400 * kMillisecond);
  world.run(kSecond);
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    EXPECT_EQ(world.state(pnn).runstate, CTDB_RUNSTATE_RUNNING);
    EXPECT_EQ(world.state(pnn).node_flags, (Set{0, 0, 0}));
  }
  EXPECT_EQ(world.opened().size(), 1u) << "one recovery is enough";
}

TEST(Start, OneNodeAloneIsItsOwnMajority) {
  World world(1);
  world.start(0);
  const TimeNs began = world.now();
  ASSERT_TRUE(world.until([&] { return world.open_all(); }));
  EXPECT_LT(world.now() - began, 50 * kMillisecond);
  EXPECT_EQ(world.leader(), 0u);
}

}  // namespace
}  // namespace ctdb::test
