// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/segment.h"

#include <new>
#include <utility>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr size_t kRingBytesMin = 4096;
constexpr size_t kRingBytesMax = 1u << 28;

size_t segment_bytes(size_t ring_bytes) {
  return kRingDataOffset + 2 * ring_bytes;
}

bool capacity_ok(uint64_t ring_bytes) {
  return ring_bytes >= kRingBytesMin && ring_bytes <= kRingBytesMax && (ring_bytes & (ring_bytes - 1)) == 0;
}

Result<SealedMemory> map_memory(int fd) {
  return SealedMemory::map(fd, segment_bytes(kRingBytesMin), segment_bytes(kRingBytesMax));
}

}  // namespace

Result<UniqueFd> Segment::create(size_t ring_bytes) {
  CTDB_ASSERT(capacity_ok(ring_bytes));
  Result<UniqueFd> fd = SealedMemory::create("ctdb-channel", segment_bytes(ring_bytes));
  if (!fd) return fail(std::move(fd.error()).in("channel"));
  Result<SealedMemory> memory = map_memory(fd->get());
  if (!memory) return fail(std::move(memory.error()).in("channel"));
  auto* header = new (memory->data()) SegmentHeader{};
  header->magic = kSegmentMagic;
  header->ring_bytes = ring_bytes;
  header->version.store(kSegmentVersion, std::memory_order_release);  // pairs with the acquire in map()
  return fd;
}

Result<Segment> Segment::map(int fd) {
  Result<SealedMemory> memory = map_memory(fd);
  if (!memory) return fail(std::move(memory.error()).in("channel"));
  const auto* header = reinterpret_cast<const SegmentHeader*>(memory->data());
  const uint32_t version = header->version.load(std::memory_order_acquire);
  const uint64_t magic = header->magic;
  const uint64_t ring_bytes = header->ring_bytes;
  if (version != kSegmentVersion || magic != kSegmentMagic || !capacity_ok(ring_bytes) ||
      segment_bytes(ring_bytes) != memory->size()) {
    return fail(ErrorCode::kInvalid, "channel segment has wrong magic, version or capacity");
  }
  return Segment(std::move(*memory), ring_bytes);
}

RingControl* Segment::control(size_t ring) const {
  return reinterpret_cast<RingControl*>(memory_.data() + kRingControlOffset + ring * kRingControlStride);
}

MutableBytes Segment::data(size_t ring) const {
  return {memory_.data() + kRingDataOffset + ring * ring_bytes_, ring_bytes_};
}

}  // namespace ctdb
