// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages about the nodes file.
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/printable.h"
#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

constexpr size_t kAddressBytesMax = 64;  // one of the longest kind has 45

constexpr size_t kQuorumRuleBytesMax = 4200;  // it may name a path

std::string text_of(Reader& reader, size_t bytes_max) {
  const ByteView bytes = reader.counted_bytes();
  if (bytes.size() > bytes_max) reader.fail();
  return std::string(as_text(bytes));
}

std::string address_of(Reader& reader) {
  return text_of(reader, kAddressBytesMax);
}

}  // namespace

Bytes NodeListMessage::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(asks ? 1 : 0);
  w.u32(open ? 1 : 0);
  w.u32(decided_generation);
  w.counted_bytes(as_bytes(quorum_rule));
  w.u32(static_cast<uint32_t>(nodes.size()));
  for (const NodeEntry& node : nodes) {
    w.u32(node.witness ? 1 : 0);
    w.counted_bytes(as_bytes(node.address));
  }
  return out;
}
std::optional<NodeListMessage> NodeListMessage::decode(ByteView payload) {
  Reader r(payload);
  NodeListMessage m;
  m.asks = r.u32() != 0;
  m.open = r.u32() != 0;
  m.decided_generation = r.u32();
  m.quorum_rule = text_of(r, kQuorumRuleBytesMax);
  if (!is_printable_utf8(as_bytes(m.quorum_rule))) r.fail();  // people read it
  const uint32_t count = r.u32();
  if (count == 0 || count > kNodesMax || count > r.left() / 8) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    const bool witness = r.u32() != 0;
    m.nodes.push_back({address_of(r), witness});
  }
  return checked(r, m);
}

Bytes EditNodes::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(write ? 1 : 0);
  w.u32(add ? 1 : 0);
  w.u32(witness ? 1 : 0);
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
  m.witness = r.u32() != 0;
  m.pnn = r.u32();
  m.digest = r.u64();
  m.address = address_of(r);
  if (m.pnn >= kNodesMax) r.fail();
  return checked(r, m);
}

}  // namespace ctdb
