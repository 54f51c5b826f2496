// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <new>
#include <utility>

#include "libctdbipc/base/assert.h"

namespace ctdb {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr size_t kRingBytesMin = 4096;
constexpr size_t kRingBytesMax = 1u << 28;

size_t segment_bytes(size_t ring_bytes) {
  return kRingDataOffset + 2 * ring_bytes;
}

bool capacity_ok(uint64_t ring_bytes) {
  return ring_bytes >= kRingBytesMin && ring_bytes <= kRingBytesMax && (ring_bytes & (ring_bytes - 1)) == 0;
}

uint8_t* map_shared(int fd, size_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
}

}  // namespace

Result<UniqueFd> Segment::create(size_t ring_bytes) {
  CTDB_ASSERT(capacity_ok(ring_bytes));
  UniqueFd fd(memfd_create("ctdb-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno("memfd_create");
  const size_t size = segment_bytes(ring_bytes);
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_errno("sizing a channel");
  uint8_t* base = map_shared(fd.get(), size);
  if (base == nullptr) return fail_errno("mapping a channel");
  auto* header = new (base) SegmentHeader{};
  header->magic = kSegmentMagic;
  header->ring_bytes = ring_bytes;
  header->version.store(kSegmentVersion, std::memory_order_release);  // pairs with the acquire in map()
  munmap(base, size);
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return fail_errno("sealing a channel");
  return fd;
}

Result<Segment> Segment::map(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return fail(ErrorCode::kInvalid,
                "channel segment is not a sealed memfd (refused: it could shrink under us)");
  }
  struct stat status;
  if (fstat(fd, &status) != 0) return fail_errno("fstat of a channel");
  if (status.st_size < static_cast<off_t>(segment_bytes(kRingBytesMin)) ||
      status.st_size > static_cast<off_t>(segment_bytes(kRingBytesMax))) {
    return fail(ErrorCode::kInvalid, "channel segment has an impossible size");
  }
  const size_t size = static_cast<size_t>(status.st_size);
  uint8_t* base = map_shared(fd, size);
  if (base == nullptr) return fail_errno("mapping a channel");
  const auto* header = reinterpret_cast<const SegmentHeader*>(base);
  const uint32_t version = header->version.load(std::memory_order_acquire);
  const uint64_t magic = header->magic;
  const uint64_t ring_bytes = header->ring_bytes;
  if (version != kSegmentVersion || magic != kSegmentMagic || !capacity_ok(ring_bytes) ||
      segment_bytes(ring_bytes) != size) {
    munmap(base, size);
    return fail(ErrorCode::kInvalid, "channel segment has wrong magic, version or capacity");
  }
  return Segment(base, size, ring_bytes);
}

Segment::Segment(Segment&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), size_(other.size_), ring_bytes_(other.ring_bytes_) {}

Segment::~Segment() {
  if (base_ != nullptr) munmap(base_, size_);
}

RingControl* Segment::control(size_t ring) const {
  return reinterpret_cast<RingControl*>(base_ + kRingControlOffset + ring * kRingControlStride);
}

MutableBytes Segment::data(size_t ring) const {
  return {base_ + kRingDataOffset + ring * ring_bytes_, ring_bytes_};
}

}  // namespace ctdb
