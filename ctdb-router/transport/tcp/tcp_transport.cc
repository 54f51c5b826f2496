// SPDX-License-Identifier: GPL-3.0-or-later
// Peers, sessions, HELLO, pings and re-connecting.
//
// Life of a link: (connecting →) hello → (proof →) up → dead. A node with the higher number opens, the other accepts; the
// opener says HELLO, the acceptor checks it and answers with its own. With a cluster key it is up when the opener has proved that
// it saw the answer, else at once.
#include "ctdb-router/transport/tcp/tcp_transport.h"

#include <algorithm>
#include <utility>

#include "ctdb-router/transport/tcp/sockets.h"
#include "ctdb-router/transport/tcp/tcp_links.h"
#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/packet_stream.h"

namespace ctdb {
namespace {

constexpr TimeNs kRetryMax = kSecond;
constexpr TimeNs kCheckInterval = 500 * kMillisecond;
constexpr TimeNs kConnectTimeout = kSecond;
// Generous: a loaded machine must not refuse its peers.
constexpr TimeNs kHelloTimeout = 5 * kSecond;
// A peer that dials again while its older attempts still wait; more are not needed by an honest one.
constexpr size_t kHellosPerPeerMax = 4;

}  // namespace

TcpTransport::TcpTransport(TcpOptions options, EventLoop& loop, TransportEvents& events)
    : options_(std::move(options)),
      loop_(loop),
      events_(events),
      rules_{options_.pnn, options_.cluster_name, options_.nodes},
      wires_(loop, [this](uint32_t peer, bool gone) { on_wire_end(peer, gone); }) {
  CTDB_ASSERT(options_.pnn < options_.nodes.size());
  own_address_ = make_address(options_.nodes[options_.pnn].address, 0);
  peers_.resize(options_.nodes.size());
  for (Peer& peer : peers_) peer.changed_at = loop_.now();
  for (const NodeAddress& node : options_.nodes) {
    if (!node.deleted) peers_[node.pnn].address = make_address(node.address, options_.port);
  }
}

TcpTransport::~TcpTransport() {
  loop_.cancel(check_timer_);
  for (Peer& peer : peers_) {
    loop_.cancel(peer.retry_timer);
    for (const Peer::Side& side : peer.sides) loop_.cancel(side.timer);
  }
}

std::string TcpTransport::name(uint32_t peer) const {
  return "node " + std::to_string(peer) + " (" + options_.nodes[peer].address + ")";
}

Result<void> TcpTransport::start() {
  Result<UniqueFd> socket = tcp_listen(make_address(options_.nodes[options_.pnn].address, options_.port));
  if (!socket) return fail(std::move(socket.error()).in("port " + std::to_string(options_.port)));
  listening_ = std::move(*socket);
  return held_ ? Result<void>() : begin();
}

void TcpTransport::release() {
  held_ = false;
  if (Result<void> begun = begin(); !begun) log_error("no link can be accepted: " + begun.error().text());
}

Result<void> TcpTransport::begin() {
  if (!listening_.valid()) return {};
  Result<std::unique_ptr<Listener>> listener =
      Listener::create(loop_, std::move(listening_), [this](UniqueFd accepted, const sockaddr_storage& peer) {
        accept_one(std::move(accepted), address_text(peer));
      });
  if (!listener) return fail(std::move(listener.error()));
  listener_ = std::move(*listener);
  dial_all();
  return {};
}

TcpTransport::Link& TcpTransport::add_link(UniqueFd socket, uint32_t peer, bool incoming) {
  links_.push_back(
      std::make_unique<Link>(*this, std::make_unique<PlainStream>(std::move(socket)), peer, incoming));
  Link& link = *links_.back();
  link.session = new_session();
  link.handshake = Handshake(options_.key);
  arm_check();
  return link;
}

void TcpTransport::mark_dirty(Link& link) {
  link.sent = true;
  if (link.dirty) return;
  link.dirty = true;
  dirty_.push_back(&link);
}

// ---- opening ----

void TcpTransport::dial_all() {
  for (uint32_t peer = 0; peer < options_.pnn; ++peer) {
    peers_[peer].retry_delay = kRetryFirst;
    dial(peer);
  }
}

void TcpTransport::dial(uint32_t peer) {
  if (peers_[peer].address.size == 0) return;
  Result<UniqueFd> socket = tcp_connect(own_address_, peers_[peer].address);
  if (!socket) {
    attempt_failed(peer, socket.error().text());
    return dial_later(peer);
  }
  Link& link = add_link(std::move(*socket), peer, false);
  link.phase = Phase::kConnecting;
  link.deadline = loop_.now() + kConnectTimeout;
  if (Result<void> started = link.connection.start(true); !started) end(link, started.error().text());
}

void TcpTransport::dial_later(uint32_t peer) {
  Peer& p = peers_[peer];
  if (p.address.size == 0) return;
  loop_.cancel(p.retry_timer);
  p.retry_timer = loop_.at(loop_.now() + p.retry_delay, [this, peer] { dial(peer); });
  p.retry_delay = std::min(2 * p.retry_delay, kRetryMax);
}

void TcpTransport::attempt_failed(uint32_t peer, const std::string& why) {
  peers_[peer].refused = false;
  if (peers_[peer].last_failure == why) return;
  peers_[peer].last_failure = why;
  log_notice("no link to " + name(peer) + ": " + why);
}

void TcpTransport::on_connected(Link& link) {
  link.phase = Phase::kHello;
  link.deadline = loop_.now() + kHelloTimeout;
  const Link* up = peers_[link.peer].up;
  const bool side = link.use != Use::kLink;
  if (side && up == nullptr) return end(link, "the link is down");
  if (side) link.handshake = Handshake(up->handshake.key_for_sides());
  say_hello(link, side ? up->session : link.session);
  // The answer has the same size, and whatever follows it is for the store.
  if (side) link.connection.read_at_most(built_.size());
}

Bytes TcpTransport::own_hello(Link& link, uint64_t session) {
  Hello hello{kLinkVersionMin,  kLinkVersionMax, feature_of(link.use),
              options_.boot_id, session,         options_.cluster_name};
  return link.handshake.say(options_.pnn, link.peer, std::move(hello)).encode();
}

void TcpTransport::say_hello(Link& link, uint64_t session) {
  send_own(link, Operation::HELLO, own_hello(link, session));
}

// ---- accepting ----

void TcpTransport::accept_one(UniqueFd socket, const std::string& address) {
  Result<uint32_t> peer = node_of_address(rules_, address);
  if (!peer) {
    if (peer.error().context != last_refused_) log_notice("refused a link: " + peer.error().context);
    last_refused_ = peer.error().context;
    return refuse_socket(socket.get(), CTDB_UNKNOWN_PNN, peer.error().context);
  }
  if (quiet_) return refuse_socket(socket.get(), *peer, "this node is quiet");
  tcp_adopt(socket.get());
  std::vector<Link*> waiting;
  for (const auto& link : links_) {
    if (link->peer == *peer && (link->phase == Phase::kHello || link->phase == Phase::kProof))
      waiting.push_back(link.get());
  }
  if (waiting.size() >= kHellosPerPeerMax) end(*waiting.front(), "too many connections without HELLO");
  Link& link = add_link(std::move(socket), *peer, true);
  link.deadline = loop_.now() + kHelloTimeout;
  if (Result<void> started = link.connection.start(false); !started) end(link, started.error().text());
}

// The socket is new, so a few bytes always fit; nobody waits for the answer.
void TcpTransport::refuse_socket(int socket, uint32_t peer, const std::string& why) {
  ++figures_.refused;
  build_own(built_, {0, 0, static_cast<uint32_t>(Operation::HELLO_REFUSED), peer, options_.pnn, 0},
            HelloRefused{why}.encode());
  (void)!::send(socket, built_.data(), built_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// ---- packets ----

void TcpTransport::send_own(Link& link, Operation operation, const Bytes& payload) {
  build_own(built_, {0, 0, static_cast<uint32_t>(operation), link.peer, options_.pnn, 0}, payload);
  link.connection.add(Lane::kControl, built_);
  mark_dirty(link);
}

void TcpTransport::on_packet(Link& link, MutableBytes packet) {
  if (link.phase == Phase::kHello) return on_hello(link, packet);
  if (link.phase == Phase::kProof) return on_proof(link, packet);
  if (link.phase != Phase::kUp) return;
  const Header header = read_header(packet);
  const bool of_links = header.operation >= static_cast<uint32_t>(Operation::HELLO) &&
                        header.operation <= static_cast<uint32_t>(Operation::HELLO_PROOF);
  const bool good = of_links ? link_packet(link, header, packet) : events_.on_packet(link.peer, packet);
  if (!good) end(link, "it sent a packet that breaks the rules of links");
}

bool TcpTransport::link_packet(Link& link, const Header& header, ByteView packet) {
  if (header.srcnode != link.peer || header.destnode != options_.pnn) return false;
  switch (static_cast<Operation>(header.operation)) {
    case Operation::LINK_PING: {
      const std::optional<LinkPing> ping = LinkPing::decode(own_payload(packet));
      if (!ping) return false;
      ++figures_.keepalives_in;
      // What waits for it says that this node lives, too; and whoever asks for ever and reads nothing must not fill our memory.
      if (link.connection.queued_bytes() > kLinkQueueHighWaterBytes) return true;
      ++figures_.keepalives_out;
      send_own(link, Operation::LINK_PONG, ping->encode());
      return true;
    }
    case Operation::LINK_PONG:
      ++figures_.keepalives_in;
      return true;
    default:
      return false;  // HELLO twice, or a refusal after the answer
  }
}

void TcpTransport::on_hello(Link& link, ByteView packet) {
  Result<Hello> hello = check_hello(rules_, link.peer, link.incoming, packet);
  if (!hello) {
    if (read_header(packet).operation != static_cast<uint32_t>(Operation::HELLO_REFUSED)) {
      return refuse(link, hello.error().context);
    }
    return end_refused(link, hello.error().context);
  }
  if (link.use != Use::kLink || hello->features != 0) return on_side_hello(link, *hello);
  if (const Result<void> heard = link.handshake.hear(link.peer, options_.pnn, *hello); !heard)
    return refuse(link, heard.error().context);
  link.peer_boot_id = hello->boot_id;
  link.peer_session = hello->session;
  link.version = std::min(hello->version_max, kLinkVersionMax);
  if (newer_is_up(link)) return refuse(link, "a newer connection of this node is up");
  if (link.incoming) say_hello(link, link.session);
  if (!link.handshake.keyed()) return bring_up(link);
  if (link.incoming) {
    link.phase = Phase::kProof;
    return;
  }
  send_own(link, Operation::HELLO_PROOF, HelloProof{link.handshake.last_word()}.encode());
  bring_up(link);
}

void TcpTransport::on_proof(Link& link, ByteView packet) {
  std::optional<HelloProof> said;
  if (read_header(packet).operation == static_cast<uint32_t>(Operation::HELLO_PROOF))
    said = HelloProof::decode(own_payload(packet));
  if (!said || !same_proof(said->proof, link.handshake.last_word()))
    return refuse(link, "it has not proved that it knows this cluster's key");
  if (newer_is_up(link)) return refuse(link, "a newer connection of this node is up");
  bring_up(link);
}

// An old connection attempt that comes late must not replace the newer one.
bool TcpTransport::newer_is_up(const Link& link) const {
  const Link* up = peers_[link.peer].up;
  return up != nullptr && up->peer_boot_id == link.peer_boot_id && up->peer_session >= link.peer_session;
}

void TcpTransport::refuse(Link& link, const std::string& why) {
  send_own(link, Operation::HELLO_REFUSED, HelloRefused{why}.encode());
  link.connection.flush();
  end_refused(link, why);
}

void TcpTransport::end_refused(Link& link, const std::string& why) {
  ++figures_.refused;
  Peer& peer = peers_[link.peer];
  const bool attempt = link.use == Use::kLink && peer.up == nullptr;
  end(link, why);
  peer.refused = attempt;
}

void TcpTransport::bring_up(Link& link) {
  if (Link* old = peers_[link.peer].up; old != nullptr) end(*old, "replaced by a newer connection");
  link.phase = Phase::kUp;
  link.deadline = kNever;
  link.connection.accept_all();
  Peer& peer = peers_[link.peer];
  peer.up = &link;
  peer.retry_delay = kRetryFirst;
  peer.last_failure.clear();
  peer.refused = false;
  peer.changed_at = loop_.now();
  log_notice("link to " + name(link.peer) + " is up");
  wires_.drop(link.peer);  // of the link before: it proves nothing any more
  events_.on_up(link.peer, link.session);
  for (Peer::Side& side : peer.sides) side.delay = kRetryFirst;
  for (const Use use : {Use::kRecords, Use::kKeeper}) dial_side(link.peer, use);
}

void TcpTransport::bury(Link& link) {
  link.phase = Phase::kDead;
  link.connection.close();
  const auto found =
      std::find_if(links_.begin(), links_.end(), [&](const auto& l) { return l.get() == &link; });
  CTDB_ASSERT(found != links_.end());
  graveyard_.push_back(std::move(*found));
  links_.erase(found);
}

// The one end of every link, whatever its phase.
void TcpTransport::end(Link& link, const std::string& why) {
  if (link.phase == Phase::kDead) return;
  const bool was_up = link.phase == Phase::kUp;
  bury(link);
  if (link.use != Use::kLink) {
    attempt_failed(link.peer, (link.use == Use::kRecords ? "record stream: " : "keeper wire: ") + why);
    if (!link.incoming) dial_side_later(link.peer, link.use);
    return;
  }
  if (was_up) {
    peers_[link.peer].up = nullptr;
    peers_[link.peer].changed_at = loop_.now();
    ++figures_.resets;
    log_notice("link to " + name(link.peer) + " is down: " + why);
  } else {
    attempt_failed(link.peer, why);
  }
  if (!link.incoming && !quiet_) dial_later(link.peer);
  if (!was_up) return;
  drop_sides(link.peer, false);
  events_.on_down(link.peer, link.session, why);
  link.connection.for_each_unwritten(Lane::kData, [&](ByteView p) { events_.on_lost(link.peer, p); });
  if (wires_.proved_gone(link.peer)) events_.on_gone(link.peer);
}

// ---- record streams and keeper wires: opened like links and by the same side, given away after HELLO ----

void TcpTransport::want_record_streams(bool wanted) {
  streams_wanted_ = wanted;
  for (uint32_t peer = 0; peer < peers_.size(); ++peer) {
    drop_sides(peer, false);
    for (Peer::Side& side : peers_[peer].sides) side.delay = kRetryFirst;
    for (const Use use : {Use::kRecords, Use::kKeeper}) dial_side(peer, use);
  }
}

void TcpTransport::hold_record_stream(uint32_t pnn, bool held) {
  if (pnn >= peers_.size() || peers_[pnn].stream_held == held) return;
  peers_[pnn].stream_held = held;
  if (held) return drop_sides(pnn, true);
  dial_side(pnn, Use::kRecords);
}

void TcpTransport::remake_record_stream(uint32_t pnn) {
  if (pnn < peers_.size()) dial_side_later(pnn, Use::kRecords);
}

// A wire outlives stores: the next one's keeper gets a copy.
void TcpTransport::dial_side(uint32_t peer, Use use) {
  if (!streams_wanted_ || quiet_ || peer >= options_.pnn || peers_[peer].up == nullptr) return;
  if (use == Use::kKeeper && wires_.have(peer)) return;
  if (use == Use::kRecords && peers_[peer].stream_held) return;
  Result<UniqueFd> socket = tcp_connect(own_address_, peers_[peer].address);
  if (!socket) return dial_side_later(peer, use);
  Link& link = add_link(std::move(*socket), peer, false);
  link.use = use;
  link.phase = Phase::kConnecting;
  link.deadline = loop_.now() + kConnectTimeout;
  if (Result<void> started = link.connection.start(true); !started) end(link, started.error().text());
}

void TcpTransport::dial_side_later(uint32_t peer, Use use) {
  Peer::Side& side = peers_[peer].sides[static_cast<size_t>(use)];
  loop_.cancel(side.timer);
  side.timer = 0;
  if (!streams_wanted_ || peer >= options_.pnn || peers_[peer].up == nullptr) return;
  side.timer = loop_.at(loop_.now() + side.delay, [this, peer, use] { dial_side(peer, use); });
  side.delay = std::min(2 * side.delay, kRetryMax);
}

// It must belong to the link that is up: both sides name the session that the opener gave it.
void TcpTransport::on_side_hello(Link& link, const Hello& hello) {
  const Link* up = peers_[link.peer].up;
  if (!link.incoming) {
    if (up == nullptr || hello.session != up->session || hello.features != feature_of(link.use)) {
      return end(link, "the answer to HELLO does not fit");
    }
    if (const Result<void> heard = link.handshake.hear(link.peer, options_.pnn, hello); !heard)
      return end(link, heard.error().context);
    return hand_over(link);
  }
  if (hello.features != kHelloRecordStream && hello.features != kHelloKeeperWire)
    return refuse(link, "it wants features that this version has not");
  link.use = hello.features == kHelloRecordStream ? Use::kRecords : Use::kKeeper;
  if (!streams_wanted_) return refuse(link, "this node has no store now");
  if (up == nullptr || up->peer_boot_id != hello.boot_id || up->peer_session != hello.session) {
    return refuse(link, "it belongs to a link that is not up");
  }
  link.handshake = Handshake(up->handshake.key_for_sides());
  if (const Result<void> heard = link.handshake.hear(link.peer, options_.pnn, hello); !heard)
    return refuse(link, heard.error().context);
  if (link.use == Use::kKeeper) {
    // The answer says that the keeper has the wire: KeeperWires gives it when that is so.
    build_own(built_, {0, 0, static_cast<uint32_t>(Operation::HELLO), link.peer, options_.pnn, 0},
              own_hello(link, hello.session));
    return hand_over(link);
  }
  say_hello(link, hello.session);
  link.connection.flush();
  if (link.connection.queued_bytes() > 0) return end(link, "a new connection takes no bytes");
  if (link.connection.open()) hand_over(link);
}

void TcpTransport::hand_over(Link& link) {
  const uint32_t peer = link.peer;
  const Use use = link.use;
  const bool incoming = link.incoming;
  UniqueFd socket = link.connection.release();
  bury(link);
  if (!socket.valid()) return;
  peers_[peer].sides[static_cast<size_t>(use)].delay = kRetryFirst;
  if (use == Use::kRecords) return events_.on_record_stream(peer, std::move(socket));
  wires_.add(peer, std::move(socket), incoming ? built_ : Bytes());
  wires_.give(peer, events_);
}

void TcpTransport::give_keeper_wires() {
  for (uint32_t peer = 0; peer < peers_.size(); ++peer) wires_.give(peer, events_);
}

void TcpTransport::on_wire_end(uint32_t peer, bool gone) {
  if (peers_[peer].up != nullptr) return dial_side_later(peer, Use::kKeeper);
  if (gone) events_.on_gone(peer);
}

// What is on its way for a link that is down, for a store that is gone or (`records_only`) while streams are held.
void TcpTransport::drop_sides(uint32_t peer, bool records_only) {
  const auto concerned = [records_only](Use use) {
    return records_only ? use == Use::kRecords : use != Use::kLink;
  };
  for (const Use use : {Use::kRecords, Use::kKeeper}) {
    if (!concerned(use)) continue;
    Peer::Side& side = peers_[peer].sides[static_cast<size_t>(use)];
    loop_.cancel(side.timer);
    side.timer = 0;
  }
  std::vector<Link*> pending;
  for (const auto& link : links_) {
    if (concerned(link->use) && link->peer == peer) pending.push_back(link.get());
  }
  for (Link* link : pending) bury(*link);
}

// ---- what the owner asks ----

bool TcpTransport::send(uint32_t pnn, Lane lane, ByteView packet) {
  CTDB_ASSERT(pnn < peers_.size() && packet.size() % 8 == 0);
  Link* link = peers_[pnn].up;
  if (link == nullptr || link->overflowed) return false;
  mark_dirty(*link);
  if (link->connection.queued_bytes() + packet.size() > kLinkQueueBytesMax) {
    link->overflowed = true;  // cut in flush(): the sender stands in the middle of its own work now
    return false;
  }
  link->connection.add(lane, packet);
  return true;
}

void TcpTransport::flush() {
  for (size_t i = 0; i < dirty_.size(); ++i) {  // a link that ends may cause packets to others
    Link& link = *dirty_[i];
    link.dirty = false;
    if (link.overflowed) {
      end(link, "it does not read and its queue is full");
    } else if (link.connection.open()) {
      link.connection.flush();
    }
  }
  dirty_.clear();
  graveyard_.clear();
}

size_t TcpTransport::queued_bytes() const {
  size_t most = 0;
  for (const Peer& peer : peers_) {
    if (peer.up != nullptr) most = std::max(most, peer.up->connection.queued_bytes());
  }
  return most;
}

size_t TcpTransport::queued_bytes(uint32_t pnn) const {
  return pnn < peers_.size() && peers_[pnn].up != nullptr ? peers_[pnn].up->connection.queued_bytes() : 0;
}

uint32_t TcpTransport::version(uint32_t pnn) const {
  return pnn < peers_.size() && peers_[pnn].up != nullptr ? peers_[pnn].up->version : 0;
}

void TcpTransport::cut(uint32_t pnn, const std::string& why) {
  if (pnn < peers_.size() && peers_[pnn].up != nullptr) end(*peers_[pnn].up, why);
}

// ---- keepalive ----

void TcpTransport::arm_check() {
  if (check_timer_ != 0) return;
  check_timer_ = loop_.at(loop_.now() + kCheckInterval, [this] { check_links(); });
}

void TcpTransport::check_links() {
  check_timer_ = 0;
  std::vector<Link*> all;
  for (const auto& link : links_) all.push_back(link.get());
  for (Link* link : all) check_link(*link);  // ended ones stay alive until flush()
  if (!links_.empty()) arm_check();
}

// Counts checks, not seconds: after a stall of our own the peer gets its full time to answer.
void TcpTransport::check_link(Link& link) {
  if (link.phase == Phase::kDead) return;
  if (link.phase != Phase::kUp) {
    if (loop_.now() < link.deadline) return;
    return end(link, link.phase == Phase::kConnecting ? "connecting takes too long" : "no HELLO in time");
  }
  const bool received = link.connection.take_received();
  const bool sent = std::exchange(link.sent, false);
  if (received) link.pings_unanswered = 0;
  // A peer that only listens says now and then that it is there: our questions may stand behind megabytes it has still
  // to read.
  if (received && sent) return;
  if (link.pings_unanswered >= options_.pings_unanswered_max) return end(link, "it does not answer pings");
  if (!received) ++link.pings_unanswered;
  ++figures_.keepalives_out;
  send_own(link, Operation::LINK_PING, LinkPing{static_cast<uint64_t>(loop_.now())}.encode());
}

std::unique_ptr<Transport> make_tcp_transport(TcpOptions options, EventLoop& loop, TransportEvents& events) {
  return std::make_unique<TcpTransport>(std::move(options), loop, events);
}

}  // namespace ctdb
