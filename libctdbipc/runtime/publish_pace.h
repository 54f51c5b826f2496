// SPDX-License-Identifier: LGPL-3.0-or-later
// When a daemon copies its figures into its counters segment: while something happens at most every 100 ms, once more when it has ended,
// never while nothing happens. What is only traffic waits 300 ms for that last time: an idle cluster has a heart-beat every 200 ms, and
// a timer between two of them would be a wake-up more for each.
#ifndef LIBCTDBIPC_RUNTIME_PUBLISH_PACE_H_
#define LIBCTDBIPC_RUNTIME_PUBLISH_PACE_H_

#include <cstdint>
#include <functional>

#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

class PublishPace {
 public:
  PublishPace(EventLoop& loop, std::function<void()> publish) : loop_(loop), publish_(std::move(publish)) {}
  ~PublishPace() { loop_.cancel(timer_); }
  PublishPace(const PublishPace&) = delete;
  PublishPace& operator=(const PublishPace&) = delete;

  // At the end of every turn. Any numbers that change when there is something new to publish: `changes` of what people wait for, and
  // `traffic` of what is counted only.
  void end_of_turn(uint64_t changes, uint64_t traffic = 0);

 private:
  struct Activity {
    uint64_t changes = ~uint64_t{0}, traffic = 0;
    bool operator==(const Activity&) const = default;
  };
  void publish_at(TimeNs when);
  void publish_now();

  EventLoop& loop_;
  std::function<void()> publish_;
  Activity seen_, published_;
  TimeNs published_at_ = 0, timer_at_ = kNever;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_PUBLISH_PACE_H_
