// SPDX-License-Identifier: LGPL-3.0-or-later
// Memory that two processes share: a memfd of fixed size, sealed so that neither can cut it under the other. What is in
// it is its user's affair (segment.h, connection_states.h).
#ifndef LIBCTDBIPC_RING_SEALED_MEMORY_H_
#define LIBCTDBIPC_RING_SEALED_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

class SealedMemory {
 public:
  // A new one, zeros; pages nobody has written cost nothing. Errors: kSystem.
  static Result<UniqueFd> create(const char* name, size_t size);
  // Maps it, readable and writable. Errors: kInvalid (not sealed, or smaller or larger than said), kSystem.
  static Result<SealedMemory> map(int fd, size_t size_min, size_t size_max);

  SealedMemory(SealedMemory&& other) noexcept;
  SealedMemory& operator=(SealedMemory&&) = delete;
  SealedMemory(const SealedMemory&) = delete;
  ~SealedMemory();

  uint8_t* data() const { return base_; }
  size_t size() const { return size_; }

 private:
  SealedMemory(uint8_t* base, size_t size) : base_(base), size_(size) {}
  uint8_t* base_;
  size_t size_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_SEALED_MEMORY_H_
