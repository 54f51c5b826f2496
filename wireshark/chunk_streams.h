// SPDX-License-Identifier: GPL-2.0-or-later
// The packets in the chunks of verbs links (ctdb-router/transport/verbs/chunk.h), as a network card sees them over RoCE: RDMA cuts a
// chunk into pieces, and chunks cut packets. No Wireshark in here: pieces go in by frame, in the order of the capture, and what
// was found about each is remembered for when it is shown again.
#ifndef WIRESHARK_CHUNK_STREAMS_H_
#define WIRESHARK_CHUNK_STREAMS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace ctdbx {

inline constexpr uint32_t kChunkMagic = 0x43445456;
inline constexpr size_t kChunkHeaderSize = 32;
inline constexpr size_t kChunkSizeMax = 65536;  // more than any release sends
enum ChunkKind : uint32_t { kChunkData = 1, kChunkTold = 2, kChunkPing = 3, kChunkPong = 4 };

// Which piece of an RDMA message.
enum class Piece : uint8_t { kFirst, kMiddle, kLast, kOnly };

struct ChunkPart {
  bool ours = false;             // a piece of a chunk
  std::vector<uint8_t> chunk;    // all of it, in the frame of its last piece
  std::vector<uint8_t> packets;  // the whole packets that end in it, one behind the other
  size_t waiting = 0;            // bytes of a packet that ends in a later chunk
  bool lost = false;             // there is a hole before it
};

class ChunkStreams {
 public:
  // `way` names the direction of one queue pair.
  const ChunkPart& part_of(uint32_t frame, const std::string& way, Piece piece, const uint8_t* bytes,
                           size_t size);
  void clear();

 private:
  struct Way {
    bool in_chunk = false;
    std::vector<uint8_t> chunk;
    bool begun = false;    // `next` is known
    uint64_t next = 0;     // sequence
    bool aligned = false;  // `rest` begins where a packet does
    std::vector<uint8_t> rest;
  };
  ChunkPart find_part(Way& way, Piece piece, const uint8_t* bytes, size_t size);
  static void take_chunk(Way& way, ChunkPart& part);
  static void cut_packets(Way& way, ChunkPart& part);

  std::unordered_map<std::string, Way> ways_;
  std::unordered_map<uint32_t, ChunkPart> parts_;
};

// The chunk is one of a known kind, with the payload that belongs to it.
bool is_good_chunk(const std::vector<uint8_t>& chunk);

}  // namespace ctdbx

#endif  // WIRESHARK_CHUNK_STREAMS_H_
