// SPDX-License-Identifier: LGPL-3.0-or-later
// The two views of one ring. Each keeps its own position and the capacity in private memory; what the other
// side wrote is a hint that is bounded before use. One thread per view.
#ifndef LIBCTDBIPC_RING_SPSC_RING_H_
#define LIBCTDBIPC_RING_SPSC_RING_H_

#include <cstdint>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/ring/ring_layout.h"

namespace ctdb {

enum class RingFault : uint8_t {
  kNone,
  kHead,    // the consumer's position is impossible
  kTail,    // the producer's position is impossible
  kLength,  // a frame's length is impossible, or zero where the producer says there is a frame
};
const char* ring_fault_text(RingFault fault);

class RingProducer {
 public:
  // `data` has a power-of-two size. The start position is read once from the control block.
  RingProducer(RingControl* control, MutableBytes data);

  enum class Outcome : uint8_t { kOk, kFull, kTooBig, kFault };
  // `marks`: kMoreFollows when this is a piece and the next frame continues the packet; kBegins.
  Outcome push(uint32_t endpoint, uint32_t flags, ByteView packet, uint32_t marks = 0);
  // Where the next frame begins.
  uint64_t position() const { return tail_; }
  // Bytes of packet that certainly fit now.
  size_t space();
  size_t packet_bytes_max() const { return data_.size() / 2 - sizeof(FrameHeader); }
  RingFault fault() const { return fault_; }

 private:
  bool refresh_head();
  size_t free_bytes() const { return data_.size() - static_cast<size_t>(tail_ - head_); }
  void write_header(uint64_t position, uint32_t length, uint32_t endpoint, uint32_t flags);

  RingControl* control_;
  MutableBytes data_;
  uint64_t tail_;
  uint64_t head_;  // last believed position of the consumer
  RingFault fault_ = RingFault::kNone;
};

class RingConsumer {
 public:
  RingConsumer(RingControl* control, ByteView data);

  // True when at least one frame is there (or the ring is faulty: pop() then says so).
  bool readable();
  // Appends the next frame to `packet`; `more`: it is a piece that the next frame continues. A frame of another producer
  // replaces what the last one has left there. false: empty or faulty.
  bool pop(uint32_t& endpoint, uint32_t& flags, Bytes& packet, bool& more);
  // Tells the producer how far we are; called once per batch.
  void release();
  // From here on each frame is given back before pop() returns it: whoever reads after us, should we be killed, gets none twice.
  void release_each() { each_ = true; }
  uint64_t position() const { return head_; }
  // Of another consumer: it had a part of the packet that goes on at position().
  bool began_in_packet() const { return began_in_packet_; }
  RingFault fault() const { return fault_; }

 private:
  bool refresh_tail();
  bool fail(RingFault fault);
  bool read_header(FrameHeader& header);

  RingControl* control_;
  ByteView data_;
  uint64_t head_;
  uint64_t tail_;  // last believed position of the producer
  uint64_t released_;
  bool began_in_packet_ = false;
  bool each_ = false;
  RingFault fault_ = RingFault::kNone;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RING_SPSC_RING_H_
