// SPDX-License-Identifier: LGPL-3.0-or-later
// What the router must know of the client connections that its store reads and writes (ARCHITECTURE.md §2, "Handing a
// connection over"): memory that both share and that outlives the store, one slot per connection. The store writes, the
// router reads.
//
// Invariant: at every instruction of the store a slot that says kClean or kOneCall tells the truth: all bytes read from
// the socket have had their effect (what is for the router is in its ring, a call was answered or is in the slot), and of
// what is to be written exactly the first `written` packets are. So the store marks a slot kBusy before it reads or
// writes, and anything else after everything is done.
#ifndef LIBCTDBIPC_RING_CONNECTION_STATES_H_
#define LIBCTDBIPC_RING_CONNECTION_STATES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/sealed_memory.h"

namespace ctdb {

// Low half of FrameInfo.flags between router and store: what a frame says about the connection of client `endpoint`. The
// high half is the number of the hand-over, so that nobody acts on a frame of an earlier one.
enum class ConnectionFrame : uint16_t {
  kNone = 0,      // an ordinary frame
  kPacket = 1,    // store -> router: read from the connection; router -> store: to be written to it
  kTaken = 2,     // store -> router: it has the connection; u64 slot
  kReturned = 3,  // store -> router: it has let go between packets; u64 packets written
  kEnded = 4,     // store -> router: the client has closed it, or broke it; all its packets came before
  kCut = 5,       // the same, but the store has cut it; u64 0
  kPause = 6,     // router -> store: read from no connection (endpoint 0)
  kResume = 7,    // router -> store
  kCrowded = 8,   // router -> store: much waits for this client, of either kind (hand-over 0); u64 0
  kRoomy = 9,     // router -> store: not any more
};

constexpr uint32_t connection_flags(ConnectionFrame kind, uint16_t hand_over) {
  return uint32_t{hand_over} << 16 | static_cast<uint32_t>(kind);
}
constexpr ConnectionFrame connection_frame(uint32_t flags) {
  return static_cast<ConnectionFrame>(flags & 0xffffu);
}
constexpr uint16_t hand_over_of(uint32_t flags) {
  return static_cast<uint16_t>(flags >> 16);
}

enum class ConnectionState : uint32_t {
  kFree = 0,
  kBusy = 1,     // something is half done: nobody but this store can go on
  kClean = 2,    // between packets, nothing owed
  kOneCall = 3,  // between packets, one call unanswered: the one in the slot
};

struct ConnectionSlot {
  static constexpr size_t kCallBytesMax = 480;
  std::atomic<ConnectionState> state;
  std::atomic<uint32_t> endpoint;
  std::atomic<uint32_t> hand_over;
  std::atomic<uint32_t> call_bytes;
  std::atomic<uint64_t> written;  // packets of the router that the kernel has taken
  uint64_t reserved;
  std::array<uint8_t, kCallBytesMax> call;
};
static_assert(std::is_standard_layout_v<ConnectionSlot> && sizeof(ConnectionSlot) == 512);
static_assert(std::atomic<ConnectionState>::is_always_lock_free);

// Counts of what no router packet tells of.
struct ConnectionTotals {
  uint64_t calls = 0;     // read
  uint64_t replies = 0;   // queued for writing
  uint64_t skipped = 0;   // packets skipped, see FrameReader
  uint64_t controls = 0;  // read and served; 0 of a store that serves none
  bool operator==(const ConnectionTotals&) const = default;
};

class ConnectionStates {
 public:
  static constexpr size_t kSlots = kClientsMax;

  static Result<UniqueFd> create();
  // Errors: kInvalid, kSystem.
  static Result<std::unique_ptr<ConnectionStates>> map(int fd);

  // ---- the store ----
  // kFree -> kClean; nullptr: there is none left.
  ConnectionSlot* take(uint32_t endpoint, uint16_t hand_over);
  void give_back(ConnectionSlot& slot);
  // Nothing the program does before or after moves over this.
  static void mark(ConnectionSlot& slot, ConnectionState state);
  size_t index_of(const ConnectionSlot& slot) const { return static_cast<size_t>(&slot - slots()); }
  void set_totals(const ConnectionTotals& totals);

  // ---- the router ----
  // nullptr: the store has not begun with this connection, or has returned it.
  const ConnectionSlot* find(uint32_t endpoint, uint16_t hand_over) const;
  // nullptr: no such slot.
  const ConnectionSlot* slot(uint64_t index) const { return index < kSlots ? slots() + index : nullptr; }
  ConnectionTotals totals() const;

 private:
  struct Header;
  explicit ConnectionStates(SealedMemory memory) : memory_(std::move(memory)) {}
  Header& header() const;
  ConnectionSlot* slots() const;
  size_t used() const;

  SealedMemory memory_;
  std::vector<size_t> free_;  // taken and given back
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_CONNECTION_STATES_H_
