// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/node.h"

#include <utility>

#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

constexpr TimeNs kScheduling = 1 * kMillisecond;

}  // namespace

Node::Node(World& world, uint32_t pnn)
    : world_(world),
      pnn_(pnn),
      router(*this),
      page(std::move(*NodePage::in_memory())),
      keeper(*this),
      store(*this),
      recoveryd(*this),
      files(world.options().chains),
      disk(files),
      locks(world.queue, world.random),
      mutator(world.options().mutation, pnn, world.options().nodes) {
  const WorldOptions& options = world.options();
  for (uint32_t node = 0; node < options.nodes; ++node) {
    nodes_file.push_back(world.nodes_file_line(node));
  }
  if (world.is_witness(pnn)) return;  // nobody has work there
  for (uint32_t i = 0; i < options.clients_per_node; ++i) {
    ClientOptions client;
    client.native = world.random.one_in(2);
    if (options.clients_pinned) client.pinned_key = static_cast<uint32_t>(world.random.below(options.keys));
    clients.push_back(std::make_unique<Client>(*this, pnn * 100 + i, client));
  }
}

MemoryDatabase* Node::database() {
  if (database_ == nullptr) database_ = files.database(World::database_name());
  return database_;
}

void Node::router_changed() {
  world_.network.set_responsive(pnn_, !router.stopped());
}

void Node::set_descriptors_left(bool left) {
  world_.trace.add(pnn_, left ? "router has descriptors again" : "router is out of descriptors");
  router.set_accepting(left);
  world_.network.set_full(pnn_, !left);
}

TimeNs Node::world_now() const {
  return world_.now();
}

bool Node::may_serve() {
  return world_.now() < page->serve_until() && !page->records_taken() && !proved_gone_ &&
         (may_get_records() || owns_records());
}

bool Node::may_get_records() const {
  const Store* core = store.core();
  return core != nullptr && core->generation() == core->open_generation();
}

bool Node::owns_records() {
  for (const std::string& name : files.existing()) {
    const MemoryDatabase& records = *files.database(name);
    for (const Bytes& key : records.keys()) {
      const std::optional<RecordHeader> header = read_record_header(*records.look(key));
      if (header && header->dmaster == pnn_) return true;
    }
  }
  return false;
}

TimeNs Node::lease_over_at() const {
  return page->serve_until() == 0 ? revoked_at_ : std::min(page->serve_until(), world_.now());
}

void Node::note_excluded() {
  excluded_lease_ = lease_over_at();
  excluded_as_dead_ = proved_gone_;
  excluded_paused_ = paused();
}

void Node::end_pause() {
  if (!paused()) return;
  pauses_.back().until = world_.now();
  woken_up();
}

void Node::woken_up() {
  Pause& pause = pauses_.back();
  if (std::exchange(pause.over, true) || !mutator.is(Mutation::kLeaseSleeps)) return;
  const TimeNs slept = pause.until - pause.from;
  slept_ += slept;
  if (page->serve_until() != 0) page->set_serve_until(page->serve_until() + slept);
}

// The machine stood still when the keeper's turn came, and the chain was locked before that was made up for. Whether it still stood
// still when its exclusion showed says nothing: a decision may show much later, and the keeper waits for the chain.
bool Node::before_the_keepers_turn(TimeNs locked_at) const {
  TimeNs turn = excluded_lease_ + KeeperProcess::kStorePatience;
  bool put_off = false;
  for (const Pause& pause : pauses_) {
    if (pause.from > turn || pause.until <= excluded_lease_) continue;
    turn = pause.until + KeeperProcess::kStorePatience;
    put_off = true;
  }
  return put_off && locked_at <= turn + kScheduling;
}

bool Node::excused(TimeNs locked_at, bool cut_off) {
  SingleOwner& checker = world_.checkers.single_owner;
  // Since before the lease ended, or, in front of the store, before the keeper closed the files.
  if (locked_at <= excluded_lease_ + KeeperProcess::kStorePatience + kScheduling) {
    checker.excuse_holder();
    return true;
  }
  // It was gone when it was left out; or its keeper waited, in the middle of its fence, for a chain that a client held, and was
  // killed together with all daemons.
  const bool killed_in_its_fence = proved_gone_ && !page->records_taken();
  if ((excluded_as_dead_ || killed_in_its_fence) && cut_off) {
    checker.excuse_dead_node();
    return true;
  }
  if ((excluded_paused_ || before_the_keepers_turn(locked_at)) && !page->records_taken()) {
    checker.excuse_paused_node();
    return true;
  }
  return false;
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
  router_changed();
}

void Node::start_store() {
  if (store.alive() || !booted() || world_.is_witness(pnn_)) return;
  world_.trace.add(pnn_, "store starts");
  store.start();
  router_changed();
}

void Node::start_recoveryd() {
  if (recoveryd.alive() || !booted()) return;
  world_.trace.add(pnn_, "recoveryd starts");
  recoveryd.start();
  router_changed();
}

void Node::kill_router(bool power_lost) {
  world_.trace.add(pnn_, "FAULT router killed");
  router.kill(power_lost);
  router_changed();
}

void Node::kill_store() {
  world_.trace.add(pnn_, "FAULT store killed");
  store.kill();
  router_changed();
}

void Node::kill_recoveryd() {
  world_.trace.add(pnn_, "FAULT recoveryd killed");
  recoveryd.kill();
  router_changed();
}

void Node::kill_keeper() {
  world_.trace.add(pnn_, "FAULT keeper killed");
  keeper.kill();
  store.keeper_died();
}

void Node::kill_daemons(bool keeper_first) {
  kill_recoveryd();
  // In any order: what counts is when the last of router and keeper is dead.
  if (keeper_first) kill_keeper();
  kill_router();
  kill_store();
  keeper.kill();
}

void Node::kill_all() {
  world_.trace.add(pnn_, "FAULT power lost");
  for (auto& client : clients) client->kill();
  store.kill();
  recoveryd.kill();
  router.kill(true);
  keeper.kill();
  page = std::move(*NodePage::in_memory());
  world_.checkers.lives.store_cleared(pnn_);
  boots_at_ = world_.now() + kBootTime;
  end_pause();
  router_changed();
}

void Node::repair_all_but_daemons() {
  if (keeper.stopped()) return repair();  // the whole machine stands still
  files.set_no_room(false);
  set_descriptors_left(true);
  for (auto& client : clients) {
    if (client->alive()) client->go_on();
  }
}

void Node::repair() {
  if (!booted()) return world_.queue.at(boots_at_, [this] { repair(); });
  if (router.stopped()) world_.network.set_responsive(pnn_, true);
  end_pause();
  files.set_no_room(false);
  recoveryd.set_can_persist(true);
  set_descriptors_left(true);
  router.go_on();
  store.go_on();
  recoveryd.go_on();
  keeper.go_on();
  start_all();
  for (auto& client : clients) client->go_on();
  router_changed();
}

}  // namespace ctdb::sim
