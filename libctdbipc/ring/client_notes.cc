// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/client_notes.h"

namespace ctdb {
namespace {

constexpr size_t kBytes = ClientNotes::kSlots * sizeof(ClientNote);

// What is longer than there is room for nobody has written.
template <typename T, size_t N>
std::span<const T> bounded(const std::array<T, N>& all, uint32_t count) {
  return std::span<const T>(all).first(count <= N ? count : 0);
}

}  // namespace

std::span<const ClientNote::Control> ClientNote::unanswered() const {
  return bounded(controls, control_count.load(std::memory_order_relaxed));
}

ByteView ClientNote::one_call() const {
  return bounded(call, call_bytes.load(std::memory_order_relaxed));
}

ByteView ClientNote::registered() const {
  return bounded(registrations, registration_bytes.load(std::memory_order_relaxed));
}

Result<UniqueFd> ClientNotes::create() {
  return SealedMemory::create("ctdb-clients", kBytes);
}

Result<std::unique_ptr<ClientNotes>> ClientNotes::map(int fd) {
  Result<SealedMemory> memory = SealedMemory::map(fd, kBytes, kBytes);
  if (!memory) return fail(std::move(memory.error()).in("notes about clients"));
  return std::unique_ptr<ClientNotes>(new ClientNotes(std::move(*memory)));
}

ClientNote* ClientNotes::take(uint32_t id) {
  if (free_.empty() && used_ == kSlots) return nullptr;
  uint32_t index = used_;
  if (free_.empty()) {
    ++used_;
  } else {
    index = free_.back();
    free_.pop_back();
  }
  ClientNote& note = notes()[index];
  note.id.store(id, std::memory_order_relaxed);
  note.away.store(0, std::memory_order_relaxed);
  note.control_count.store(0, std::memory_order_relaxed);
  note.call_bytes.store(0, std::memory_order_relaxed);
  note.registration_bytes.store(0, std::memory_order_relaxed);
  mark(note, NoteState::kBusy);
  return &note;
}

void ClientNotes::give_back(ClientNote& note) {
  mark(note, NoteState::kFree);
  free_.push_back(index_of(note));
}

ClientNote* ClientNotes::find(uint32_t index, uint32_t id) const {
  if (index >= kSlots || notes()[index].id.load(std::memory_order_relaxed) != id) return nullptr;
  return notes() + index;
}

// As ConnectionStates::mark(): the reader looks only when this process is dead.
void ClientNotes::mark(ClientNote& note, NoteState state) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  note.state.store(state, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace ctdb
