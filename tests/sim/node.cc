// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/node.h"

#include "tests/sim/world.h"

namespace ctdb::sim {

Node::Node(World& world, uint32_t pnn)
    : world_(world),
      pnn_(pnn),
      router(*this),
      store(*this),
      recoveryd(*this),
      files(world.options().chains),
      locks(world.queue, world.random),
      mutator(world.options().mutation, pnn, world.options().nodes) {
  const WorldOptions& options = world.options();
  for (uint32_t i = 0; i < options.clients_per_node; ++i) {
    ClientOptions client;
    client.native = world.random.one_in(2);
    if (options.clients_pinned) client.pinned_key = static_cast<uint32_t>(world.random.below(options.keys));
    clients.push_back(std::make_unique<Client>(*this, pnn * 100 + i, client));
  }
}

MemoryDatabase* Node::database() {
  return files.database(World::database_name());
}

void Node::daemons_changed() {
  const bool all = router.running() && store.running() && recoveryd.running();
  world_.checkers.lives.set_daemons_running(pnn_, all, world_.now());
  world_.network.set_responsive(pnn_, !router.stopped());
}

void Node::set_descriptors_left(bool left) {
  world_.trace.add(pnn_, left ? "router has descriptors again" : "router is out of descriptors");
  router.set_accepting(left);
  world_.network.set_full(pnn_, !left);
}

bool Node::booted() const {
  return world_.now() >= boots_at_;
}

void Node::start_all() {
  if (!booted()) return;
  start_router();
  start_store();
  start_recoveryd();
  for (auto& client : clients) {
    if (!client->alive()) client->start();
  }
}

void Node::start_router() {
  if (router.alive() || !booted()) return;
  world_.trace.add(pnn_, "router starts");
  router.start();
  daemons_changed();
}

void Node::start_store() {
  if (store.alive() || !booted()) return;
  world_.trace.add(pnn_, "store starts");
  store.start();
  daemons_changed();
}

void Node::start_recoveryd() {
  if (recoveryd.alive() || !booted()) return;
  world_.trace.add(pnn_, "recoveryd starts");
  recoveryd.start();
  daemons_changed();
}

void Node::kill_router(bool power_lost) {
  world_.trace.add(pnn_, "FAULT router killed");
  router.kill(power_lost);
  daemons_changed();
}

void Node::kill_store() {
  world_.trace.add(pnn_, "FAULT store killed");
  store.kill();
  daemons_changed();
}

void Node::kill_recoveryd() {
  world_.trace.add(pnn_, "FAULT recoveryd killed");
  recoveryd.kill();
  daemons_changed();
}

void Node::kill_all() {
  world_.trace.add(pnn_, "FAULT power lost");
  for (auto& client : clients) client->kill();
  store.kill();
  recoveryd.kill();
  router.kill(true);
  world_.checkers.lives.store_cleared(pnn_);
  boots_at_ = world_.now() + kBootTime;
  daemons_changed();
}

void Node::repair() {
  if (!booted()) return world_.queue.at(boots_at_, [this] { repair(); });
  if (router.stopped()) world_.network.set_responsive(pnn_, true);
  files.set_no_room(false);
  recoveryd.set_can_persist(true);
  set_descriptors_left(true);
  router.go_on();
  store.go_on();
  recoveryd.go_on();
  start_all();
  for (auto& client : clients) client->go_on();
  daemons_changed();
}

}  // namespace ctdb::sim
