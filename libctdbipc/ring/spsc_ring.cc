// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/ring/spsc_ring.h"

#include <algorithm>

namespace ctdb {

const char* ring_fault_text(RingFault fault) {
  switch (fault) {
    case RingFault::kNone:
      return "";
    case RingFault::kHead:
      return "the peer's read position is impossible";
    case RingFault::kTail:
      return "the peer's write position is impossible";
    case RingFault::kLength:
      return "a frame's length is impossible";
  }
  return "unknown fault";
}

RingProducer::RingProducer(RingControl* control, MutableBytes data)
    : control_(control), data_(data), tail_(control->tail.load(std::memory_order_relaxed)), head_(tail_) {
  if (tail_ % kFrameAlign != 0) fault_ = RingFault::kTail;
  refresh_head();
}

// Pairs with release() of the consumer: after the acquire the bytes before head are ours to overwrite.
bool RingProducer::refresh_head() {
  const uint64_t head = control_->head.load(std::memory_order_acquire) & ~kMidPacket;
  if (head > tail_ || tail_ - head > data_.size() || head % kFrameAlign != 0) {
    fault_ = RingFault::kHead;
    return false;
  }
  head_ = head;
  return true;
}

void RingProducer::write_header(uint64_t position, uint32_t length, uint32_t endpoint, uint32_t flags) {
  const FrameHeader header{length, endpoint, flags, ~length};
  std::memcpy(data_.data() + (position & (data_.size() - 1)), &header, sizeof header);
}

size_t RingProducer::space() {
  if (fault_ != RingFault::kNone || !refresh_head()) return 0;
  // The worst case loses everything up to the end of the ring to a pad frame.
  const size_t to_end = data_.size() - (tail_ & (data_.size() - 1));
  const size_t free = free_bytes();
  const size_t contiguous = std::max(std::min(free, to_end), free > to_end ? free - to_end : 0);
  return contiguous <= sizeof(FrameHeader) ? 0
                                           : std::min(contiguous - sizeof(FrameHeader), packet_bytes_max());
}

RingProducer::Outcome RingProducer::push(uint32_t endpoint, uint32_t flags, ByteView packet, uint32_t marks) {
  if (fault_ != RingFault::kNone) return Outcome::kFault;
  if (packet.empty() || packet.size() > packet_bytes_max()) return Outcome::kTooBig;
  const size_t need = frame_bytes(packet.size());
  const size_t to_end = data_.size() - (tail_ & (data_.size() - 1));
  const size_t whole = need <= to_end ? need : to_end + need;
  if (whole > free_bytes()) {
    if (!refresh_head()) return Outcome::kFault;
    if (whole > free_bytes()) return Outcome::kFull;
  }
  if (need > to_end) {
    write_header(tail_, kPadFrame, 0, 0);
    tail_ += to_end;
  }
  write_header(tail_, static_cast<uint32_t>(packet.size()) | marks, endpoint, flags);
  std::memcpy(data_.data() + (tail_ & (data_.size() - 1)) + sizeof(FrameHeader), packet.data(),
              packet.size());
  tail_ += need;
  // Pairs with the acquire in RingConsumer::refresh_tail: frame bytes before position.
  control_->tail.store(tail_, std::memory_order_release);
  return Outcome::kOk;
}

RingConsumer::RingConsumer(RingControl* control, ByteView data)
    : control_(control),
      data_(data),
      head_(control->head.load(std::memory_order_relaxed)),
      tail_(head_),
      released_(head_) {
  began_in_packet_ = (head_ & kMidPacket) != 0;
  head_ = tail_ = released_ = head_ & ~kMidPacket;
  if (head_ % kFrameAlign != 0) fault_ = RingFault::kHead;
}

bool RingConsumer::fail(RingFault fault) {
  fault_ = fault;
  return false;
}

bool RingConsumer::refresh_tail() {
  const uint64_t tail = control_->tail.load(std::memory_order_acquire);
  if (tail < head_ || tail - head_ > data_.size() || tail % kFrameAlign != 0) return fail(RingFault::kTail);
  tail_ = tail;
  return true;
}

bool RingConsumer::readable() {
  if (fault_ != RingFault::kNone) return true;
  if (head_ != tail_) return true;
  return !refresh_tail() || head_ != tail_;
}

// Copies the header at head_ and checks the copy only: the peer may change the bytes at any time.
bool RingConsumer::read_header(FrameHeader& header) {
  const size_t offset = head_ & (data_.size() - 1);
  std::memcpy(&header, data_.data() + offset, sizeof header);
  // The compiler may not read the segment a second time instead of keeping the copy.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (header.check != ~header.length) return fail(RingFault::kLength);
  const size_t to_end = data_.size() - offset;
  const uint64_t available = tail_ - head_;
  if (header.length == kPadFrame) {
    // A pad is never followed by nothing: the producer publishes it together with a frame.
    if (available <= to_end) return fail(RingFault::kLength);
    return true;
  }
  const size_t length = header.length & ~(kMoreFollows | kBegins);
  const size_t need = frame_bytes(length);
  if (length == 0 || length > data_.size() / 2 || need > available || need > to_end)
    return fail(RingFault::kLength);
  return true;
}

bool RingConsumer::pop(uint32_t& endpoint, uint32_t& flags, Bytes& packet, bool& more) {
  if (fault_ != RingFault::kNone) return false;
  if (head_ == tail_ && (!refresh_tail() || head_ == tail_)) return false;
  FrameHeader header;
  if (!read_header(header)) return false;
  if (header.length == kPadFrame) {
    head_ += data_.size() - (head_ & (data_.size() - 1));
    if (!read_header(header)) return false;
    if (header.length == kPadFrame) return fail(RingFault::kLength);
  }
  const uint8_t* at = data_.data() + (head_ & (data_.size() - 1)) + sizeof(FrameHeader);
  const size_t length = header.length & ~(kMoreFollows | kBegins);
  if ((header.length & kBegins) != 0) packet.clear();
  packet.insert(packet.end(), at, at + length);
  endpoint = header.endpoint;
  flags = header.flags;
  more = (header.length & kMoreFollows) != 0;
  head_ += frame_bytes(length);
  if (each_) {
    released_ = head_;
    control_->head.store(head_ | (more ? kMidPacket : 0), std::memory_order_release);  // as in release()
  }
  return true;
}

void RingConsumer::release() {
  if (released_ == head_) return;
  released_ = head_;
  // Pairs with the acquire in RingProducer::refresh_head: our copies are done before the space is given back.
  control_->head.store(head_, std::memory_order_release);
}

}  // namespace ctdb
