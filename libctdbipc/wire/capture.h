// SPDX-License-Identifier: LGPL-3.0-or-later
// What a daemon tells a program that captures packets: the request, the answer, and each packet with where it was seen. Pure;
// the socket is runtime/capture_tap.h, files are made by ctdb-cli.
//
// Stream: request (kCaptureRequestBytes) ->, <- answer (kCaptureAnswerBytes), <- records. A program that ends its
// direction gets what was copied until then, and the end.
#ifndef LIBCTDBIPC_WIRE_CAPTURE_H_
#define LIBCTDBIPC_WIRE_CAPTURE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// The daemon's socket for this.
inline std::string capture_socket(const std::string& run_directory, const std::string& daemon) {
  return run_directory + "/" + daemon + ".capture";
}

// Where a packet was seen. `number` is the node of kLink, kRecordStream and kVerbsLink. Files keep the values.
enum class CaptureLink : uint8_t {
  kLink,
  kRecordStream,
  kClassicClient,
  kNativeClient,
  kStore,
  kRecoveryd,
  kVerbsLink,  // a link whose data lane was on verbs; kLink: over TCP
  kCount
};

struct CaptureOptions {
  uint32_t snap_bytes = 262144;  // of each packet
  uint32_t buffer_bytes = 8u << 20;
  uint32_t packets_per_second = 0;  // 0: all
  bool redact = false;              // keys, data and texts become zeros
  std::optional<uint32_t> node;     // sent by it, sent to it, or over the link to it
  std::optional<uint32_t> db_id;    // packets that do not name it (names_database()) are left out
  std::optional<uint32_t> operation;
  Bytes encode() const;
  // nullopt: no request, or one that asks for too much.
  static std::optional<CaptureOptions> decode(ByteView bytes);
};
inline constexpr size_t kCaptureRequestBytes = 36;
inline constexpr uint32_t kCaptureBufferBytesMax = 256u << 20;

enum class CaptureAnswer : uint32_t { kOk = 0, kNotAllowed = 1, kBadRequest = 2, kTooMany = 3 };
Bytes encode_capture_answer(CaptureAnswer answer, uint32_t pnn);
inline constexpr size_t kCaptureAnswerBytes = 12;
// nullopt: no answer of a daemon.
std::optional<CaptureAnswer> decode_capture_answer(ByteView bytes, uint32_t& pnn);

struct CapturedPacket {
  CaptureLink link = CaptureLink::kLink;
  bool outgoing = false;
  uint32_t number = 0;
  uint32_t client = 0;  // the router's id of the local client
  uint32_t flags =
      0;  // of a frame between router and store about a client's connection (ring/connection_states.h); `bytes`:
          // what is in it, a packet or not
  int64_t wall_ns = 0;      // since 1970
  uint64_t dropped = 0;     // until now, of this capture
  uint32_t whole_size = 0;  // of the packet
  ByteView bytes;           // as much as was wanted; a loan
};
// A record without a packet, the last one, tells only `dropped`.
inline bool is_packet(const CapturedPacket& captured) {
  return captured.flags != 0 || captured.whole_size != 0;
}
// Takes the first record off `bytes`; nullopt: it is not there yet, or (`broken`) no record at all.
std::optional<CapturedPacket> take_captured(ByteView& bytes, bool& broken);

// The copies that wait to be written, bounded: what does not fit is counted and left out.
class CaptureBuffer {
 public:
  explicit CaptureBuffer(const CaptureOptions& options) : options_(options) {}
  // `seen.bytes` is the whole packet, or the beginning of one of `seen.whole_size` bytes; dropped is filled in.
  void offer(CapturedPacket seen);
  // Nothing more is offered. What was dropped after the last packet no packet tells: a record without one does.
  void end();
  ByteView unsent() const { return ByteView(bytes_).subspan(sent_); }
  void sent(size_t size);
  uint64_t copied() const { return copied_; }
  uint64_t dropped() const { return dropped_; }

 private:
  bool wanted(const CapturedPacket& seen) const;
  bool too_fast(int64_t wall_ns);
  void write(const CapturedPacket& seen, size_t size);

  const CaptureOptions options_;
  Bytes bytes_;
  size_t sent_ = 0;
  uint64_t copied_ = 0, dropped_ = 0, told_ = 0;
  int64_t second_ = 0;
  uint32_t in_second_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_CAPTURE_H_
