// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/world.h"

#include "libctdbipc/wire/own_messages.h"
#include "tests/sim/faults.h"
#include "tests/sim/node.h"

namespace ctdb::sim {
namespace {

constexpr uint64_t kStepsPerInstantMax = 100000;

}  // namespace

World::World(WorldOptions options)
    : random(options.seed),
      trace(queue, options.print_trace),
      checkers(
          options.nodes, options.keys, *this,
          [this](uint32_t node, uint32_t key) { return header_on(node, key); },
          [this](uint32_t node, uint32_t key) { return data_on(node, key); }, [this] { return now(); }),
      network(queue, random, trace, *this, options.nodes, options.network),
      cluster_lock(queue, options.seed, options.nodes),
      options_(options) {
  for (uint32_t key = 0; key < options.keys; ++key) {
    key_bytes_.emplace_back(4);
    store(key_bytes_.back().data(), key);
  }
  mutate_lock(options.mutation, cluster_lock);
  for (uint32_t pnn = 0; pnn < options.nodes; ++pnn) nodes_.push_back(std::make_unique<Node>(*this, pnn));
}

World::~World() = default;

NodeEntry World::nodes_file_line(uint32_t pnn) const {
  return {Node::address_of(pnn), is_witness(pnn)};
}

void World::start() {
  network.start();
  for (auto& node : nodes_) node->start_all();
}

void World::run(TimeNs until, const std::function<bool()>& done) {
  while (checkers.verdict.ok() && queue.step(until)) {
    if (done && done()) return;
    if (queue.now() != last_time_) {
      last_time_ = queue.now();
      steps_then_ = queue.steps();
    } else if (queue.steps() - steps_then_ > kStepsPerInstantMax) {
      checkers.verdict.violation("world", "time stands still: something asks to be called again and again");
    }
  }
}

const Bytes* World::value_on(uint32_t node, uint32_t key) {
  const MemoryDatabase* database = nodes_[node]->database();
  if (database == nullptr || database->is_leftover(key_bytes(key))) return nullptr;
  return database->look(key_bytes(key));
}

std::optional<RecordHeader> World::header_on(uint32_t node, uint32_t key) {
  const Bytes* value = value_on(node, key);
  return value != nullptr ? read_record_header(*value) : std::nullopt;
}

std::optional<Bytes> World::data_on(uint32_t node, uint32_t key) {
  const Bytes* value = value_on(node, key);
  if (value == nullptr || value->size() < CTDB_RECORD_HEADER_SIZE) return std::nullopt;
  return Bytes(value->begin() + CTDB_RECORD_HEADER_SIZE, value->end());
}

uint32_t World::leader() const {
  for (const auto& node : nodes_) {
    const ClusterNode* recoveryd = node->recoveryd.core();
    if (recoveryd != nullptr && recoveryd->is_leader()) return node->pnn();
  }
  return 0;
}

void World::sent(uint32_t node, ByteView packet) {
  const Header header = read_header(packet);
  const Operation operation = static_cast<Operation>(header.operation);
  if (operation == Operation::RECOVERY_BEGIN || operation == Operation::STORE_RECOVER) {
    if (const std::optional<RecoveryBegin> begin = RecoveryBegin::decode(own_payload(packet))) {
      checkers.lives.generation_begun(begin->generation, begin->members);
      checkers.lives.generation_takes_effect(begin->base_generation);
    }
  }
  if (operation == Operation::RECORD_CLAIMS_END || operation == Operation::STORE_RECOVERED) {
    checkers.lives.store_claims(node, header.generation);
  }
  if (operation == Operation::STORE_RECOVERED) {
    const std::optional<StoreRecovered> report = StoreRecovered::decode(own_payload(packet));
    if (report && report->ok) checkers.lives.store_prepared(node, report->generation);
  }
  points.sent(node, packet);
}

void World::link_changed(uint32_t node, uint32_t peer, bool up, uint64_t session) {
  points.reach(up ? Point::kLinkUp : Point::kLinkDown, node);
  nodes_[node]->router.link_changed(peer, up, session);
  if (!up && options_.mutation == Mutation::kSilenceBans)
    nodes_[node]->router.operator_control(Control::SET_BAN_STATE, ban_state(node, 300));
}

void World::link_renewed(uint32_t node, uint32_t peer, uint64_t session) {
  nodes_[node]->router.link_renewed(peer, session);
}

void World::link_packet(uint32_t node, uint32_t peer, Bytes packet) {
  nodes_[node]->router.link_packet(peer, std::move(packet));
}

void World::gone(uint32_t node, uint32_t peer) {
  nodes_[node]->router.node_gone(peer);
}

bool World::keeper_reachable(uint32_t node) {
  const Node& at = *nodes_[node];
  return at.router.running() && at.store.running() && at.store.connected_to_router() && at.keeper.running();
}

bool World::may_serve(uint32_t pnn) {
  return nodes_[pnn]->may_serve();
}

void World::life_ended(uint32_t pnn) {
  nodes_[pnn]->note_excluded();
  checkers.copies.node_lost(pnn);
}

void World::wrongly_excluded(uint32_t pnn) {
  checkers.verdict.violation("exclusion",
                             "node " + std::to_string(pnn) +
                                 " is left out although its lease lasts, files of its say that it "
                                 "owns records, and its router or its keeper lives");
}

void World::heal(uint32_t spared) {
  trace.add(0, "everything is healed, but", spared);
  network.heal(spared);
  cluster_lock.heal();
  for (auto& node : nodes_) {
    if (node->pnn() == spared) {
      node->repair_all_but_daemons();
      continue;
    }
    network.set_quiet(node->pnn(), false);
    node->repair();
  }
}

void World::stop_clients() {
  for (auto& node : nodes_) {
    for (auto& client : node->clients) client->finish();
  }
}

bool World::clients_idle() const {
  for (const auto& node : nodes_) {
    for (const auto& client : node->clients) {
      if (!client->idle()) return false;
    }
  }
  return true;
}

}  // namespace ctdb::sim
