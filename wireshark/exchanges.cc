// SPDX-License-Identifier: GPL-2.0-or-later
#include "wireshark/exchanges.h"

#include "wireshark/tables.h"

namespace ctdbx {
namespace {

constexpr int64_t kSameRequestNs = 50000000;

bool is_broadcast(uint32_t node) {
  return node >= CTDB_BROADCAST_ALL && node <= CTDB_MULTICAST;
}

// `asks` is the node that wants the answer.
std::tuple<uint32_t, uint64_t, uint32_t, uint32_t, uint32_t> key_of(const Arrival& a, uint32_t request,
                                                                    uint32_t asks, uint32_t answers) {
  if (a.connection != 0) return {request, a.connection, a.reqid, 0, 0};
  const bool anybody = request == kREQ_CALL;
  return {request, 0, a.reqid, asks, anybody ? 0 : answers};
}

}  // namespace

const Place& Exchanges::place_of(const Arrival& a) {
  const uint64_t where = uint64_t{a.frame} << 32 | a.index;
  auto found = places_.find(where);
  if (found == places_.end()) found = places_.emplace(where, find_place(a)).first;
  return found->second;
}

void Exchanges::clear() {
  exchanges_.clear();
  newest_.clear();
  places_.clear();
}

Place Exchanges::find_place(const Arrival& a) {
  switch (a.operation) {
    case kREQ_CALL:
      return place_call(a);
    case kREQ_DMASTER:
      // The lmaster itself asked: this gives it the record.
      return a.dmaster == a.destnode ? place_reply(a, kREQ_CALL) : place_step(a);
    case kREPLY_CALL:
    case kREPLY_DMASTER:
    case kREPLY_ERROR:
      return place_reply(a, kREQ_CALL);
    default:
      break;
  }
  const uint32_t request = request_of(a.operation);
  if (request != kNoReply) return place_reply(a, request);
  const OperationRow* row = find_operation(a.operation);
  return row != nullptr && row->reply != kNoReply && row->reply != a.operation ? place_request(a) : Place{};
}

Exchange* Exchanges::open(const Key& key, const Arrival& a) {
  Exchange& made = exchanges_.emplace_back();
  made.number = static_cast<uint32_t>(exchanges_.size());
  made.operation = a.operation;
  made.control = a.control;
  made.callid = a.callid;
  made.request_frame = a.frame;
  made.request_ns = a.time_ns;
  made.hopcount = a.hopcount;
  newest_[key] = &made;
  return &made;
}
Exchange* Exchanges::find(const Key& key) {
  auto found = newest_.find(key);
  return found == newest_.end() ? nullptr : found->second;
}

// The same call again, on its way from node to node or seen at another place, or a new one.
Place Exchanges::place_call(const Arrival& a) {
  const auto key = key_of(a, kREQ_CALL, a.srcnode, 0);
  Exchange* exchange = find(key);
  if (exchange == nullptr || exchange->reply_frame != 0 || (a.hopcount == 0 && exchange->hopcount > 0)) {
    exchange = open(key, a);
    exchange->wants_reply = a.hopcount == 0;  // of one that only came by here the reply may go past
    return {exchange, Part::kRequest};
  }
  Place place{exchange, Part::kStep};
  place.hop_back = a.hopcount < exchange->hopcount;
  exchange->hopcount = a.hopcount;
  exchange->steps.push_back(a.frame);
  return place;
}

Place Exchanges::place_request(const Arrival& a) {
  const auto key = key_of(a, a.operation, a.srcnode, a.destnode);
  Exchange* exchange = find(key);
  // A router's capture shows it where it came in and where it went out.
  if (exchange != nullptr && exchange->reply_frame == 0 &&
      a.time_ns - exchange->request_ns < kSameRequestNs) {
    exchange->steps.push_back(a.frame);
    return {exchange, Part::kStep};
  }
  exchange = open(key, a);
  if (a.operation == kREQ_CONTROL)
    exchange->wants_reply = (a.control_flags & CTDB_CONTROL_NOREPLY) == 0 && !is_broadcast(a.destnode);
  return {exchange, Part::kRequest};
}

Place Exchanges::place_step(const Arrival& a) {
  Exchange* exchange = find(key_of(a, kREQ_CALL, a.dmaster, 0));
  if (exchange == nullptr) return {};
  exchange->steps.push_back(a.frame);
  return {exchange, Part::kStep};
}

Place Exchanges::place_reply(const Arrival& a, uint32_t request) {
  Exchange* exchange = find(key_of(a, request, a.destnode, a.srcnode));
  Place place{exchange, Part::kReply};
  if (exchange == nullptr) {
    place.orphan = true;
    return place;
  }
  if (exchange->reply_frame != 0) {
    place.second_reply = exchange->replier != a.srcnode;
    exchange->steps.push_back(a.frame);
    return place;
  }
  exchange->reply_frame = a.frame;
  exchange->reply_ns = a.time_ns;
  exchange->replier = a.srcnode;
  return place;
}

}  // namespace ctdbx
