// SPDX-License-Identifier: LGPL-3.0-or-later
// What was read from clients' connections and is no whole packet yet, and what is still to be written to them, in memory that
// outlives the process that read it (ARCHITECTURE.md §2): whoever gets the connection next goes on in the middle. One slot for
// each client, of the numbers that the owner of the memory has; blocks for all in common, so that a flood of clients and one of large packets
// both fit.
//
// Invariants:
//  1. One process writes; others read when it is dead, what another word (client_notes.h) says is whole.
//  2. A slot without anything has no block; memory of blocks that nobody needs goes back to the system.
//  3. A reader believes no number in here.
#ifndef LIBCTDBIPC_RING_HALF_PACKETS_H_
#define LIBCTDBIPC_RING_HALF_PACKETS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/sealed_memory.h"

namespace ctdb {

// Bytes of a stream: `bytes` of them from position `at` on.
struct StreamPart {
  uint32_t first;  // block + 1; 0: none
  uint32_t last;
  uint32_t skip;  // in the first block
  uint32_t reserved;
  uint64_t at;
  uint64_t bytes;
};
struct HalfPacket {
  StreamPart in, out;
};
static_assert(std::is_standard_layout_v<HalfPacket> && sizeof(HalfPacket) == 64);

// The same while the connection is read and written: loans.
struct Unfinished {
  ByteView in, out;
  uint64_t in_at = 0, out_at = 0;  // positions in the streams
  bool empty() const { return in.empty() && out.empty(); }
};

class HalfPackets {
 public:
  static constexpr uint32_t kSlots = kClientsMax;
  // Of all clients together.
  static constexpr size_t kBytesMax = 256u << 20;
  static constexpr size_t kBlockBytes = 4096;
  static constexpr uint32_t kBlocks = kBytesMax / kBlockBytes;

  static Result<UniqueFd> create();
  // Errors: kInvalid, kSystem.
  static Result<std::unique_ptr<HalfPackets>> map(int fd);

  // From here on `slot` has exactly this; what it has of it already is not copied again. false: there is no room, and the slot is
  // empty.
  bool keep(uint32_t slot, const Unfinished& unfinished);
  void clear(uint32_t slot);
  struct Kept {
    Bytes in, out;
  };
  // nullopt: it makes no sense.
  std::optional<Kept> read(uint32_t slot) const;
  uint32_t blocks_used() const { return used_; }

 private:
  explicit HalfPackets(SealedMemory memory) : memory_(std::move(memory)) {}
  struct Layout;
  Layout& layout() const;
  bool keep(StreamPart& part, uint64_t at, ByteView bytes);
  bool append(StreamPart& part, ByteView bytes);
  void drop_front(StreamPart& part, uint64_t bytes);
  void clear(StreamPart& part);
  uint32_t take_block();
  void give_back(uint32_t block);
  std::optional<Bytes> read(const StreamPart& part, size_t bytes_max) const;

  SealedMemory memory_;
  uint32_t cursor_ = 0;     // where to look for the next block
  uint32_t used_ = 0;       // blocks, by this process
  uint32_t used_most_ = 0;  // since memory was last given back
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_HALF_PACKETS_H_
