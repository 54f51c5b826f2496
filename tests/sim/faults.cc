// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/faults.h"

#include <algorithm>
#include <iterator>

#include "libctdbipc/wire/reader.h"
#include "tests/sim/node.h"

namespace ctdb::sim {
namespace {

constexpr FaultRow kRows[] = {
    {Fault::kReset, "reset", true, true},
    {Fault::kResetStorm, "reset-storm", true, true},
    {Fault::kIsolate, "isolate", false, true},
    {Fault::kMute, "mute", false, true},
    {Fault::kDeaf, "deaf", false, true},
    {Fault::kFade, "fade", false, true},
    {Fault::kSplit, "split", false, true},
    {Fault::kCutPair, "cut-pair", true, true},
    {Fault::kCutOneWay, "cut-one-way", true, true},
    {Fault::kHalfClose, "half-close", true, true},
    {Fault::kStallLink, "stall-link", true, true},
    {Fault::kSlowLink, "slow-link", true, true},
    {Fault::kEndStream, "end-stream", true, true},
    {Fault::kQuiet, "quiet", false, true},
    {Fault::kKillRouter, "kill-router", false, false},
    {Fault::kKillStore, "kill-store", false, false},
    {Fault::kKillRecoveryd, "kill-recoveryd", false, false},
    {Fault::kKillRouters, "kill-routers", false, false},
    {Fault::kPowerLoss, "power-loss", false, false},
    {Fault::kStopRouter, "stop-router", false, false},
    {Fault::kStopStore, "stop-store", false, false},
    {Fault::kStopRecoveryd, "stop-recoveryd", false, false},
    {Fault::kKillKeeper, "kill-keeper", false, false},
    {Fault::kKillDaemons, "kill-daemons", false, false},
    {Fault::kStopStoreKillRouter, "stop-store-kill-router", false, false},
    {Fault::kHalfOpenKillRouter, "half-open-kill-router", true, false},
    {Fault::kFreezeNode, "freeze-node", false, false},
    {Fault::kDiskFull, "disk-full", false, false},
    {Fault::kCannotPersist, "cannot-persist", false, false},
    {Fault::kNoDescriptors, "no-descriptors", false, false},
    {Fault::kStopNode, "stop-node", false, false},
    {Fault::kBanNode, "ban-node", false, false},
    {Fault::kDisableNode, "disable-node", false, false},
    {Fault::kRecover, "recover", false, false},
    {Fault::kRemoveNode, "remove-node", false, false},
    {Fault::kKillClient, "kill-client", false, false},
    {Fault::kStopClient, "stop-client", false, false},
    {Fault::kLongHold, "long-hold", false, false},
    {Fault::kLoseLock, "lose-lock", false, false},
    {Fault::kGiveLockTwice, "give-lock-twice", false, false},
    {Fault::kStallRegister, "stall-register", false, false},
    {Fault::kFailRegister, "fail-register", false, false},
};
static_assert(std::size(kRows) == kFaultCount);

}  // namespace

const FaultRow& fault_row(Fault fault) {
  return kRows[static_cast<size_t>(fault)];
}

std::optional<Fault> fault_by_name(std::string_view name) {
  for (const FaultRow& row : kRows) {
    if (row.name == name) return row.fault;
  }
  return std::nullopt;
}

Faults::Faults(World& world)
    : world_(world),
      commanded_(world.node_count(), false),
      removed_(world.node_count(), false),
      hits_(kPointCount * kFaultCount, 0) {
  world_.points.set_observer([this](Point point, uint32_t k, uint32_t node) { reached(point, k, node); });
}

// ---- when ----

void Faults::arm(const FaultEvent& event) {
  if (event.at) {
    armed_.push_back({event, 0});
    return;
  }
  world_.queue.after(event.after, [this, event] {
    if (active_) inject(event);
  });
}

void Faults::reached(Point point, uint32_t k, uint32_t node) {
  if (!active_) return;
  for (size_t i = 0; i < armed_.size(); ++i) {
    const Moment& at = *armed_[i].event.at;
    if (at.point != point || (at.k != 0 && at.k != k) || ++armed_[i].seen < at.number) continue;
    const FaultEvent event = armed_[i].event;
    armed_.erase(armed_.begin() + static_cast<std::ptrdiff_t>(i--));
    ++hits_[static_cast<size_t>(point) * kFaultCount + static_cast<size_t>(event.fault)];
    // From the queue: the core that reached this point is in the middle of its event.
    world_.queue.after(event.after, [this, event, node] {
      if (active_) inject_at(event, node);
    });
  }
}

NodeRef Faults::resolve(NodeRef node, NodeRef sender) const {
  uint32_t pnn = node;
  if (node == kSender) pnn = sender;
  if (node == kNext) pnn = sender + 1;
  if (node == kLeader || node == kFollower) pnn = world_.leader() + (node == kFollower ? 1 : 0);
  if (node == kTurn) pnn = turn_;
  return pnn % world_.node_count();
}

void Faults::inject(const FaultEvent& event) {
  inject_at(event, 0);
}

void Faults::inject_at(const FaultEvent& given, NodeRef sender) {
  FaultEvent event = given;
  event.node = resolve(given.node, sender);
  event.peer = resolve(given.peer, sender);
  ++injected_;
  ++by_kind_[static_cast<size_t>(event.fault)];
  const FaultRow& row = fault_row(event.fault);
  world_.trace.add(event.node, row.name.data(), event.peer, static_cast<uint64_t>(event.time), event.detail);
  if (row.is_network) return break_network(event);
  if (event.fault >= Fault::kLoseLock) return break_lock(event);
  if (event.fault >= Fault::kKillClient) return break_client(event);
  if (event.fault >= Fault::kStopNode) return command(event);
  if (event.fault >= Fault::kFreezeNode) return break_machine(event);
  if (event.fault >= Fault::kKillKeeper) return break_several(event);
  break_process(event);
}

void Faults::undo_after(TimeNs delay, Action action) {
  world_.queue.after(delay, [this, action = std::move(action)]() mutable {
    if (active_) action();  // healing has done it already
  });
}

// On a machine that is paused nothing starts or goes on.
void Faults::undo_on(Node& node, TimeNs delay, Action action) {
  undo_after(delay, [this, &node, action = std::move(action)]() mutable {
    if (node.paused()) return undo_on(node, node.paused_until() - world_.now(), std::move(action));
    action();
  });
}

// ---- network ----

void Faults::cut(uint32_t a, uint32_t b, bool there, bool back, TimeNs for_time) {
  if (a == b) return;
  Network& network = world_.network;
  if (there) network.block(a, b);
  if (back) network.block(b, a);
  undo_after(for_time, [&network, a, b] {
    network.unblock(a, b);
    network.unblock(b, a);
  });
}

void Faults::break_network(const FaultEvent& event) {
  Network& network = world_.network;
  const uint32_t node = event.node, peer = event.peer;
  if (fault_row(event.fault).has_peer && node == peer) return;
  switch (event.fault) {
    case Fault::kReset:
      return network.reset(node, peer, event.time);
    case Fault::kResetStorm:
      for (TimeNs i = 0; i < 4; ++i) {
        undo_after(event.time * i / 4,
                   [&network, node, peer] { network.reset(node, peer, 100 * kMicrosecond); });
      }
      return;
    case Fault::kIsolate:
    case Fault::kMute:
    case Fault::kDeaf:
      for (uint32_t n = 0; n < world_.node_count(); ++n) {
        cut(node, n, event.fault != Fault::kDeaf, event.fault != Fault::kMute, event.time);
      }
      return;
    case Fault::kFade:
      for (uint32_t n = 0; n < world_.node_count(); ++n) {
        if (n == node) continue;
        network.stall(n, node, event.time / 3);
        cut(node, n, true, false, event.time);
        undo_after(event.time / 3 + kMillisecond, [&network, n, node] { network.block(n, node); });
      }
      return;
    case Fault::kSplit:
      for (uint32_t a = 0; a < world_.node_count(); ++a) {
        for (uint32_t b = a + 1; b < world_.node_count(); ++b) {
          if ((event.detail >> a & 1) != (event.detail >> b & 1)) cut(a, b, true, true, event.time);
        }
      }
      return;
    case Fault::kCutPair:
      return cut(node, peer, true, true, event.time);
    case Fault::kCutOneWay:
      return cut(node, peer, true, false, event.time);
    case Fault::kHalfClose:
      network.stall(node, peer, event.time);
      return network.give_up(node, peer);
    case Fault::kEndStream:
      return network.end_stream(node, peer);
    case Fault::kStallLink:
      return network.stall(node, peer, event.time);
    case Fault::kSlowLink:
      network.set_slowness(node, peer, std::max<uint32_t>(1, static_cast<uint32_t>(event.detail)));
      return undo_after(event.time, [&network, node, peer] { network.set_slowness(node, peer, 1); });
    default:
      network.set_quiet(node, true);
      return undo_after(event.time, [&network, node] { network.set_quiet(node, false); });
  }
}

// ---- processes ----

void Faults::go_on(Node& node, Process& process) {
  if (&process == &node.router) world_.network.set_responsive(node.pnn(), true);
  process.go_on();
  node.router_changed();
}

void Faults::stop(Node& node, Process& process, TimeNs time) {
  if (process.stopped()) return;
  process.stop();
  node.router_changed();
  undo_on(node, time, [this, &process, &node] { go_on(node, process); });
}

void Faults::break_process(const FaultEvent& event) {
  Node& node = world_.node(event.node);
  switch (event.fault) {
    case Fault::kKillRouter:
      node.kill_router();
      return undo_on(node, event.time, [&node] { node.start_router(); });
    case Fault::kKillStore:
      node.kill_store();
      return undo_on(node, event.time, [&node] { node.start_store(); });
    case Fault::kKillRecoveryd:
      node.kill_recoveryd();
      return undo_on(node, event.time, [&node] { node.start_recoveryd(); });
    case Fault::kKillRouters:
      for (uint32_t n = 0; n < world_.node_count(); ++n) {
        Node& each = world_.node(n);
        each.kill_router();
        undo_on(each, event.time * (n + 1) / world_.node_count(), [&each] { each.start_router(); });
      }
      return;
    case Fault::kPowerLoss:
      node.kill_all();
      return undo_on(node, std::max(event.time, Node::kBootTime), [&node] { node.start_all(); });
    case Fault::kStopRouter:
      return stop(node, node.router, event.time);
    case Fault::kStopStore:
      return stop(node, node.store, event.time);
    default:
      return stop(node, node.recoveryd, event.time);
  }
}

void Faults::break_several(const FaultEvent& event) {
  Node& node = world_.node(event.node);
  switch (event.fault) {
    case Fault::kKillKeeper:
      return node.kill_keeper();
    case Fault::kKillDaemons:
      node.kill_daemons(event.detail % 2 == 0);
      return undo_on(node, event.time, [&node] { node.start_all(); });
    case Fault::kStopStoreKillRouter:
      stop(node, node.store, event.time);
      node.kill_router();
      return undo_on(node, event.time, [&node] { node.start_router(); });
    default:
      cut(event.node, event.peer, true, false, event.time);
      node.kill_router();
      return undo_on(node, event.time, [&node] { node.start_router(); });
  }
}

void Faults::break_machine(const FaultEvent& event) {
  Node& node = world_.node(event.node);
  switch (event.fault) {
    case Fault::kDiskFull:
      node.files.set_no_room(true);
      return undo_after(event.time, [&node] { node.files.set_no_room(false); });
    case Fault::kCannotPersist:
      node.recoveryd.set_can_persist(false);
      return undo_after(event.time, [&node] { node.recoveryd.set_can_persist(true); });
    case Fault::kNoDescriptors:
      node.set_descriptors_left(false);
      return undo_after(event.time, [&node] { node.set_descriptors_left(true); });
    default:
      if (node.paused()) return;
      node.pause(event.time);
      undo_on(node, event.time, [&node] { node.woken_up(); });
      for (Process* daemon :
           std::initializer_list<Process*>{&node.router, &node.store, &node.recoveryd, &node.keeper}) {
        stop(node, *daemon, event.time);
      }
      for (auto& each : node.clients) {
        Client* client = each.get();
        if (client->stopped()) continue;
        client->stop();
        undo_on(node, event.time, [client] { client->go_on(); });
      }
  }
}

void Faults::break_lock(const FaultEvent& event) {
  SharedLock& lock = world_.cluster_lock;
  switch (event.fault) {
    case Fault::kLoseLock:
      return lock.lose(event.node, event.time);
    case Fault::kGiveLockTwice:
      return lock.give_twice();
    case Fault::kStallRegister:
      return lock.stall(event.node, event.time);
    default:
      lock.set_failing(event.node, true);
      return undo_after(event.time, [&lock, node = event.node] { lock.set_failing(node, false); });
  }
}

// ---- operators ----

Bytes ban_state(uint32_t pnn, uint32_t seconds) {
  Bytes data;
  Writer w(data);
  w.u32(pnn);
  w.u32(seconds);
  return data;
}

void Faults::command(const FaultEvent& event) {
  RouterProcess& router = world_.node(event.node).router;
  const auto later = [&](Control control, Bytes data) {
    commanded_[event.node] = true;
    undo_after(event.time,
               [&router, control, data = std::move(data)] { router.operator_control(control, data); });
  };
  switch (event.fault) {
    case Fault::kStopNode:
      router.operator_control(Control::STOP_NODE, {});
      return later(Control::CONTINUE_NODE, {});
    case Fault::kBanNode:
      router.operator_control(Control::SET_BAN_STATE, ban_state(event.node, 300));
      return later(Control::SET_BAN_STATE, ban_state(event.node, 0));
    case Fault::kDisableNode:
      router.operator_control(Control::DISABLE_NODE, {});
      return later(Control::ENABLE_NODE, {});
    case Fault::kRemoveNode:
      remove_node(event);
      return later(Control::CONTINUE_NODE, {});
    default: {
      Bytes data;
      Writer(data).u32(CTDB_RECOVERY_ACTIVE);
      return router.operator_control(Control::SET_RECMODE, data);
    }
  }
}

// As an administrator does it: first the node is stopped, and has some time for that.
void Faults::remove_node(const FaultEvent& event) {
  constexpr TimeNs kStopTakes = 200 * kMillisecond;
  const uint64_t where = event.detail & (kNotStopped - 1);
  if ((event.detail & kNotStopped) == 0)
    world_.node(event.node).router.operator_control(Control::STOP_NODE, {});
  world_.queue.after(kStopTakes, [this, event, where] {
    if (!active_) return;
    removed_[event.node] = true;
    write_nodes_files(where == 0 ? ~uint64_t{0} : where);
  });
  undo_after(std::max(event.time, kStopTakes), [this, event] {
    removed_[event.node] = false;
    write_nodes_files(~uint64_t{0});
  });
}

// Every file names the node whose it is: without that its router would not start.
void Faults::write_nodes_files(uint64_t where) {
  for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
    if ((where >> pnn & 1) == 0) continue;
    Node& node = world_.node(pnn);
    NodeList list;
    for (uint32_t other = 0; other < world_.node_count(); ++other) {
      list.push_back(removed_[other] && other != pnn ? NodeEntry() : world_.nodes_file_line(other));
    }
    if (list == node.nodes_file) continue;
    node.nodes_file = list;
    node.router.operator_control(Control::RELOAD_NODES_FILE, {});
  }
}

void Faults::continue_nodes(uint32_t spared) {
  removed_.assign(removed_.size(), false);
  write_nodes_files(~uint64_t{0});
  for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
    if (!commanded_[pnn] || pnn == spared) continue;
    RouterProcess& router = world_.node(pnn).router;
    router.operator_control(Control::CONTINUE_NODE, {});
    router.operator_control(Control::SET_BAN_STATE, ban_state(pnn, 0));
    router.operator_control(Control::ENABLE_NODE, {});
  }
}

// ---- clients ----

void Faults::break_client(const FaultEvent& event) {
  Node& node = world_.node(event.node);
  if (node.clients.empty()) return;
  Client* client = node.clients[event.detail % kAnyRecord % node.clients.size()].get();
  for (auto& each : node.clients) {
    if (each->holds_lock()) client = each.get();
  }
  switch (event.fault) {
    case Fault::kKillClient:
      client->kill();
      return undo_on(node, event.time, [client] {
        if (!client->alive()) client->start();
      });
    case Fault::kStopClient:
      client->stop();
      return undo_on(node, event.time, [client] { client->go_on(); });
    default:
      return client->hold_next(event.time, (event.detail & kAnyRecord) != 0);
  }
}

}  // namespace ctdb::sim
