// SPDX-License-Identifier: GPL-3.0-or-later
// Packets that went to the store to be written to a client, until the store says that the kernel has them: if the store
// dies before, the router writes them itself. Whole packets with true length fields only.
#ifndef CTDB_ROUTER_SHELL_KEPT_PACKETS_H_
#define CTDB_ROUTER_SHELL_KEPT_PACKETS_H_

#include <cstdint>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class KeptPackets {
 public:
  void add(ByteView packet) { bytes_.insert(bytes_.end(), packet.begin(), packet.end()); }
  // The first `written` packets since begin_again() need not be kept any more.
  void forget(uint64_t written) {
    for (; forgotten_ < written && at_ < bytes_.size(); ++forgotten_)
      at_ += load<uint32_t>(bytes_.data() + at_);
    if (at_ < bytes_.size() - at_) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(at_));
    at_ = 0;
    if (bytes_.empty() && bytes_.capacity() > kBytesHeldMax) Bytes().swap(bytes_);
  }
  void begin_again() {
    Bytes().swap(bytes_);
    at_ = 0;
    forgotten_ = 0;
  }
  ByteView bytes() const { return ByteView(bytes_).subspan(at_); }

 private:
  static constexpr size_t kBytesHeldMax = 64u << 10;
  Bytes bytes_;
  size_t at_ = 0;
  uint64_t forgotten_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_SHELL_KEPT_PACKETS_H_
