// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/base/this_thread.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace ctdb {
namespace {

bool is_right() {
  return this_thread() == static_cast<uint32_t>(gettid());
}

TEST(ThisThread, IsItsOwnInEveryThreadAndInAForkedChild) {
  EXPECT_TRUE(is_right());
  std::thread([] { EXPECT_TRUE(is_right()); }).join();
  const pid_t child = fork();
  if (child == 0) _exit(is_right() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(is_right());
}

}  // namespace
}  // namespace ctdb
