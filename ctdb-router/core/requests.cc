// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/core/requests.h"

namespace ctdb {

uint32_t Requests::add(const Origin& origin, Asked asked, uint32_t node, TimeNs deadline) {
  if (free_.empty()) {
    if (slots_.size() >= (1u << kIndexBits)) return 0;
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Request& slot = slots_[index];
  slot.origin = origin;
  slot.asked = asked;
  slot.node = node;
  slot.is_call = false;
  slot.lost_status = -1;
  slot.deadline = deadline;
  slot.packet.clear();
  slot.used = true;
  // 11 bits, never 0: a reqid is never 0 and never CTDB_INVALID_REQID.
  slot.sequence = slot.sequence % 0x7fe + 1;
  ++in_flight_;
  if (origin.client != 0) ++used_by_[origin.client].requests;
  return slot.sequence << kIndexBits | index;
}

void Requests::keep(Request& request, ByteView packet) {
  request.packet.assign(packet.begin(), packet.end());
  if (request.origin.client != 0) used_by_[request.origin.client].bytes += packet.size();
}

Request* Requests::find(uint32_t reqid) {
  const uint32_t index = reqid & ((1u << kIndexBits) - 1);
  if (index >= slots_.size()) return nullptr;
  Request& slot = slots_[index];
  return slot.used && slot.sequence == reqid >> kIndexBits ? &slot : nullptr;
}

void Requests::remove(uint32_t reqid) {
  Request* slot = find(reqid);
  if (slot == nullptr) return;
  slot->used = false;
  if (const auto use = used_by_.find(slot->origin.client); use != used_by_.end()) {
    --use->second.requests;
    use->second.bytes -= slot->packet.size();
  }
  if (slot->packet.capacity() > 4096) Bytes().swap(slot->packet);
  free_.push_back(reqid & ((1u << kIndexBits) - 1));
  --in_flight_;
}

Requests::Use Requests::of_client(uint32_t client) const {
  const auto found = used_by_.find(client);
  return found == used_by_.end() ? Use() : found->second;
}

// Most have none when they go: all slots that there ever were are looked at only for the others.
void Requests::remove_client(uint32_t client) {
  if (of_client(client).requests > 0) {
    for_each([&](uint32_t reqid, Request& request) {
      if (request.origin.client == client) remove(reqid);
    });
  }
  used_by_.erase(client);
}

void Requests::for_each(const std::function<void(uint32_t, Request&)>& visit) {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].used) visit(slots_[index].sequence << kIndexBits | index, slots_[index]);
  }
}

}  // namespace ctdb
