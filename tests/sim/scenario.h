// SPDX-License-Identifier: GPL-3.0-or-later
// A run as a story: a cluster, and what happens to it, statement by statement. Every seed is one (simulation.h), every
// file of scenarios/ is one, and so is what is left of a failing seed when it has been shrunk. docs/simulator.md has
// the grammar of the text.
#ifndef CTDB_TESTS_SIM_SCENARIO_H_
#define CTDB_TESTS_SIM_SCENARIO_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libctdbipc/base/result.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

struct Statement {
  enum class Kind : uint8_t {
    kAt,              // a fault is armed
    kDo,              // a fault happens now
    kRun,             // time passes
    kUntilPoint,      // ... until a point is reached
    kUntilRecovered,  // ... until a node is open in a generation newer than the mark
    kUntilServed,     // ... until each client of every node that takes part has done something since the mark
    kHealBut,         // everything but one node is healed for good: the clients of all others must go on
    kMark,            // what "newer" and "since" refer to from now on
    kRepeat,          // what follows, up to kEnd
    kEnd,
    kExpectLivesEnded,      // so many since the mark
    kExpectOut,             // the cluster goes on without the node
    kExpectSuspended,       // the node's store serves nobody
    kExpectSameGeneration,  // no store has begun a newer generation since the mark
  };
  Kind kind = Kind::kRun;
  FaultEvent event;     // kAt, kDo
  Moment moment;        // kUntilPoint, counted from now
  TimeNs time = 0;      // kRun
  TimeNs growing = 0;   // kRun: so much more in each round of a repetition
  NodeRef node = 0;     // kUntilRecovered, kHealBut, kExpect...
  TimeNs within = 0;    // kUntilRecovered, kUntilServed: since the mark; 0: in reasonable time
  uint64_t number = 0;  // kRepeat: rounds; kExpectLivesEnded
};

struct Scenario {
  std::string name;
  std::vector<std::string> story;  // the comment at the top
  WorldOptions world;
  std::vector<Statement> statements;
  TimeNs progress_bound = 25 * kSecond;  // reliability L2: 15 s; a benched store comes on top
};

// A file may tell several variants ("each $x A B C"). Errors name the line.
Result<std::vector<Scenario>> parse_scenarios(std::string_view name, std::string_view text);
std::string scenario_text(const Scenario& scenario);

std::string time_text(TimeNs time);  // in the largest unit that loses nothing
std::optional<TimeNs> parse_time(std::string_view text);

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_SCENARIO_H_
