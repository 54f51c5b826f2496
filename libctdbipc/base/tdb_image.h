// SPDX-License-Identifier: LGPL-3.0-or-later
// A tdb file's chains and blocks as they lie in memory, for who has the file mapped and the locks it needs: the client library,
// which publishes whole values (tdb/value_writer.h), and the store, which examines and repairs files (backend/tdb_repair.h).
// The layout was learned from files that libtdb made, and tests hold it against libtdb:
//
//   header, mutexes (only with mutexes: the rest of the file then begins with a header again, and places count from there)
//   168  place of the first free block      172 + 4 i  place of the first block of chain i      then blocks to the end
//   a block: TdbBlock, then `room` bytes: key, data, unused, and in the last four the size of the whole block
//
// Invariant: nothing in the file is believed before it is bounded by what is mapped.
#ifndef LIBCTDBIPC_BASE_TDB_IMAGE_H_
#define LIBCTDBIPC_BASE_TDB_IMAGE_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <optional>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

struct TdbBlock {
  uint32_t next;  // place of the next block of the chain, or of the free list; 0: none
  uint32_t room;
  uint32_t key_size;
  uint32_t data_size;
  uint32_t hash;  // of the key
  uint32_t kind;
};
static_assert(sizeof(TdbBlock) == 24);

inline constexpr uint32_t kTdbLive = 0x26011999;
inline constexpr uint32_t kTdbDead = 0xfee1dead;  // in a chain, to be used again
inline constexpr uint32_t kTdbFree = 0xd9fee666;  // in the free list
inline constexpr uint32_t kTdbBlockEnd = 4;       // bytes behind a block's room that are taken from it

// Mutexes, in a file that has them: that of all records and its state (8 bytes), the free list's, those of the chains.
inline constexpr size_t kTdbMutexArea = 168;  // behind the file's header
inline constexpr size_t kTdbFreeListMutex = kTdbMutexArea + sizeof(pthread_mutex_t) + 8;
constexpr size_t tdb_chain_mutex(uint32_t chain) {
  return kTdbFreeListMutex + sizeof(pthread_mutex_t) * (size_t{1} + chain);
}

class TdbImage {
 public:
  // `file`: all of it as it is mapped, from its first byte. nullopt: it is no tdb file with the protocol's hash (TDB_INCOMPATIBLE_HASH).
  static std::optional<TdbImage> of(MutableBytes file);

  uint32_t chains() const { return chains_; }
  uint32_t chain_of(uint32_t hash) const { return hash % chains_; }
  // Where libtdb's places count from.
  size_t start() const { return start_; }
  // Places of the first block and of the end.
  uint32_t first() const { return kHeads + 4 * chains_; }
  uint32_t end() const { return static_cast<uint32_t>(records_.size()); }
  uint32_t& free_head() const { return word(kFreeHead); }
  uint32_t& head(uint32_t chain) const { return word(kHeads + 4 * chain); }

  // nullptr: no block can be there, or it does not end within the file.
  TdbBlock* block(uint32_t place) const {
    if (place < first() || place % 4 != 0 || place > end() || end() - place < sizeof(TdbBlock))
      return nullptr;
    auto* found = reinterpret_cast<TdbBlock*>(records_.data() + place);
    const uint32_t left = end() - place - static_cast<uint32_t>(sizeof(TdbBlock));
    return found->room < kTdbBlockEnd || found->room > left || found->room % 4 != 0 ? nullptr : found;
  }
  // Where a block is to be made. The caller has seen to it that there is room.
  TdbBlock& raw(uint32_t place) const { return *reinterpret_cast<TdbBlock*>(records_.data() + place); }
  // Of a block that block() has found. Key and data fit.
  static bool has_record(const TdbBlock& block) {
    const uint32_t most = block.room - kTdbBlockEnd;
    return block.key_size <= most && block.data_size <= most - block.key_size;
  }
  static uint8_t* bytes(TdbBlock& block) { return reinterpret_cast<uint8_t*>(&block + 1); }
  static ByteView key(TdbBlock& block) { return {bytes(block), block.key_size}; }
  static ByteView data(TdbBlock& block) { return {bytes(block) + block.key_size, block.data_size}; }
  // The whole size, as the block's end says it.
  static uint32_t size_at_end(TdbBlock& block) {
    return load<uint32_t>(bytes(block) + block.room - kTdbBlockEnd);
  }
  static uint32_t size(const TdbBlock& block) { return static_cast<uint32_t>(sizeof block) + block.room; }

  // The blocks of one chain in order, whose lock is held: visit(place, block) returns false to stop. False: the chain leads somewhere where
  // no live or dead block is, or in a circle.
  template <typename Visit>
  bool walk(uint32_t chain, Visit&& visit) const {
    uint32_t left = end() / sizeof(TdbBlock);
    for (uint32_t place = head(chain); place != 0;) {
      TdbBlock* found = block(place);
      if (found == nullptr || left-- == 0 || (found->kind != kTdbLive && found->kind != kTdbDead))
        return false;
      const uint32_t next = found->next;
      if (!visit(place, *found)) return true;
      place = next;
    }
    return true;
  }

 private:
  static constexpr uint32_t kFreeHead = 168;
  static constexpr uint32_t kHeads = 172;

  TdbImage(MutableBytes records, size_t start, uint32_t chains)
      : records_(records), start_(start), chains_(chains) {}
  uint32_t& word(size_t at) const { return *reinterpret_cast<uint32_t*>(records_.data() + at); }

  MutableBytes records_;
  size_t start_;
  uint32_t chains_;
};

// One word of a file that others read without our lock, or that must not be moved by the compiler: what was written before it is there first.
inline void publish_word(uint32_t& word, uint32_t value) {
  std::atomic_ref<uint32_t>(word).store(value, std::memory_order_release);
}

// A *filler* is how room gets into a chain: a record that libtdb is told to store and that is then declared dead. Its key has
// the hash it is wanted for; its data begin with a mark that no record header has. One that is found alive is what a process
// left that was killed meanwhile, and no record.
inline constexpr size_t kFillerKeyBytes = 12;
inline constexpr uint64_t kFillerMark = 0xF111E2F111E2F111;
struct FillerKey {
  uint8_t bytes[kFillerKeyBytes];
};
// Of the 2^64 keys of this length with that hash, one.
FillerKey filler_key(uint32_t hash);
bool is_filler(ByteView key, ByteView data);
inline bool is_filler(TdbBlock& block) {
  return block.key_size == kFillerKeyBytes && is_filler(TdbImage::key(block), TdbImage::data(block));
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_TDB_IMAGE_H_
