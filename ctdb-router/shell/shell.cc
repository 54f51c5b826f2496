// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-router/shell/shell.h"

#include <unistd.h>

#include "ctdb-router/transport/tcp/address.h"
#include "ctdb-router/transport/tcp/tcp_transport.h"
#include "ctdb-router/transport/verbs/verbs_transport.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/log.h"
#include "libctdbipc/runtime/service.h"

namespace ctdb {
namespace {

constexpr TimeNs kStoreLives = kSecond;  // since its last beat; it beats three times as often
constexpr TimeNs kClientsAwaited = 2 * kSecond;
// A router that was told to end waits for clients that are in the middle of something.
constexpr TimeNs kLeavingMax = 2 * kSecond;

RouterOptions router_options(const Config& config) {
  RouterOptions options;
  options.pnn = config.pnn;
  options.pid = static_cast<uint32_t>(getpid());
  options.nodes = router_nodes(config.nodes, config.port);
  options.vacuum_interval = config.vacuum_interval;
  return options;
}

TcpOptions tcp_options(const Config& config, uint64_t boot_id, ClusterKey key) {
  TcpOptions options;
  options.pnn = config.pnn;
  options.nodes = config.nodes;
  options.port = config.port;
  options.cluster_name = config.cluster_name;
  options.boot_id = boot_id;
  options.key = std::move(key);
  return options;
}

std::unique_ptr<Transport> make_transport(const Config& config, uint64_t boot_id, ClusterKey key,
                                          EventLoop& loop, TransportEvents& events) {
  return make_verbs_transport({config.pnn, config.node_address, config.nodes, config.verbs, {}}, loop, events,
                              [&](TransportEvents& inner) {
                                return make_tcp_transport(tcp_options(config, boot_id, std::move(key)), loop,
                                                          inner);
                              });
}

}  // namespace

std::vector<RouterNode> router_nodes(const std::vector<NodeAddress>& nodes, uint16_t port) {
  std::vector<RouterNode> out;
  for (const NodeAddress& node : nodes) {
    RouterNode entry;
    // Deleted nodes show the address 0.0.0.0 (wire-protocol §7.4).
    entry.address = address_image(make_address(node.deleted ? "0.0.0.0" : node.address, port));
    entry.deleted = node.deleted;
    entry.text = node.address;
    entry.witness = node.witness;
    out.push_back(std::move(entry));
  }
  return out;
}

RouterShell::RouterShell(DaemonContext& context, uint64_t boot_id, ClusterKey key)
    : context_(context),
      loop_(*context.loop),
      router_(new Router(router_options(context.config), *this)),
      transport_(make_transport(context.config, boot_id, std::move(key), loop_, *this)),
      capture_(loop_, context.config.pnn),
      spin_(loop_, context.config.spin),
      ids_(static_cast<uint32_t>(boot_id >> 32)),  // not those that the last router gave away
      daemons_(loop_, *this, context.config.pnn, boot_id),
      classic_(loop_, ids_, *this, daemons_),
      native_(loop_, ids_, *this, daemons_, classic_.noted(), context.config.pnn,
              context.config.node_page_path()),
      setup_(loop_, native_, daemons_, [this] { return router_->open_generation(); }),
      publisher_(loop_, *context.counters, [this] { publish(); }),
      peers_(node_list(context.config.nodes)),
      linked_(context.config.nodes.size(), false) {
  peers_[context.config.pnn] = {};
}

RouterShell::~RouterShell() {
  loop_.cancel(tick_timer_);
  loop_.cancel(links_held_);
  loop_.cancel(leaving_);
}

Result<std::unique_ptr<RouterShell>> RouterShell::create(DaemonContext& context, uint64_t boot_id) {
  ClusterKey key;
  if (const std::string& file = context.config.key_file; file.empty()) {
    log_warning(
        "links are neither authenticated nor encrypted: no [cluster] key file, so whoever can take a node's "
        "address can act as it");
  } else if (Result<ClusterKey> loaded = ClusterKey::load(file); loaded) {
    key = std::move(*loaded);
  } else {
    return fail(std::move(loaded.error()));
  }
  auto shell = std::unique_ptr<RouterShell>(new RouterShell(context, boot_id, std::move(key)));
  if (Result<void> started = shell->start(); !started) return fail(std::move(started.error()));
  return shell;
}

Result<void> RouterShell::start() {
  if (Result<void> r = classic_.listen(context_.config.socket_path); !r) return r;
  if (Result<void> r = setup_.listen(context_.config.setup_socket_path); !r) return r;
  if (Result<void> r = capture_.listen(capture_socket(context_.config.run_directory, "ctdb-router")); !r)
    return r;
  capture_.keep_last(context_.config, "ctdb-router");
  await_clients();
  if (Result<void> r = transport_->start(); !r) return r;
  if (const std::string others = unclaimed_sockets(); !others.empty())
    log_warning("sockets opened by the service manager are of no use here: " + others +
                " (let the paths in its socket units and in [ipc] be the same)");
  loop_.add_flush_hook([this] { end_of_turn(); });
  loop_.on_terminate([this] { leave(); });
  publish();
  context_.service->ready();
  return {};
}

// Other nodes ask whether a client exists, and take what a dead one had. So there is no link before the store, if one lives,
// has given back the last router's clients.
void RouterShell::await_clients() {
  const TimeNs beat = context_.node_page->store_beat();
  if (beat == 0 || loop_.now() - beat > kStoreLives) return;
  transport_->hold();
  router_->await_clients(loop_.now() + kClientsAwaited);
  links_held_ = loop_.at(loop_.now() + kClientsAwaited, [this] { release_links(); });
  hold_senders_back();
}

void RouterShell::release_links() {
  if (links_held_ == 0) return;
  loop_.cancel(links_held_);
  links_held_ = 0;
  transport_->release();
  router_->on_clients_back(loop_.now());
}

void RouterShell::on_kept(SetupMessage& message) {
  if (message.kind == SetupKind::kKeptClient && !message.channels.empty()) {
    native_.restore(message, classic_.last_note(message));
  } else {
    classic_.on_kept(message);
  }
  if (message.kind == SetupKind::kKeptEnd) release_links();
}

// Clients in the middle of a packet would end with this router. A second request ends it at once.
void RouterShell::leave() {
  if (leaving_ != 0) return loop_.stop();
  leaving_ = loop_.at(loop_.now() + kLeavingMax, [this] { loop_.stop(); });
}

std::string RouterShell::reload() {
  ++changes_;
  return router_->reload_nodes();
}

void RouterShell::end_of_turn() {
  // Links first: one that breaks while it is written may leave answers for clients.
  transport_->flush();
  classic_.flush();
  if (leaving_ != 0 && classic_.noted().all_clean()) loop_.stop();
  hold_senders_back();
  look_for_room();
  set_tick_timer();
  const RouterCounts& c = router_->counts();
  const TransportFigures& t = transport_->figures();
  publisher_.end_of_turn(changes_, c.client_packets_in + c.client_packets_out + c.node_packets_in +
                                       c.node_packets_out + c.bad_packets + t.keepalives_in +
                                       t.keepalives_out + t.refused);
}

// Local senders wait while a link or a daemon is congested, or clients of the last router are on their way back: their packets stay in
// their rings and sockets.
void RouterShell::hold_senders_back() {
  const size_t part = held_back_ ? 2 : 1;
  const bool congested = transport_->queued_bytes() > kLinkQueueHighWaterBytes / part ||
                         daemons_.queued_bytes() > kDaemonQueueHighWaterBytes / part;
  // Nor does a message find out that somebody is not back yet.
  const bool hold = links_held_ != 0 || congested;
  if (hold == held_back_) return;
  held_back_ = hold;
  classic_.pause(hold);
  native_.pause(hold);
}

void RouterShell::set_tick_timer() {
  const TimeNs deadline = router_->next_deadline();
  if (deadline == tick_at_) return;
  loop_.cancel(tick_timer_);
  tick_at_ = deadline;
  if (deadline == kNever) return;
  tick_timer_ = loop_.at(deadline, [this] {
    tick_at_ = kNever;
    router_->tick(loop_.now());
  });
}

// ---- events ----

void RouterShell::on_up(uint32_t pnn, uint64_t session) {
  ++changes_;
  linked_[pnn] = true;
  router_->on_link(pnn, true, session, loop_.now());
}

void RouterShell::on_down(uint32_t pnn, uint64_t session, const std::string&) {
  ++changes_;
  linked_[pnn] = false;
  daemons_.end_record_stream(pnn);
  router_->on_link(pnn, false, session, loop_.now());
}

void RouterShell::on_lost(uint32_t pnn, ByteView packet) {
  router_->on_packet_lost(pnn, packet, loop_.now());
}

void RouterShell::on_record_stream(uint32_t pnn, UniqueFd stream) {
  daemons_.give_record_stream(pnn, std::move(stream));
}

void RouterShell::on_record_stream_unwanted(uint32_t pnn) {
  daemons_.end_record_stream(pnn);
  router_->on_link_renewed(pnn, transport_->new_session());
}

void RouterShell::on_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) {
  daemons_.give_keeper_wire(pnn, number, std::move(wire));
}

