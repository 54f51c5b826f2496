// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages of a router to its peers about their link, and to what is connected on its own node.
#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

Bytes LinkPing::encode() const {
  Bytes out;
  Writer(out).u64(sent_ns);
  return out;
}
std::optional<LinkPing> LinkPing::decode(ByteView payload) {
  Reader r(payload);
  LinkPing m{r.u64()};
  return checked(r, m);
}

Bytes LinkState::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(pnn);
  w.u32(up ? 1 : 0);
  w.u64(session);
  w.u32(gone ? 1 : 0);
  return out;
}
std::optional<LinkState> LinkState::decode(ByteView payload) {
  Reader r(payload);
  LinkState m;
  m.pnn = r.u32();
  m.up = r.u32() != 0;
  m.session = r.u64();
  m.gone = r.u32() != 0;
  return checked(r, m);
}

Bytes DaemonState::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(static_cast<uint32_t>(role));
  w.u32(up ? 1 : 0);
  w.u64(instance);
  return out;
}
std::optional<DaemonState> DaemonState::decode(ByteView payload) {
  Reader r(payload);
  DaemonState m;
  const uint32_t role = r.u32();
  if (role > static_cast<uint32_t>(DaemonRole::kRecoveryd)) r.fail();
  m.role = static_cast<DaemonRole>(role);
  m.up = r.u32() != 0;
  m.instance = r.u64();
  return checked(r, m);
}

Bytes TunablesMessage::encode() const {
  Bytes out;
  Writer w(out);
  for (uint32_t value : values) w.u32(value);
  return out;
}
std::optional<TunablesMessage> TunablesMessage::decode(ByteView payload) {
  Reader r(payload);
  TunablesMessage m;
  for (size_t i = 0; i < kTunables; ++i) m.values.push_back(r.u32());
  return checked(r, m);
}

Bytes MessageFailed::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(static_cast<uint32_t>(reason));
  w.u32(node);
  w.u64(srvid);
  return out;
}
std::optional<MessageFailed> MessageFailed::decode(ByteView payload) {
  Reader r(payload);
  MessageFailed m;
  const uint32_t reason = r.u32();
  m.reason = static_cast<MessageFault>(reason);
  m.node = r.u32();
  m.srvid = r.u64();
  if (reason == 0 || reason > static_cast<uint32_t>(MessageFault::kNobody)) return std::nullopt;
  return checked(r, m);
}

Bytes ClientGone::encode() const {
  Bytes out;
  Writer(out).u32(endpoint);
  return out;
}
std::optional<ClientGone> ClientGone::decode(ByteView payload) {
  Reader r(payload);
  ClientGone m{r.u32()};
  return checked(r, m);
}

}  // namespace ctdb
