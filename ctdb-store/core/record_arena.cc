// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/record_arena.h"

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr uint32_t kUnitsMin = 2;  // what a free block has to say takes so many

}  // namespace

uint32_t RecordArena::allocate(size_t bytes) {
  uint32_t units = units_of(bytes);
  if (units < kUnitsMin) units = kUnitsMin;
  uint32_t number = 0;
  if (units > kUnitsMax) {
    const uint32_t chunk = new_chunk(units + 1);
    number = chunk << kOffsetBits | 1;
  } else if (number = free_[units]; number != 0) {
    unlink(number);
  } else {
    number = cut(units);
  }
  ++chunks_[number >> kOffsetBits].used;
  return number;
}

void RecordArena::free(uint32_t number, size_t bytes) {
  uint32_t units = units_of(bytes);
  if (units < kUnitsMin) units = kUnitsMin;
  const uint32_t chunk = number >> kOffsetBits;
  CTDB_ASSERT(chunks_[chunk].used > 0);
  --chunks_[chunk].used;
  if (units > kUnitsMax) return drop_chunk(chunk, units + 1);
  link(number, units);
  if (chunks_[chunk].used == 0 && chunk != current_) give_back(chunk);
}

uint32_t RecordArena::new_chunk(uint32_t units) {
  if (unused_.empty()) {
    CTDB_ASSERT(chunks_.size() < kChunksMax);
    unused_.push_back(static_cast<uint32_t>(chunks_.size()));
    chunks_.emplace_back();
  }
  const uint32_t chunk = unused_.back();
  unused_.pop_back();
  // The first unit of none is used, so that no block has number 0.
  chunks_[chunk] = {std::unique_ptr<Unit[]>(new Unit[units]), 0, 1};
  bytes_ += units * sizeof(Unit);
  return chunk;
}

void RecordArena::drop_chunk(uint32_t chunk, uint32_t units) {
  chunks_[chunk] = {};
  unused_.push_back(chunk);
  bytes_ -= units * sizeof(Unit);
}

// What is left of the chunk is a free block, if it is large enough for one.
uint32_t RecordArena::cut(uint32_t units) {
  if (current_ == kNoChunk || kChunkUnits - chunks_[current_].cut < units) {
    const uint32_t full = current_;
    if (full != kNoChunk) {
      Chunk& chunk = chunks_[full];
      const uint32_t rest = kChunkUnits - chunk.cut;
      if (rest >= kUnitsMin) link(full << kOffsetBits | chunk.cut, rest);
      if (rest >= kUnitsMin) chunk.cut = kChunkUnits;
    }
    current_ = new_chunk(kChunkUnits);
    if (full != kNoChunk && chunks_[full].used == 0) give_back(full);
  }
  Chunk& chunk = chunks_[current_];
  const uint32_t number = current_ << kOffsetBits | chunk.cut;
  chunk.cut += units;
  return number;
}

void RecordArena::link(uint32_t number, uint32_t units) {
  Free& block = free_at(number);
  block = {units, 0, free_[units]};
  if (block.next != 0) free_at(block.next).previous = number;
  free_[units] = number;
}

void RecordArena::unlink(uint32_t number) {
  const Free block = free_at(number);
  (block.previous == 0 ? free_[block.units] : free_at(block.previous).next) = block.next;
  if (block.next != 0) free_at(block.next).previous = block.previous;
}

// All its blocks are free.
void RecordArena::give_back(uint32_t chunk) {
  for (uint32_t at = 1; at < chunks_[chunk].cut;) {
    const uint32_t number = chunk << kOffsetBits | at;
    at += free_at(number).units;
    unlink(number);
  }
  drop_chunk(chunk, kChunkUnits);
}

}  // namespace ctdb
