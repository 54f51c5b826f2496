// SPDX-License-Identifier: GPL-3.0-or-later
// Where the index keeps its entries: blocks of some hundred bytes with a number of 32 bits each, instead of addresses and what malloc
// writes beside each. The number of a block says where it is, so it is as good as its address and half as large.
//
// Invariants:
//  1. Blocks do not move. Number 0 is none's.
//  2. A chunk of which no block is in use is given back, but for the one that new blocks are cut from.
//  3. Freed blocks are used again for those of the same size.
#ifndef CTDB_STORE_CORE_RECORD_ARENA_H_
#define CTDB_STORE_CORE_RECORD_ARENA_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace ctdb {

class RecordArena {
 public:
  RecordArena() = default;
  RecordArena(const RecordArena&) = delete;
  RecordArena& operator=(const RecordArena&) = delete;

  // Aligned to 8 bytes.
  uint32_t allocate(size_t bytes);
  // `bytes` as they were asked for.
  void free(uint32_t number, size_t bytes);
  void* at(uint32_t number) const {
    return chunks_[number >> kOffsetBits].memory.get() + (number & kOffsetMask);
  }
  // What it has taken from the system.
  size_t bytes() const { return bytes_; }

 private:
  struct alignas(8) Unit {
    uint8_t bytes[8];
  };
  static constexpr unsigned kOffsetBits = 13;
  static constexpr uint32_t kChunkUnits = 1u << kOffsetBits, kOffsetMask = kChunkUnits - 1;
  static constexpr size_t kChunksMax = size_t{1} << (32 - kOffsetBits);
  // Larger blocks have a chunk of their own.
  static constexpr uint32_t kUnitsMax = 64;

  struct Chunk {
    std::unique_ptr<Unit[]> memory;
    uint32_t used = 0;  // blocks
    uint32_t cut = 0;   // units that have been blocks
  };
  // In a block that is free.
  struct Free {
    uint32_t units, previous, next;
  };

  static uint32_t units_of(size_t bytes) {
    return static_cast<uint32_t>((bytes + sizeof(Unit) - 1) / sizeof(Unit));
  }
  Free& free_at(uint32_t number) const { return *static_cast<Free*>(at(number)); }
  uint32_t new_chunk(uint32_t units);
  void drop_chunk(uint32_t chunk, uint32_t units);
  uint32_t cut(uint32_t units);
  void link(uint32_t number, uint32_t units);
  void unlink(uint32_t number);
  void give_back(uint32_t chunk);

  std::vector<Chunk> chunks_;
  std::vector<uint32_t> unused_;                // numbers of chunks without memory
  std::array<uint32_t, kUnitsMax + 1> free_{};  // the first free block of so many units
  uint32_t current_ = kNoChunk;
  size_t bytes_ = 0;
  static constexpr uint32_t kNoChunk = 0xFFFFFFFFu;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_RECORD_ARENA_H_
