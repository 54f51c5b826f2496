// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/router_process.h"

#include "libctdbipc/base/assert.h"
#include "tests/sim/client.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

// How long it takes until the end of a connection is seen.
TimeNs death_delay(Random& random) {
  return 20 * kMicrosecond + static_cast<TimeNs>(random.below(300 * kMicrosecond));
}

}  // namespace

RouterProcess::RouterProcess(Node& node) : Process(node.world().queue), node_(node) {}

void RouterProcess::start() {
  CTDB_ASSERT(!alive());
  set_alive();
  RouterOptions options;
  options.pnn = node_.pnn();
  options.pid = 1000 + node_.pnn();
  (void)nodes_file(options.nodes);
  core_ = std::make_unique<Router>(std::move(options), *this);
  peers_ = node_.nodes_file;
  node_.world().network.set_peers(node_.pnn(), numbers_of(peers_));
  instances_ = 0;
  endpoints_ = 0;
  node_.world().network.set_listening(node_.pnn(), true, false);
}

void RouterProcess::kill(bool power_lost) {
  if (!alive()) return;
  set_dead();
  node_.note_deaths();
  core_.reset();
  Random& random = node_.world().random;
  if (store_link_) node_.store.router_died(store_link_->id, queue_.now() + death_delay(random));
  if (recoveryd_link_) node_.recoveryd.router_died(recoveryd_link_->id, queue_.now() + death_delay(random));
  store_link_.reset();
  recoveryd_link_.reset();
  for (auto& [endpoint, attached] : clients_) {
    attached.client->connection_lost(endpoint, queue_.now() + death_delay(random));
  }
  clients_.clear();
  node_.world().network.set_listening(node_.pnn(), false, power_lost);
}

// ---- daemons ----

uint64_t RouterProcess::connect(Server role, Process& daemon, Action connected) {
  if (!running() || !accepting_) return 0;
  std::unique_ptr<DaemonLink>& link = link_of(role);
  if (link) return 0;  // it has not seen yet that the one before is dead
  link = std::make_unique<DaemonLink>(++links_, queue_, node_.world().random);
  const TimeNs when = queue_.now() + 50 * kMicrosecond;
  for (Ring& ring : link->to_daemon) ring.not_before(when);
  daemon.input_at(when, std::move(connected));
  const uint64_t id = link->id;
  const uint64_t instance = ++instances_;
  input([this, role, instance] { core_->on_daemon(role, true, instance, queue_.now()); });
  return id;
}

bool RouterProcess::linked(Server role, uint64_t link) const {
  const std::unique_ptr<DaemonLink>& have = role == Server::store ? store_link_ : recoveryd_link_;
  return have && have->id == link;
}

void RouterProcess::end_link(Server role) {
  std::unique_ptr<DaemonLink>& link = link_of(role);
  if (!link) return;
  link.reset();
  core_->on_daemon(role, false, instances_, queue_.now());
}

void RouterProcess::daemon_died(Server role) {
  if (!link_of(role)) return;
  input_at(queue_.now() + death_delay(node_.world().random), [this, role, id = link_of(role)->id] {
    if (linked(role, id)) end_link(role);
  });
}

void RouterProcess::from_daemon(Server role, uint64_t link, size_t lane, uint32_t endpoint, ByteView packet) {
  if (!linked(role, link)) return;
  const TimeNs when = link_of(role)->to_router[lane].arrival();
  input_at(when, [this, role, link, endpoint, bytes = to_bytes(packet)]() mutable {
    if (!linked(role, link)) return;
    core_->on_daemon_packet(role, endpoint, bytes, queue_.now());
  });
}

bool RouterProcess::to_store(uint32_t endpoint, ByteView packet) {
  if (!store_link_) return false;
  node_.store.from_router(store_link_->id, endpoint, packet, store_link_->to_daemon[0].arrival());
  return true;
}

bool RouterProcess::to_recoveryd(Lane lane, uint32_t endpoint, ByteView packet) {
  if (!recoveryd_link_) return false;
  const TimeNs when = recoveryd_link_->to_daemon[static_cast<size_t>(lane)].arrival();
  node_.recoveryd.from_router(recoveryd_link_->id, lane, endpoint, packet, when);
  return true;
}

// ---- clients ----

