// SPDX-License-Identifier: GPL-3.0-or-later
// What is in one receive buffer: a header and a piece of the link's byte stream, or a word about the stream. Packets are cut where
// chunks end, and several small ones share a chunk. All numbers are little-endian.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_CHUNK_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_CHUNK_H_

#include <array>
#include <cstdint>
#include <optional>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// How a chunk is posted.
struct ChunkPost {
  bool signalled = false;  // the sender wants to know that it has left
  bool wakes = true;       // the receiver is woken for it; else it is seen with the next one that does
};

// Receive buffers each side has for a link, and their size. They are part of the registered memory, which is taken once.
inline constexpr uint32_t kChunkWindow = 32;
inline constexpr uint32_t kChunkBytes = 4096;

enum class ChunkKind : uint32_t {
  kData = 1,  // a piece of the stream of packets
  kTold = 2,  // nothing but the header: credits
  kPing = 3,  // payload: 8 bytes that come back in a kPong
  kPong = 4
};

struct ChunkHeader {
  ChunkKind kind = ChunkKind::kData;
  uint64_t sequence = 0;  // of the chunk in this direction of this attempt, from 0
  uint64_t limit = 0;     // the receiver may send chunks with lower sequences than this
  uint64_t received = 0;  // whole packets the sender of this chunk has got over verbs in this attempt
};

inline constexpr size_t kChunkHeaderBytes = 32;
inline constexpr size_t kChunkPayloadMax = kChunkBytes - kChunkHeaderBytes;
using ChunkHeaderBytes = std::array<uint8_t, kChunkHeaderBytes>;

ChunkHeaderBytes encode_chunk_header(const ChunkHeader& header);
// nullopt: it is too short, or not the beginning of a chunk of a known kind with the payload that belongs to it.
std::optional<ChunkHeader> decode_chunk_header(ByteView chunk);

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_CHUNK_H_
