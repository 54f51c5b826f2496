// SPDX-License-Identifier: GPL-3.0-or-later
// Joins a VerbsLink per peer, the device and the transport inside.
#include "ctdb-router/transport/verbs/verbs_transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ctdb-router/transport/verbs/verbs_device.h"
#include "ctdb-router/transport/verbs/verbs_link.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"

namespace ctdb {
namespace {

// Nodes may be added while the router runs.
constexpr size_t kLinksMore = 4;
// A look for a device can take long, and every link would look.
constexpr TimeNs kLookAgainAfter = 60 * kSecond;

bool of_verbs(uint32_t operation) {
  return operation >= static_cast<uint32_t>(Operation::VERBS_OFFER) &&
         operation <= static_cast<uint32_t>(Operation::VERBS_DOWN);
}

class VerbsTransport final : public Transport, TransportEvents, VerbsDeviceEvents {
 public:
  VerbsTransport(VerbsTransportOptions options, EventLoop& loop, TransportEvents& events)
      : options_(std::move(options)), loop_(loop), events_(events) {
    set_size(options_.nodes.size());
    for (const NodeAddress& node : options_.nodes) peers_[node.pnn]->address = node.address;
    if (!options_.source) options_.source = source_towards;
  }
  ~VerbsTransport() override {
    loop_.cancel(timer_);
    tcp_.reset();
  }
  TransportEvents& inner_events() { return *this; }
  void set_inner(std::unique_ptr<Transport> tcp) { tcp_ = std::move(tcp); }

  // ---- Transport ----
  Result<void> start() override { return tcp_->start(); }
  bool send(uint32_t pnn, Lane lane, ByteView packet) override;
  LinkKind carried_by() const override { return carried_by_; }
  void flush() override;
  size_t queued_bytes() const override;
  size_t queued_bytes(uint32_t pnn) const override {
    return tcp_->queued_bytes(pnn) + (pnn < peers_.size() ? peers_[pnn]->link.queued_bytes() : 0);
  }
  void set_peers(const NodeList& peers) override {
    set_size(peers.size());
    for (uint32_t pnn = 0; pnn < peers_.size(); ++pnn)
      peers_[pnn]->address = in_list(peers, pnn) ? peers[pnn].address : "";
    tcp_->set_peers(peers);
  }
  void set_quiet(bool quiet) override { tcp_->set_quiet(quiet); }
  void hold() override { tcp_->hold(); }
  void release() override { tcp_->release(); }
  const TransportFigures& figures() const override { return tcp_->figures(); }
  void cut(uint32_t pnn, const std::string& why) override { tcp_->cut(pnn, why); }
  uint32_t version(uint32_t pnn) const override { return tcp_->version(pnn); }
  LinkReport report(uint32_t pnn) const override;
  std::string refusal(uint32_t pnn) const override { return tcp_->refusal(pnn); }
  void want_record_streams(bool wanted) override {
    for (const auto& peer : peers_) peer->stream_given = false;
    tcp_->want_record_streams(wanted);
  }
  void hold_record_stream(uint32_t pnn, bool held) override { tcp_->hold_record_stream(pnn, held); }
  void remake_record_stream(uint32_t pnn) override { tcp_->remake_record_stream(pnn); }
  void keeper_holds(uint32_t pnn, uint32_t number) override { tcp_->keeper_holds(pnn, number); }
  void give_keeper_wires() override { tcp_->give_keeper_wires(); }
  uint64_t new_session() override { return tcp_->new_session(); }

 private:
  struct Peer final : VerbsLinkOutput {
    Peer(VerbsTransport& owner, uint32_t number, bool records)
        : transport(owner), pnn(number), link(*this, records) {}
    Result<QueuePair> make_queue_pair() override;
    Result<void> connect(const QueuePair& theirs) override;
    void drop_queue_pair() override;
    bool post(const ChunkHeader& header, ByteView payload, ChunkPost how) override;
    void tell(Lane lane, Operation operation, const Bytes& payload) override;
    void send_by_tcp(ByteView packet) override;
    bool deliver(MutableBytes packet) override {
      transport.carried_by_ = LinkKind::kVerbs;
      return transport.events_.on_packet(pnn, packet);
    }
    void cut(const std::string& why) override { transport.tcp_->cut(pnn, why); }
    void risen() override;
    void fallen(const std::string& why) override;