uint32_t RouterProcess::connect(Client& client) {
  if (!running() || !accepting_) return 0;
  Random& random = node_.world().random;
  const uint32_t endpoint = ++endpoints_;
  clients_.emplace(endpoint, Attached{&client, Ring(queue_, random), Ring(queue_, random)});
  input([this, endpoint] { core_->on_client(endpoint, static_cast<int32_t>(5000 + endpoint)); });
  return endpoint;
}

// Not if the number is that of an earlier router's connection.
void RouterProcess::client_died(const Client& client, uint32_t endpoint) {
  if (!is_connected(client, endpoint)) return;
  input_at(queue_.now() + death_delay(node_.world().random), [this, endpoint] {
    if (clients_.erase(endpoint) > 0) core_->on_client_gone(endpoint, queue_.now());
  });
}

bool RouterProcess::is_connected(const Client& client, uint32_t endpoint) const {
  const auto found = clients_.find(endpoint);
  return found != clients_.end() && found->second.client == &client;
}

void RouterProcess::from_client(const Client& client, uint32_t endpoint, ByteView packet) {
  if (!is_connected(client, endpoint)) return;
  const auto found = clients_.find(endpoint);
  input_at(found->second.to_router.arrival(), [this, endpoint, bytes = to_bytes(packet)]() mutable {
    if (clients_.count(endpoint) > 0) core_->on_client_packet(endpoint, bytes, queue_.now());
  });
}

void RouterProcess::to_client(uint32_t endpoint, ByteView packet) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end()) return;
  found->second.client->from_router(endpoint, packet, found->second.to_client.arrival());
}

void RouterProcess::operator_control(Control control, ByteView data) {
  input([this, control, data = to_bytes(data)] {
    const uint32_t endpoint = ++endpoints_;
    Bytes packet;
    build(packet, {0, 0, 0, CTDB_CURRENT_NODE, 0, 1},
          ReqControl{static_cast<uint32_t>(control), 0, 0, 0, data});
    core_->on_client(endpoint, 1);
    core_->on_client_packet(endpoint, packet, queue_.now());
    core_->on_client_gone(endpoint, queue_.now());
  });
}

void RouterProcess::close_classic_clients() {
  node_.world().trace.add(node_.pnn(), "classic clients are cut off");
  for (auto& [endpoint, attached] : clients_) {
    if (attached.client->native()) continue;
    attached.client->connection_lost(endpoint, queue_.now() + death_delay(node_.world().random));
  }
}

// ---- network ----

void RouterProcess::link_changed(uint32_t peer, bool up, uint64_t session) {
  input([this, peer, up, session] { core_->on_link(peer, up, session, queue_.now()); });
}

void RouterProcess::node_gone(uint32_t peer) {
  input([this, peer] { core_->on_gone(peer); });
}

void RouterProcess::link_renewed(uint32_t peer, uint64_t session) {
  input([this, peer, session] { core_->on_link_renewed(peer, session); });
}

void RouterProcess::link_packet(uint32_t peer, Bytes packet) {
  input([this, peer, bytes = std::move(packet)]() mutable {
    node_.world().trace.packet(node_.pnn(), "link", peer, bytes);
    // A call that was redirected on a slow link may be older than the removal of who asked first.
    const uint32_t source = read_header(bytes).srcnode;
    const bool removed = !in_list(peers_, source);
    if (!core_->on_link_packet(peer, bytes, queue_.now()) && !removed) {
      node_.world().checkers.verdict.violation("router",
                                               "a packet of our own daemons is refused by the peer's router");
    }
  });
}

std::string RouterProcess::nodes_file(std::vector<RouterNode>& nodes) {
  nodes.clear();
  for (const NodeEntry& line : node_.nodes_file) {
    RouterNode node;
    node.address.assign(28, 0);
    node.deleted = line.empty();
    node.text = line.address;
    node.witness = line.witness;
    nodes.push_back(node);
  }
  return "";
}

void RouterProcess::set_peers(const NodeList& peers) {
  peers_ = peers;
  queue_.after(0, [this, peers] { node_.world().network.set_peers(node_.pnn(), numbers_of(peers)); });
}

bool RouterProcess::to_link(uint32_t pnn, Lane lane, ByteView packet) {
  return node_.world().network.send(node_.pnn(), pnn, lane, packet);
}

void RouterProcess::set_quiet(bool quiet) {
  queue_.after(0, [this, quiet] { node_.world().network.set_quiet(node_.pnn(), quiet); });
}

void RouterProcess::log(const std::string& text) {
  node_.world().trace.note(node_.pnn(), "router: " + text);
}

}  // namespace ctdb::sim
