// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/capture.h"

#include <algorithm>

#include "libctdbipc/wire/databases_named.h"
#include "libctdbipc/wire/operations.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kMagic = 0x32414343;  // "CCA2"
constexpr uint32_t kRedact = 1, kNode = 2, kDatabase = 4, kOperation = 8;
constexpr size_t kRecordHeaderBytes = 48;
constexpr int64_t kSecondNs = 1000000000;

size_t fixed_part(uint32_t operation) {
  switch (static_cast<Operation>(operation)) {
    case Operation::REQ_CALL:
      return CTDB_REQ_CALL_FIXED;
    case Operation::REPLY_CALL:
      return CTDB_REPLY_CALL_FIXED;
    case Operation::REQ_DMASTER:
      return CTDB_REQ_DMASTER_FIXED;
    case Operation::REPLY_DMASTER:
      return CTDB_REPLY_DMASTER_FIXED;
    case Operation::REPLY_ERROR:
      return CTDB_REPLY_ERROR_FIXED;
    case Operation::REQ_MESSAGE:
      return CTDB_REQ_MESSAGE_FIXED;
    case Operation::REQ_CONTROL:
      return CTDB_REQ_CONTROL_FIXED;
    case Operation::REPLY_CONTROL:
      return CTDB_REPLY_CONTROL_FIXED;
    case Operation::REQ_TUNNEL:
      return CTDB_REQ_TUNNEL_FIXED;
    case Operation::REQ_KEEPALIVE:
      return CTDB_REQ_KEEPALIVE_FIXED;
    default:
      return CTDB_HEADER_SIZE;
  }
}

// Everything behind the fixed part, except in our own operations that hold neither keys nor data nor secrets.
void redact(MutableBytes packet, uint32_t operation) {
  constexpr uint32_t kFirstOwn = static_cast<uint32_t>(Operation::LINK_STATE);
  constexpr uint32_t kFirstRecord = static_cast<uint32_t>(Operation::RECORD_DATABASES);
  if (operation >= kFirstOwn && operation < kFirstRecord) return;
  const size_t from = std::min(fixed_part(operation), packet.size());
  std::fill(packet.begin() + static_cast<ptrdiff_t>(from), packet.end(), uint8_t{0});
}

}  // namespace

Bytes CaptureOptions::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(kMagic);
  w.u32(snap_bytes);
  w.u32(buffer_bytes);
  w.u32(packets_per_second);
  w.u32((redact ? kRedact : 0) | (node ? kNode : 0) | (db_id ? kDatabase : 0) | (operation ? kOperation : 0));
  w.u32(node.value_or(0));
  w.u32(db_id.value_or(0));
  w.u32(operation.value_or(0));
  w.zeros(4);
  return out;
}

std::optional<CaptureOptions> CaptureOptions::decode(ByteView bytes) {
  Reader r(bytes);
  CaptureOptions o;
  if (r.u32() != kMagic) return std::nullopt;
  o.snap_bytes = r.u32();
  o.buffer_bytes = r.u32();
  o.packets_per_second = r.u32();
  const uint32_t flags = r.u32();
  const uint32_t node = r.u32(), db_id = r.u32(), operation = r.u32();
  r.skip(4);
  o.redact = (flags & kRedact) != 0;
  if ((flags & kNode) != 0) o.node = node;
  if ((flags & kDatabase) != 0) o.db_id = db_id;
  if ((flags & kOperation) != 0) o.operation = operation;
  if (!r.done() || o.buffer_bytes > kCaptureBufferBytesMax || o.snap_bytes < CTDB_HEADER_SIZE)
    return std::nullopt;
  return o;
}

Bytes encode_capture_answer(CaptureAnswer answer, uint32_t pnn) {
  Bytes out;
  Writer w(out);
  w.u32(kMagic);
  w.u32(static_cast<uint32_t>(answer));
  w.u32(pnn);
  return out;
}

