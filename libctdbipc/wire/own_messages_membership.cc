// SPDX-License-Identifier: LGPL-3.0-or-later
// What the cluster looks like, elections, heartbeats.
#include <algorithm>
#include <limits>

#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

// Of a message about a cluster of some nodes; encoded after every event.
constexpr size_t kUsualBytes = 256;

void put_state(Writer& w, const ClusterState& s) {
  w.u32(s.generation);
  w.u32(s.recovery_mode);
  w.u32(s.runstate);
  w.u32(s.leader);
  w.u64(s.term);
  put_pnns(w, s.node_flags);
  put_pnns(w, s.members);
  put_text(w, s.reason);
  put_pnns(w, s.voters);
}
ClusterState take_state(Reader& r) {
  ClusterState s;
  s.generation = r.u32();
  s.recovery_mode = r.u32();
  s.runstate = r.u32();
  s.leader = r.u32();
  s.term = r.u64();
  s.node_flags = take_pnns(r);
  s.members = take_pnns(r);
  s.reason = take_text(r);
  s.voters = take_pnns(r);
  return s;
}

void put_left_out(Writer& w, const std::vector<LeftOut>& nodes) {
  w.u32(static_cast<uint32_t>(nodes.size()));
  for (const LeftOut& node : nodes) {
    w.u32(node.pnn);
    for (uint64_t ns : {node.lasts, node.left, node.over}) w.u64(ns);
    put_text(w, node.reason);
  }
}
std::vector<LeftOut> take_left_out(Reader& r) {
  std::vector<LeftOut> nodes;
  const uint32_t count = r.u32();
  if (count > kNodesMax || !plausible(r, count, 32)) {
    r.fail();
    return nodes;
  }
  for (uint32_t i = 0; i < count; ++i) {
    LeftOut node;
    node.pnn = r.u32();
    for (uint64_t* ns : {&node.lasts, &node.left, &node.over})
      *ns = std::min<uint64_t>(r.u64(), std::numeric_limits<int64_t>::max() / 4);
    node.reason = take_text(r);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace

Bytes ClusterState::encode() const {
  Bytes out;
  out.reserve(kUsualBytes);
  Writer w(out);
  put_state(w, *this);
  return out;
}
std::optional<ClusterState> ClusterState::decode(ByteView payload) {
  Reader r(payload);
  ClusterState m = take_state(r);
  return checked(r, m);
}

Bytes VoteRequest::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(term);
  w.u32(generation);
  w.u32(trial ? 1 : 0);
  w.u64(nodes);
  return out;
}
std::optional<VoteRequest> VoteRequest::decode(ByteView payload) {
  Reader r(payload);
  VoteRequest m;
  m.term = r.u64();
  m.generation = r.u32();
  m.trial = r.u32() != 0;
  m.nodes = r.u64();
  return checked(r, m);
}

Bytes VoteReply::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(term);
  w.u32(granted ? 1 : 0);
  w.u32(trial ? 1 : 0);
  w.u32(leader);
  w.u64(silent);
  return out;
}
std::optional<VoteReply> VoteReply::decode(ByteView payload) {
  Reader r(payload);
  VoteReply m;
  m.term = r.u64();
  m.granted = r.u32() != 0;
  m.trial = r.u32() != 0;
  m.leader = r.u32();
  m.silent = std::min<uint64_t>(r.u64(), std::numeric_limits<int64_t>::max());
  return checked(r, m);
}

Bytes Heartbeat::encode() const {
  Bytes out;
  out.reserve(kUsualBytes);
  Writer w(out);
  w.u64(term);
  w.u64(sequence);
  w.u64(acked);
  w.u64(late);
  w.u32(wanted ? 1 : 0);
  put_state(w, state);
  put_left_out(w, left_out);
  return out;
}
std::optional<Heartbeat> Heartbeat::decode(ByteView payload) {
  Reader r(payload);
  Heartbeat m;
  m.term = r.u64();
  m.sequence = r.u64();
  m.acked = r.u64();
  m.late = std::min<uint64_t>(r.u64(), std::numeric_limits<int64_t>::max());
  m.wanted = r.u32() != 0;
  m.state = take_state(r);
  m.left_out = take_left_out(r);
  return checked(r, m);
}

Bytes HeartbeatReply::encode() const {
  Bytes out;
  out.reserve(kUsualBytes);
  Writer w(out);
  w.u64(term);
  w.u64(sequence);
  w.u32(flags);
  w.u32(capabilities);
  w.u32(store_up ? 1 : 0);
  w.u64(store_instance);
  w.u32(open_generation);
  w.u32(prepared_generation);
  put_pnns(w, reachable);
  for (size_t i = 0; i < reachable.size(); ++i) w.u64(i < sessions.size() ? sessions[i] : 0);
  w.u32(wants_recovery ? 1 : 0);
  w.u32(decided_generation);
  w.u32(begun_generation);
  w.u32(serving ? 1 : 0);
  w.u32(stopped ? 1 : 0);
  w.u32(open ? 1 : 0);
  return out;
}
std::optional<HeartbeatReply> HeartbeatReply::decode(ByteView payload) {
  Reader r(payload);
  HeartbeatReply m;
  m.term = r.u64();
  m.sequence = r.u64();
  m.flags = r.u32();
  m.capabilities = r.u32();
  m.store_up = r.u32() != 0;
  m.store_instance = r.u64();
  m.open_generation = r.u32();
  m.prepared_generation = r.u32();
  m.reachable = take_pnns(r);
  for (size_t i = 0; i < m.reachable.size(); ++i) m.sessions.push_back(r.u64());
  m.wants_recovery = r.u32() != 0;
  m.decided_generation = r.u32();
  m.begun_generation = r.u32();
  m.serving = r.u32() != 0;
  m.stopped = r.u32() != 0;
  m.open = r.u32() != 0;
  return checked(r, m);
}

}  // namespace ctdb
