// SPDX-License-Identifier: GPL-3.0-or-later
// The list of records that may be deleted: in which order they come, and when.
#include "ctdb-store/core/deleted_records.h"

#include <gtest/gtest.h>

#include <vector>

#include "ctdb-store/core/database.h"

namespace ctdb::test {
namespace {

constexpr TimeNs kRest = 10 * kMicrosecond;

class DeletedRecordsTest : public ::testing::Test {
 protected:
  DeletedRecordsTest() : entries(3000) { list.set_rest(kRest); }
  size_t take() {
    bool again = false;
    const DeletedRecords::Taken place = list.take(again);
    return static_cast<size_t>(place.entry - entries.data());
  }
  Database db, other;
  std::vector<RecordEntry> entries;
  DeletedRecords list;
};

TEST_F(DeletedRecordsTest, OnesThatHaveRestedComeFirst) {
  list.note(db, entries[0], 100 * kMicrosecond);
  list.note(db, entries[1], 105 * kMicrosecond);
  EXPECT_EQ(list.next_due(), 100 * kMicrosecond + kRest);
  EXPECT_EQ(list.due_now(), 0u);
  list.note_rested(db, entries[2]);
  EXPECT_EQ(list.next_due(), 0);
  EXPECT_EQ(list.due_now(), 1u);
  EXPECT_EQ(take(), 2u);
  EXPECT_EQ(list.next_due(), 100 * kMicrosecond + kRest);
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(list.next_due(), 105 * kMicrosecond + kRest);
}

TEST_F(DeletedRecordsTest, AnOrderIsForThoseThatAreOnIt) {
  list.note(db, entries[0], 100 * kMicrosecond);
  list.hurry();
  list.note(db, entries[1], 100 * kMicrosecond);
  EXPECT_EQ(list.next_due(), 0);
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(list.next_due(), 100 * kMicrosecond + kRest);
}

TEST_F(DeletedRecordsTest, AnEntryIsOnItOnce) {
  list.note(db, entries[0], 100 * kMicrosecond);
  list.note_rested(db, entries[0]);
  EXPECT_EQ(list.size(), 1u);
  bool again = false;
  list.take(again);
  EXPECT_TRUE(again);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.next_due(), kNever);
}

TEST_F(DeletedRecordsTest, KeepsTheOrderAsItGrowsAtBothEnds) {
  for (size_t i = 0; i < 1000; ++i) {
    list.note(db, entries[1000 + i], 100 * kMicrosecond);
    list.note_rested(db, entries[999 - i]);
  }
  for (size_t i = 0; i < 2000; ++i) ASSERT_EQ(take(), i);
  EXPECT_TRUE(list.empty());
}

TEST_F(DeletedRecordsTest, ADatabaseThatGoesTakesItsOwnAlong) {
  list.note(db, entries[0], 100 * kMicrosecond);
  list.note(other, entries[1], 100 * kMicrosecond);
  list.hurry();
  list.note(other, entries[2], 100 * kMicrosecond);
  list.note(db, entries[3], 100 * kMicrosecond);
  list.drop(db);
  EXPECT_EQ(entries[0].deletion, Deletion::kNone);
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(list.due_now(), 1u);
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(take(), 2u);
}

TEST_F(DeletedRecordsTest, ADatabaseMayComeWhereOneHasGone) {
  list.note(db, entries[0], 100 * kMicrosecond);
  list.note(other, entries[1], 100 * kMicrosecond);
  list.drop(db);
  Database third;
  list.note(third, entries[2], 100 * kMicrosecond);
  bool again = false;
  EXPECT_EQ(list.take(again).db, &other);
  EXPECT_EQ(list.take(again).db, &third);
  list.drop(other);
  list.note(db, entries[0], 100 * kMicrosecond);
  EXPECT_EQ(list.take(again).db, &db);
}

TEST_F(DeletedRecordsTest, SaysOnceThatItHasLeftSomeOut) {
  list.set_rest(0);
  list.note(db, entries[0], 100 * kMicrosecond);
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(list.some_left_out());
  EXPECT_FALSE(list.some_left_out());
}

}  // namespace
}  // namespace ctdb::test
