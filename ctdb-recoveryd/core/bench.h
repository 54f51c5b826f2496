// SPDX-License-Identifier: GPL-3.0-or-later
// Nodes that are left out for a while because their store failed a recovery: twice as long each time. Every node knows of all
// of them, so that a new leader neither lets one in sooner nor begins anew. Pure.
#ifndef CTDB_RECOVERYD_CORE_BENCH_H_
#define CTDB_RECOVERYD_CORE_BENCH_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

class Bench {
 public:
  // `first`: for how long the first time; `most`: the longest, and who was well for so long begins anew.
  Bench(TimeNs first, TimeNs most) : first_(first), most_(most) {}

  // Returns for how long.
  TimeNs put(uint32_t pnn, TimeNs now);
  void set_reason(uint32_t pnn, const std::string& reason) { nodes_[pnn].reason = reason; }
  // 0: it never was.
  TimeNs until(uint32_t pnn) const;
  std::string reason(uint32_t pnn) const;
  void forget(uint32_t pnn) { nodes_.erase(pnn); }

  // Between nodes, whose clocks differ.
  std::vector<LeftOut> tell(TimeNs now);
  // What the leader says of them, if it is not older than what is known. Numbers of nodes are below `lines`.
  void learn(const std::vector<LeftOut>& told, uint32_t lines, TimeNs now);

 private:
  struct Seat {
    TimeNs until = 0;
    TimeNs lasts = 0;
    std::string reason;
  };
  TimeNs first_, most_;
  std::map<uint32_t, Seat> nodes_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_BENCH_H_
