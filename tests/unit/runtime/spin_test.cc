// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/spin.h"

#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/packet.h"
#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

class SpinTest : public LoopTest {
 protected:
  // What the loop does until a timer ends it. Whether it was awake shows in how often it looked: a sleep is one look.
  void run_after(const std::function<void()>& first) {
    first();
    stop_after(5 * kMillisecond);
    run();
  }
  static constexpr uint64_t kTurnsOfASleeper = 6;
  static Bytes packet(Operation operation) {
    Bytes bytes;
    build(bytes, Header{}, ReqMessage{});
    store(bytes.data() + CTDB_OFF_OPERATION, static_cast<uint32_t>(operation));
    return bytes;
  }
};

TEST_F(SpinTest, NeverMeansThatEveryWaitSleeps) {
  Spin spin(*loop_, SpinMode::kNever, true);
  run_after([&] { spin.sent(packet(Operation::REQ_CALL)); });
  EXPECT_LE(turns_, kTurnsOfASleeper);
}

TEST_F(SpinTest, AlwaysMeansThatItDoesNotSleep) {
  const Spin spin(*loop_, SpinMode::kAlways, false);
  run_after([] {});
  EXPECT_EQ(loop_->wakeups(), 0u);
}

TEST_F(SpinTest, ARequestKeepsItAwakeForAWhileAndNotLonger) {
  Spin spin(*loop_, SpinMode::kAdaptive, true);
  // On a machine that is busy the time may be over before the loop has begun.
  uint64_t turns = 0;
  for (int tries = 0; tries < 20 && turns <= kTurnsOfASleeper; ++tries) {
    const uint64_t before = turns_, sleeps = loop_->wakeups();
    loop_->stay_awake_until(loop_->now() + 20 * kMillisecond);
    run_until([&] { return loop_->wakeups() > sleeps; }, 50 * kMillisecond);
    turns = turns_ - before;
  }
  EXPECT_GT(turns, kTurnsOfASleeper);
}

TEST_F(SpinTest, AReplyOrAnythingThatNeedsNoneLetsItSleep) {
  Spin spin(*loop_, SpinMode::kAdaptive, true);
  run_after([&] {
    spin.sent(packet(Operation::REQ_MESSAGE));
    loop_->stay_awake_until(kNever);
    spin.received(packet(Operation::REPLY_DMASTER));
  });
  EXPECT_LE(turns_, kTurnsOfASleeper);
}

TEST_F(SpinTest, WithFewProcessorsAdaptiveIsNever) {
  Spin spin(*loop_, SpinMode::kAdaptive, false);
  run_after([&] { spin.sent(packet(Operation::REQ_CALL)); });
  EXPECT_LE(turns_, kTurnsOfASleeper);
}

}  // namespace
}  // namespace ctdb
