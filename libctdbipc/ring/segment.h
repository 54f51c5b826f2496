// SPDX-License-Identifier: LGPL-3.0-or-later
// A channel's segment: a sealed memfd, mapped and validated. Plain mmap: a sealed memfd of fixed size needs
// no more.
#ifndef LIBCTDBIPC_RING_SEGMENT_H_
#define LIBCTDBIPC_RING_SEGMENT_H_

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/ring_layout.h"
#include "libctdbipc/ring/sealed_memory.h"

namespace ctdb {

class Segment {
 public:
  // A new memfd with two empty rings, sealed against growing, shrinking and further sealing. `ring_bytes` is
  // a power of two of at least 4096.
  static Result<UniqueFd> create(size_t ring_bytes);
  // Errors: kInvalid (not a sealed memfd, size, magic, version or capacity wrong), kSystem.
  static Result<Segment> map(int fd);

  size_t ring_bytes() const { return ring_bytes_; }
  RingControl* control(size_t ring) const;
  MutableBytes data(size_t ring) const;

 private:
  Segment(SealedMemory memory, size_t ring_bytes) : memory_(std::move(memory)), ring_bytes_(ring_bytes) {}
  SealedMemory memory_;
  size_t ring_bytes_;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_SEGMENT_H_
