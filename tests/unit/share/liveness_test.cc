// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbshare/common/liveness.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ctdb_share {
namespace {

TEST(Liveness, ThisProcessLivesAndItsIdsDiffer) {
  const ServerId self = {0, getpid(), local_unique_id()}, again = {0, getpid(), local_unique_id()};
  EXPECT_FALSE(local_is_dead(self));
  EXPECT_FALSE(local_is_dead(again));
  EXPECT_NE(self, again);
  EXPECT_NE(random_unique_id(), random_unique_id());
  EXPECT_LT(random_unique_id(), 0xF000000000000000u);
}

TEST(Liveness, AnotherProcessOfTheSameNumberIsNotTheSame) {
  EXPECT_TRUE(local_is_dead({0, getpid(), local_unique_id() + (1 << 16)}));
}

TEST(Liveness, WhoWasKilledIsDeadBeforeAndAfterHeIsBuried) {
  int started[2];
  ASSERT_EQ(pipe(started), 0);
  const pid_t child = fork();
  if (child == 0) {
    const uint64_t unique = local_unique_id();
    (void)!write(started[1], &unique, sizeof unique);
    for (;;) pause();
  }
  ServerId server{0, child, 0};
  ASSERT_EQ(read(started[0], &server.unique, sizeof server.unique),
            static_cast<ssize_t>(sizeof server.unique));
  EXPECT_FALSE(local_is_dead(server));
  kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(local_is_dead(server));
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(local_is_dead(server));
  close(started[0]);
  close(started[1]);
}

}  // namespace
}  // namespace ctdb_share
