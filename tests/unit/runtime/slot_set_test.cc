// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/slot_set.h"

#include <gtest/gtest.h>

#include <set>

#include "libctdbipc/base/random.h"

namespace ctdb {
namespace {

std::vector<size_t> walk(const SlotSet& set) {
  std::vector<size_t> out;
  for (size_t slot = set.next(0); slot != SlotSet::kNone; slot = set.next(slot + 1)) out.push_back(slot);
  return out;
}

TEST(SlotSet, AnEmptyOneHasNothing) {
  SlotSet set;
  EXPECT_EQ(set.next(0), SlotSet::kNone);
  EXPECT_EQ(set.next(100000), SlotSet::kNone);
  EXPECT_FALSE(set.contains(0));
  set.erase(70);
}

TEST(SlotSet, IsWalkedInOrderAcrossWords) {
  SlotSet set;
  const std::vector<size_t> slots{0, 1, 63, 64, 127, 4095, 4096, 4097, 262143, 262144, 300000};
  for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) set.insert(*slot);
  set.insert(64);
  EXPECT_EQ(walk(set), slots);
  for (const size_t slot : slots) set.erase(slot);
  EXPECT_EQ(walk(set), std::vector<size_t>{});
}

TEST(SlotSet, SaysWhatAStandardSetSays) {
  Random random(1);
  SlotSet set;
  std::set<size_t> expected;
  for (int i = 0; i < 20000; ++i) {
    const size_t slot = random.below(i % 2 == 0 ? 100 : 20000);
    if (random.below(2) == 0) {
      set.insert(slot);
      expected.insert(slot);
    } else {
      set.erase(slot);
      expected.erase(slot);
    }
    const auto next = expected.lower_bound(slot);
    ASSERT_EQ(set.next(slot), next == expected.end() ? SlotSet::kNone : *next);
    ASSERT_EQ(set.contains(slot), expected.contains(slot));
  }
  EXPECT_EQ(walk(set), std::vector<size_t>(expected.begin(), expected.end()));
}

TEST(SlotSet, MayChangeWhileItIsWalked) {
  SlotSet set;
  for (const size_t slot : {5u, 70u, 80u}) set.insert(slot);
  std::vector<size_t> seen;
  for (size_t slot = set.next(0); slot != SlotSet::kNone; slot = set.next(slot + 1)) {
    seen.push_back(slot);
    if (slot != 70) continue;
    set.erase(70);
    set.erase(80);
    set.insert(3);     // before: for the next walk
    set.insert(5000);  // behind: is met, although it is in a word that was not there
  }
  EXPECT_EQ(seen, (std::vector<size_t>{5, 70, 5000}));
  EXPECT_EQ(walk(set), (std::vector<size_t>{3, 5, 5000}));
}

}  // namespace
}  // namespace ctdb
