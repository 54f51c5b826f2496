// SPDX-License-Identifier: GPL-3.0-or-later
// The record of a file's locks as bytes, and its queue: who waits for whom, who is woken.
#include "libctdbshare/brlock/record.h"

#include <gtest/gtest.h>

namespace ctdb_share {
namespace {

Lock write_of(uint64_t unique, uint64_t start, uint64_t size) {
  return {{2, 4711, unique}, 1, 3, start, size, LockType::kWrite, Flavour::kWindows};
}

Record example() {
  Lock other = write_of(2, UINT64_MAX, 1);
  other.type = LockType::kRead;
  other.flavour = Flavour::kPosix;
  return {{write_of(1, 0, 10), other}, {{77, write_of(3, 5, 0)}}};
}

std::string why_not(std::span<const uint8_t> bytes) {
  Record record;
  std::string why;
  return decode(bytes, &record, &why) ? "" : why;
}

TEST(BrlockRecord, IsReadAsItWasWritten) {
  const std::vector<uint8_t> bytes = encode(example());
  EXPECT_EQ(bytes.size(), 16u + 2 * 52 + 60);
  Record record;
  std::string why;
  ASSERT_TRUE(decode(bytes, &record, &why)) << why;
  EXPECT_EQ(record, example());
  EXPECT_EQ(bytes[16], 2) << "little endian";
}

TEST(BrlockRecord, NothingIsAnEmptyRecord) {
  Record record = example();
  std::string why;
  ASSERT_TRUE(decode({}, &record, &why));
  EXPECT_TRUE(record.empty());
}

TEST(BrlockRecord, BadBytesAreNamed) {
  const std::vector<uint8_t> good = encode(example());
  for (size_t size = 1; size < good.size(); ++size)
    EXPECT_NE(why_not(std::span(good).first(size)), "") << size;
  const auto changed = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> bytes = good;
    bytes[at] = value;
    return why_not(bytes);
  };
  EXPECT_EQ(changed(0, 'X'), "no record of locks: it begins otherwise");
  EXPECT_EQ(changed(4, 9), "no record of locks: version 9 is not known here");
  EXPECT_EQ(changed(8, 200), "no record of locks: 200 locks and 1 waiters in 180 bytes");
  EXPECT_EQ(changed(11, 0xFF), "no record of locks: 4278190082 locks and 1 waiters in 180 bytes");
  EXPECT_EQ(changed(16 + 48, 2), "no record of locks: a lock that cannot be");
  EXPECT_EQ(changed(16 + 50, 1), "no record of locks: a lock that cannot be");
  EXPECT_EQ(changed(good.size() - 3, 1), "no record of locks: a waiter for a lock that cannot be")
      << "POSIX, size 0";
}

TEST(BrlockQueue, WaitersGoOneAfterTheOther) {
  Record record{{write_of(1, 0, 10)},
                {{1, write_of(2, 0, 5)}, {1, write_of(3, 0, 10)}, {1, write_of(4, 5, 5)}}};
  EXPECT_EQ(first_that_can_go(record), nullptr);
  EXPECT_EQ(*first_blocker(record, write_of(3, 0, 10), 1), write_of(1, 0, 10));
  record.locks.clear();
  EXPECT_EQ(first_that_can_go(record)->wanted.server.unique, 2u);
  EXPECT_EQ(*first_blocker(record, write_of(3, 0, 10), 1), write_of(2, 0, 5)) << "an earlier one";
  EXPECT_EQ(*first_blocker(record, write_of(4, 5, 5), 1), write_of(3, 0, 10)) << "it overtakes nobody";
  EXPECT_EQ(*first_blocker(record, write_of(5, 9, 1), 1), write_of(3, 0, 10))
      << "one who is not in the queue";
  EXPECT_EQ(first_blocker(record, write_of(5, 10, 1), 1), nullptr);
}

TEST(BrlockQueue, OneThatIsInNobodysWayGoesFirst) {
  const Record record{{write_of(1, 0, 10)}, {{1, write_of(2, 0, 5)}, {1, write_of(3, 20, 5)}}};
  EXPECT_EQ(first_that_can_go(record)->wanted.server.unique, 3u);
}

TEST(BrlockQueue, AWaiterLeavesByServerAndTicket) {
  Record record{{}, {{1, write_of(2, 0, 5)}, {2, write_of(2, 0, 5)}}};
  EXPECT_FALSE(remove_waiter(record, {2, 4711, 3}, 1));
  EXPECT_TRUE(remove_waiter(record, {2, 4711, 2}, 1));
  EXPECT_EQ(find_waiter(record, {2, 4711, 2}, 1), nullptr);
  EXPECT_NE(find_waiter(record, {2, 4711, 2}, 2), nullptr);
}

TEST(BrlockQueue, TheDeadLoseWhatWasThereWhenTheyWereAskedFor) {
  const Record looked_at{{write_of(1, 0, 1), write_of(2, 1, 1)}, {{1, write_of(2, 0, 5)}}};
  Record record = looked_at;
  record.locks.push_back(write_of(2, 9, 1));
  EXPECT_TRUE(remove_dead(record, {2, 4711, 2}, looked_at));
  EXPECT_EQ(record, (Record{{write_of(1, 0, 1), write_of(2, 9, 1)}, {}}));
  EXPECT_FALSE(remove_dead(record, {2, 4711, 2}, looked_at));
}

}  // namespace
}  // namespace ctdb_share
