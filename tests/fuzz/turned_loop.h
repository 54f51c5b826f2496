// SPDX-License-Identifier: GPL-3.0-or-later
// An event loop that a test turns by hand, with a clock of its own. Descriptors are real; channels and signals are not there.
#ifndef TESTS_FUZZ_TURNED_LOOP_H_
#define TESTS_FUZZ_TURNED_LOOP_H_

#include <poll.h>

#include <map>
#include <utility>
#include <vector>

#include "libctdbipc/runtime/event_loop.h"
#include "tests/fuzz/fuzz_input.h"

namespace ctdb {

class TurnedLoop final : public EventLoop {
 public:
  // Callbacks of what is ready, once each; sleeps until something is when `wait`.
  void turn(bool wait) {
    std::vector<pollfd> looked;
    for (const auto& [fd, callback] : watched_) looked.push_back({fd, POLLIN, 0});
    if (poll(looked.data(), looked.size(), wait ? -1 : 0) <= 0) return;
    for (const pollfd& one : looked) {
      const auto found = watched_.find(one.fd);
      if (one.revents == 0 || found == watched_.end()) continue;
      const FdCallback callback = found->second;  // it may unwatch itself
      callback(static_cast<uint32_t>(one.revents));
    }
  }
  void pass(TimeNs time) {
    const TimeNs until = now_ + time;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      now_ = std::max(now_, timers_.begin()->first.first);
      const auto callback = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      callback();
    }
    now_ = until;
  }
  bool empty() const { return watched_.empty() && timers_.empty(); }

  Result<void> watch(int fd, uint32_t, FdCallback callback) override {
    FUZZ_CHECK(watched_.emplace(fd, std::move(callback)).second);
    return {};
  }
  Result<void> rewatch(int, uint32_t) override { return {}; }
  void unwatch(int fd) override { FUZZ_CHECK(watched_.erase(fd) == 1); }
  Result<void> add_channel(Channel*, DrainCallback) override { return {}; }
  void remove_channel(Channel*) override {}
  void pause_channel(Channel*) override {}
  void resume_channel(Channel*) override {}
  void add_flush_hook(std::function<void()>) override {}
  void add_idle_hook(std::function<bool()>) override {}
  TimerId at(TimeNs deadline, std::function<void()> callback) override {
    timers_.emplace(std::pair(deadline, ++last_), std::move(callback));
    return last_;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
  }
  void on_terminate(std::function<void()>) override {}
  void on_reload(std::function<void()>) override {}
  TimeNs now() const override { return now_; }
  Result<void> run() override { return {}; }
  void stop() override {}
  void stay_awake_until(TimeNs) override {}
  uint64_t wakeups() const override { return 0; }

 private:
  TimeNs now_ = kSecond;
  TimerId last_ = 0;
  std::map<int, FdCallback> watched_;
  std::map<std::pair<TimeNs, TimerId>, std::function<void()>> timers_;
};

}  // namespace ctdb

#endif  // TESTS_FUZZ_TURNED_LOOP_H_
