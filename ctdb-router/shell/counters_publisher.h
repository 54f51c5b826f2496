// SPDX-License-Identifier: GPL-3.0-or-later
// Copies the router's figures into its counters segment (libctdbipc/runtime/publish_pace.h says when).
#ifndef CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_
#define CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_

#include <cstdint>
#include <string>

#include "ctdb-router/core/router.h"
#include "ctdb-router/transport/transport.h"
#include "libctdbipc/ring/counters.h"
#include "libctdbipc/runtime/publish_pace.h"

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
      : counters_(counters), pace_(loop, std::move(publish)) {}

  void end_of_turn(uint64_t changes, uint64_t traffic) { pace_.end_of_turn(changes, traffic); }
  void put(const Router& router, const TransportFigures& links, const ShellFigures& shell);
  // Shown by status; stored when it differs.
  void put_status(const std::string& text);

 private:
  Counters& counters_;
  PublishPace pace_;
  std::string status_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_COUNTERS_PUBLISHER_H_
