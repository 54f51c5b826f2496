// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/process.h"

#include <algorithm>

namespace ctdb::sim {
namespace {

// A process that has more to do looks at its rings in between.
constexpr TimeNs kWorkSlice = 20 * kMicrosecond;

}  // namespace

void Process::set_alive() {
  alive_ = true;
  stopped_ = false;
  ++incarnation_;
  timer_at_ = kNever;
  work_planned_ = false;
}

void Process::set_dead() {
  alive_ = false;
  stopped_ = false;
  ++incarnation_;
  kept_.clear();
}

void Process::go_on() {
  if (!alive_ || !stopped_) return;
  stopped_ = false;
  const uint64_t incarnation = incarnation_;
  while (!kept_.empty() && incarnation_ == incarnation) {
    Action action = std::move(kept_.front());
    kept_.pop_front();
    action();
    if (alive_) after_input();
  }
  if (alive_) after_input();
}

void Process::after_input() {
  if (stopped_) return;
  arm_timer();
  if (work_planned_ || !has_work()) return;
  work_planned_ = true;
  queue_.after(kWorkSlice, [this, incarnation = incarnation_] {
    if (incarnation_ != incarnation) return;
    work_planned_ = false;
    if (stopped_) return;
    if (has_work()) on_work();
    if (alive_) after_input();
  });
}

void Process::arm_timer() {
  const TimeNs deadline = std::max(next_deadline(), queue_.now());
  if (deadline == kNever || deadline >= timer_at_) return;
  timer_at_ = deadline;
  queue_.at(deadline, [this, incarnation = incarnation_, deadline] {
    if (incarnation_ != incarnation || timer_at_ != deadline) return;
    timer_at_ = kNever;
    if (stopped_) return;
    if (next_deadline() <= queue_.now()) on_deadline();
    if (alive_) after_input();
  });
}

TimeNs Ring::arrival() {
  uint64_t delay = 3 * kMicrosecond + random_->below(5 * kMicrosecond);
  // The other side is not scheduled at once.
  if (random_->one_in(200)) delay += random_->below(2 * kMillisecond);
  last_ = std::max(last_, queue_->now() + static_cast<TimeNs>(delay));
  return last_;
}

}  // namespace ctdb::sim
