// SPDX-License-Identifier: GPL-3.0-or-later
// Copies the router's figures into its counters segment: while there is traffic at most every 100 ms, once more when it
// ends, and never a wake-up while nothing happens.
#ifndef CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_
#define CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_

#include <cstdint>
#include <string>

#include "ctdb-router/core/router.h"
#include "ctdb-router/transport/transport.h"
#include "libctdbipc/ring/counters.h"
#include "libctdbipc/runtime/event_loop.h"

namespace ctdb {

// What the shell knows and the core does not.
struct ShellFigures {
  uint64_t wakeups = 0;
  uint64_t links_up = 0;
  uint64_t clients_cut = 0;
  uint64_t skipped_packets = 0;
};

class CountersPublisher {
 public:
  // `publish` calls put() with the present figures.
  CountersPublisher(EventLoop& loop, Counters& counters, std::function<void()> publish)
      : loop_(loop), counters_(counters), publish_(std::move(publish)) {}
  ~CountersPublisher() { loop_.cancel(timer_); }
  CountersPublisher(const CountersPublisher&) = delete;
  CountersPublisher& operator=(const CountersPublisher&) = delete;

  // At the end of every turn. `activity` is any number that changes when there is something new to publish.
  void end_of_turn(uint64_t activity);
  void put(const Router& router, const TransportFigures& links, const ShellFigures& shell);
  // Shown by status; stored when it differs.
  void put_status(const std::string& text);

 private:
  void publish_now();

  EventLoop& loop_;
  Counters& counters_;
  std::function<void()> publish_;
  uint64_t activity_ = 0;
  uint64_t published_activity_ = ~uint64_t{0};
  TimeNs published_at_ = 0;
  EventLoop::TimerId timer_ = 0;
  std::string status_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_
