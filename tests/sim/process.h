// SPDX-License-Identifier: GPL-3.0-or-later
// What the daemons of a simulated node have in common: a process that runs, is stopped (SIGSTOP) or is dead, its input,
// and its timer; and the rings that join processes.
//
// Invariants:
//  1. A stopped process handles nothing; what arrives meanwhile is handled in order when it goes on.
//  2. What was on its way to a process that died is lost, also when the process is started again.
#ifndef CTDB_TESTS_SIM_PROCESS_H_
#define CTDB_TESTS_SIM_PROCESS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "libctdbipc/base/random.h"
#include "libctdbipc/base/time.h"
#include "tests/sim/event_queue.h"

namespace ctdb::sim {

class Process {
 public:
  explicit Process(EventQueue& queue) : queue_(queue) {}
  virtual ~Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool alive() const { return alive_; }
  bool stopped() const { return stopped_; }
  bool running() const { return alive_ && !stopped_; }
  // Counts up with every start.
  uint64_t incarnation() const { return incarnation_; }

  // SIGSTOP and SIGCONT.
  void stop() {
    if (alive_) stopped_ = true;
  }
  void go_on();

  // An input that arrives now: handled, kept (stopped) or lost (dead).
  template <typename Call>
  void input(Call&& call) {
    if (!alive_) return;
    if (stopped_) {
      kept_.push_back(std::forward<Call>(call));
      return;
    }
    call();
    if (alive_) after_input();
  }
  // An input that arrives then, for this incarnation only.
  template <typename Call>
  void input_at(TimeNs when, Call call) {
    queue_.at(when, [this, incarnation = incarnation_, call = std::move(call)]() mutable {
      if (incarnation_ == incarnation) input(std::move(call));
    });
  }

 protected:
  void set_alive();
  void set_dead();
  // After every input: the core's next deadline, and whether it has more to do at once.
  virtual TimeNs next_deadline() const { return kNever; }
  virtual void on_deadline() {}
  virtual bool has_work() const { return false; }
  virtual void on_work() {}

  EventQueue& queue_;

 private:
  void after_input();
  void arm_timer();

  bool alive_ = false;
  bool stopped_ = false;
  uint64_t incarnation_ = 0;
  std::deque<Action> kept_;
  TimeNs timer_at_ = kNever;
  bool work_planned_ = false;
};

// One direction of a channel: first in, first out, with the time it takes to be woken up.
class Ring {
 public:
  Ring(EventQueue& queue, Random& random) : queue_(&queue), random_(&random) {}
  // When something pushed now is seen by the other side.
  TimeNs arrival();
  void not_before(TimeNs when) { last_ = std::max(last_, when); }

 private:
  EventQueue* queue_;
  Random* random_;
  TimeNs last_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_PROCESS_H_