void RouterShell::on_gone(uint32_t pnn) {
  ++changes_;
  router_->on_gone(pnn);
}

void RouterShell::on_keeper_holds(uint32_t pnn, uint32_t number) {
  transport_->keeper_holds(pnn, number);
}

void RouterShell::on_keeper() {
  transport_->give_keeper_wires();
  daemons_.keeper_ready();
}

void RouterShell::on_stream_report(uint32_t pnn, bool broken) {
  if (pnn >= linked_.size() || !linked_[pnn]) return;
  if (broken) transport_->remake_record_stream(pnn);
  router_->on_link_renewed(pnn, transport_->new_session());
}

bool RouterShell::on_packet(uint32_t pnn, MutableBytes packet) {
  hooks_.arrived(packet);
  spin_.received(packet);
  capture_.copy(way_of_link(), false, pnn, 0, packet);
  return router_->on_link_packet(pnn, packet, loop_.now());
}

void RouterShell::on_client(uint32_t id, int32_t pid) {
  ++changes_;
  router_->on_client(id, pid);
}

void RouterShell::on_client_packet(uint32_t id, MutableBytes packet) {
  if (capture_.on()) {
    const CaptureLink link = native_.has(id) ? CaptureLink::kNativeClient : CaptureLink::kClassicClient;
    capture_.copy(link, false, 0, id, packet);
  }
  router_->on_client_packet(id, packet, loop_.now());
}

