// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/connection_states.h"

#include <algorithm>

namespace ctdb {
namespace {

constexpr size_t kSlotsOffset = 4096;
constexpr size_t kBytes = kSlotsOffset + ConnectionStates::kSlots * sizeof(ConnectionSlot);

}  // namespace

// At offset 0. Zeros are a good beginning for all of it.
struct ConnectionStates::Header {
  std::atomic<uint64_t> slots_used;  // no slot from here on has ever been taken
  std::atomic<uint64_t> calls;
  std::atomic<uint64_t> replies;
  std::atomic<uint64_t> skipped;
  std::atomic<uint64_t> controls;
};

ConnectionStates::Header& ConnectionStates::header() const {
  return *reinterpret_cast<Header*>(memory_.data());
}

ConnectionSlot* ConnectionStates::slots() const {
  return reinterpret_cast<ConnectionSlot*>(memory_.data() + kSlotsOffset);
}

size_t ConnectionStates::used() const {
  return std::min<uint64_t>(header().slots_used.load(std::memory_order_acquire), kSlots);
}

Result<UniqueFd> ConnectionStates::create() {
  return SealedMemory::create("ctdb-connections", kBytes);
}

Result<std::unique_ptr<ConnectionStates>> ConnectionStates::map(int fd) {
  Result<SealedMemory> memory = SealedMemory::map(fd, kBytes, kBytes);
  if (!memory) return fail(std::move(memory.error()).in("states of client connections"));
  return std::unique_ptr<ConnectionStates>(new ConnectionStates(std::move(*memory)));
}

ConnectionSlot* ConnectionStates::take(uint32_t endpoint, uint16_t hand_over) {
  const size_t end = used();
  if (free_.empty() && end == kSlots) return nullptr;
  const size_t index = free_.empty() ? end : free_.back();
  if (!free_.empty()) free_.pop_back();
  ConnectionSlot& slot = slots()[index];
  slot.endpoint.store(endpoint, std::memory_order_relaxed);
  slot.hand_over.store(hand_over, std::memory_order_relaxed);
  slot.call_bytes.store(0, std::memory_order_relaxed);
  slot.written.store(0, std::memory_order_relaxed);
  mark(slot, ConnectionState::kClean);
  if (index == end) header().slots_used.store(end + 1, std::memory_order_release);
  return &slot;
}

void ConnectionStates::give_back(ConnectionSlot& slot) {
  mark(slot, ConnectionState::kFree);
  free_.push_back(index_of(slot));
}

// The reader looks only when this process is dead, so what counts is the order of instructions, which the processor keeps
// and the compiler keeps with these fences.
void ConnectionStates::mark(ConnectionSlot& slot, ConnectionState state) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  slot.state.store(state, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

const ConnectionSlot* ConnectionStates::find(uint32_t endpoint, uint16_t hand_over) const {
  const size_t end = used();
  for (size_t index = 0; index < end; ++index) {
    const ConnectionSlot& slot = slots()[index];
    if (slot.state.load(std::memory_order_acquire) == ConnectionState::kFree) continue;
    if (slot.endpoint.load(std::memory_order_relaxed) == endpoint &&
        slot.hand_over.load(std::memory_order_relaxed) == hand_over) {
      return &slot;
    }
  }
  return nullptr;
}

void ConnectionStates::set_totals(const ConnectionTotals& totals) {
  header().calls.store(totals.calls, std::memory_order_relaxed);
  header().replies.store(totals.replies, std::memory_order_relaxed);
  header().skipped.store(totals.skipped, std::memory_order_relaxed);
  header().controls.store(totals.controls, std::memory_order_relaxed);
}

ConnectionTotals ConnectionStates::totals() const {
  return {header().calls.load(std::memory_order_relaxed), header().replies.load(std::memory_order_relaxed),
          header().skipped.load(std::memory_order_relaxed),
          header().controls.load(std::memory_order_relaxed)};
}

}  // namespace ctdb
