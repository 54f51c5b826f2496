// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/pcapng.h"

#include <algorithm>

#include "libctdbipc/wire/reader.h"

namespace ctdb::cli {
namespace {

constexpr uint32_t kSection = 0x0A0D0D0A, kInterface = 1, kPacket = 6, kStatistics = 5;
constexpr uint16_t kUpperPdu = 252;
// Options of blocks.
constexpr uint16_t kEnd = 0, kName = 2, kDescription = 3, kResolution = 9, kFlags = 2, kDropCount = 4;
constexpr uint16_t kReceived = 4, kDropped = 5;
constexpr uint8_t kNanoseconds = 9;
// Tags of the upper PDU's header, in network order.
constexpr uint16_t kDissector = 12, kHeuristic = 13, kSourcePort = 25, kDestinationPort = 26;

void pad(Bytes& out) {
  while (out.size() % 4 != 0) out.push_back(0);
}

void option(Writer& w, Bytes& out, uint16_t code, ByteView value) {
  w.u16(code);
  w.u16(static_cast<uint16_t>(value.size()));
  w.bytes(value);
  pad(out);
}
template <typename T>
void number_option(Writer& w, Bytes& out, uint16_t code, T value) {
  uint8_t bytes[sizeof(T)];
  store(bytes, value);
  option(w, out, code, bytes);
}

// Type, length, body, length again.
void block(Bytes& out, uint32_t type, const Bytes& body) {
  Writer w(out);
  const auto size = static_cast<uint32_t>(body.size() + 12);
  w.u32(type);
  w.u32(size);
  w.bytes(body);
  w.u32(size);
}

void network_u16(Bytes& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void port_tag(Bytes& out, uint16_t tag, uint32_t port) {
  network_u16(out, tag);
  network_u16(out, 4);
  network_u16(out, static_cast<uint16_t>(port >> 16));
  network_u16(out, static_cast<uint16_t>(port));
}

void text_tag(Bytes& out, uint16_t tag, std::string_view text) {
  const size_t size = (text.size() + 3) & ~size_t{3};
  network_u16(out, tag);
  network_u16(out, static_cast<uint16_t>(size));
  out.insert(out.end(), text.begin(), text.end());
  out.resize(out.size() + size - text.size());
}

// Who shall show the packet, and which of the local clients it is of (as a port: Wireshark has fields for those). Wireshark's own
// dissector knows packets; frames about connections only our plugin knows, and it wants to see them as they are in the ring.
Bytes upper_header(const CapturedPacket& captured) {
  Bytes out;
  if (captured.flags == 0)
    text_tag(out, kHeuristic, "ctdb_tcp");
  else
    text_tag(out, kDissector, "ctdbx_ring");
  if (captured.client != 0)
    port_tag(out, captured.outgoing ? kDestinationPort : kSourcePort, captured.client);
  network_u16(out, kEnd);
  network_u16(out, 0);
  if (captured.flags == 0) return out;
  Writer w(out);
  w.u32(captured.whole_size);
  w.u32(captured.client);
  w.u32(captured.flags);
  w.u32(~captured.whole_size);
  return out;
}

void put_time(Writer& w, int64_t wall_ns) {
  w.u32(static_cast<uint32_t>(static_cast<uint64_t>(wall_ns) >> 32));
  w.u32(static_cast<uint32_t>(wall_ns));
}

const char* describe(CaptureLink link) {
  switch (link) {
    case CaptureLink::kLink:
      return "link of the routers";
    case CaptureLink::kVerbsLink:
      return "link of the routers over verbs";
    case CaptureLink::kRecordStream:
      return "record stream of the stores";
    case CaptureLink::kClassicClient:
      return "classic clients";
    case CaptureLink::kNativeClient:
      return "native clients";
    case CaptureLink::kStore:
      return "router and store";
    case CaptureLink::kRecoveryd:
      return "router and recoveryd";
    case CaptureLink::kCount:
      break;
  }
  return "";
}

}  // namespace

PcapngWriter::PcapngWriter(uint32_t pnn) : pnn_(pnn) {
  Bytes body;
  Writer w(body);
  w.u32(0x1A2B3C4D);  // byte order
  w.u16(1);
  w.u16(0);
  w.u64(~uint64_t{0});  // the section's length is not known
  block(bytes_, kSection, body);
}

std::string PcapngWriter::name_of(const Name& name) const {
  std::string here = "node" + std::to_string(pnn_) + "-";
  switch (name.first) {
    case CaptureLink::kLink:
      return here + "link-node" + std::to_string(name.second);
    case CaptureLink::kVerbsLink:
      return here + "verbs-node" + std::to_string(name.second);
    case CaptureLink::kRecordStream:
      return here + "records-node" + std::to_string(name.second);
    case CaptureLink::kClassicClient:
      return here + "classic";
    case CaptureLink::kNativeClient:
      return here + "native";
    case CaptureLink::kStore:
      return here + "store";
    case CaptureLink::kRecoveryd:
      return here + "recoveryd";
    case CaptureLink::kCount:
      break;
  }
  return here;
}

uint32_t PcapngWriter::interface_of(const CapturedPacket& captured) {
  const Name name{captured.link, captured.number};
  const auto [found, is_new] = numbers_.try_emplace(name, static_cast<uint32_t>(interfaces_.size()));
  if (!is_new) return found->second;
  interfaces_.emplace_back();
  Bytes body;
  Writer w(body);
  w.u16(kUpperPdu);
  w.u16(0);
  w.u32(0);  // no limit
  option(w, body, kName, as_bytes(name_of(name)));
  option(w, body, kDescription, as_bytes(std::string_view(describe(captured.link))));
  number_option(w, body, kResolution, kNanoseconds);
  w.u32(kEnd);
  block(bytes_, kInterface, body);
  return found->second;
}

void PcapngWriter::packet(const CapturedPacket& captured, uint64_t newly_dropped) {
  const uint32_t interface = interface_of(captured);
  const Bytes header = upper_header(captured);
  Bytes body;
  Writer w(body);
  w.u32(interface);
  put_time(w, captured.wall_ns);
  w.u32(static_cast<uint32_t>(header.size() + captured.bytes.size()));
  w.u32(static_cast<uint32_t>(header.size()) + captured.whole_size);
  w.bytes(header);
  w.bytes(captured.bytes);
  pad(body);
  number_option<uint32_t>(w, body, kFlags, captured.outgoing ? 2 : 1);
  if (newly_dropped > 0) number_option(w, body, kDropCount, newly_dropped);
  w.u32(kEnd);
  block(bytes_, kPacket, body);
  ++interfaces_[interface].packets;
  interfaces_[interface].dropped += newly_dropped;
  ++packets_;
}

void PcapngWriter::dropped_at_the_end(uint64_t newly_dropped) {
  if (!interfaces_.empty()) interfaces_.back().dropped += newly_dropped;
}

void PcapngWriter::finish(int64_t wall_ns) {
  for (uint32_t i = 0; i < interfaces_.size(); ++i) {
    Bytes body;
    Writer w(body);
    w.u32(i);
    put_time(w, wall_ns);
    number_option(w, body, kReceived, interfaces_[i].packets + interfaces_[i].dropped);
    number_option(w, body, kDropped, interfaces_[i].dropped);
    w.u32(kEnd);
    block(bytes_, kStatistics, body);
  }
}

}  // namespace ctdb::cli
