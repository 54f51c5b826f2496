// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/chunk_streams.h"

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/layout.h"

namespace ctdbx {
namespace {

constexpr uint32_t kPacketMax = 64u << 20;  // no sender makes more
constexpr size_t kEchoSize = 8;

uint32_t word(const std::vector<uint8_t>& bytes, size_t at) {
  return ctdb::load<uint32_t>(bytes.data() + at);
}

// 0: no packet begins there.
uint32_t packet_size(const uint8_t* at) {
  const auto length = ctdb::load<uint32_t>(at + CTDB_OFF_LENGTH);
  const bool good = length >= CTDB_HEADER_SIZE && length <= kPacketMax &&
                    ctdb::load<uint32_t>(at + CTDB_OFF_MAGIC) == CTDB_MAGIC;
  return good ? length : 0;
}

}  // namespace

bool is_good_chunk(const std::vector<uint8_t>& chunk) {
  if (chunk.size() < kChunkHeaderSize) return false;
  const size_t payload = chunk.size() - kChunkHeaderSize;
  switch (word(chunk, 4)) {
    case kChunkData:
      return payload > 0;
    case kChunkTold:
      return payload == 0;
    case kChunkPing:
    case kChunkPong:
      return payload == kEchoSize;
    default:
      return false;
  }
}

const ChunkPart& ChunkStreams::part_of(uint32_t frame, const std::string& way, Piece piece,
                                       const uint8_t* bytes, size_t size) {
  const auto [found, is_new] = parts_.try_emplace(frame);
  if (is_new) found->second = find_part(ways_[way], piece, bytes, size);
  return found->second;
}

void ChunkStreams::clear() {
  ways_.clear();
  parts_.clear();
}

ChunkPart ChunkStreams::find_part(Way& way, Piece piece, const uint8_t* bytes, size_t size) {
  ChunkPart part;
  const bool begins = piece == Piece::kFirst || piece == Piece::kOnly;
  if (begins) {
    way.in_chunk = size >= kChunkHeaderSize && ctdb::load<uint32_t>(bytes) == kChunkMagic;
    way.chunk.clear();
  }
  way.in_chunk = way.in_chunk && way.chunk.size() + size <= kChunkSizeMax;
  if (!way.in_chunk) return part;
  part.ours = true;
  way.chunk.insert(way.chunk.end(), bytes, bytes + size);
  if (piece == Piece::kFirst || piece == Piece::kMiddle) return part;
  part.chunk.swap(way.chunk);
  way.in_chunk = false;
  if (is_good_chunk(part.chunk)) take_chunk(way, part);
  return part;
}

// Sequences count chunks from 0; what is sent again has a number that was there.
void ChunkStreams::take_chunk(Way& way, ChunkPart& part) {
  const auto sequence = ctdb::load<uint64_t>(part.chunk.data() + 8);
  if (sequence == 0) {  // a new attempt
    way.rest.clear();
    way.aligned = true;
  } else if (way.begun && sequence < way.next) {
    return;
  } else if (!way.begun || sequence != way.next) {
    part.lost = true;
    way.rest.clear();
    way.aligned = false;
  }
  way.begun = true;
  way.next = sequence + 1;
  if (word(part.chunk, 4) != kChunkData) return;
  const uint8_t* payload = part.chunk.data() + kChunkHeaderSize;
  const size_t size = part.chunk.size() - kChunkHeaderSize;
  if (!way.aligned) way.aligned = size >= CTDB_HEADER_SIZE && packet_size(payload) != 0;
  if (!way.aligned) return;
  way.rest.insert(way.rest.end(), payload, payload + size);
  cut_packets(way, part);
}

void ChunkStreams::cut_packets(Way& way, ChunkPart& part) {
  size_t at = 0;
  while (way.rest.size() - at >= CTDB_HEADER_SIZE) {
    const uint32_t length = packet_size(way.rest.data() + at);
    if (length == 0) {  // nothing that follows can be found
      way.aligned = false;
      at = way.rest.size();
      break;
    }
    if (way.rest.size() - at < length) break;
    at += length;
  }
  const auto end = way.rest.begin() + static_cast<std::ptrdiff_t>(at);
  if (way.aligned) part.packets.assign(way.rest.begin(), end);
  way.rest.erase(way.rest.begin(), end);
  part.waiting = way.rest.size();
}

}  // namespace ctdbx
