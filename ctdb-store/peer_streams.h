// SPDX-License-Identifier: GPL-3.0-or-later
// Record streams: connected sockets to the stores of other nodes, opened and authenticated by the router and handed to the
// shell (ARCHITECTURE.md §3). Record packets take them and wake no router. The store's own network rights stay none.
//
// Invariants:
//  1. All packets of one generation to one node take the same way, so the order the record protocol relies on is kept: a
//     new stream is used from the next generation on; what an ended stream was to carry is dropped until then, and the
//     router has a recovery made.
//  2. A packet is believed only if its source is the stream's node (or it is a redirected REQ_CALL).
#ifndef CTDB_STORE_PEER_STREAMS_H_
#define CTDB_STORE_PEER_STREAMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libctdbipc/runtime/event_loop.h"
#include "libctdbipc/runtime/packet_stream.h"
#include "libctdbipc/wire/packet.h"

namespace ctdb {

class PeerStreams {
 public:
  struct Handlers {
    std::function<void(uint32_t pnn, MutableBytes packet)> on_packet;
    // A stream has ended by itself; it is gone already.
    std::function<void(uint32_t pnn, const std::string& why)> on_broken;
    // A stream has waited a while and the generation under way does not use it.
    std::function<void(uint32_t pnn)> on_unused;
    std::function<uint32_t()> generation;  // the store's, open or being made
  };
  PeerStreams(EventLoop& loop, uint32_t self, Handlers handlers);
  ~PeerStreams();
  PeerStreams(const PeerStreams&) = delete;
  PeerStreams& operator=(const PeerStreams&) = delete;

  void adopt(uint32_t pnn, UniqueFd socket);
  void drop(uint32_t pnn);
  void drop_all();

  enum class Way : uint8_t {
    kSent,     // queued on the stream; written by flush()
    kRouter,   // there is none for this generation: the router carries it
    kNowhere,  // the stream of this generation has ended: nothing may be sent before the next one
  };
  Way send(uint32_t pnn, ByteView packet);
  void flush();
  std::vector<uint32_t> nodes() const;
  // The largest queue of any stream.
  size_t queued_bytes() const;

 private:
  struct Peer final : PacketStream::Owner {
    Peer(PeerStreams& streams, uint32_t number) : owner(streams), pnn(number) {}
    void on_connected(PacketStream&) override {}
    void on_connection_packet(PacketStream&, MutableBytes packet) override { owner.on_packet(*this, packet); }
    void on_broken(PacketStream&, const std::string& why) override { owner.on_broken(*this, why); }

    PeerStreams& owner;
    const uint32_t pnn;
    std::unique_ptr<PacketStream> stream;
    uint32_t used_from = 0;     // first generation that takes it
    uint32_t lost_through = 0;  // last generation that has lost packets
    bool dirty = false;
    EventLoop::TimerId unused_timer = 0;
  };
  void on_packet(Peer& peer, MutableBytes packet);
  void on_broken(Peer& peer, const std::string& why);
  void close(Peer& peer);
  void check_used(Peer& peer);

  EventLoop& loop_;
  const uint32_t self_;
  const Handlers handlers_;
  std::map<uint32_t, Peer> peers_;  // never shrinks: at most one per configured node
  std::vector<Peer*> dirty_;
  std::vector<std::unique_ptr<PacketStream>> closed_;  // a callback may still stand in them
};

}  // namespace ctdb

#endif  // CTDB_STORE_PEER_STREAMS_H_
