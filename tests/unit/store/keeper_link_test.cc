// SPDX-License-Identifier: GPL-3.0-or-later
// The store's side of the keeper: what a keeper may do without keeping the store's loop.
#include "ctdb-store/keeper_link.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "libctdbipc/ring/boot_time.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "tests/unit/runtime/loop_fixture.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb::test {
namespace {

class KeeperLinkTest : public LoopTest {
 protected:
  KeeperLinkTest() : page_(*NodePage::open(directory_.path() + "/page")) {
    options_.socket_path = directory_.path() + "/keeper.sock";
    options_.volatile_directory = directory_.path();
    // There is something to keep: it does not end itself.
    page_->set_serving(true, 0);
    page_->set_serve_until(boot_time() + 120 * kSecond);
  }
  // It would outlive the test.
  ~KeeperLinkTest() override {
    if (keeper_ <= 0) return;
    kill(keeper_, SIGKILL);
    waitpid(keeper_, nullptr, 0);
  }
  pid_t child() const {
    std::ifstream children("/proc/self/task/" + std::to_string(getpid()) + "/children");
    pid_t pid = 0;
    children >> pid;
    return pid;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<NodePage> page_;
  KeeperOptions options_;
  pid_t keeper_ = 0;
};

// One without room for a wire drops the connection and lives.
TEST_F(KeeperLinkTest, DoesNotWaitForAKeeperThatLetsGoOfIt) {
  int found_again = 0;
  KeeperLink link(*loop_, *page_, options_, [&] { ++found_again; });
  ASSERT_TRUE(link.start());
  run_until([this] { return connect_unix(options_.socket_path).has_value(); });
  keeper_ = child();
  ASSERT_GT(keeper_, 0);
  rlimit few{3, 0}, before{};
  ASSERT_EQ(prlimit(keeper_, RLIMIT_NOFILE, nullptr, &before), 0);
  few.rlim_max = before.rlim_max;
  ASSERT_EQ(prlimit(keeper_, RLIMIT_NOFILE, &few, nullptr), 0);
  alarm(60);  // who waits does so for ever
  ASSERT_TRUE(link.hold(1, UniqueFd(eventfd(0, EFD_CLOEXEC))));
  run_until([&] { return found_again > 0; });
  alarm(0);
  EXPECT_EQ(child(), keeper_) << "it lives, and was found by its socket";
}

}  // namespace
}  // namespace ctdb::test
