// SPDX-License-Identifier: GPL-3.0-or-later
// What can go wrong in a run, and the hand that does it. A FaultEvent says when (a time, or a named point of the
// protocol), what, where and for how long; everything about it is decided before it happens, so that a run can be told
// again from its list of events. random_faults.h draws events, scenario.h reads and writes them.
#ifndef CTDB_TESTS_SIM_FAULTS_H_
#define CTDB_TESTS_SIM_FAULTS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "libctdbipc/wire/operations.h"
#include "tests/sim/points.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

class Process;

enum class Fault : uint8_t {
  // Links. `time`: until it is undone, unless said otherwise.
  kReset,       // a connection breaks; time: until the next is tried
  kResetStorm,  // four times within time
  kIsolate,     // one node, both ways, silently
  kMute,        // it is not heard
  kDeaf,        // it hears nothing
  kFade,       // it is not heard; what is sent to it arrives late, after a third of `time`, then nothing does
  kSplit,      // two groups; detail: the bits of one of them
  kCutPair,    // A and B do not see each other, both see the rest
  kCutOneWay,  // B does not hear A
  kHalfClose,  // one side gives the connection up; time: what it sent arrives late by that much
  kStallLink,  // everything from A to B arrives late
  kSlowLink,   // detail: by which factor
  kEndStream,  // the record stream beside a link ends
  kQuiet,      // NODE_QUIET, later NODE_ACTIVE
  // Processes and machines.
  kKillRouter,
  kKillStore,
  kKillRecoveryd,
  kKillRouters,  // of all nodes
  kPowerLoss,
  kStopRouter,  // SIGSTOP, later SIGCONT
  kStopStore,
  kStopRecoveryd,
  kKillKeeper,
  kKillDaemons,          // all of a node and its keeper; clients go on. detail: in which order
  kStopStoreKillRouter,  // nobody on the node can be told anything
  kHalfOpenKillRouter,   // the peer goes on believing in the link
  kFreezeNode,           // daemons and clients: a virtual machine that is paused
  kDiskFull,             // the record files cannot grow
  kCannotPersist,        // recoveryd's disk takes nothing
  kNoDescriptors,        // the router neither opens nor accepts a connection
  // Operators.
  kStopNode,  // later CONTINUE_NODE
  kBanNode,
  kDisableNode,
  kRecover,
  // Stopped and taken out of the nodes files, later put in again. detail: bits of those whose file is changed, none: all; and
  // kNotStopped.
  kRemoveNode,
  // Clients. detail: which, unless one holds a chain lock.
  kKillClient,
  kStopClient,
  kLongHold,  // it keeps its next chain lock for `time`; kAnyRecord in detail: also that of a record it may not use
  // The cluster lock, where it decides.
  kLoseLock,       // others may have it at once; who held it hears that after `time`
  kGiveLockTwice,  // the next who asks gets it
  kStallRegister,  // what a node writes and reads takes up to `time` longer
  kFailRegister,   // it can neither write nor read it
  kCount
};
// kRemoveNode: the administrator forgets to stop it. Routers that are running then keep it.
inline constexpr uint64_t kNotStopped = uint64_t{1} << 32;
inline constexpr uint64_t kAnyRecord = 8;
inline constexpr size_t kFaultsWithoutLock = static_cast<size_t>(Fault::kLoseLock);
inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kCount);

struct FaultRow {
  Fault fault;
  std::string_view name;
  bool has_peer;
  bool is_network;
};
const FaultRow& fault_row(Fault fault);
std::optional<Fault> fault_by_name(std::string_view name);

// What SET_BAN_STATE takes. No seconds: the ban is over.
Bytes ban_state(uint32_t pnn, uint32_t seconds);

// A node by its number, or by its part in the story.
using NodeRef = uint32_t;
inline constexpr NodeRef kSender = 0xfffffff0;    // where the point was reached (last)
inline constexpr NodeRef kNext = 0xfffffff1;      // the one after it
inline constexpr NodeRef kLeader = 0xfffffff2;    // whoever leads now
inline constexpr NodeRef kFollower = 0xfffffff3;  // the one after the leader
inline constexpr NodeRef kTurn = 0xfffffff4;      // each in turn, in the rounds of a repetition

struct FaultEvent {
  std::optional<Moment> at;  // counted since the event was armed; none: only after `after`
  TimeNs after = 0;          // since then
  Fault fault = Fault::kReset;
  NodeRef node = 0;
  NodeRef peer = 0;
  TimeNs time = 0;
  uint64_t detail = 0;
};

class Faults {
 public:
  explicit Faults(World& world);

  // The event happens when its time or moment comes, unless end() comes first.
  void arm(const FaultEvent& event);
  // It happens now; undone by itself after its time.
  void inject(const FaultEvent& event);
  // No further fault; what has been broken stays broken until World::heal().
  void end() { active_ = false; }
  bool active() const { return active_; }
  // Operators' stops, bans and disables are taken back, but for those of one node, if `spared` is one; part of healing.
  void continue_nodes(uint32_t spared = CTDB_UNKNOWN_PNN);

  NodeRef resolve(NodeRef node, NodeRef sender) const;
  void set_turn(uint32_t turn) { turn_ = turn; }

  // ---- figures ----
  uint64_t injected() const { return injected_; }
  uint64_t injected(Fault fault) const { return by_kind_[static_cast<size_t>(fault)]; }
  // How often an event came at a point.
  uint64_t hits(Point point, Fault fault) const {
    return hits_[static_cast<size_t>(point) * kFaultCount + static_cast<size_t>(fault)];
  }

 private:
  struct Armed {
    FaultEvent event;
    uint64_t seen = 0;
  };
  void reached(Point point, uint32_t k, uint32_t node);
  void inject_at(const FaultEvent& event, NodeRef sender);
  void undo_after(TimeNs delay, Action action);
  void undo_on(Node& node, TimeNs delay, Action action);
  void break_network(const FaultEvent& event);
  void break_process(const FaultEvent& event);
  void break_several(const FaultEvent& event);
  void break_machine(const FaultEvent& event);
  void command(const FaultEvent& event);
  void remove_node(const FaultEvent& event);
  void write_nodes_files(uint64_t where);
  void break_lock(const FaultEvent& event);
  void break_client(const FaultEvent& event);
  void cut(uint32_t a, uint32_t b, bool there, bool back, TimeNs for_time);
  void stop(Node& node, Process& process, TimeNs time);
  void go_on(Node& node, Process& process);

  World& world_;
  std::vector<Armed> armed_;
  std::vector<bool> commanded_;  // nodes that an operator has stopped, banned or disabled
  std::vector<bool> removed_;    // from the nodes files
  bool active_ = true;
  uint32_t turn_ = 0;
  uint64_t injected_ = 0;
  std::array<uint64_t, kFaultCount> by_kind_ = {};
  std::vector<uint32_t> hits_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_FAULTS_H_
