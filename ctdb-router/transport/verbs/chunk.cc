// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/chunk.h"

namespace ctdb {
namespace {

constexpr uint32_t kMagic = 0x43445456;  // "VTDC" in memory
constexpr size_t kPingBytes = 8;

bool payload_fits(ChunkKind kind, size_t bytes) {
  switch (kind) {
    case ChunkKind::kData:
      return bytes > 0 && bytes <= kChunkPayloadMax;
    case ChunkKind::kTold:
      return bytes == 0;
    case ChunkKind::kPing:
    case ChunkKind::kPong:
      return bytes == kPingBytes;
  }
  return false;
}

}  // namespace

ChunkHeaderBytes encode_chunk_header(const ChunkHeader& header) {
  ChunkHeaderBytes out;
  store(out.data(), kMagic);
  store(out.data() + 4, static_cast<uint32_t>(header.kind));
  store(out.data() + 8, header.sequence);
  store(out.data() + 16, header.limit);
  store(out.data() + 24, header.received);
  return out;
}

std::optional<ChunkHeader> decode_chunk_header(ByteView chunk) {
  if (chunk.size() < kChunkHeaderBytes || load<uint32_t>(chunk.data()) != kMagic) return std::nullopt;
  ChunkHeader header;
  header.kind = static_cast<ChunkKind>(load<uint32_t>(chunk.data() + 4));
  if (!payload_fits(header.kind, chunk.size() - kChunkHeaderBytes)) return std::nullopt;
  header.sequence = load<uint64_t>(chunk.data() + 8);
  header.limit = load<uint64_t>(chunk.data() + 16);
  header.received = load<uint64_t>(chunk.data() + 24);
  return header;
}

}  // namespace ctdb
