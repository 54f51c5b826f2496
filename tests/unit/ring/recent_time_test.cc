// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/ring/recent_time.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace ctdb {
namespace {

class RecentTimeTest : public testing::Test {
 protected:
  TimeNs at(TickStamp stamp) {
    return recent_.not_later_than(stamp, [this] {
      ++readings_;
      return clock_;
    });
  }

  RecentTime recent_;
  TimeNs clock_ = 5 * kSecond;
  int readings_ = 0;
};

TEST_F(RecentTimeTest, TheClockIsReadOnceInAMoment) {
  EXPECT_EQ(at({1000, 3}), 5 * kSecond);
  for (uint64_t ticks = 1000; ticks < 1000 + RecentTime::kTicks; ticks += 1000)
    EXPECT_EQ(at({ticks, 3}), 5 * kSecond + RecentTime::kLate);
  EXPECT_EQ(readings_, 1);
  clock_ = 6 * kSecond;
  EXPECT_EQ(at({1000 + RecentTime::kTicks, 3}), 6 * kSecond);
  EXPECT_EQ(at({1001 + RecentTime::kTicks, 3}), 6 * kSecond + RecentTime::kLate);
}

TEST_F(RecentTimeTest, WhatAnotherProcessorCountsSaysNothing) {
  at({1000, 3});
  clock_ = 7 * kSecond;
  EXPECT_EQ(at({1001, 2}), 7 * kSecond);
  clock_ = 8 * kSecond;
  EXPECT_EQ(at({1002, 3}), 8 * kSecond) << "it is not the last one that was on this processor";
}

TEST_F(RecentTimeTest, ACounterThatWentBackSaysNothing) {
  at({100000, 3});
  clock_ = 7 * kSecond;
  EXPECT_EQ(at({99999, 3}), 7 * kSecond);
}

TEST_F(RecentTimeTest, WithoutACounterTheClockIsReadEachTime) {
  for (int i = 0; i < 3; ++i) {
    clock_ += kMicrosecond;
    EXPECT_EQ(at({1000, TickStamp::kNone}), clock_);
  }
  at({1000, 3});
  clock_ += kSecond;
  EXPECT_EQ(at({1000, TickStamp::kNone}), clock_);
}

// The real ones, and a process that stands still between two looks.
TEST_F(RecentTimeTest, ItIsNeverEarlierThanTheClock) {
  RecentTime recent;
  for (int i = 0; i < 1000000; ++i) {
    const TimeNs before = boot_time();
    const TimeNs told = recent.not_later_than();
    ASSERT_GE(told, before) << "after " << i << " looks";
    ASSERT_LE(told, boot_time() + RecentTime::kLate) << "after " << i << " looks";
    if (i % 100000 == 0) usleep(2000);  // it stands still: longer than what was read may serve
  }
}

}  // namespace
}  // namespace ctdb
