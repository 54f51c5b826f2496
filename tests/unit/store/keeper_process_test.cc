// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper as a process: what strangers on its socket, and a lack of descriptors, cannot do to it.
#include "ctdb-store/backend/keeper_process.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "libctdbipc/runtime/setup_socket.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb::test {
namespace {

class KeeperProcess : public testing::Test {
 protected:
  KeeperProcess() : page_(*NodePage::open(directory_.path() + "/page")) {
    options_.socket_path = directory_.path() + "/keeper.sock";
    options_.volatile_directory = directory_.path();
  }
  ~KeeperProcess() override {
    if (keeper_ <= 0) return;
    kill(keeper_, SIGKILL);
    waitpid(keeper_, nullptr, 0);
  }
  // With as many descriptors as that.
  void start(rlim_t descriptors_max) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    store_.reset(fds[0]);
    UniqueFd theirs(fds[1]);
    keeper_ = fork();
    if (keeper_ == 0) {
      const rlimit limit{descriptors_max, descriptors_max};
      setrlimit(RLIMIT_NOFILE, &limit);
      run_keeper(options_, *page_, theirs.get());
    }
    wait_until([this] { return connect_unix(options_.socket_path).has_value(); });
  }
  static void wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 6000 && !condition(); ++i) usleep(5000);
    EXPECT_TRUE(condition());
  }
  void connect(size_t times) {
    for (size_t i = 0; i < times; ++i) {
      // The backlog may be full: then as many wait as can.
      if (Result<UniqueFd> stranger = connect_unix(options_.socket_path); stranger)
        strangers_.push_back(std::move(*stranger));
    }
  }
  bool sleeps() const {
    std::ifstream stat("/proc/" + std::to_string(keeper_) + "/stat");
    std::string line;
    std::getline(stat, line);
    const size_t name_ends = line.rfind(')');
    return name_ends != std::string::npos && line.compare(name_ends, 3, ") S") == 0;
  }
  size_t descriptors() const {
    size_t count = 0;
    DIR* all = opendir(("/proc/" + std::to_string(keeper_) + "/fd").c_str());
    while (all != nullptr && readdir(all) != nullptr) ++count;
    if (all != nullptr) closedir(all);
    return count;
  }
  bool dismissed(const UniqueFd& stranger) const {
    const Result<std::optional<SetupMessage>> message = receive_setup(stranger.get());
    return !message;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<NodePage> page_;
  KeeperOptions options_;
  UniqueFd store_;
  pid_t keeper_ = 0;
  std::vector<UniqueFd> strangers_;
};

TEST_F(KeeperProcess, SleepsWhileItHasNoDescriptorForWhoeverWaits) {
  start(12);
  connect(20);
  wait_until([this] { return descriptors() >= 12; });
  wait_until([this] { return sleeps(); });
  strangers_.clear();
  wait_until([this] {
    connect(1);
    return !strangers_.empty();
  });
  EXPECT_FALSE(dismissed(strangers_.back()));
}

// Else there would be none for a wire, and the keeper would lose its store.
TEST_F(KeeperProcess, StrangersDoNotTakeItsDescriptors) {
  start(64);
  for (int i = 0; i < 100; ++i)
    wait_until([this, before = strangers_.size()] {
      connect(1);
      return strangers_.size() > before;
    });
  wait_until([this] { return dismissed(strangers_.front()); });
  EXPECT_FALSE(dismissed(strangers_.back()));
  EXPECT_LT(descriptors(), 40u);
  EXPECT_FALSE(dismissed(store_)) << "the store is none of them";
}

}  // namespace
}  // namespace ctdb::test
