// SPDX-License-Identifier: LGPL-3.0-or-later
// Connections of clients on the classic unix stream socket (wire-protocol §1.4): reads packets, queues and writes them,
// keeps the limits. Both the router and the store have one of these; which of them has a connection may change between two
// packets (release() and add()).
//
// Invariants:
//  1. One read (a few when it fills the buffer) and one write per connection and turn.
//  2. A client that breaks framing, or does not read until kClientSendQueueBytesMax wait for it, is cut and counted;
//     nobody else notices.
//  3. A connection never disappears inside send(), close() or a callback of Owner: it is marked and removed later in the
//     loop, or after the last callback of an event.
#ifndef LIBCTDBIPC_RUNTIME_CLASSIC_CONNECTIONS_H_
#define LIBCTDBIPC_RUNTIME_CLASSIC_CONNECTIONS_H_

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/half_packets.h"
#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/wire/frame_reader.h"

namespace ctdb {

class ClassicConnections {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Something is about to be read or written because the socket is ready.
    virtual void on_connection_ready(uint32_t id) = 0;
    // `packet` passed check_header; it may be changed in place. May not release() this connection.
    virtual void on_connection_packet(uint32_t id, MutableBytes packet) = 0;
    // It ended, or was cut (and said so in the log). It is closed and forgotten already.
    virtual void on_connection_gone(uint32_t id, bool cut) = 0;
  };

  ClassicConnections(EventLoop& loop, Owner& owner) : loop_(loop), owner_(owner) {}
  ~ClassicConnections();
  ClassicConnections(const ClassicConnections&) = delete;
  ClassicConnections& operator=(const ClassicConnections&) = delete;

  // A connected, non-blocking socket. Errors: kSystem (it cannot be watched; it is closed).
  Result<void> add(uint32_t id, UniqueFd socket);
  // Queues whole packets for flush(). false: there is no such connection.
  bool send(uint32_t id, ByteView packets);
  void flush();
  // Bytes that wait to be written; 0 for ids of others.
  size_t queued_bytes(uint32_t id) const;
  // Cuts; ids of others are ignored.
  void close(uint32_t id, const char* why);
  // Stops and resumes reading from all; sending goes on.
  void pause(bool paused);

  // Nothing is half read, nothing waits to be written, and it is not about to be removed.
  bool between_packets(uint32_t id) const;
  // What it is in the middle of, until it is next read, written or sent to. nullopt: it is not there, or about to be removed.
  std::optional<Unfinished> unfinished(uint32_t id) const;
  // Right after add(): this was read and has been no whole packet yet, and this is still to be written.
  void go_on(uint32_t id, ByteView in, ByteView out);
  // Its socket; -1 for ids of others.
  int descriptor(uint32_t id) const;
  // Gives the socket away; the connection must be between packets. Owner is not told.
  UniqueFd release(uint32_t id);
  // Closes all; Owner is not told.
  void drop_all();

  size_t size() const { return connections_.size(); }
  uint64_t cut() const { return cut_; }
  // Packets that were skipped because they are none (FrameReader).
  uint64_t skipped() const { return skipped_; }

 private:
  struct Connection {
    Connection(uint32_t number, UniqueFd descriptor);
    const uint32_t id;
    UniqueFd fd;
    FrameReader reader;
    uint64_t skipped_seen = 0;
    Bytes out;
    size_t out_at = 0;     // written up to here
    uint64_t written = 0;  // in all
    bool dirty = false;
    bool write_wanted = false;
    bool doomed = false;
  };

  void on_event(uint32_t id, uint32_t events);
  void read_some(Connection& connection);
  bool deliver(Connection& connection);
  void write_some(Connection& connection);
  void set_interest(Connection& connection);
  void doom(Connection& connection, const char* why);
  void bury();
  void remove(uint32_t id);

  EventLoop& loop_;
  Owner& owner_;
  std::unordered_map<uint32_t, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<uint32_t> doomed_;
  EventLoop::TimerId burial_ = 0;
  bool paused_ = false;
  uint64_t cut_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_CLASSIC_CONNECTIONS_H_
