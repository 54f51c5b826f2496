// SPDX-License-Identifier: GPL-3.0-or-later
// What goes wrong in a run: faults at random times, and faults triggered by steps of the protocol (a recovery that begins,
// a claim that is sent, a record that changes hands), which find far more than random times do (reliability §3.2). Each
// seed draws which kinds it uses and how often.
#ifndef CTDB_TESTS_SIM_FAULTS_H_
#define CTDB_TESTS_SIM_FAULTS_H_

#include <cstdint>
#include <vector>

#include "libctdbipc/wire/operations.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

enum class Fault : uint8_t {
  kReset,          // a connection breaks and is back within a few milliseconds
  kResetStorm,     // several times in a row
  kIsolate,        // one node, both ways, silently
  kIsolateOneWay,  // it hears, but is not heard; or the other way round
  kSplit,          // two groups
  kCutPair,        // A and B do not see each other, both see the rest
  kHalfClose,      // one side gives the connection up, the other hears of it late
  kStallLink,      // everything arrives late
  kSlowLink,
  kKillRouter,
  kKillStore,
  kKillRecoveryd,
  kPowerLoss,
  kStopRouter,  // SIGSTOP, later SIGCONT
  kStopStore,
  kStopRecoveryd,
  kQuiet,     // NODE_QUIET, later NODE_ACTIVE
  kStopNode,  // an operator's STOP_NODE, later CONTINUE_NODE
  kRecover,   // nothing breaks: a recovery for its own sake (a link session changes)
  kKillClient,
  kStopClient,  // also while it holds a chain lock
  kLongHold,    // a client keeps its next chain lock for long
  kKillAll,     // all routers at once
  kCount,
};

const char* fault_name(Fault fault);

class Faults {
 public:
  explicit Faults(World& world);

  // Draws kinds, rate and triggers, and begins.
  void begin();
  // No further fault; what has been broken stays broken until World::heal().
  void end() { active_ = false; }
  // One fault on `node` (or involving it), undone by itself after a while.
  void inject(Fault fault, uint32_t node);
  uint64_t injected() const { return injected_; }
  // Operators' stops are taken back; part of healing.
  void continue_nodes();

 private:
  struct Trigger {
    Operation operation;
    uint32_t skip;  // so many such packets pass first
    Fault fault;
    TimeNs delay;
    bool on_sender;  // else on a random node
  };
  void plan_next();
  void arm();
  void observe(uint32_t node, ByteView packet);
  Fault draw();
  uint32_t other(uint32_t node);
  TimeNs duration();
  void undo_after(TimeNs delay, EventQueue::Action action);
  void break_network(Fault fault, uint32_t node);
  void break_process(Fault fault, uint32_t node);
  void break_client(Fault fault, uint32_t node);
  void cut(uint32_t a, uint32_t b, bool there, bool back, TimeNs for_time);

  World& world_;
  std::vector<Fault> kinds_;
  TimeNs interval_ = 0;
  std::vector<Trigger> triggers_;
  std::vector<bool> stopped_by_operator_;
  bool active_ = false;
  uint64_t injected_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_FAULTS_H_
