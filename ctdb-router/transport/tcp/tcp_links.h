// SPDX-License-Identifier: GPL-3.0-or-later
// The TCP transport from inside, for its own source files: peers, links and what stands beside them. What a connection is:
// packet_stream.h; what a HELLO must say: hello.h.
#ifndef CTDB_ROUTER_TRANSPORT_TCP_TCP_LINKS_H_
#define CTDB_ROUTER_TRANSPORT_TCP_TCP_LINKS_H_

#include <memory>
#include <string>
#include <vector>

#include "ctdb-router/transport/tcp/address.h"
#include "ctdb-router/transport/tcp/handshake.h"
#include "ctdb-router/transport/tcp/hello.h"
#include "ctdb-router/transport/tcp/keeper_wires.h"
#include "ctdb-router/transport/tcp/tcp_transport.h"
#include "libctdbipc/runtime/listener.h"
#include "libctdbipc/runtime/packet_stream.h"

namespace ctdb {

class TcpTransport : public Transport {
 public:
  TcpTransport(TcpOptions options, EventLoop& loop, TransportEvents& events);
  ~TcpTransport() override;

  Result<void> start() override;
  void hold() override { held_ = true; }
  void release() override;
  bool send(uint32_t pnn, Lane lane, ByteView packet) override;
  void flush() override;
  size_t queued_bytes() const override;
  void set_peers(const NodeList& peers) override;
  void set_quiet(bool quiet) override;
  const TransportFigures& figures() const override { return figures_; }
  void cut(uint32_t pnn, const std::string& why) override;
  size_t queued_bytes(uint32_t pnn) const override;
  uint32_t version(uint32_t pnn) const override;
  LinkReport report(uint32_t pnn) const override;
  std::string refusal(uint32_t pnn) const override;
  void want_record_streams(bool wanted) override;
  void hold_record_stream(uint32_t pnn, bool held) override;
  void remake_record_stream(uint32_t pnn) override;
  void keeper_holds(uint32_t pnn, uint32_t number) override { wires_.held(pnn, number); }
  void give_keeper_wires() override;
  // Told apart from the sessions of an earlier life of this router too.
  uint64_t new_session() override { return (options_.boot_id << 32) | ++connections_; }

 private:
  static constexpr TimeNs kRetryFirst = kMillisecond;  // a reset costs clients as little as can be
  enum class Phase : uint8_t { kConnecting, kHello, kProof, kUp, kDead };
  // What a connection is to be: the link itself, or one of those beside it, which are given away after HELLO.
  enum class Use : uint8_t { kRecords, kKeeper, kLink };
  static constexpr size_t kSides = 2;

  struct Link final : PacketStream::Owner {
    Link(TcpTransport& owner, std::unique_ptr<ByteStream> stream, uint32_t pnn, bool in)
        : transport(owner), connection(owner.loop_, std::move(stream), *this), peer(pnn), incoming(in) {}
    void on_connected(PacketStream&) override { transport.on_connected(*this); }
    void on_connection_packet(PacketStream&, MutableBytes packet) override {
      transport.on_packet(*this, packet);
    }
    void on_broken(PacketStream&, const std::string& why) override { transport.end(*this, why); }

    TcpTransport& transport;
    PacketStream connection;
    const uint32_t peer;
    const bool incoming;
    Use use = Use::kLink;  // ours from the start, a peer's once it said HELLO
    Phase phase = Phase::kHello;
    TimeNs deadline = kNever;  // of connecting, hello and proof
    Handshake handshake;
    uint64_t session = 0;
    uint64_t peer_boot_id = 0;
    uint64_t peer_session = 0;
    uint32_t version = 0;
    int pings_unanswered = 0;
    bool sent = false;  // something, since the last check
    bool dirty = false;
    bool overflowed = false;
  };

  struct Peer {
    SocketAddress address;  // size 0: deleted
    Link* up = nullptr;
    TimeNs retry_delay = kRetryFirst;
    EventLoop::TimerId retry_timer = 0;
    std::string last_failure;  // logged once, not at every attempt
    bool refused = false;      // that failure was a refusal, of this side or the other
    bool stream_held = false;
    TimeNs changed_at = 0;  // it came up or went down
    struct Side {
      TimeNs delay = kRetryFirst;
      EventLoop::TimerId timer = 0;
    } sides[kSides];
  };

  void add_peer(uint32_t pnn, const std::string& address);
  void drop_peer(uint32_t pnn);
  static uint64_t feature_of(Use use) {
    return use == Use::kLink ? 0 : use == Use::kRecords ? kHelloRecordStream : kHelloKeeperWire;
  }
  std::string name(uint32_t peer) const;
  Link& add_link(UniqueFd socket, uint32_t peer, bool incoming);
  void mark_dirty(Link& link);
  void dial(uint32_t peer);
  void dial_later(uint32_t peer);
  void dial_all();
  void dial_side(uint32_t peer, Use use);
  void dial_side_later(uint32_t peer, Use use);
  void on_side_hello(Link& link, const Hello& hello);
  void hand_over(Link& link);
  void on_wire_end(uint32_t peer, bool gone);
  void drop_sides(uint32_t peer, bool records_only);
  void attempt_failed(uint32_t peer, const std::string& why);
  void accept_one(UniqueFd socket, const std::string& address);
  void refuse_socket(int socket, uint32_t peer, const std::string& why);
  void on_connected(Link& link);
  Bytes own_hello(Link& link, uint64_t session);
  void say_hello(Link& link, uint64_t session);
  void on_packet(Link& link, MutableBytes packet);
  void on_hello(Link& link, ByteView packet);
  void on_proof(Link& link, ByteView packet);
  bool newer_is_up(const Link& link) const;
  bool link_packet(Link& link, const Header& header, ByteView packet);
  void send_own(Link& link, Operation operation, const Bytes& payload);
  void refuse(Link& link, const std::string& why);
  void end_refused(Link& link, const std::string& why);
  void bring_up(Link& link);
  void bury(Link& link);
  void end(Link& link, const std::string& why);
  Result<void> begin();
  void arm_check();
  void check_links();
  void check_link(Link& link);

  TcpOptions options_;
  EventLoop& loop_;
  TransportEvents& events_;
  HelloRules rules_;
  KeeperWires wires_;
  SocketAddress own_address_;
  bool held_ = false;
  UniqueFd listening_;  // until begin()
  std::unique_ptr<Listener> listener_;
  std::vector<Peer> peers_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> graveyard_;  // ended links that a callback may still stand in
  std::vector<Link*> dirty_;
  uint64_t connections_ = 0;
  EventLoop::TimerId check_timer_ = 0;
  bool quiet_ = false;
  bool streams_wanted_ = false;
  std::string last_refused_;  // a stranger who dials again and again is logged once
  Bytes built_;
  TransportFigures figures_;
};

}  // namespace ctdb

#endif  // CTDB_ROUTER_TRANSPORT_TCP_TCP_LINKS_H_
