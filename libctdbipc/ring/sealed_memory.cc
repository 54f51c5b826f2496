// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

namespace ctdb {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

Result<UniqueFd> SealedMemory::create(const char* name, size_t size) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return fail_errno("memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_errno("sizing shared memory");
  if (fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return fail_errno("sealing shared memory");
  return fd;
}

Result<SealedMemory> SealedMemory::map(int fd, size_t size_min, size_t size_max) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return fail(ErrorCode::kInvalid,
                "shared memory is not a sealed memfd (refused: it could shrink under us)");
  }
  struct stat status;
  if (fstat(fd, &status) != 0) return fail_errno("fstat of shared memory");
  if (status.st_size < static_cast<off_t>(size_min) || status.st_size > static_cast<off_t>(size_max)) {
    return fail(ErrorCode::kInvalid, "shared memory has an impossible size");
  }
  const size_t size = static_cast<size_t>(status.st_size);
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("mapping shared memory");
  return SealedMemory(static_cast<uint8_t*>(at), size);
}

SealedMemory::SealedMemory(SealedMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}

SealedMemory::~SealedMemory() {
  if (base_ != nullptr) munmap(base_, size_);
}

}  // namespace ctdb
