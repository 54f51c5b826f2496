// SPDX-License-Identifier: LGPL-3.0-or-later
// What a router writes down about its classic clients, in memory that outlives it (ARCHITECTURE.md §2, "A router that is
// restarted"): with its note and a copy of its socket, which the store keeps, the next router goes on with a client. The router
// writes; the store reads, and completes the notes of clients whose connection it has, when the router is dead; then the next
// router reads.
//
// Invariant: at every instruction of the router a note that says kClean tells the truth: every byte that the router has read from the
// client has had its effect, nothing waits in the router to be written to it, and what it waits for is in the note. Of one that says kHalf
// the bytes for which that is not so are kept. So the router marks a note kBusy before it reads or has something to write, and the other two
// after all is done.
#ifndef LIBCTDBIPC_RING_CLIENT_NOTES_H_
#define LIBCTDBIPC_RING_CLIENT_NOTES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/sealed_memory.h"

namespace ctdb {

enum class NoteState : uint32_t {
  kFree = 0,
  kBusy = 1,   // something is half done: nobody but this router can go on
  kClean = 2,  // between packets
  kHalf = 3,   // in the middle of a packet, all of which half_packets.h has
};

struct ClientNote {
  struct Control {
    uint32_t reqid;
    int32_t lost_status;  // what it is answered with when nobody knows what has become of it
  };
  static constexpr size_t kControlsMax = 16;
  static constexpr size_t kCallBytesMax = 480;
  static constexpr size_t kRegistrationBytesMax = 1392;

  std::atomic<NoteState> state;
  std::atomic<uint32_t> id;
  std::atomic<uint32_t> away;  // 1: the store reads and writes the connection, in this hand-over
  std::atomic<uint32_t> hand_over;
  std::atomic<uint64_t> to_store;  // packets of this hand-over, sent and received
  std::atomic<uint64_t> from_store;
  std::atomic<uint32_t> control_count;  // unanswered
  std::atomic<uint32_t> call_bytes;     // of the one unanswered call; 0: there is none
  std::atomic<uint32_t> registration_bytes;
  uint32_t reserved;
  std::array<Control, kControlsMax> controls;
  std::array<uint8_t, kCallBytesMax> call;
  std::array<uint8_t, kRegistrationBytesMax> registrations;  // Router::registrations()

  // Bounded views; empty when the length makes no sense.
  std::span<const Control> unanswered() const;
  ByteView one_call() const;
  ByteView registered() const;
};
static_assert(std::is_standard_layout_v<ClientNote> && sizeof(ClientNote) == 2048);
static_assert(std::atomic<NoteState>::is_always_lock_free);

class ClientNotes {
 public:
  static constexpr uint32_t kSlots = kClientsMax;

  static Result<UniqueFd> create();
  // Errors: kInvalid, kSystem.
  static Result<std::unique_ptr<ClientNotes>> map(int fd);

  // kFree -> kBusy; nullptr: there is none left.
  ClientNote* take(uint32_t id);
  void give_back(ClientNote& note);
  uint32_t index_of(const ClientNote& note) const { return static_cast<uint32_t>(&note - notes()); }
  // nullptr: no such slot, or it is not this client's.
  ClientNote* find(uint32_t index, uint32_t id) const;
  // Nothing the program does before or after moves over this.
  static void mark(ClientNote& note, NoteState state);

 private:
  explicit ClientNotes(SealedMemory memory) : memory_(std::move(memory)) {}
  ClientNote* notes() const { return reinterpret_cast<ClientNote*>(memory_.data()); }

  SealedMemory memory_;
  uint32_t used_ = 0;           // no slot from here on has been taken by this process
  std::vector<uint32_t> free_;  // taken and given back
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_CLIENT_NOTES_H_
