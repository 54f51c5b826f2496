// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/packet.h"

#include <algorithm>

namespace ctdb {
namespace {

// a + b + c, or nothing that could overflow: each is at most 2^32-1, the sum is done in 64 bits.
bool fits(size_t packet_size, size_t fixed, uint64_t first, uint64_t second = 0) {
  return packet_size >= fixed && first + second <= packet_size - fixed;
}

void start(Bytes& out, Header header, Operation operation, size_t fixed, size_t variable) {
  const size_t minimum = (fixed + 8) & ~size_t{7};  // sizeof the C structure with its 1-byte placeholder
  const size_t length = std::max(minimum, (fixed + variable + 7) & ~size_t{7});
  out.assign(length, 0);
  uint8_t* at = out.data();
  store(at + CTDB_OFF_LENGTH, static_cast<uint32_t>(length));
  store(at + CTDB_OFF_MAGIC, uint32_t{CTDB_MAGIC});
  store(at + CTDB_OFF_VERSION, uint32_t{CTDB_PROTOCOL_VERSION});
  store(at + CTDB_OFF_GENERATION, header.generation);
  store(at + CTDB_OFF_OPERATION, static_cast<uint32_t>(operation));
  store(at + CTDB_OFF_DESTNODE, header.destnode);
  store(at + CTDB_OFF_SRCNODE, header.srcnode);
  store(at + CTDB_OFF_REQID, header.reqid);
}

void put(Bytes& out, size_t at, ByteView bytes) {
  if (!bytes.empty()) std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

uint32_t size32(ByteView bytes) {
  return static_cast<uint32_t>(bytes.size());
}

// The record flags directly after key and data; taken only when they are inside the packet (§4.3).
uint32_t trailing_flags(ByteView packet, size_t fixed, size_t variable) {
  if (fixed + variable + 4 > packet.size()) return 0;
  return load<uint32_t>(packet.data() + fixed + variable);
}

}  // namespace

HeaderFault check_header(ByteView packet) {
  if (packet.size() < CTDB_HEADER_SIZE) return HeaderFault::kShort;
  if (load<uint32_t>(packet.data() + CTDB_OFF_LENGTH) != packet.size()) return HeaderFault::kLength;
  if (load<uint32_t>(packet.data() + CTDB_OFF_MAGIC) != CTDB_MAGIC) return HeaderFault::kMagic;
  if (load<uint32_t>(packet.data() + CTDB_OFF_VERSION) != CTDB_PROTOCOL_VERSION) return HeaderFault::kVersion;
  return HeaderFault::kNone;
}

Header read_header(ByteView packet) {
  const uint8_t* at = packet.data();
  return {load<uint32_t>(at + CTDB_OFF_LENGTH),    load<uint32_t>(at + CTDB_OFF_GENERATION),
          load<uint32_t>(at + CTDB_OFF_OPERATION), load<uint32_t>(at + CTDB_OFF_DESTNODE),
          load<uint32_t>(at + CTDB_OFF_SRCNODE),   load<uint32_t>(at + CTDB_OFF_REQID)};
}

std::optional<RecordHeader> read_record_header(ByteView value) {
  if (value.size() < CTDB_RECORD_HEADER_SIZE) return std::nullopt;
  return RecordHeader{load<uint64_t>(value.data()), load<uint32_t>(value.data() + 8),
                      load<uint32_t>(value.data() + 16)};
}

void append_record_header(Bytes& out, const RecordHeader& header) {
  const size_t at = out.size();
  out.resize(at + CTDB_RECORD_HEADER_SIZE);
  store(out.data() + at, header.rsn);
  store(out.data() + at + 8, header.dmaster);
  store(out.data() + at + 16, header.flags);
}

std::optional<ReqCall> parse_req_call(ByteView packet) {
  if (packet.size() < CTDB_REQ_CALL_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t key = load<uint32_t>(at + 48);
  const uint32_t data = load<uint32_t>(at + 52);
  if (!fits(packet.size(), CTDB_REQ_CALL_FIXED, key, data)) return std::nullopt;
  return ReqCall{load<uint32_t>(at + 32),
                 load<uint32_t>(at + 36),
                 load<uint32_t>(at + 40),
                 load<uint32_t>(at + 44),
                 packet.subspan(CTDB_REQ_CALL_FIXED, key),
                 packet.subspan(CTDB_REQ_CALL_FIXED + key, data)};
}

std::optional<ReplyCall> parse_reply_call(ByteView packet) {
  if (packet.size() < CTDB_REPLY_CALL_FIXED) return std::nullopt;
  const uint32_t data = load<uint32_t>(packet.data() + 36);
  if (!fits(packet.size(), CTDB_REPLY_CALL_FIXED, data)) return std::nullopt;
  return ReplyCall{load<int32_t>(packet.data() + 32), packet.subspan(CTDB_REPLY_CALL_FIXED, data)};
}

std::optional<ReqDmaster> parse_req_dmaster(ByteView packet) {
  if (packet.size() < CTDB_REQ_DMASTER_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t key = load<uint32_t>(at + 52);
  const uint32_t data = load<uint32_t>(at + 56);
  if (!fits(packet.size(), CTDB_REQ_DMASTER_FIXED, key, data)) return std::nullopt;
  return ReqDmaster{load<uint32_t>(at + 32),
                    load<uint64_t>(at + 40),
                    load<uint32_t>(at + 48),
                    trailing_flags(packet, CTDB_REQ_DMASTER_FIXED, size_t{key} + data),
                    packet.subspan(CTDB_REQ_DMASTER_FIXED, key),
                    packet.subspan(CTDB_REQ_DMASTER_FIXED + key, data)};
}

std::optional<ReplyDmaster> parse_reply_dmaster(ByteView packet) {
  if (packet.size() < CTDB_REPLY_DMASTER_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t key = load<uint32_t>(at + 48);
  const uint32_t data = load<uint32_t>(at + 52);
  if (!fits(packet.size(), CTDB_REPLY_DMASTER_FIXED, key, data)) return std::nullopt;
  return ReplyDmaster{load<uint32_t>(at + 32), load<uint64_t>(at + 40),
                      trailing_flags(packet, CTDB_REPLY_DMASTER_FIXED, size_t{key} + data),
                      packet.subspan(CTDB_REPLY_DMASTER_FIXED, key),
                      packet.subspan(CTDB_REPLY_DMASTER_FIXED + key, data)};
}

std::optional<ReplyErrorPacket> parse_reply_error(ByteView packet) {
  if (packet.size() < CTDB_REPLY_ERROR_FIXED) return std::nullopt;
  const uint32_t length = load<uint32_t>(packet.data() + 36);
  if (!fits(packet.size(), CTDB_REPLY_ERROR_FIXED, length)) return std::nullopt;
  std::string_view text = as_text(packet.subspan(CTDB_REPLY_ERROR_FIXED, length));
  return ReplyErrorPacket{load<int32_t>(packet.data() + 32), text.substr(0, text.find('\0'))};
}

std::optional<ReqMessage> parse_req_message(ByteView packet) {
  if (packet.size() < CTDB_REQ_MESSAGE_FIXED) return std::nullopt;
  const uint32_t data = load<uint32_t>(packet.data() + 40);
  if (!fits(packet.size(), CTDB_REQ_MESSAGE_FIXED, data)) return std::nullopt;
  return ReqMessage{load<uint64_t>(packet.data() + 32), packet.subspan(CTDB_REQ_MESSAGE_FIXED, data)};
}

std::optional<ReqControl> parse_req_control(ByteView packet) {
  if (packet.size() < CTDB_REQ_CONTROL_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t data = load<uint32_t>(at + 56);
  if (!fits(packet.size(), CTDB_REQ_CONTROL_FIXED, data)) return std::nullopt;
  return ReqControl{load<uint32_t>(at + 32), load<uint64_t>(at + 40), load<uint32_t>(at + 48),
                    load<uint32_t>(at + 52), packet.subspan(CTDB_REQ_CONTROL_FIXED, data)};
}

std::optional<ReplyControl> parse_reply_control(ByteView packet) {
  if (packet.size() < CTDB_REPLY_CONTROL_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t data = load<uint32_t>(at + 36);
  const uint32_t error = load<uint32_t>(at + 40);
  if (!fits(packet.size(), CTDB_REPLY_CONTROL_FIXED, data, error)) return std::nullopt;
  return ReplyControl{load<int32_t>(at + 32), packet.subspan(CTDB_REPLY_CONTROL_FIXED, data),
                      as_text(packet.subspan(CTDB_REPLY_CONTROL_FIXED + data, error))};
}

std::optional<ReqTunnel> parse_req_tunnel(ByteView packet) {
  if (packet.size() < CTDB_REQ_TUNNEL_FIXED) return std::nullopt;
  const uint8_t* at = packet.data();
  const uint32_t data = load<uint32_t>(at + 44);
  if (!fits(packet.size(), CTDB_REQ_TUNNEL_FIXED, data)) return std::nullopt;
  return ReqTunnel{load<uint64_t>(at + 32), load<uint32_t>(at + 40),
                   packet.subspan(CTDB_REQ_TUNNEL_FIXED, data)};
}

void build(Bytes& out, Header header, const ReqCall& body) {
  start(out, header, Operation::REQ_CALL, CTDB_REQ_CALL_FIXED, body.key.size() + body.data.size());
  uint8_t* at = out.data();
  store(at + 32, body.flags);
  store(at + 36, body.db_id);
  store(at + 40, body.callid);
  store(at + 44, body.hopcount);
  store(at + 48, size32(body.key));
  store(at + 52, size32(body.data));
  put(out, CTDB_REQ_CALL_FIXED, body.key);
  put(out, CTDB_REQ_CALL_FIXED + body.key.size(), body.data);
}

void build(Bytes& out, Header header, const ReplyCall& body) {
  start(out, header, Operation::REPLY_CALL, CTDB_REPLY_CALL_FIXED, body.data.size());
  store(out.data() + 32, body.status);
  store(out.data() + 36, size32(body.data));
  put(out, CTDB_REPLY_CALL_FIXED, body.data);
}

void build(Bytes& out, Header header, const ReqDmaster& body) {
  const size_t variable = body.key.size() + body.data.size();
  start(out, header, Operation::REQ_DMASTER, CTDB_REQ_DMASTER_FIXED, variable + 4);
  uint8_t* at = out.data();
  store(at + 32, body.db_id);
  store(at + 40, body.rsn);
  store(at + 48, body.dmaster);
  store(at + 52, size32(body.key));
  store(at + 56, size32(body.data));
  put(out, CTDB_REQ_DMASTER_FIXED, body.key);
  put(out, CTDB_REQ_DMASTER_FIXED + body.key.size(), body.data);
  store(at + CTDB_REQ_DMASTER_FIXED + variable, body.record_flags);
}

void build(Bytes& out, Header header, const ReplyDmaster& body) {
  const size_t variable = body.key.size() + body.data.size();
  start(out, header, Operation::REPLY_DMASTER, CTDB_REPLY_DMASTER_FIXED, variable + 4);
  uint8_t* at = out.data();
  store(at + 32, body.db_id);
  store(at + 40, body.rsn);
  store(at + 48, size32(body.key));
  store(at + 52, size32(body.data));
  put(out, CTDB_REPLY_DMASTER_FIXED, body.key);
  put(out, CTDB_REPLY_DMASTER_FIXED + body.key.size(), body.data);
  store(at + CTDB_REPLY_DMASTER_FIXED + variable, body.record_flags);
}

void build(Bytes& out, Header header, const ReplyErrorPacket& body) {
  start(out, header, Operation::REPLY_ERROR, CTDB_REPLY_ERROR_FIXED, body.text.size() + 1);
  store(out.data() + 32, body.status);
  store(out.data() + 36, static_cast<uint32_t>(body.text.size() + 1));
  put(out, CTDB_REPLY_ERROR_FIXED, as_bytes(body.text));
}

void build(Bytes& out, Header header, const ReqMessage& body) {
  start(out, header, Operation::REQ_MESSAGE, CTDB_REQ_MESSAGE_FIXED, body.data.size());
  store(out.data() + 32, body.srvid);
  store(out.data() + 40, size32(body.data));
  put(out, CTDB_REQ_MESSAGE_FIXED, body.data);
}

void build(Bytes& out, Header header, const ReqControl& body) {
  start(out, header, Operation::REQ_CONTROL, CTDB_REQ_CONTROL_FIXED, body.data.size());
  uint8_t* at = out.data();
  store(at + 32, body.opcode);
  store(at + 40, body.srvid);
  store(at + 48, body.client_id);
  store(at + 52, body.flags);
  store(at + 56, size32(body.data));
  put(out, CTDB_REQ_CONTROL_FIXED, body.data);
}

void build(Bytes& out, Header header, const ReplyControl& body) {
  start(out, header, Operation::REPLY_CONTROL, CTDB_REPLY_CONTROL_FIXED,
        body.data.size() + body.error.size());
  uint8_t* at = out.data();
  store(at + 32, body.status);
  store(at + 36, size32(body.data));
  store(at + 40, static_cast<uint32_t>(body.error.size()));
  put(out, CTDB_REPLY_CONTROL_FIXED, body.data);
  put(out, CTDB_REPLY_CONTROL_FIXED + body.data.size(), as_bytes(body.error));
}

void build(Bytes& out, Header header, const ReqTunnel& body) {
  start(out, header, Operation::REQ_TUNNEL, CTDB_REQ_TUNNEL_FIXED, body.data.size());
  uint8_t* at = out.data();
  store(at + 32, body.tunnel_id);
  store(at + 40, body.flags);
  store(at + 44, size32(body.data));
  put(out, CTDB_REQ_TUNNEL_FIXED, body.data);
}

void build_own(Bytes& out, Header header, ByteView payload) {
  start(out, header, static_cast<Operation>(header.operation), CTDB_HEADER_SIZE, payload.size());
  put(out, CTDB_HEADER_SIZE, payload);
}

bool source_fits(ByteView packet, const Header& header, uint32_t peer, uint32_t self) {
  if (header.destnode != self) return false;
  if (header.srcnode == peer) return true;
  if (header.operation != static_cast<uint32_t>(Operation::REQ_CALL)) return false;
  const std::optional<ReqCall> call = parse_req_call(packet);
  return call && call->hopcount > 0;
}

}  // namespace ctdb
