// SPDX-License-Identifier: GPL-3.0-or-later
// Requests in flight: who asked (a local client or a peer node) with which reqid, and whom we asked on their behalf.
// A slot keeps its buffer when it is re-used, so nothing is allocated after warm-up. The reqid that travels is the
// slot's index with a sequence number, so a late answer to an old request finds nothing.
#ifndef CTDB_ROUTER_CORE_REQUESTS_H_
#define CTDB_ROUTER_CORE_REQUESTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"

namespace ctdb {

// Whoever sent a request that is to be answered.
struct Origin {
  uint32_t client = 0;  // local client, or 0
  uint32_t node = 0;    // peer node when client is 0
  uint32_t reqid = 0;
  bool noreply = false;
};

// Whom the router asked.
enum class Asked : uint8_t { kStore, kRecoveryd, kNode };

struct Request {
  Origin origin;
  Asked asked = Asked::kStore;
  uint32_t node = 0;     // for Asked::kNode
  bool is_call = false;  // REQ_CALL of a classic client
  TimeNs deadline = kNever;
  Bytes packet;              // of keep()
  int32_t lost_status = -1;  // of the answer when whoever was asked is gone
  uint32_t sequence = 0;
  bool used = false;
};

class Requests {
 public:
  // Returns the reqid to travel, or 0 when all slots are in use.
  uint32_t add(const Origin& origin, Asked asked, uint32_t node, TimeNs deadline);
  // Its packet may have to be sent again.
  void keep(Request& request, ByteView packet);
  Request* find(uint32_t reqid);
  void remove(uint32_t reqid);
  // Calls `visit` for every request in flight; it may remove the one it is given.
  void for_each(const std::function<void(uint32_t reqid, Request&)>& visit);
  size_t size() const { return in_flight_; }

  struct Use {
    size_t requests = 0, bytes = 0;  // the latter of packets that are kept
  };
  Use of_client(uint32_t client) const;
  // A client is gone, and all its requests with it.
  void remove_client(uint32_t client);

 private:
  static constexpr uint32_t kIndexBits = 20;
  std::vector<Request> slots_;
  std::vector<uint32_t> free_;
  size_t in_flight_ = 0;
  std::map<uint32_t, Use> used_by_;  // local clients that have asked for something
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_CORE_REQUESTS_H_
