// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/faults.h"

#include <algorithm>
#include <iterator>

#include "libctdbipc/wire/packet.h"
#include "tests/sim/node.h"

namespace ctdb::sim {
namespace {

constexpr const char* kNames[] = {
    "reset",      "reset storm", "isolate",     "isolate one way", "split",           "cut pair",
    "half close", "stall link",  "slow link",   "kill router",     "kill store",      "kill recoveryd",
    "power loss", "stop router", "stop store",  "stop recoveryd",  "quiet",           "stop node",
    "recover",    "kill client", "stop client", "long hold",       "kill all routers"};
static_assert(std::size(kNames) == static_cast<size_t>(Fault::kCount));

// The steps at which it hurts.
constexpr Operation kSteps[] = {
    Operation::REQ_DMASTER,       Operation::REPLY_DMASTER,     Operation::REQ_CALL,
    Operation::VOTE_REPLY,        Operation::RECOVERY_BEGIN,    Operation::STORE_RECOVER,
    Operation::RECORD_CLAIMS,     Operation::RECORD_CLAIMS_END, Operation::RECORD_ASSIGN,
    Operation::RECORD_ASSIGN_END, Operation::STORE_RECOVERED,   Operation::RECOVERY_REPORT,
    Operation::RECOVERY_COMMIT,   Operation::STORE_OPEN,        Operation::STORE_SUSPEND};

}  // namespace

const char* fault_name(Fault fault) {
  return kNames[static_cast<size_t>(fault)];
}

Faults::Faults(World& world) : world_(world), stopped_by_operator_(world.node_count(), false) {}

void Faults::begin() {
  active_ = true;
  // A random subset of the kinds: swarm testing. Sometimes few kinds often, sometimes all.
  const uint64_t keep = 1 + world_.random.below(4);
  for (size_t i = 0; i < static_cast<size_t>(Fault::kCount); ++i) {
    if (world_.random.below(4) < keep) kinds_.push_back(static_cast<Fault>(i));
  }
  if (kinds_.empty()) kinds_.push_back(Fault::kReset);
  interval_ = 100 * kMillisecond + static_cast<TimeNs>(world_.random.below(1200 * kMillisecond));
  const uint64_t armed = world_.random.below(4);
  for (uint64_t i = 0; i < armed; ++i) arm();
  world_.set_observer([this](uint32_t node, ByteView packet) { observe(node, packet); });
  plan_next();
}

Fault Faults::draw() {
  return kinds_[world_.random.below(kinds_.size())];
}

void Faults::arm() {
  triggers_.push_back(
      {kSteps[world_.random.below(std::size(kSteps))],
       static_cast<uint32_t>(world_.random.below(world_.random.one_in(2) ? 4 : 30)), draw(),
       world_.random.one_in(2) ? 0 : static_cast<TimeNs>(world_.random.below(2 * kMillisecond)),
       world_.random.one_in(2)});
}

void Faults::plan_next() {
  const TimeNs wait = static_cast<TimeNs>(world_.random.below(static_cast<uint64_t>(2 * interval_)));
  world_.queue.after(wait, [this] {
    if (!active_) return;
    inject(draw(), static_cast<uint32_t>(world_.random.below(world_.node_count())));
    plan_next();
  });
}

void Faults::observe(uint32_t node, ByteView packet) {
  if (!active_) return;
  const uint32_t operation = read_header(packet).operation;
  for (size_t i = 0; i < triggers_.size(); ++i) {
    if (static_cast<uint32_t>(triggers_[i].operation) != operation) continue;
    if (triggers_[i].skip-- > 0) continue;
    const Trigger trigger = triggers_[i];
    triggers_.erase(triggers_.begin() + static_cast<std::ptrdiff_t>(i));
    const uint32_t target =
        trigger.on_sender ? node : static_cast<uint32_t>(world_.random.below(world_.node_count()));
    // From the queue: the core that sent this packet is in the middle of its event.
    world_.queue.after(trigger.delay, [this, trigger, target] {
      if (active_) inject(trigger.fault, target);
    });
    if (!world_.random.one_in(4)) arm();
    return;
  }
}

// Durations gather around the thresholds of links, leases and graces.
TimeNs Faults::duration() {
  const auto between = [this](TimeNs low, TimeNs high) {
    return low + static_cast<TimeNs>(world_.random.below(static_cast<uint64_t>(high - low)));
  };
  switch (world_.random.below(8)) {
    case 0:
      return between(200 * kMicrosecond, 2 * kMillisecond);
    case 1:
    case 2:
      return between(10 * kMillisecond, 100 * kMillisecond);
    case 3:
    case 4:
      return between(300 * kMillisecond, 1500 * kMillisecond);
    case 5:
    case 6:
      return between(1600 * kMillisecond, 2600 * kMillisecond);
    default:
      return between(3 * kSecond, 5 * kSecond);
  }
}

uint32_t Faults::other(uint32_t node) {
  if (world_.node_count() == 1) return node;
  const uint32_t step = 1 + static_cast<uint32_t>(world_.random.below(world_.node_count() - 1));
  return (node + step) % world_.node_count();
}

void Faults::undo_after(TimeNs delay, EventQueue::Action action) {
  world_.queue.after(delay, [this, action = std::move(action)] {
    if (active_) action();  // healing has done it already
  });
}

void Faults::inject(Fault fault, uint32_t node) {
  ++injected_;
  world_.trace.add(node, fault_name(fault));
  if (fault <= Fault::kSlowLink || fault == Fault::kQuiet || fault == Fault::kRecover) {
    break_network(fault, node);
  } else if (fault >= Fault::kKillClient && fault <= Fault::kLongHold) {
    break_client(fault, node);
  } else {
    break_process(fault, node);
  }
}

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

void Faults::break_network(Fault fault, uint32_t node) {
  Network& network = world_.network;
  const uint32_t peer = other(node);
  if (peer == node) return;
  const TimeNs time = duration();
  const bool outwards = world_.random.one_in(2);
  switch (fault) {
    case Fault::kReset:
    case Fault::kRecover:
      return network.reset(node, peer, static_cast<TimeNs>(world_.random.below(2 * kMillisecond)));
    case Fault::kResetStorm:
      for (int i = 0; i < 4; ++i) {
        undo_after(static_cast<TimeNs>(world_.random.below(30 * kMillisecond)),
                   [&network, node, peer] { network.reset(node, peer, 100 * kMicrosecond); });
      }
      return;
    case Fault::kIsolate:
      for (uint32_t n = 0; n < world_.node_count(); ++n) cut(node, n, true, true, time);
      return;
    case Fault::kIsolateOneWay:
      for (uint32_t n = 0; n < world_.node_count(); ++n) cut(node, n, outwards, !outwards, time);
      return;
    case Fault::kSplit:
      for (uint32_t a = 0; a < world_.node_count(); ++a) {
        for (uint32_t b = a + 1; b < world_.node_count(); ++b) {
          if ((a + node) % 2 != (b + node) % 2) cut(a, b, true, true, time);
        }
      }
      return;
    case Fault::kCutPair:
      return cut(node, peer, true, true, time);
    case Fault::kHalfClose:
      // Recoveryd allows for the time between its two graces (RecoverydTiming: suspend and link).
      network.stall(node, peer, static_cast<TimeNs>(world_.random.below(30 * kMillisecond)));
      return network.give_up(node, peer);
    case Fault::kStallLink:
      return network.stall(node, peer, std::min(time, 3 * kSecond));
    case Fault::kSlowLink:
      network.set_slowness(node, peer, 2 + static_cast<uint32_t>(world_.random.below(200)));
      return undo_after(time, [&network, node, peer] { network.set_slowness(node, peer, 1); });
    default:
      network.set_quiet(node, true);
      return undo_after(time, [&network, node] { network.set_quiet(node, false); });
  }
}

void Faults::break_process(Fault fault, uint32_t pnn) {
  Node& node = world_.node(pnn);
  const TimeNs time = duration();
  const auto stop = [&](Process& process) {
    if (process.stopped()) return;
    process.stop();
    node.daemons_changed();
    undo_after(time, [this, &process, &node] {
      if (&process == &node.router) world_.network.set_responsive(node.pnn(), true);
      process.go_on();
      node.daemons_changed();
    });
  };
  switch (fault) {
    case Fault::kKillRouter:
      node.kill_router();
      return undo_after(time, [&node] { node.start_router(); });
    case Fault::kKillStore:
      node.kill_store();
      return undo_after(time, [&node] { node.start_store(); });
    case Fault::kKillRecoveryd:
      node.kill_recoveryd();
      return undo_after(time, [&node] { node.start_recoveryd(); });
    case Fault::kPowerLoss:
      node.kill_all();
      return undo_after(std::max(time, Node::kBootTime), [&node] { node.start_all(); });
    case Fault::kKillAll:
      for (uint32_t n = 0; n < world_.node_count(); ++n) {
        Node& each = world_.node(n);
        each.kill_router();
        undo_after(10 * kMillisecond + static_cast<TimeNs>(world_.random.below(100 * kMillisecond)),
                   [&each] { each.start_router(); });
      }
      return;
    case Fault::kStopRouter:
      return stop(node.router);
    case Fault::kStopStore:
      return stop(node.store);
    case Fault::kStopRecoveryd:
      return stop(node.recoveryd);
    default:
      stopped_by_operator_[pnn] = true;
      node.router.operator_control(Control::STOP_NODE);
      return undo_after(time, [&node] { node.router.operator_control(Control::CONTINUE_NODE); });
  }
}

void Faults::break_client(Fault fault, uint32_t pnn) {
  Node& node = world_.node(pnn);
  if (node.clients.empty()) return;
  // Rather one that holds a chain lock.
  Client* client = node.clients[world_.random.below(node.clients.size())].get();
  for (auto& each : node.clients) {
    if (each->holds_lock()) client = each.get();
  }
  const TimeNs time = std::min(duration(), 3 * kSecond);
  switch (fault) {
    case Fault::kKillClient:
      client->kill();
      return undo_after(time, [client] {
        if (!client->alive()) client->start();
      });
    case Fault::kStopClient:
      client->stop();
      return undo_after(time, [client] { client->go_on(); });
    default:
      return client->hold_next(time);
  }
}

void Faults::continue_nodes() {
  for (uint32_t pnn = 0; pnn < world_.node_count(); ++pnn) {
    if (stopped_by_operator_[pnn]) world_.node(pnn).router.operator_control(Control::CONTINUE_NODE);
  }
}

}  // namespace ctdb::sim
