// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/transport/verbs/retained_packets.h"

#include <algorithm>

namespace ctdb {
namespace {

constexpr size_t kKeptBytesMax = 1u << 20;

}  // namespace

ByteView RetainedPackets::unsent(size_t most) const {
  return ByteView(bytes_).subspan(sent_, std::min(most, unsent_bytes()));
}

void RetainedPackets::sent(size_t bytes) {
  sent_ += bytes;
  while (whole_ < sent_ && whole_ + size_at(whole_) <= sent_) {
    whole_ += size_at(whole_);
    ++sent_packets_;
  }
}

bool RetainedPackets::received(uint64_t packets) {
  if (packets < received_packets_ || packets > sent_packets_) return false;
  for (; received_packets_ < packets; ++received_packets_) first_ += size_at(first_);
  if (first_ == bytes_.size()) {
    if (bytes_.capacity() > kKeptBytesMax) Bytes().swap(bytes_);
    bytes_.clear();
    first_ = whole_ = sent_ = 0;
  } else if (first_ >= bytes_.size() - first_) {  // a byte is moved once at the most
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(first_));
    whole_ -= first_;
    sent_ -= first_;
    first_ = 0;
  }
  return true;
}

void RetainedPackets::clear() {
  *this = RetainedPackets();
}

}  // namespace ctdb
