// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/frame_reader.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {
namespace {

constexpr size_t kReadBytesMax = 64u << 10;
constexpr size_t kRoomMin = 4096;
constexpr size_t kKeptBytesMax = 256u << 10;  // a larger buffer is given back once it is empty

}  // namespace

FrameReader::FrameReader(Policy policy, size_t packet_bytes_max)
    : policy_(policy), packet_bytes_max_(packet_bytes_max) {}

MutableBytes FrameReader::room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  size_t want = read_bytes_;
  if (end_ >= 4) {
    // A length field alone takes no memory: the buffer doubles as the packet really arrives.
    const size_t length = std::min<size_t>(load<uint32_t>(buffer_.data()), packet_bytes_max_);
    want = std::max(want, std::min(length, 2 * end_));
  }
  if (end_ == 0 && buffer_.size() > kKeptBytesMax) {
    buffer_.clear();
    buffer_.shrink_to_fit();
  }
  if (buffer_.size() < want || buffer_.size() - end_ < kRoomMin)
    buffer_.resize(std::max(want, end_ + kRoomMin));
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void FrameReader::received(size_t bytes) {
  CTDB_ASSERT(bytes <= buffer_.size() - end_);
  end_ += bytes;
  // Whoever sends much gets larger reads; thousands of quiet clients cost a page each.
  if (end_ == buffer_.size()) read_bytes_ = std::min(4 * read_bytes_, kReadBytesMax);
}

void FrameReader::put(ByteView bytes) {
  while (!bytes.empty()) {
    const MutableBytes free = room();
    const size_t now = std::min(free.size(), bytes.size());
    std::copy_n(bytes.begin(), now, free.begin());
    received(now);
    bytes = bytes.subspan(now);
  }
}

FrameReader::Next FrameReader::refuse(const char* why) {
  fault_ = why;
  return Next::kFault;
}

FrameReader::Next FrameReader::next(MutableBytes& packet) {
  if (fault_[0] != '\0') return Next::kFault;
  while (end_ - begin_ >= 4) {
    const uint32_t length = load<uint32_t>(buffer_.data() + begin_);
    if (length < 4) return refuse("length field below 4");
    if (length > packet_bytes_max_) return refuse("length field above the limit");
    const bool link = policy_ == Policy::kLink;
    if (link && length < CTDB_HEADER_SIZE) return refuse("packet shorter than its header");
    if (link && length % 8 != 0) return refuse("packet length is not a multiple of 8");
    if (end_ - begin_ < length) return Next::kMore;
    packet = {buffer_.data() + begin_, length};
    begin_ += length;
    position_ += length;
    if (check_header(packet) == HeaderFault::kNone) return Next::kPacket;
    if (link) return refuse("wrong magic or version");
    ++skipped_;
  }
  return Next::kMore;
}

}  // namespace ctdb
