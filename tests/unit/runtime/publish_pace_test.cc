// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/publish_pace.h"

#include <vector>

#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

class PublishPaceTest : public LoopTest {
 protected:
  void packet() { pace_.end_of_turn(changes_, ++packets_); }

  uint64_t changes_ = 0, packets_ = 0;
  std::vector<uint64_t> published_;
  PublishPace pace_{*loop_, [this] { published_.push_back(changes_ + packets_); }};
};

TEST_F(PublishPaceTest, TheLastWordIsPublished) {
  packet();
  packet();
  run_until([this] { return published_.back() == packets_; });
  EXPECT_EQ(published_, (std::vector<uint64_t>{1, 2}));
}

// Timers run in the order of their time, however late they are.
TEST_F(PublishPaceTest, BetweenTwoHeartbeatsNothingWakes) {
  packet();
  packet();
  loop_->at(loop_->now() + 200 * kMillisecond, [this] {
    packet();
    loop_->stop();
  });
  run();
  EXPECT_EQ(published_, (std::vector<uint64_t>{1, 3}));
}

// It does not wait for the end of traffic.
TEST_F(PublishPaceTest, AChangeIsPublishedBeforeTheNextHeartbeat) {
  packet();
  packet();
  pace_.end_of_turn(++changes_, packets_);
  loop_->at(loop_->now() + 200 * kMillisecond, [this] { loop_->stop(); });
  run();
  EXPECT_EQ(published_, (std::vector<uint64_t>{1, 3}));
}

TEST_F(PublishPaceTest, WhatIsPublishedAlreadyIsNotAgain) {
  packet();
  pace_.end_of_turn(changes_, packets_);
  stop_after(400 * kMillisecond);
  run();
  EXPECT_EQ(published_, std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace ctdb
