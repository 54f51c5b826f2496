// SPDX-License-Identifier: LGPL-3.0-or-later
// One stream connection as a carrier of packets: reads into a FrameReader, writes from LaneBuffers, keeps its epoll
// interest. It knows nothing of HELLO, sessions or peers. Used by the router for links and by the store for record streams.
//
// Invariants:
//  1. At most one read per event unless the read filled the buffer, then a few; one gathering write per flush().
//  2. EPOLLOUT is asked for only while the socket takes no more.
//  3. After close() no callback comes any more. The owner may close() from inside a callback, but destroys the
//     object later, outside of it.
#ifndef LIBCTDBIPC_RUNTIME_PACKET_STREAM_H_
#define LIBCTDBIPC_RUNTIME_PACKET_STREAM_H_

#include <limits>
#include <memory>
#include <string>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/byte_stream.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/lane_buffers.h"
#include "libctdbipc/wire/frame_reader.h"

namespace ctdb {

class PacketStream {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_connected(PacketStream& connection) = 0;
    virtual void on_connection_packet(PacketStream& connection, MutableBytes packet) = 0;
    // The stream ended, failed, or carried something that is no packet.
    virtual void on_broken(PacketStream& connection, const std::string& why) = 0;
  };

  PacketStream(EventLoop& loop, std::unique_ptr<ByteStream> stream, Owner& owner);
  ~PacketStream() { close(); }
  PacketStream(const PacketStream&) = delete;
  PacketStream& operator=(const PacketStream&) = delete;

  // Begins to watch. `connecting`: on_connected comes first.
  Result<void> start(bool connecting);
  // Until this is called the peer may send packets of at most kHelloBytesMax.
  void accept_all() {
    approved_ = true;
    reader_.set_packet_bytes_max(kPacketBytesMax);
  }

  // Never reads more than this many bytes in all: what follows is for whoever gets the descriptor next.
  void read_at_most(size_t bytes) { readable_bytes_ = bytes; }
  // Stops watching and gives the descriptor away; nothing may be queued. The stream is closed afterwards.
  UniqueFd release();

  void add(Lane lane, ByteView packet) { out_.add(lane, packet); }
  // Writes once. on_broken is called if the stream failed.
  void flush();
  size_t queued_bytes() const { return out_.size(); }
  // The packets of one lane that have not been written to their end; also after close().
  template <typename Visit>
  void for_each_unwritten(Lane lane, Visit visit) const {
    out_.for_each(lane, visit);
  }
  // Bytes came since the last time this was asked.
  bool take_received() { return std::exchange(received_, false); }

  bool open() const { return stream_ != nullptr; }
  void close();

 private:
  void on_event(uint32_t events);
  void finish_connecting();
  void read_some();
  void deliver();
  void break_off(const std::string& why);
  void want_write(bool wanted);

  EventLoop& loop_;
  std::unique_ptr<ByteStream> stream_;
  Owner& owner_;
  FrameReader reader_;
  LaneBuffers out_;
  size_t readable_bytes_ = std::numeric_limits<size_t>::max();
  bool watched_ = false;
  bool connecting_ = false;
  bool approved_ = false;
  bool write_wanted_ = false;
  bool received_ = false;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_PACKET_STREAM_H_
