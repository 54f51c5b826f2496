// SPDX-License-Identifier: GPL-3.0-or-later
// Lock workers with real processes: who waits, who holds, and what is left when one of them is killed.
#include "ctdb-store/backend/lock_workers.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "ctdb-store/backend/tdb_file.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

constexpr TimeNs kDeadline = 60 * kSecond;

// Processes whose parent is `parent`.
std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  std::vector<pid_t> pids;
  for (pid_t pid; in >> pid;) pids.push_back(pid);
  return pids;
}

bool is_alive(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return static_cast<bool>(in >> number >> name >> state) && state != "Z";
}

class LockWorkersTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto loop = EventLoop::create();
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    auto workers =
        LockWorkers::start(*loop_, 4,
                           {[this](uint64_t ticket) { locked_.push_back(ticket); },
                            [this](uint64_t ticket, const std::string&) { lost_.push_back(ticket); }});
    ASSERT_TRUE(workers.has_value());
    workers_ = std::move(*workers);
    files_ =
        make_tdb_files({.volatile_directory = directory_.path(), .mutexes = GetParam(), .hash_size = 1009});
    auto file = files_->open("test.tdb", 0, false);
    ASSERT_TRUE(file.has_value()) << file.error().text();
    file_ = std::move(*file);
    wait_for([this] { return workers_->pids().size() == 4; });
  }
  // Runs the loop until `condition` is true, and fails when that takes for ever.
  void wait_for(const std::function<bool()>& condition) {
    const TimeNs deadline = loop_->now() + kDeadline;
    bool reached = false;
    std::function<void()> look = [&] {
      reached = condition();
      if (reached || loop_->now() > deadline) return loop_->stop();
      loop_->at(loop_->now() + kMillisecond, look);
    };
    look();
    ASSERT_TRUE(loop_->run().has_value());
    EXPECT_TRUE(reached) << "waited in vain";
  }
  void lock(uint64_t ticket, const std::string& key) {
    workers_->lock(ticket, file_->path(), file_->open_flags(), as_bytes(key));
  }
  bool is_locked(uint64_t ticket) const { return std::count(locked_.begin(), locked_.end(), ticket) > 0; }
  bool busy(const std::string& key) {
    if (file_->try_lock(as_bytes(key)) == RecordFile::Lock::kBusy) return true;
    file_->unlock(as_bytes(key));
    return false;
  }
  // Keys on different chains.
  std::vector<std::string> keys(size_t count) {
    std::vector<std::string> found;
    std::set<uint32_t> chains;
    for (int i = 0; found.size() < count; ++i) {
      const std::string key = "key" + std::to_string(i);
      if (chains.insert(file_->chain_of(as_bytes(key))).second) found.push_back(key);
    }
    return found;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<LockWorkers> workers_;
  std::unique_ptr<RecordFiles> files_;
  std::unique_ptr<RecordFile> file_;
  std::vector<uint64_t> locked_;
  std::vector<uint64_t> lost_;
};
INSTANTIATE_TEST_SUITE_P(Mutexes, LockWorkersTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "On" : "Off"; });

TEST_P(LockWorkersTest, AFreeChainIsLockedForUsUntilWeLetGo) {
  lock(1, "key");
  wait_for([this] { return is_locked(1); });
  EXPECT_TRUE(busy("key"));
  file_->mark(as_bytes("key"));
  EXPECT_TRUE(file_->store(as_bytes("key"), as_bytes("head"), as_bytes("data")).has_value());
  file_->unmark(as_bytes("key"));
  workers_->unlock(1);
  wait_for([this] { return !busy("key"); });
}

