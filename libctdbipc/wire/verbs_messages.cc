// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/verbs_messages.h"

#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_codec.h"

namespace ctdb {

Bytes QueuePair::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(attempt);
  for (const uint32_t value : {number, first_psn, lid, mtu, window, chunk_bytes}) w.u32(value);
  w.bytes(gid);
  return out;
}
std::optional<QueuePair> QueuePair::decode(ByteView payload) {
  Reader r(payload);
  QueuePair m;
  m.attempt = r.u64();
  for (uint32_t* value : {&m.number, &m.first_psn, &m.lid, &m.mtu, &m.window, &m.chunk_bytes})
    *value = r.u32();
  const ByteView gid = r.bytes(m.gid.size());
  std::copy(gid.begin(), gid.end(), m.gid.begin());
  return checked(r, m);
}

Bytes VerbsSwitch::encode() const {
  Bytes out;
  Writer(out).u64(attempt);
  return out;
}
std::optional<VerbsSwitch> VerbsSwitch::decode(ByteView payload) {
  Reader r(payload);
  const VerbsSwitch m{r.u64()};
  return checked(r, m);
}

Bytes VerbsDown::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(attempt);
  w.u64(received);
  w.counted_bytes(as_bytes(reason));
  return out;
}
std::optional<VerbsDown> VerbsDown::decode(ByteView payload) {
  Reader r(payload);
  VerbsDown m;
  m.attempt = r.u64();
  m.received = r.u64();
  m.reason = as_text(r.counted_bytes());
  return checked(r, std::move(m));
}

Bytes LinkReports::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(static_cast<uint32_t>(links.size()));
  for (const LinkReport& link : links) {
    w.u32(link.node);
    w.u32(static_cast<uint32_t>(link.kind));
    w.u64(link.age_ns);
    w.counted_bytes(as_bytes(link.why));
    for (const uint64_t value :
         {link.credits, link.attempts, link.falls, link.tcp_out, link.tcp_in, link.verbs_out, link.verbs_in})
      w.u64(value);
    w.u32(static_cast<uint32_t>(link.round_trips.size()));
    for (const uint64_t count : link.round_trips) w.u64(count);
  }
  return out;
}
std::optional<LinkReports> LinkReports::decode(ByteView payload) {
  Reader r(payload);
  LinkReports m;
  const uint32_t count = r.u32();
  for (uint32_t i = 0; i < count && count <= kNodesMax && r.ok(); ++i) {
    LinkReport link;
    link.node = r.u32();
    const uint32_t kind = r.u32();
    if (kind > static_cast<uint32_t>(LinkKind::kVerbs)) r.fail();
    link.kind = static_cast<LinkKind>(kind);
    link.age_ns = r.u64();
    link.why = as_text(r.counted_bytes());
    for (uint64_t* value : {&link.credits, &link.attempts, &link.falls, &link.tcp_out, &link.tcp_in,
                            &link.verbs_out, &link.verbs_in})
      *value = r.u64();
    const uint32_t classes = r.u32();
    if (classes > kRoundTripClasses) r.fail();
    for (uint32_t c = 0; c < classes && r.ok(); ++c) link.round_trips.push_back(r.u64());
    m.links.push_back(std::move(link));
  }
  if (count > kNodesMax) r.fail();
  return checked(r, std::move(m));
}

}  // namespace ctdb
