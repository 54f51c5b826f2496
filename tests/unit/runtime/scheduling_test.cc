// SPDX-License-Identifier: GPL-3.0-or-later
// The slice a daemon asks for; each test changes only a thread of its own.
#include "libctdbipc/runtime/scheduling.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace ctdb {
namespace {

TEST(Scheduling, TheSliceIsShortAndTheNiceValueStays) {
  std::thread([] {
    const id_t self = static_cast<id_t>(syscall(SYS_gettid));
    // Whoever runs the tests may have chosen another class for them.
    ASSERT_TRUE(set_scheduler_attributes({}));
    ASSERT_EQ(setpriority(PRIO_PROCESS, self, 7), 0);
    const bool tells_slices = scheduler_attributes()->runtime_ns != 0;
    ASSERT_TRUE(ask_for_short_slice());
    const SchedulerAttributes now = *scheduler_attributes();
    EXPECT_EQ(now.policy, static_cast<uint32_t>(SCHED_OTHER));
    EXPECT_EQ(now.nice, 7);
    EXPECT_EQ(now.runtime_ns, tells_slices ? 100000u : 0u);
  }).join();
}

TEST(Scheduling, AnotherClassThatWasChosenStays) {
  std::thread([] {
    SchedulerAttributes batch;
    batch.policy = SCHED_BATCH;
    ASSERT_TRUE(set_scheduler_attributes(batch));
    ASSERT_TRUE(ask_for_short_slice());
    EXPECT_EQ(scheduler_attributes()->policy, static_cast<uint32_t>(SCHED_BATCH));
  }).join();
}

}  // namespace
}  // namespace ctdb
