// SPDX-License-Identifier: GPL-3.0-or-later
// One TCP connection as a carrier of packets: reads into a FrameReader, writes from LaneBuffers, keeps its epoll
// interest. It knows nothing of HELLO, sessions or peers; tcp_transport.cc does.
//
// Invariants:
//  1. At most one read per event unless the read filled the buffer, then a few; one gathering write per flush().
//  2. EPOLLOUT is asked for only while the socket takes no more.
//  3. After close() no callback comes any more. The owner may close() from inside a callback, but destroys the
//     object later, outside of it.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_TCP_CONNECTION_H_
#define CTDB_ROUTER_TRANSPORT_TCP_TCP_CONNECTION_H_

#include <memory>
#include <string>

#include "ctdb-router/transport/byte_stream.h"
#include "ctdb-router/transport/tcp/lane_buffers.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/wire/frame_reader.h"

namespace ctdb {

class TcpConnection {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_connected(TcpConnection& connection) = 0;
    virtual void on_connection_packet(TcpConnection& connection, MutableBytes packet) = 0;
    // The stream ended, failed, or carried something that is no packet.
    virtual void on_broken(TcpConnection& connection, const std::string& why) = 0;
  };

  TcpConnection(EventLoop& loop, std::unique_ptr<ByteStream> stream, Owner& owner);
  ~TcpConnection() { close(); }
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  // Begins to watch. `connecting`: on_connected comes first.
  Result<void> start(bool connecting);
  // Until this is called the peer may send packets of at most kHelloBytesMax.
  void accept_all() {
    approved_ = true;
    reader_.set_packet_bytes_max(kPacketBytesMax);
  }

  void add(Lane lane, ByteView packet) { out_.add(lane, packet); }
  // Writes once. on_broken is called if the stream failed.
  void flush();
  size_t queued_bytes() const { return out_.size(); }
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
  bool watched_ = false;
  bool connecting_ = false;
  bool approved_ = false;
  bool write_wanted_ = false;
  bool received_ = false;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_TCP_CONNECTION_H_
