// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/wire/placement.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "libctdbipc/wire/layout.h"

namespace ctdb {
namespace {

std::map<uint32_t, int> slots_by_owner(const Placement& placement) {
  std::map<uint32_t, int> slots;
  for (uint32_t slot = 0; slot < Placement::kSlots; ++slot) ++slots[placement.lmaster_of_slot(slot)];
  return slots;
}

TEST(Placement, WithoutMembersNobodyIsLmaster) {
  const Placement placement;
  EXPECT_EQ(placement.lmaster(as_bytes("key")), CTDB_UNKNOWN_PNN);
  EXPECT_FALSE(placement.is_member(0));
  EXPECT_TRUE(placement.members().empty());
  EXPECT_EQ(Placement(std::vector<uint32_t>{}).lmaster(as_bytes("key")), CTDB_UNKNOWN_PNN);
}

TEST(Placement, OrderOfMembersDoesNotMatter) {
  const Placement a({0, 1, 2, 7});
  const Placement b({7, 2, 0, 1});
  for (uint32_t slot = 0; slot < Placement::kSlots; ++slot) {
    ASSERT_EQ(a.lmaster_of_slot(slot), b.lmaster_of_slot(slot));
  }
  EXPECT_EQ(b.members(), (std::vector<uint32_t>{0, 1, 2, 7}));
  EXPECT_TRUE(b.is_member(7));
  EXPECT_FALSE(b.is_member(3));
}

TEST(Placement, SpreadsSlotsEvenly) {
  for (const uint32_t nodes : {2u, 3u, 5u, 16u}) {
    std::vector<uint32_t> members;
    for (uint32_t pnn = 0; pnn < nodes; ++pnn) members.push_back(pnn);
    const std::map<uint32_t, int> slots = slots_by_owner(Placement(members));
    const double share = static_cast<double>(Placement::kSlots) / nodes;
    ASSERT_EQ(slots.size(), nodes);
    for (const auto& [pnn, count] : slots) {
      EXPECT_GT(count, share * 0.8) << pnn << " of " << nodes;
      EXPECT_LT(count, share * 1.2) << pnn << " of " << nodes;
    }
  }
}

TEST(Placement, ANodeThatLeavesMovesOnlyItsOwnSlots) {
  const Placement before({0, 1, 2, 3});
  const Placement after({0, 1, 3});
  for (uint32_t slot = 0; slot < Placement::kSlots; ++slot) {
    const uint32_t owner = before.lmaster_of_slot(slot);
    if (owner == 2) continue;
    ASSERT_EQ(after.lmaster_of_slot(slot), owner);
  }
}

TEST(Placement, ANodeThatComesTakesSlotsAndMovesNoOthers) {
  const Placement before({0, 2});
  const Placement after({0, 1, 2});
  for (uint32_t slot = 0; slot < Placement::kSlots; ++slot) {
    const uint32_t owner = after.lmaster_of_slot(slot);
    if (owner == 1) continue;
    ASSERT_EQ(before.lmaster_of_slot(slot), owner);
  }
}

TEST(Placement, ATableThatChangesWithItsMembersIsTheSameAsANewOne) {
  const std::vector<std::vector<uint32_t>> members = {
      {0, 1, 2}, {2, 0, 1}, {0, 2}, {0, 2, 3, 5}, {1, 3, 5}, {1}, {}, {4, 9}, {9, 4, 1}, {0, 7}, {0, 7}};
  Placement changing;
  for (const std::vector<uint32_t>& now : members) {
    changing.set_members(now);
    const Placement fresh(now);
    EXPECT_EQ(changing.members(), fresh.members());
    for (uint32_t slot = 0; slot < Placement::kSlots; ++slot)
      ASSERT_EQ(changing.lmaster_of_slot(slot), fresh.lmaster_of_slot(slot));
  }
}

// Two releases in one cluster must agree, so the table is part of the protocol.
TEST(Placement, NeverChangesBetweenReleases) {
  const Placement placement({0, 1, 2});
  std::string owners;
  for (uint32_t slot = 0; slot < 32; ++slot)
    owners.push_back(static_cast<char>('0' + placement.lmaster_of_slot(slot)));
  EXPECT_EQ(owners, "00010010000022112111010202001011");
  EXPECT_EQ(Placement::slot_of(as_bytes("abc")), 0x0e397631u % 4096);
}

}  // namespace
}  // namespace ctdb