    VerbsTransport& transport;
    const uint32_t pnn;
    std::string address;
    std::string from;  // what the queue pair was made on, for people
    VerbsLink link;
    QueuePair mine;        // number 0: none
    bool touched = false;  // in touched_
    bool overflowed = false;
    bool stream_held = false;
    bool stream_given = false;
    uint64_t tcp_out = 0, tcp_in = 0;
  };

  // TransportEvents, of the transport inside
  void on_up(uint32_t pnn, uint64_t session) override;
  void on_down(uint32_t pnn, uint64_t session, const std::string& why) override;
  bool on_packet(uint32_t pnn, MutableBytes packet) override;
  void on_lost(uint32_t pnn, ByteView packet) override;
  void on_record_stream(uint32_t pnn, UniqueFd stream) override;
  void on_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) override {
    events_.on_keeper_wire(pnn, number, std::move(wire));
  }
  void on_gone(uint32_t pnn) override { events_.on_gone(pnn); }

  // VerbsDeviceEvents
  void on_chunk(uint32_t number, ByteView chunk) override;
  void on_sent(uint32_t number, uint64_t sequence) override;
  void on_connected(uint32_t number, const std::string& why_not) override;
  void on_pair_failed(uint32_t number, const std::string& why) override;
  void on_port_up() override;
  void on_device_failed(const std::string& why) override;

  void set_size(size_t nodes);
  void touch(Peer& peer);
  Peer* touched_owner(uint32_t number);
  Result<VerbsAddress> address_towards(const Peer& peer);
  std::vector<std::string> sources() const;
  size_t nodes() const;
  Result<void> open_device();
  void settle_stream(Peer& peer);
  void flush_links();
  void set_timer();
  void tick();

