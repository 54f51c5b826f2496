// SPDX-License-Identifier: LGPL-3.0-or-later
// Plain data in a channel's segment: offsets and fixed-width fields only, no pointer, no lock. Both processes
// map it; each believes only what it has checked against its own private copy of the sizes.
//
//   0        SegmentHeader
//   4096     RingControl of ring 0 (server -> client)
//   4608     RingControl of ring 1 (client -> server)
//   8192     data of ring 0, ring_bytes
//   8192+n   data of ring 1, ring_bytes
#ifndef LIBCTDBIPC_RING_RING_LAYOUT_H_
#define LIBCTDBIPC_RING_RING_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ctdb {

inline constexpr uint64_t kSegmentMagic = 0x31474e4952425443ull;  // "CTBRING1"
inline constexpr uint32_t kSegmentVersion = 1;
inline constexpr size_t kRingControlOffset = 4096;
inline constexpr size_t kRingControlStride = 512;
inline constexpr size_t kRingDataOffset = 8192;

// Stored last, with release on `version`, by the creator.
struct SegmentHeader {
  uint64_t magic;
  uint64_t ring_bytes;
  std::atomic<uint32_t> version;
  uint32_t reserved;
};
static_assert(std::is_standard_layout_v<SegmentHeader> && sizeof(SegmentHeader) == 24);

// What one side leaves for the other to read when it has died: of a client, for its store.
struct DeathNotes {
  std::atomic<uint32_t> lock_word;  // its thread that locked a chain last, as the word of a mutex names it
  std::atomic<uint32_t>
      changing_db;  // not 0: it is inside libtdb, changing what holds this database's file together
};

// Positions count bytes since the ring was made and never wrap in practice (2^64); position & (size - 1) is
// the offset. They are multiples of kFrameAlign, but for kMidPacket in `head`. Producer and consumer fields are 128 bytes apart so that neither side's writes disturb the
// other's cache line.
struct RingControl {
  alignas(128) std::atomic<uint64_t> tail;            // producer stores (release), consumer loads (acquire)
  alignas(128) std::atomic<uint64_t> head;            // consumer stores (release), producer loads (acquire)
  alignas(128) std::atomic<uint32_t> consumer_armed;  // consumer: 1 = about to sleep, ring my bell
  alignas(128)
      std::atomic<uint32_t> producer_waits;  // producer: 1 = ring was full, ring my bell when you consumed
  DeathNotes notes;                          // producer
};
static_assert(std::is_standard_layout_v<RingControl> && sizeof(RingControl) == kRingControlStride);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

// In front of every packet in a ring; frames start at multiples of kFrameAlign. length 0 is never a frame: a
// hole punched into the memfd reads as zero.
struct FrameHeader {
  uint32_t length;  // bytes of packet after this header, with kMoreFollows or without; or kPadFrame
  uint32_t endpoint;
  uint32_t flags;
  uint32_t check;  // ~length: a torn or scribbled length is noticed
};
static_assert(sizeof(FrameHeader) == 16);
inline constexpr size_t kFrameAlign = 16;
inline constexpr uint32_t kPadFrame = 0xFFFFFFFFu;     // skip to the end of the ring
inline constexpr uint32_t kMoreFollows = 0x80000000u;  // a piece of a packet; the next frame continues it
// The first frame of another producer: what the last one has left of a packet is no more. Only for peers that know of it.
inline constexpr uint32_t kBegins = 0x40000000u;
// In `head`, from a consumer that another may replace: it has had a part of a packet.
inline constexpr uint64_t kMidPacket = 1;

inline constexpr size_t frame_bytes(size_t packet_bytes) {
  return (sizeof(FrameHeader) + packet_bytes + kFrameAlign - 1) & ~(kFrameAlign - 1);
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_RING_LAYOUT_H_
