// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/cluster_lock.h"

#include <algorithm>

#include "ctdb-recoveryd/core/durable_state.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kHangs = 1200 * kMillisecond;

Bytes without_term(const Bytes& slot) {
  DurableState state = *DurableState::decode(slot);
  state.term = 0;
  return state.encode();
}

}  // namespace

bool SharedLock::free() const {
  return std::none_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.holds; });
}

void SharedLock::tell(uint32_t node, TimeNs after, LockState state, const std::string& why) {
  queue_.after(after, [this, node, asked = nodes_[node].asked, state, why] {
    if (nodes_[node].asked == asked && nodes_[node].told) nodes_[node].told(state, why);
  });
}

void SharedLock::want(uint32_t node, LockTold told) {
  ++nodes_[node].asked;
  nodes_[node].told = std::move(told);
  // Somebody has to start the helper, and it has to ask a server.
  queue_.after(kMillisecond + below(4 * kMillisecond), [this, node, asked = nodes_[node].asked] {
    Node& n = nodes_[node];
    if (n.asked != asked) return;
    n.holds = give_twice_ || free();
    if (n.holds) give_twice_ = false;
    watch(node);
    tell(node, below(kMillisecond), n.holds ? LockState::kHeld : LockState::kElsewhere,
         "another node has the lock");
  });
}

// Who holds it reads the register again and again; else it hangs, and what watches the helper ends that.
void SharedLock::watch(uint32_t node) {
  queue_.after(kHangs, [this, node, accesses = nodes_[node].accesses] {
    if (nodes_[node].accesses == accesses) lose(node, 0);
  });
}

void SharedLock::let_go(uint32_t node) {
  Node& n = nodes_[node];
  n.told = nullptr;
  ++n.asked;
  if (!n.holds) return;
  queue_.after(below(20 * kMillisecond), [&n, asked = n.asked] {
    if (n.asked == asked) n.holds = false;
  });
}

void SharedLock::access(uint32_t node, uint64_t ticket, ByteView slot, RegisterTold told) {
  Node& n = nodes_[node];
  ++n.accesses;
  watch(node);
  const TimeNs stall = std::max<TimeNs>(0, n.stalled_until - queue_.now());
  const TimeNs begins = std::max(n.access_over, queue_.now()) + below(stall + 1);
  const TimeNs written = begins + below(kMillisecond + stall);
  const TimeNs read = written + below(kMillisecond + stall);
  n.access_over = read;
  const bool failing = n.failing;
  queue_.at(written, [this, &n, bytes = to_bytes(slot), failing] {
    if (!bytes.empty() && !failing && !forgets_writes) n.slot = bytes;
  });
  queue_.at(read, [this, node, ticket, told = std::move(told), failing] {
    RegisterAnswer answer{ticket, failing ? "input/output error" : "", {}};
    for (uint32_t pnn = 0; pnn < nodes_.size() && !failing; ++pnn) {
      if (nodes_[pnn].slot.empty() || (shows_own_slot_only && pnn != node)) continue;
      const Bytes& slot = nodes_[pnn].slot;
      answer.slots.push_back({pnn, hides_terms && pnn != node ? without_term(slot) : slot});
    }
    queue_.after(below(kMillisecond), [told, answer] { told(answer); });
  });
}

void SharedLock::lose(uint32_t node, TimeNs later) {
  if (!nodes_[node].holds) return;
  nodes_[node].holds = false;
  tell(node, later, LockState::kLost, "the cluster lock is lost");
}

void SharedLock::stall(uint32_t node, TimeNs for_time) {
  nodes_[node].stalled_until = queue_.now() + for_time;
}

void SharedLock::heal() {
  give_twice_ = false;
  for (Node& node : nodes_) {
    node.stalled_until = 0;
    node.failing = false;
  }
}

TimeNs SharedLock::accesses_over() const {
  return std::ranges::max(nodes_, {}, &Node::access_over).access_over;
}

}  // namespace ctdb::sim
