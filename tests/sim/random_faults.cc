// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/random_faults.h"

#include <algorithm>

namespace ctdb::sim {
namespace {

class Draw {
 public:
  Draw(uint64_t seed, uint32_t nodes, bool copies, bool lock)
      : random_(seed * 2),
        looks_(seed * 2 + 0x100000001),
        nodes_(nodes),
        lonely_(is_lonely(seed)),
        copies_(copies),
        lock_(lock) {}

  FaultPlan plan() {
    FaultPlan plan;
    draw_kinds();
    for (size_t i = kFaultsWithoutLock; lock_ && i < kFaultCount; ++i) {
      if (random_.below(4) < 3) kinds_.push_back(static_cast<Fault>(i));
    }
    plan.length = 3 * kSecond + between(0, 6 * kSecond);
    const TimeNs interval = lonely_ ? 1500 * kMillisecond : between(100 * kMillisecond, 1300 * kMillisecond);
    for (TimeNs when = below(2 * interval); when < plan.length; when += below(2 * interval)) {
      plan.events.push_back(event());
      plan.events.back().after = when;
    }
    // Points come in waves, a recovery in a few milliseconds: an event that is armed waits for its turn.
    const uint64_t aimed = random_.below(3) == 0 ? 0 : 1 + random_.below(8);
    for (uint64_t i = 0; i < aimed; ++i) plan.events.push_back(aimed_event());
    return plan;
  }

 private:
  TimeNs below(TimeNs bound) {
    // Whole microseconds: they are to be read.
    return static_cast<TimeNs>(random_.below(static_cast<uint64_t>(bound / kMicrosecond))) * kMicrosecond;
  }
  TimeNs between(TimeNs low, TimeNs high) { return low + below(high - low); }

  // A random subset of the kinds: swarm testing. Sometimes few kinds often, sometimes all.
  void draw_kinds() {
    if (lonely_) {
      kinds_ = {Fault::kIsolate, Fault::kMute,    Fault::kFade, Fault::kFade,
                Fault::kSplit,   Fault::kCutPair, Fault::kReset};
      return;
    }
    const uint64_t keep = 1 + random_.below(4);
    for (size_t i = 0; i < kFaultsWithoutLock; ++i) {
      if (random_.below(4) < keep) kinds_.push_back(static_cast<Fault>(i));
    }
    if (kinds_.empty()) kinds_.push_back(Fault::kReset);
  }

  FaultEvent event() {
    FaultEvent event;
    event.fault = kinds_[random_.below(kinds_.size())];
    event.node = static_cast<NodeRef>(random_.below(nodes_));
    if (fault_row(event.fault).has_peer) {
      event.peer = (event.node + 1 + static_cast<NodeRef>(random_.below(std::max(1u, nodes_ - 1)))) % nodes_;
    }
    event.time = time_of(event.fault);
    if (event.fault == Fault::kSlowLink) event.detail = 2 + random_.below(200);
    if (event.fault == Fault::kSplit) event.detail = 1 + random_.below((1u << nodes_) - 1);
    if (event.fault == Fault::kRemoveNode) {
      if (random_.one_in(2)) event.detail = random_.below(1u << nodes_);
      if (random_.one_in(4)) event.detail |= kNotStopped;
    }
    if (event.fault == Fault::kKillDaemons) event.detail = random_.below(2);
    if (event.fault >= Fault::kKillClient && event.fault < Fault::kLoseLock) event.detail = random_.below(3);
    if (event.fault == Fault::kLongHold && looks_.one_in(3)) event.detail |= kAnyRecord;
    return event;
  }

  FaultEvent aimed_event() {
    FaultEvent aimed = event();
    Moment at;
    at.point = static_cast<Point>(random_.below(copies_ ? kPointCount : kPointsWithoutCopies));
    if (point_row(at.point).by_generation && random_.one_in(2)) {
      at.k = 1 + static_cast<uint32_t>(random_.below(random_.one_in(2) ? nodes_ : 2 * nodes_));
    }
    at.number = 1 + random_.below(random_.one_in(2) ? 4 : 30);
    aimed.at = at;
    aimed.after = random_.one_in(2) ? 0 : below(2 * kMillisecond);
    const uint64_t where = random_.below(4);
    if (where < 2) aimed.node = kSender;
    if (where == 2) aimed.node = random_.one_in(2) ? kLeader : kNext;
    // The peer follows from the node, whichever that will be.
    if (aimed.node >= kSender && fault_row(aimed.fault).has_peer) {
      aimed.peer = aimed.node == kSender ? kNext : kSender;
    }
    return aimed;
  }

  // Durations gather around the thresholds of links, leases and graces.
  TimeNs duration() {
    switch (lonely_ ? 5 + random_.below(3) : random_.below(8)) {
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

  TimeNs time_of(Fault fault) {
    switch (fault) {
      case Fault::kReset:
        return below(2 * kMillisecond);
      case Fault::kResetStorm:
      case Fault::kHalfClose:
        // Recoveryd allows for the time between its two graces (RecoverydTiming: suspend and link).
        return below(30 * kMillisecond);
      case Fault::kKillRouters:
        return between(10 * kMillisecond, 110 * kMillisecond);
      case Fault::kStallLink:
      case Fault::kKillClient:
      case Fault::kStopClient:
      case Fault::kLongHold:
        return std::min(duration(), 3 * kSecond);
      case Fault::kRecover:
      case Fault::kEndStream:
        return 0;
      default:
        return duration();
    }
  }

  Random random_;
  Random looks_;  // dice of their own: what else a seed draws stays as it was
  const uint32_t nodes_;
  const bool lonely_;
  const bool copies_;
  const bool lock_;
  std::vector<Fault> kinds_;
};

}  // namespace

FaultPlan draw_faults(uint64_t seed, uint32_t nodes, bool copies, bool lock) {
  return Draw(seed, nodes, copies, lock).plan();
}

}  // namespace ctdb::sim
