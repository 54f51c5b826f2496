// SPDX-License-Identifier: GPL-3.0-or-later
// The memory that devices read and write, taken once: on huge pages where there are any, and not inherited by children.
#ifndef CTDB_ROUTER_TRANSPORT_VERBS_REGISTERED_MEMORY_H_
#define CTDB_ROUTER_TRANSPORT_VERBS_REGISTERED_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "ctdb-router/transport/verbs/verbs_objects.h"
#include "libctdbipc/base/result.h"

namespace ctdb {

class RegisteredMemory {
 public:
  RegisteredMemory() = default;
  ~RegisteredMemory();
  RegisteredMemory(const RegisteredMemory&) = delete;
  RegisteredMemory& operator=(const RegisteredMemory&) = delete;

  // Once. Errors: no memory, or the kernel may not lock so much (RLIMIT_MEMLOCK).
  Result<void> take(ibv_pd* domain, size_t bytes);
  uint8_t* at(size_t offset) const { return start_ + offset; }
  uint32_t key() const { return region_->lkey; }

 private:
  Result<void> map(ibv_pd* domain, int flags);
  void release();

  uint8_t* start_ = nullptr;
  size_t bytes_ = 0;
  VerbsRegion region_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_VERBS_REGISTERED_MEMORY_H_
