// SPDX-License-Identifier: LGPL-3.0-or-later
// Splits a byte stream into packets. Bytes are received straight into its buffer and packets are handed out
// as views into it, so one read() yields many packets without a copy. The buffer never grows before a length
// has been checked, never beyond twice what has arrived, and never beyond one packet of kPacketBytesMax and a
// read.
#ifndef LIBCTDBIPC_WIRE_FRAME_READER_H_
#define LIBCTDBIPC_WIRE_FRAME_READER_H_

#include <cstddef>
#include <cstdint>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

class FrameReader {
 public:
  // kClient: wire-protocol §1.4, what the classic daemon accepts of local clients: length 0 or too large ends
  // the connection; 4..31, wrong magic or version is skipped and counted; unaligned lengths are normal.
  // kLink: every one of these is a fault (§1.3).
  enum class Policy : uint8_t { kClient, kLink };
  explicit FrameReader(Policy policy, size_t packet_bytes_max);

  // Room for the next read(), at least 4 KiB.
  MutableBytes room();
  void received(size_t bytes);

  enum class Next : uint8_t { kPacket, kMore, kFault };
  // The next whole packet; the view stays valid until room() is called. kFault is final, fault() says why.
  Next next(MutableBytes& packet);
  const char* fault() const { return fault_; }
  uint64_t skipped() const { return skipped_; }
  // No part of a packet waits for the rest.
  bool empty() const { return begin_ == end_; }
  // That part, until room() is called; and the position in the stream where it begins.
  ByteView unfinished() const { return ByteView(buffer_).subspan(begin_, end_ - begin_); }
  uint64_t position() const { return position_; }
  // As if these had been received.
  void put(ByteView bytes);
  void set_packet_bytes_max(size_t bytes) { packet_bytes_max_ = bytes; }

 private:
  Next refuse(const char* why);

  Policy policy_;
  size_t packet_bytes_max_;
  Bytes buffer_;
  size_t read_bytes_ = 4096;
  size_t begin_ = 0;  // first byte not handed out
  size_t end_ = 0;    // bytes received
  uint64_t position_ = 0;
  uint64_t skipped_ = 0;
  const char* fault_ = "";
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_FRAME_READER_H_