std::optional<CaptureAnswer> decode_capture_answer(ByteView bytes, uint32_t& pnn) {
  Reader r(bytes);
  const uint32_t magic = r.u32(), answer = r.u32();
  pnn = r.u32();
  if (!r.done() || magic != kMagic || answer > static_cast<uint32_t>(CaptureAnswer::kTooMany))
    return std::nullopt;
  return static_cast<CaptureAnswer>(answer);
}

std::optional<CapturedPacket> take_captured(ByteView& bytes, bool& broken) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  Reader r(bytes);
  CapturedPacket packet;
  const uint32_t size = r.u32();
  const uint32_t link = r.u32();
  packet.outgoing = r.u32() != 0;
  packet.number = r.u32();
  packet.client = r.u32();
  packet.whole_size = r.u32();
  packet.flags = r.u32();
  r.skip(4);
  packet.wall_ns = r.i64();
  packet.dropped = r.u64();
  broken = link >= static_cast<uint32_t>(CaptureLink::kCount) || size > packet.whole_size;
  if (broken || bytes.size() < kRecordHeaderBytes + size) return std::nullopt;
  packet.link = static_cast<CaptureLink>(link);
  packet.bytes = r.bytes(size);
  bytes = bytes.subspan(kRecordHeaderBytes + size);
  return packet;
}

bool CaptureBuffer::wanted(const CapturedPacket& seen) const {
  const bool filtered = options_.operation || options_.db_id || options_.node;
  if (seen.bytes.size() < CTDB_HEADER_SIZE) return seen.flags != 0 && !filtered;
  const Header header = read_header(seen.bytes);
  if (options_.operation && header.operation != *options_.operation) return false;
  if (options_.db_id && !names_database(seen.bytes, *options_.db_id)) return false;
  if (!options_.node) return true;
  const bool over_link = seen.link == CaptureLink::kLink || seen.link == CaptureLink::kRecordStream ||
                         seen.link == CaptureLink::kVerbsLink;
  const uint32_t node = *options_.node;
  return header.srcnode == node || header.destnode == node || (over_link && seen.number == node);
}

bool CaptureBuffer::too_fast(int64_t wall_ns) {
  if (options_.packets_per_second == 0) return false;
  if (wall_ns / kSecondNs != second_) second_ = wall_ns / kSecondNs, in_second_ = 0;
  return ++in_second_ > options_.packets_per_second;
}

void CaptureBuffer::offer(CapturedPacket seen) {
  if (!wanted(seen)) return;
  const size_t size = std::min<size_t>(seen.bytes.size(), options_.snap_bytes);
  if (too_fast(seen.wall_ns) || unsent().size() + kRecordHeaderBytes + size > options_.buffer_bytes) {
    ++dropped_;
    return;
  }
  if (sent_ > options_.buffer_bytes) sent(0);
  write(seen, size);
  if (options_.redact && seen.bytes.size() >= CTDB_HEADER_SIZE)
    redact(MutableBytes(bytes_).last(size), read_header(seen.bytes).operation);
  ++copied_;
}

void CaptureBuffer::end() {
  if (told_ != dropped_) write({}, 0);
}

void CaptureBuffer::write(const CapturedPacket& seen, size_t size) {
  Writer w(bytes_);
  w.u32(static_cast<uint32_t>(size));
  w.u32(static_cast<uint32_t>(seen.link));
  w.u32(seen.outgoing ? 1 : 0);
  w.u32(seen.number);
  w.u32(seen.client);
  w.u32(std::max(seen.whole_size, static_cast<uint32_t>(seen.bytes.size())));
  w.u32(seen.flags);
  w.zeros(4);
  w.i64(seen.wall_ns);
  w.u64(dropped_);
  w.bytes(seen.bytes.first(size));
  told_ = dropped_;
}

// Room is made when all is sent, or when as much as may wait has been.
void CaptureBuffer::sent(size_t size) {
  sent_ += size;
  if (sent_ == bytes_.size()) {
    bytes_.clear();
    sent_ = 0;
  } else if (sent_ > options_.buffer_bytes) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(sent_));
    sent_ = 0;
  }
}

}  // namespace ctdb
