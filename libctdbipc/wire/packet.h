// SPDX-License-Identifier: LGPL-3.0-or-later
// Packets as bytes: the common header, one view per packet type, and builders. Views are loans into the
// packet; parsing checks every inner length against the packet (wire-protocol §1.2: payload sizes never come
// from the packet length) and never asserts.
#ifndef LIBCTDBIPC_WIRE_PACKET_H_
#define LIBCTDBIPC_WIRE_PACKET_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/layout.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb {

struct Header {
  uint32_t length = 0;  // filled by the builders
  uint32_t generation = 0;
  uint32_t operation = 0;
  uint32_t destnode = 0;
  uint32_t srcnode = 0;
  uint32_t reqid = 0;
};

// Why a packet's first 32 bytes are not acceptable.
enum class HeaderFault : uint8_t { kNone, kShort, kLength, kMagic, kVersion };

// Checks magic, version and that the length field equals packet.size(). Alignment is the caller's rule.
HeaderFault check_header(ByteView packet);
// Reads the header of a packet that passed check_header.
Header read_header(ByteView packet);

// In-place changes a router makes on the way through; the packet passed check_header.
inline void set_generation(MutableBytes packet, uint32_t value) {
  store(packet.data() + CTDB_OFF_GENERATION, value);
}
inline void set_destnode(MutableBytes packet, uint32_t value) {
  store(packet.data() + CTDB_OFF_DESTNODE, value);
}
inline void set_srcnode(MutableBytes packet, uint32_t value) {
  store(packet.data() + CTDB_OFF_SRCNODE, value);
}
inline void set_reqid(MutableBytes packet, uint32_t value) {
  store(packet.data() + CTDB_OFF_REQID, value);
}

struct RecordHeader {
  uint64_t rsn = 0;
  uint32_t dmaster = CTDB_UNKNOWN_PNN;
  uint32_t flags = 0;
};
// The 24 bytes in front of every stored value (wire-protocol §5). nullopt when `value` is shorter.
std::optional<RecordHeader> read_record_header(ByteView value);
void append_record_header(Bytes& out, const RecordHeader& header);

struct ReqCall {
  uint32_t flags = 0, db_id = 0, callid = 0, hopcount = 0;
  ByteView key, data;
};
struct ReplyCall {
  int32_t status = 0;
  ByteView data;
};
struct ReqDmaster {
  uint32_t db_id = 0;
  uint64_t rsn = 0;
  uint32_t dmaster = 0;
  uint32_t record_flags = 0;  // the trailing unaligned word; 0 when absent
  ByteView key, data;
};
struct ReplyDmaster {
  uint32_t db_id = 0;
  uint64_t rsn = 0;
  uint32_t record_flags = 0;
  ByteView key, data;
};
struct ReplyErrorPacket {
  int32_t status = 0;
  std::string_view text;  // without NUL
};
struct ReqMessage {
  uint64_t srvid = 0;
  ByteView data;
};
struct ReqControl {
  uint32_t opcode = 0;
  uint64_t srvid = 0;
  uint32_t client_id = 0;
  uint32_t flags = 0;
  ByteView data;
};
struct ReplyControl {
  int32_t status = 0;
  ByteView data;
  std::string_view error;
};
struct ReqTunnel {
  uint64_t tunnel_id = 0;
  uint32_t flags = 0;
  ByteView data;
};

// nullopt: inner lengths do not fit the packet. The packet passed check_header.
std::optional<ReqCall> parse_req_call(ByteView packet);
std::optional<ReplyCall> parse_reply_call(ByteView packet);
std::optional<ReqDmaster> parse_req_dmaster(ByteView packet);
std::optional<ReplyDmaster> parse_reply_dmaster(ByteView packet);
std::optional<ReplyErrorPacket> parse_reply_error(ByteView packet);
std::optional<ReqMessage> parse_req_message(ByteView packet);
std::optional<ReqControl> parse_req_control(ByteView packet);
std::optional<ReplyControl> parse_reply_control(ByteView packet);
std::optional<ReqTunnel> parse_req_tunnel(ByteView packet);

// Whether a packet that came from node `peer` may claim its source: the peer itself, or, for a redirected REQ_CALL,
// the node that first asked (ARCHITECTURE.md §3); and it must be for `self`.
bool source_fits(ByteView packet, const Header& header, uint32_t peer, uint32_t self);

// Builders: replace the contents of `out` (its capacity is kept, so a reused buffer does not allocate) with a
// whole packet, padded with zeros to a multiple of 8 and to the minimum length a daemon sends (§1.2).
// header.operation and header.length are set by the builder.
void build(Bytes& out, Header header, const ReqCall& body);
void build(Bytes& out, Header header, const ReplyCall& body);
void build(Bytes& out, Header header, const ReqDmaster& body);
void build(Bytes& out, Header header, const ReplyDmaster& body);
void build(Bytes& out, Header header, const ReplyErrorPacket& body);
void build(Bytes& out, Header header, const ReqMessage& body);
void build(Bytes& out, Header header, const ReqControl& body);
void build(Bytes& out, Header header, const ReplyControl& body);
void build(Bytes& out, Header header, const ReqTunnel& body);
// An operation of ours: header, then `payload` as it is. header.operation must be set.
void build_own(Bytes& out, Header header, ByteView payload);
// The bytes after the 32-byte header of a packet that passed check_header (padding included).
inline ByteView own_payload(ByteView packet) {
  return packet.subspan(CTDB_HEADER_SIZE);
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_PACKET_H_
