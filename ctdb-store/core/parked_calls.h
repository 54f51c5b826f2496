// SPDX-License-Identifier: GPL-3.0-or-later
// Calls of local clients for a database that is not here. While no generation is open a recovery may bring it. In an open one they are refused,
// but not at once: smbd does not look at the status and asks again for ever when its database has been detached (the classic daemon answers no
// such call at all, and its clients hang until they are ended). If it is attached meanwhile, they are served.
#ifndef CTDB_STORE_CORE_PARKED_CALLS_H_
#define CTDB_STORE_CORE_PARKED_CALLS_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "ctdb-store/core/endpoints.h"
#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"

namespace ctdb {

class ParkedCalls {
 public:
  struct Parked {
    uint32_t endpoint;
    bool via_router;
    Bytes packet;
  };
  static constexpr size_t kBytesMax = 64u << 20;  // of all clients
  static constexpr TimeNs kPause = 100 * kMillisecond;

  // They are to be refused, or served, a while after now.
  void pause(TimeNs now) { due_ = std::min(due_, now + kPause); }
  TimeNs due() const { return due_; }
  // false: there is no room for it.
  bool keep(uint32_t endpoint, bool via_router, ByteView packet) {
    if (bytes_ + packet.size() > kBytesMax) return false;
    bytes_ += packet.size();
    calls_.push_back({endpoint, via_router, to_bytes(packet)});
    return true;
  }
  std::deque<Parked> take_all() {
    bytes_ = 0;
    due_ = kNever;
    return std::exchange(calls_, {});
  }
  void keep_only(const Endpoints& some) {
    std::erase_if(calls_, [&](const Parked& call) {
      if (some.contains(call.endpoint)) return false;
      bytes_ -= call.packet.size();
      return true;
    });
  }
  void forget(uint32_t endpoint) {
    std::erase_if(calls_, [&](const Parked& call) {
      if (call.endpoint != endpoint) return false;
      bytes_ -= call.packet.size();
      return true;
    });
  }

 private:
  std::deque<Parked> calls_;
  size_t bytes_ = 0;
  TimeNs due_ = kNever;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_PARKED_CALLS_H_
