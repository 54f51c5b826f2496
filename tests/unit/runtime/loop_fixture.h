// SPDX-License-Identifier: GPL-3.0-or-later
// A loop that ends by itself when the test does not end it: the deadline is generous and only for broken code.
#ifndef TESTS_UNIT_RUNTIME_LOOP_FIXTURE_H_
#define TESTS_UNIT_RUNTIME_LOOP_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class LoopTest : public testing::Test {
 protected:
  LoopTest() : loop_(std::move(*EventLoop::create())) {
    loop_->add_flush_hook([this] { ++turns_; });
  }
  void run() {
    bool in_time = true;
    const EventLoop::TimerId deadline = loop_->at(loop_->now() + 120 * kSecond, [&] {
      in_time = false;
      loop_->stop();
    });
    const Result<void> ran = loop_->run();
    EXPECT_TRUE(ran);
    EXPECT_TRUE(in_time) << "nothing ended the loop";
    loop_->cancel(deadline);
  }
  // A machine that is busy only takes longer. `look_every`: how long the loop may sleep.
  void run_until(const std::function<bool()>& condition, TimeNs look_every = kMillisecond) {
    const std::function<void()> look = [&] {
      if (condition()) return loop_->stop();
      loop_->at(loop_->now() + look_every, look);
    };
    loop_->at(loop_->now() + look_every, look);
    run();
  }
  // And not before the loop has slept or looked at its descriptors, as it does every fourth turn: on a machine that is busy the time may be
  // over before it has begun.
  void stop_after(TimeNs time) {
    loop_->at(loop_->now() + time,
              [this, turns = turns_, sleeps = loop_->wakeups()] { stop_if_it_has_looked(turns, sleeps); });
  }

  std::unique_ptr<EventLoop> loop_;
  uint64_t turns_ = 0;

 private:
  void stop_if_it_has_looked(uint64_t turns, uint64_t sleeps) {
    if (loop_->wakeups() > sleeps || turns_ >= turns + 4) return loop_->stop();
    loop_->at(loop_->now() + 1, [this, turns, sleeps] { stop_if_it_has_looked(turns, sleeps); });
  }
};

}  // namespace ctdb

#endif  // TESTS_UNIT_RUNTIME_LOOP_FIXTURE_H_