  VerbsTransportOptions options_;
  EventLoop& loop_;
  TransportEvents& events_;
  std::unique_ptr<Transport> tcp_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> touched_;  // something happened to their link since it was flushed
  std::vector<Peer*> flushing_;
  std::unique_ptr<VerbsDevice> device_;
  std::string why_no_device_;         // logged once
  TimeNs look_at_ = 0;                // for a device, not earlier
  bool tcp_waits_ = false;            // something was given to it since its last flush
  std::string device_failed_;         // it is to be given up
  std::map<uint32_t, Peer*> owners_;  // of queue pairs
  EventLoop::TimerId timer_ = 0;
  TimeNs timer_at_ = kNever;
  LinkKind carried_by_ = LinkKind::kTcp;
  Bytes built_;
};

// ---- what a link does ----

Result<QueuePair> VerbsTransport::Peer::make_queue_pair() {
  const Result<VerbsAddress> found = transport.address_towards(*this);
  if (!found) return fail(Error(found.error()));
  Result<QueuePair> made = transport.device_->create(*found);
  if (!made) return made;
  mine = *made;
  from = transport.device_->name() + " port " + std::to_string(found->port) + " gid index " +
         std::to_string(found->gid_index);
  transport.owners_[mine.number] = this;
  return made;
}

Result<void> VerbsTransport::Peer::connect(const QueuePair& theirs) {
  if (transport.device_ == nullptr) return fail(ErrorCode::kDisconnected, "the RDMA device was lost");
  return transport.device_->connect(mine, theirs);
}

void VerbsTransport::Peer::drop_queue_pair() {
  transport.owners_.erase(mine.number);
  if (transport.device_ != nullptr) transport.device_->drop(mine.number);
  mine = {};
}

bool VerbsTransport::Peer::post(const ChunkHeader& header, ByteView payload, ChunkPost how) {
  if (transport.device_ == nullptr || !transport.device_->post(mine.number, header, payload, how))
    return false;
  // If the wire is cut this one fails, and nothing else would wake us.
  if (header.kind == ChunkKind::kPing) transport.device_->wake_for_sent();
  return true;
}

void VerbsTransport::Peer::tell(Lane lane, Operation operation, const Bytes& payload) {
  build_own(transport.built_, {0, 0, static_cast<uint32_t>(operation), pnn, transport.options_.pnn, 0},
            payload);
  transport.tcp_->send(pnn, lane, transport.built_);
  transport.tcp_waits_ = true;
}

void VerbsTransport::Peer::send_by_tcp(ByteView packet) {
  ++tcp_out;
  transport.tcp_waits_ = true;
  if (!transport.tcp_->send(pnn, Lane::kData, packet)) overflowed = true;
}

void VerbsTransport::Peer::risen() {
  log_notice("link to node " + std::to_string(pnn) + " is on verbs: " + from);
}

void VerbsTransport::Peer::fallen(const std::string& why) {
  log_notice("link to node " + std::to_string(pnn) + " is back on TCP: " + why);
}

// ---- the transport inside ----

void VerbsTransport::set_size(size_t nodes) {
  while (peers_.size() < nodes) {
    peers_.push_back(
        std::make_unique<Peer>(*this, static_cast<uint32_t>(peers_.size()), options_.verbs.records));
  }
}

// A turn looks at links that have something to do: on a node without RDMA that is none, whatever goes by TCP.
void VerbsTransport::touch(Peer& peer) {
  if (!std::exchange(peer.touched, true)) touched_.push_back(&peer);
}

void VerbsTransport::on_up(uint32_t pnn, uint64_t session) {
  Peer& peer = *peers_[pnn];
  touch(peer);
  peer.overflowed = peer.stream_given = false;
  const bool able = tcp_->version(pnn) >= kLinkVersionVerbs;
  peer.link.on_up(pnn < options_.pnn, able, loop_.now());
  peer.link.tick(loop_.now());  // where there is no device, record streams are opened with the link
  settle_stream(peer);
  events_.on_up(pnn, session);
}

void VerbsTransport::on_down(uint32_t pnn, uint64_t session, const std::string& why) {
  Peer& peer = *peers_[pnn];
  touch(peer);
  peer.link.on_down(loop_.now());
  events_.on_down(pnn, session, why);
  // Those that waited for TCP follow: each way keeps its order.
  peer.link.take_unsent([&](ByteView packet) { events_.on_lost(pnn, packet); });
}

bool VerbsTransport::on_packet(uint32_t pnn, MutableBytes packet) {
  const auto operation = load<uint32_t>(packet.data() + CTDB_OFF_OPERATION);
  if (!of_verbs(operation)) {
    if (lane_of(operation) == Lane::kData) ++peers_[pnn]->tcp_in;
    carried_by_ = LinkKind::kTcp;
    return events_.on_packet(pnn, packet);
  }
  const Header header = read_header(packet);
  touch(*peers_[pnn]);
  if (header.srcnode != pnn || header.destnode != options_.pnn) return false;
  return peers_[pnn]->link.on_told(static_cast<Operation>(header.operation), own_payload(packet),
                                   loop_.now());
}

void VerbsTransport::on_lost(uint32_t pnn, ByteView packet) {
  if (!of_verbs(read_header(packet).operation)) events_.on_lost(pnn, packet);
}

void VerbsTransport::on_record_stream(uint32_t pnn, UniqueFd stream) {
  peers_[pnn]->stream_given = true;
  events_.on_record_stream(pnn, std::move(stream));
}

// Record packets take one way: a stream of their own, or the link with all else.
void VerbsTransport::settle_stream(Peer& peer) {
  const bool held = !peer.link.stream_allowed(loop_.now());
  if (held == peer.stream_held) return;
  peer.stream_held = held;
  tcp_->hold_record_stream(peer.pnn, held);
  if (held && std::exchange(peer.stream_given, false)) events_.on_record_stream_unwanted(peer.pnn);
}

// ---- the device ----

// Each link takes its own route, as long as the one device has it.
Result<VerbsAddress> VerbsTransport::address_towards(const Peer& peer) {
  if (Result<void> opened = open_device(); !opened) return fail(std::move(opened.error()));
  const std::string source = options_.source(options_.address, peer.address);
  const std::optional<VerbsAddress> found =
      find_address(device_->context(), options_.verbs, {source, options_.address}, options_.interfaces);
  if (found) return *found;
  if (!find_address(device_->context(), options_.verbs, sources(), options_.interfaces)) {
    if (device_->unused()) device_failed_ = "its addresses are gone";  // another one may have them
    return fail(ErrorCode::kTimeout,
                "no port of the RDMA device has an address that leads to the others any more");
  }
  return fail(ErrorCode::kNotFound, "the route to it begins at " + source + ", which is not on RDMA device " +
                                        device_->name() + ", the one that this router uses");
}

// Where the routes to the others begin, in order of their numbers; then the own address.
std::vector<std::string> VerbsTransport::sources() const {
  std::vector<std::string> out;
  for (const auto& peer : peers_) {
    if (peer->pnn != options_.pnn && !peer->address.empty())
      out.push_back(options_.source(options_.address, peer->address));
  }
  out.push_back(options_.address);
  return out;
}

// That there are now; numbers may have gaps.
size_t VerbsTransport::nodes() const {
  return static_cast<size_t>(
      std::ranges::count_if(peers_, [](const auto& peer) { return !peer->address.empty(); }));
}

// The same one in whatever order links come up: the lowest node whose route begins at an RDMA device decides.
Result<void> VerbsTransport::open_device() {
  if (device_ != nullptr && device_failed_.empty()) return {};
  if (!options_.verbs.enabled) return fail(ErrorCode::kRefused, "verbs are switched off in ctdb.conf");
  if (device_ != nullptr) return fail(ErrorCode::kTimeout, device_failed_);
  if (loop_.now() < look_at_) return fail(ErrorCode::kNotFound, why_no_device_);
  Result<VerbsContext> context = choose_device(options_.verbs, sources(), options_.interfaces);
  std::string why = context ? "" : context.error().text();
  if (context) {
    Result<std::unique_ptr<VerbsDevice>> device =
        VerbsDevice::open(std::move(*context), nodes() + kLinksMore, loop_, *this);
    if (device) {
      device_ = std::move(*device);
      return {};
    }
    why = device.error().text();
  }
  if (why != why_no_device_) log_notice("links stay on TCP: " + why);
  why_no_device_ = why;
  look_at_ = loop_.now() + kLookAgainAfter;
  return fail(ErrorCode::kNotFound, why);
}

VerbsTransport::Peer* VerbsTransport::touched_owner(uint32_t number) {
  const auto found = owners_.find(number);
  if (found == owners_.end()) return nullptr;
  touch(*found->second);
  return found->second;
}

void VerbsTransport::on_chunk(uint32_t number, ByteView chunk) {
  if (Peer* peer = touched_owner(number)) peer->link.on_chunk(chunk, loop_.now());
}

void VerbsTransport::on_sent(uint32_t number, uint64_t sequence) {
  if (Peer* peer = touched_owner(number)) peer->link.on_sent(sequence);
}

void VerbsTransport::on_connected(uint32_t number, const std::string& why_not) {
  if (Peer* peer = touched_owner(number)) peer->link.on_connected(why_not, loop_.now());
}

void VerbsTransport::on_pair_failed(uint32_t number, const std::string& why) {
  if (Peer* peer = touched_owner(number)) peer->link.on_failed(why, loop_.now());
}

void VerbsTransport::on_port_up() {
  for (const auto& peer : peers_) {
    touch(*peer);
    peer->link.try_again(loop_.now());
  }
}

// Its objects may be in use below us in the stack; flush() lets go of them.
void VerbsTransport::on_device_failed(const std::string& why) {
  device_failed_ = why;
  for (const auto& peer : peers_) {
    touch(*peer);
    if (peer->mine.number != 0) peer->link.on_failed(why, loop_.now());
  }
}

// ---- what the owner asks ----

bool VerbsTransport::send(uint32_t pnn, Lane lane, ByteView packet) {
  if (pnn >= peers_.size()) return false;
  Peer& peer = *peers_[pnn];
  carried_by_ = LinkKind::kTcp;
  if (lane == Lane::kControl) return tcp_->send(pnn, lane, packet);
  if (peer.overflowed) return false;
  if (queued_bytes(pnn) + packet.size() > kLinkQueueBytesMax && tcp_->version(pnn) != 0) {
    peer.overflowed = true;  // cut in flush(): the sender stands in the middle of its own work now
    touch(peer);
    return false;
  }
  if (peer.link.send(packet)) {
    carried_by_ = LinkKind::kVerbs;
    touch(peer);
    return true;
  }
  const bool sent = tcp_->send(pnn, lane, packet);
  if (sent) ++peer.tcp_out;
  return sent;
}

void VerbsTransport::flush() {
  if (!device_failed_.empty() && !device_->connecting()) {
    device_.reset();
    device_failed_.clear();
  }
  bool any = !touched_.empty();
  flush_links();
  // A link that ends causes packets to others, and one that falls has to say so: neither waits for the next wake-up.
  do {
    tcp_waits_ = false;
    tcp_->flush();
    any = any || !touched_.empty();
    flush_links();
  } while (tcp_waits_ || !touched_.empty());
  if (any) set_timer();
}

void VerbsTransport::flush_links() {
  flushing_.swap(touched_);
  for (Peer* peer : flushing_) {
    peer->touched = false;
    if (std::exchange(peer->overflowed, false))
      tcp_->cut(peer->pnn, "it does not read and its queue is full");
    peer->link.flush(loop_.now());
    if (peer->link.waits_for_room() && device_ != nullptr) device_->wake_for_sent();
    settle_stream(*peer);
  }
  flushing_.clear();
}

void VerbsTransport::set_timer() {
  TimeNs next = kNever;
  for (const auto& peer : peers_) next = std::min(next, peer->link.next_deadline());
  if (next == timer_at_) return;
  loop_.cancel(timer_);
  timer_ = 0;
  timer_at_ = next;
  if (next != kNever) timer_ = loop_.at(next, [this] { tick(); });
}

void VerbsTransport::tick() {
  timer_at_ = kNever;
  if (device_ != nullptr) device_->poll();
  for (const auto& peer : peers_) {
    touch(*peer);
    peer->link.tick(loop_.now());
  }
}

size_t VerbsTransport::queued_bytes() const {
  size_t most = 0;
  for (const auto& peer : peers_) most = std::max(most, queued_bytes(peer->pnn));
  return most;
}

LinkReport VerbsTransport::report(uint32_t pnn) const {
  LinkReport report = tcp_->report(pnn);
  if (pnn >= peers_.size()) return report;
  const Peer& peer = *peers_[pnn];
  peer.link.describe(report, loop_.now());
  report.tcp_out = peer.tcp_out;
  report.tcp_in = peer.tcp_in;
  return report;
}

}  // namespace

std::unique_ptr<Transport> make_verbs_transport(
    VerbsTransportOptions options, EventLoop& loop, TransportEvents& events,
    const std::function<std::unique_ptr<Transport>(TransportEvents& inner)>& make_tcp) {
  auto transport = std::make_unique<VerbsTransport>(std::move(options), loop, events);
  transport->set_inner(make_tcp(transport->inner_events()));
  return transport;
}

}  // namespace ctdb
