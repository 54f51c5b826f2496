// SPDX-License-Identifier: GPL-3.0-or-later
// A daemon's channels without a loop around them: a test makes the turns and decides when the daemon sleeps, so everything may happen
// between any two steps. Asleep it is woken by bells only.
#ifndef TESTS_UNIT_RUNTIME_LOOP_CHANNELS_FIXTURE_H_
#define TESTS_UNIT_RUNTIME_LOOP_CHANNELS_FIXTURE_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/runtime/loop_channels.h"
#include "tests/unit/ring/channel_fixture.h"

namespace ctdb {

// A client and what the daemon does with its channel: as ChannelQueue does.
struct Served {
  ChannelEnds ends{4096};
  uint32_t generation = 0;
  bool paused = false;
  size_t drains = 0;
  std::deque<std::string> waiting;  // what the ring had no room for
  std::vector<std::string> got;

  Channel& here() { return *ends.server; }
  Channel& client() { return *ends.client; }

  void send(const std::string& text) {
    if (!waiting.empty() || here().push({}, as_bytes(text)) != PushResult::kOk) waiting.push_back(text);
  }
  size_t drain(size_t budget) {
    ++drains;
    while (!waiting.empty() && here().push({}, as_bytes(waiting.front())) == PushResult::kOk)
      waiting.pop_front();
    size_t done = 0;
    for (; done < budget && !paused; ++done) {
      const std::optional<Channel::Frame> frame = here().pop();
      if (!frame) break;
      got.emplace_back(as_text(frame->packet));
    }
    return done;
  }
  // The client reads all that is in its ring, and says so.
  size_t client_reads() {
    size_t count = 0;
    while (client().pop()) ++count;
    client().flush();
    return count;
  }
  void client_sends(const std::string& text) {
    ASSERT_EQ(client().push({}, as_bytes(text)), PushResult::kOk);
    client().flush();
  }
};

class LoopChannelsTest : public testing::Test {
 protected:
  ~LoopChannelsTest() override {
    for (const auto& served : served_) channels_.remove(served->ends.server.get());
  }
  Served& add() {
    served_.push_back(std::make_unique<Served>());
    Served& served = *served_.back();
    served.generation = ++generation_;
    channels_.add(
        &served.here(), [&served](size_t budget) { return served.drain(budget); }, served.generation);
    return served;
  }
  void pause(Served& served) {
    served.paused = true;
    channels_.pause(&served.here());
  }
  void resume(Served& served) {
    served.paused = false;
    channels_.resume(&served.here());
  }
  // A turn that the loop does not end by arming, because there is other work.
  size_t busy_turn() {
    const size_t frames = channels_.drain(256);
    channels_.flush();
    return frames;
  }
  // Turns until nothing is left to be done: the daemon sleeps now.
  void turn_until_asleep() {
    do busy_turn();
    while (!channels_.arm());
  }
  // How many bells there were to wake up for.
  size_t take_bells() {
    size_t count = 0;
    for (const auto& served : served_) {
      if (rings(served->here()) == 0) continue;
      ++count;
      EXPECT_TRUE(channels_.rang(served->here().bell_fd(), served->generation));
    }
    return count;
  }
  void wake() {
    channels_.awake();
    take_bells();
  }
  // Sleeps and wakes without any traffic, until no channel is expected to have some.
  void cool_down() {
    turn_until_asleep();
    for (int i = 0; i < 20; ++i) {
      wake();
      turn_until_asleep();
    }
  }
  static std::string numbered(size_t number) {
    std::string text = std::to_string(number);
    text.resize(300, '.');
    return text;
  }
  // More than its ring takes.
  static size_t overfill(Served& served) {
    size_t sent = 0;
    while (served.waiting.size() < 3) served.send(numbered(sent++));
    return sent;
  }

  LoopChannels channels_;
  std::vector<std::unique_ptr<Served>> served_;

 private:
  uint32_t generation_ = 0;
};

}  // namespace ctdb

#endif  // TESTS_UNIT_RUNTIME_LOOP_CHANNELS_FIXTURE_H_
