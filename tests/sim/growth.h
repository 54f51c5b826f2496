// SPDX-License-Identifier: GPL-3.0-or-later
// What one recovery costs on the network as a cluster grows: a world of so many nodes, each with the same number of records
// of its own, in which one node dies with all its daemons. Everything its survivors send from then until the last of them
// is open again is counted. main.cc prints it; docs/benchmarks.md has the figures.
#ifndef CTDB_TESTS_SIM_GROWTH_H_
#define CTDB_TESTS_SIM_GROWTH_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/time.h"

namespace ctdb::sim {

struct GrowthRow {
  struct Sent {
    uint64_t packets = 0;
    uint64_t bytes = 0;  // of the packets, headers of the transport not included
  };
  uint32_t nodes = 0;                     // before the death
  uint32_t records = 0;                   // a node
  TimeNs lasted = 0;                      // virtual: from the death until the last survivor was open again
  std::map<uint32_t, Sent> by_operation;  // of all survivors together

  Sent total() const;
  // Of one survivor, on the average.
  double packets_per_node() const { return static_cast<double>(total().packets) / (nodes - 1); }
  double bytes_per_node() const { return static_cast<double>(total().bytes) / (nodes - 1); }
};

// nodes >= 3. Fails with the reason when the world does not come that far.
Result<GrowthRow> measure_growth(uint32_t nodes, uint32_t records);

std::string growth_text(const std::vector<GrowthRow>& rows);
std::string growth_json(const std::vector<GrowthRow>& rows);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_GROWTH_H_
