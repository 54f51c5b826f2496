// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/client/requests.h"

namespace ctdb {
namespace {

// An id is a place in the table and how often the place was used. Neither 0 nor 0xFFFFFFFF is ever made.
constexpr uint32_t kPlaceBits = 12;
constexpr uint32_t kPlaceMask = (1u << kPlaceBits) - 1;
constexpr uint32_t kUsesMax = (1u << (32 - kPlaceBits)) - 2;
constexpr size_t kBytesKept = 64u << 10;  // of a packet, for the next one in its place

uint32_t next_id(uint32_t place, uint32_t last_id) {
  const uint32_t uses = last_id >> kPlaceBits;
  return ((uses >= kUsesMax ? 1 : uses + 1) << kPlaceBits) | place;
}

}  // namespace

Request* RequestTable::add() {
  if (free_.empty()) {
    if (entries_.size() >= requests_max_ || entries_.size() > kPlaceMask) return nullptr;
    free_.push_back(static_cast<uint32_t>(entries_.size()));
    entries_.emplace_back();
  }
  const uint32_t place = free_.back();
  free_.pop_back();
  ++used_;
  Request& request = entries_[place];
  request.id = next_id(place, request.id);
  request.state = Request::State::kSent;
  request.sync = request.once = request.handed_over = false;
  request.peer = Peer::kRouter;
  request.error = 0;
  request.step = request.then = nullptr;
  request.user = nullptr;
  request.user_data = nullptr;
  request.db = nullptr;
  request.call = 0;
  request.srvid = 0;
  request.key.clear();
  request.packet.clear();
  return &request;
}

Request* RequestTable::find(uint32_t id) {
  const uint32_t place = id & kPlaceMask;
  if (place >= entries_.size()) return nullptr;
  Request& request = entries_[place];
  return request.state != Request::State::kFree && request.id == id ? &request : nullptr;
}

void RequestTable::release(Request& request) {
  request.state = Request::State::kFree;
  if (request.packet.capacity() > kBytesKept) Bytes().swap(request.packet);
  --used_;
  free_.push_back(request.id & kPlaceMask);
}

}  // namespace ctdb
