// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/work_thread.h"

#include <signal.h>

#include <future>
#include <vector>

#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

class WorkThreadTest : public LoopTest {
 protected:
  WorkThreadTest() : thread_(std::move(*WorkThread::start(*loop_, "to test"))) {}
  std::unique_ptr<WorkThread> thread_;
};

TEST_F(WorkThreadTest, TheLoopGoesOnWhileAPieceIsWorkedAt) {
  std::promise<void> disk;
  std::vector<std::string> order;
  thread_->run(
      [ready = disk.get_future().share()] {
        ready.wait();
        return std::string("done");
      },
      [&](std::string result) {
        order.push_back(std::move(result));
        loop_->stop();
      });
  EXPECT_TRUE(thread_->busy());
  loop_->at(loop_->now(), [&] {
    order.push_back("meanwhile");
    disk.set_value();
  });
  run();
  EXPECT_EQ(order, (std::vector<std::string>{"meanwhile", "done"}));
  EXPECT_FALSE(thread_->busy());
}

TEST_F(WorkThreadTest, PiecesAreDoneInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    thread_->run([i] { return i; },
                 [&](int number) {
                   order.push_back(number);
                   if (order.size() == 100) loop_->stop();
                 });
  }
  run();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(WorkThreadTest, ItsEndWaitsForThePieceItIsAtAndTellsNobody) {
  std::promise<void> begun, go_on;
  bool ended = false, told = false;
  thread_->run(
      [&] {
        begun.set_value();
        go_on.get_future().wait();
        return ended = true;
      },
      [&](bool) { told = true; });
  begun.get_future().wait();
  std::thread end([&] { thread_.reset(); });
  go_on.set_value();
  end.join();
  EXPECT_TRUE(ended);
  stop_after(kMillisecond);
  run();
  EXPECT_FALSE(told);
}

TEST_F(WorkThreadTest, SignalsAreTheLoops) {
  bool blocked = false;
  thread_->run(
      [] {
        sigset_t mask;
        pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1;
      },
      [&](bool all) {
        blocked = all;
        loop_->stop();
      });
  run();
  EXPECT_TRUE(blocked);
}

}  // namespace
}  // namespace ctdb
