// SPDX-License-Identifier: GPL-3.0-or-later
// Who is left out of a generation, what it says of that, and who must not be.
#include <gtest/gtest.h>

#include "tests/unit/recoveryd/world.h"

namespace ctdb::test {
namespace {

bool open(World& world) {
  world.start_all();
  return world.until([&] { return world.open_all(); }, 2 * kSecond);
}

std::vector<uint32_t> all_but(uint32_t node) {
  std::vector<uint32_t> others;
  for (uint32_t pnn = 0; pnn < 3; ++pnn) {
    if (pnn != node) others.push_back(pnn);
  }
  return others;
}

// Its lease ended for another reason before the leader could say that it does not want it.
TEST(LeftOut, ANodeSaysWhatKeepsItOutNowAndNotWhyItWasSuspended) {
  World world(3);
  ASSERT_TRUE(open(world));
  const uint32_t leader = world.leader();
  const std::vector<uint32_t> followers = all_but(leader);
  world.silence(leader, followers[1], true);
  ASSERT_TRUE(world.until([&] { return world.store(followers[1]).suspended; }, 5 * kSecond));
  world.cut(followers[0], followers[1]);
  world.silence(leader, followers[1], false);
  const auto says = [&](const char* text) {
    return world.state(followers[1]).reason.find(text) != std::string::npos;
  };
  ASSERT_TRUE(world.until([&] { return world.open_together(all_but(followers[1])); }, 5 * kSecond));
  EXPECT_TRUE(world.until([&] { return says("cannot reach each other"); }, 5 * kSecond))
      << world.state(followers[1]).reason;
}

// As after the restart of a router, when its recoveryd comes later than its links.
TEST(LeftOut, ALinkThatIsBackBeforeItsRecoverydCostsNobodyItsRecords) {
  World world(3);
  ASSERT_TRUE(open(world));
  const uint32_t slow = all_but(world.leader())[0];
  const uint32_t generation = world.generation(slow);
  world.kill_recoveryd(slow);
  world.reset(slow, world.leader());
  world.run(400 * kMillisecond);
  world.start_recoveryd(slow);
  ASSERT_TRUE(world.until([&] { return world.open_all() && world.generation(slow) > generation; }, kSecond));
  EXPECT_EQ(world.store(slow).reason, "") << "it was never told to stop";
}

}  // namespace
}  // namespace ctdb::test
