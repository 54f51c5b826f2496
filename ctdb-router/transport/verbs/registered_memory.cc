// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/registered_memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace ctdb {
namespace {

constexpr size_t kHugePageBytes = 2u << 20;

std::string lock_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "is not the reason";
  return "is " + std::to_string(limit.rlim_cur / 1024) + " KiB";
}

}  // namespace

Result<void> RegisteredMemory::take(ibv_pd* domain, size_t bytes) {
  bytes_ = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  // Huge pages may be there and yet not be this process's to use: a control group can deny them when they are touched.
  if (Result<void> huge = map(domain, MAP_HUGETLB); huge) return huge;
  return map(domain, 0);
}

Result<void> RegisteredMemory::map(ibv_pd* domain, int flags) {
  release();
  void* map = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (map == MAP_FAILED) return fail_errno("memory for verbs");
  start_ = static_cast<uint8_t*>(map);
  // A child that writes must not take the page from under the device.
  if (madvise(start_, bytes_, MADV_DONTFORK) != 0) return fail_errno("memory for verbs");
  constexpr int kAccess = IBV_ACCESS_LOCAL_WRITE;  // libibverbs' macro compares it with another enumeration
  region_.reset(ibv_reg_mr(domain, start_, bytes_, kAccess));
  if (region_ != nullptr) return {};
  return fail(ErrorCode::kLimit, "the device cannot use " + std::to_string(bytes_ / 1024) +
                                     " KiB of memory (" + std::strerror(errno) + "): LimitMEMLOCK " +
                                     lock_limit());
}

void RegisteredMemory::release() {
  region_.reset();
  if (start_ != nullptr) munmap(start_, bytes_);
  start_ = nullptr;
}

RegisteredMemory::~RegisteredMemory() {
  release();
}

}  // namespace ctdb
