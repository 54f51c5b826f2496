// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages about the nodes file.
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

constexpr size_t kAddressBytesMax = 64;  // one of the longest kind has 45

std::string address_of(Reader& reader) {
  const ByteView bytes = reader.counted_bytes();
  if (bytes.size() > kAddressBytesMax) reader.fail();
  return std::string(as_text(bytes));
}

}  // namespace

Bytes NodeListMessage::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(asks ? 1 : 0);
  w.u32(decided_generation);
  w.u32(static_cast<uint32_t>(nodes.size()));
  for (const std::string& address : nodes) w.counted_bytes(as_bytes(address));
  return out;
}
std::optional<NodeListMessage> NodeListMessage::decode(ByteView payload) {
  Reader r(payload);
  NodeListMessage m;
  m.asks = r.u32() != 0;
  m.decided_generation = r.u32();
  const uint32_t count = r.u32();
  if (count == 0 || count > kNodesMax || count > r.left() / 4) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) m.nodes.push_back(address_of(r));
  return checked(r, m);
}

Bytes EditNodes::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(write ? 1 : 0);
  w.u32(add ? 1 : 0);
  w.u32(pnn);
  w.u64(digest);
  w.counted_bytes(as_bytes(address));
  return out;
}
std::optional<EditNodes> EditNodes::decode(ByteView payload) {
  Reader r(payload);
  EditNodes m;
  m.write = r.u32() != 0;
  m.add = r.u32() != 0;
  m.pnn = r.u32();
  m.digest = r.u64();
  m.address = address_of(r);
  if (m.pnn >= kNodesMax) r.fail();
  return checked(r, m);
}

}  // namespace ctdb