void RouterShell::on_client_gone(uint32_t id) {
  ++changes_;
  router_->on_client_gone(id, loop_.now());
}

void RouterShell::on_daemon(Server who, bool up, uint64_t instance) {
  ++changes_;
  // Native clients first: the store should know whom it serves before anything else comes.
  if (who == Server::store && up) native_.attach_all();
  if (who == Server::store && up) classic_.on_store();
  router_->on_daemon(who, up, instance, loop_.now());
  if (who == Server::store) transport_->want_record_streams(up);
}

void RouterShell::on_connection_frame_sent(FrameInfo info, ByteView packet) {
  capture_.copy_frame(true, info, packet);
}

void RouterShell::on_connection_frame(FrameInfo info, MutableBytes packet) {
  capture_.copy_frame(false, info, packet);
  classic_.on_store_frame(info, packet);
}

void RouterShell::on_connections_lost(bool dead) {
  classic_.on_store_gone(dead);
}

void RouterShell::on_store_cut_client(uint32_t id) {
  native_.close(id, "it broke its channel to the store");
}

void RouterShell::on_daemon_packet(Server from, uint32_t endpoint, MutableBytes packet) {
  hooks_.arrived(packet);
  capture_.copy(from == Server::store ? CaptureLink::kStore : CaptureLink::kRecoveryd, false, 0, endpoint,
                packet);
  router_->on_daemon_packet(from, endpoint, packet, loop_.now());
}

}  // namespace ctdb