TEST_P(LockWorkersTest, WaitsForAClientAndClientsWaitForIt) {
  TdbClient client(file_->path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  lock(1, "key");
  EXPECT_EQ(workers_->waiting(), 1u);
  EXPECT_EQ(client.ask("unlock key"), "ok");
  wait_for([this] { return is_locked(1); });
  EXPECT_EQ(workers_->waiting(), 0u);
  EXPECT_EQ(client.ask("trylock key"), "failed");
  client.start("lock key");
  workers_->unlock(1);
  EXPECT_EQ(client.answer(), "ok");
}

TEST_P(LockWorkersTest, AKilledClientsLockIsHandedOn) {
  TdbClient client(file_->path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  lock(1, "key");
  client.kill_it();
  wait_for([this] { return is_locked(1); });
  workers_->unlock(1);
}

TEST_P(LockWorkersTest, MoreRequestsThanWorkersAreServedInOrder) {
  for (uint64_t ticket = 1; ticket <= 40; ++ticket) lock(ticket, "key");
  for (uint64_t ticket = 1; ticket <= 40; ++ticket) {
    wait_for([&] { return !locked_.empty(); });
    ASSERT_EQ(locked_.size(), 1u);
    workers_->unlock(locked_[0]);
    locked_.clear();
  }
  EXPECT_EQ(workers_->waiting(), 0u);
}

// Clients that keep chains while they wait for this store must not keep all workers from another chain.
TEST_P(LockWorkersTest, StuckWorkersDoNotStopTheNextRequest) {
  TdbClient client(file_->path(), file_->open_flags());
  const std::vector<std::string> names = keys(13);
  for (size_t i = 0; i < 12; ++i) {
    ASSERT_EQ(client.ask("lock " + names[i]), "ok");
    lock(i + 1, names[i]);
  }
  lock(13, names[12]);
  wait_for([this] { return is_locked(13); });
  EXPECT_EQ(locked_.size(), 1u);
  workers_->unlock(13);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(client.ask("unlock " + names[i]), "ok");
  wait_for([this] { return locked_.size() == 13; });
}

TEST_P(LockWorkersTest, ThePoolShrinksAgain) {
  TdbClient client(file_->path(), file_->open_flags());
  const std::vector<std::string> names = keys(8);
  for (size_t i = 0; i < names.size(); ++i) {
    ASSERT_EQ(client.ask("lock " + names[i]), "ok");
    lock(i + 1, names[i]);
  }
  wait_for([this] { return workers_->pids().size() == 8; });
  const std::vector<pid_t> pids = workers_->pids();
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(client.ask("unlock " + names[i]), "ok");
  wait_for([&] { return locked_.size() == names.size(); });
  for (size_t i = 0; i < names.size(); ++i) workers_->unlock(i + 1);
  wait_for([this] { return workers_->pids().size() == 4; });
  wait_for([&] { return std::count_if(pids.begin(), pids.end(), is_alive) == 4; });
}

TEST_P(LockWorkersTest, ARequestTakenBackBeforeItHasTheLockIsForgotten) {
  TdbClient client(file_->path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  for (uint64_t ticket = 1; ticket <= 8; ++ticket)
    lock(ticket, "key");  // four with a worker, four in the queue
  for (uint64_t ticket = 1; ticket <= 8; ++ticket) workers_->unlock(ticket);
  EXPECT_EQ(workers_->waiting(), 0u);
  EXPECT_EQ(client.ask("unlock key"), "ok");
  lock(9, "key");
  wait_for([this] { return is_locked(9); });
  EXPECT_EQ(locked_, std::vector<uint64_t>{9});
  workers_->unlock(9);
  wait_for([this] { return !busy("key"); });
}

TEST_P(LockWorkersTest, AWorkerKilledWhileItHoldsIsReportedAndItsLockIsFree) {
  lock(1, "key");
  wait_for([this] { return is_locked(1); });
  const std::vector<pid_t> before = workers_->pids();
  for (const pid_t pid : before) kill(pid, SIGKILL);
  wait_for([this] { return !lost_.empty(); });
  EXPECT_EQ(lost_, std::vector<uint64_t>{1});
  EXPECT_FALSE(busy("key"));
  wait_for([&] { return workers_->pids().size() == 4 && workers_->pids() != before; });
  workers_->unlock(1);
  lock(2, "key");
  wait_for([this] { return is_locked(2); });
}

TEST_P(LockWorkersTest, AWorkerKilledWhileItWaitsIsReplacedWithoutAWord) {
  TdbClient client(file_->path(), file_->open_flags());
  ASSERT_EQ(client.ask("lock key"), "ok");
  lock(1, "key");
  const std::vector<pid_t> before = workers_->pids();
  for (const pid_t pid : before) kill(pid, SIGKILL);
  wait_for([&] { return workers_->pids().size() == 4 && workers_->pids() != before; });
  EXPECT_TRUE(lost_.empty());
  EXPECT_EQ(client.ask("unlock key"), "ok");
  wait_for([this] { return is_locked(1); });
}

TEST_P(LockWorkersTest, WorkersIgnoreTheSignalsOfATerminal) {
  for (const pid_t pid : workers_->pids()) {
    kill(pid, SIGTERM);
    kill(pid, SIGINT);
  }
  lock(1, "key");
  wait_for([this] { return is_locked(1); });
  EXPECT_EQ(workers_->pids().size(), 4u);
}

TEST_P(LockWorkersTest, AKilledSpawnerIsReplacedWithAllWorkers) {
  const std::vector<pid_t> before = workers_->pids();
  const std::vector<pid_t> spawners = children_of(getpid());
  ASSERT_EQ(spawners.size(), 1u);
  kill(spawners[0], SIGKILL);
  wait_for([&] {
    const std::vector<pid_t> now = workers_->pids();
    return now.size() == 4 && std::none_of(now.begin(), now.end(), [&](pid_t pid) {
             return std::count(before.begin(), before.end(), pid) > 0;
           });
  });
  lock(1, "key");
  wait_for([this] { return is_locked(1); });
}

TEST_P(LockWorkersTest, AFileThatIsNotThereIsReported) {
  workers_->lock(1, directory_.path() + "/missing", file_->open_flags(), as_bytes("key"));
  wait_for([this] { return !lost_.empty(); });
  lock(2, "key");
  wait_for([this] { return is_locked(2); });
}

TEST_P(LockWorkersTest, AFileReplacedByAnotherOfItsNameIsOpenedAnew) {
  for (uint64_t ticket = 1; ticket <= 4; ++ticket) lock(ticket, keys(4)[ticket - 1]);
  wait_for([this] { return locked_.size() == 4; });
  for (uint64_t ticket = 1; ticket <= 4; ++ticket) workers_->unlock(ticket);
  const std::string path = file_->path();
  file_.reset();
  std::filesystem::remove(path);
  auto file = files_->open("test.tdb", 0, false);
  ASSERT_TRUE(file.has_value());
  file_ = std::move(*file);
  lock(5, "key");
  wait_for([this] { return is_locked(5); });
  EXPECT_TRUE(busy("key"));
}

TEST_P(LockWorkersTest, WorkersHaveNoDescriptorsOfTheStore) {
  for (const pid_t pid : workers_->pids()) {
    const std::string fds = "/proc/" + std::to_string(pid) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(fds)) {
      EXPECT_LE(std::stoi(entry.path().filename()), 3);
    }
  }
}

TEST_P(LockWorkersTest, AllOfThemEndWithThePool) {
  std::vector<pid_t> pids = workers_->pids();
  workers_.reset();
  wait_for([&] { return std::none_of(pids.begin(), pids.end(), is_alive); });
}

}  // namespace
}  // namespace ctdb
