// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/recoveryd_process.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

RecoverydProcess::RecoverydProcess(Node& node)
    : Process(node.world().queue), node_(node), random_(node.world().random.next()) {}

TimeNs RecoverydProcess::clock() const {
  return queue_.now() - node_.slept();
}

TimeNs RecoverydProcess::next_deadline() const {
  const TimeNs deadline = core_->next_deadline();
  return deadline == kNever ? kNever : deadline + node_.slept();
}

void RecoverydProcess::start() {
  CTDB_ASSERT(!alive());
  set_alive();
  RecoverydOptions options;
  options.pnn = node_.pnn();
  options.nodes = node_.nodes_file;
  options.lock_quorum = node_.world().options().lock;
  mutate_recoveryd(node_.world().options().mutation, options, node_.durable);
  core_ = std::make_unique<ClusterNode>(options, random_, *this, node_.durable, clock());
  connect();
}

void RecoverydProcess::connect() {
  link_ = node_.router.connect(Server::recoveryd, *this, [this] {
    if (link_ != 0) core_->on_router_up(clock());
  });
  if (link_ != 0) return;
  const TimeNs again = 10 * kMillisecond + static_cast<TimeNs>(node_.world().random.below(40 * kMillisecond));
  input_at(queue_.now() + again, [this] { connect(); });
}

void RecoverydProcess::kill() {
  if (!alive()) return;
  set_dead();
  core_.reset();
  node_.world().cluster_lock.let_go(node_.pnn());
  link_ = 0;
  node_.router.daemon_died(Server::recoveryd);
}

void RecoverydProcess::router_died(uint64_t link, TimeNs when) {
  input_at(when, [this, link] {
    if (link_ != link) return;
    link_ = 0;
    core_->on_router_down(clock());
    connect();
  });
}

void RecoverydProcess::from_router(uint64_t link, Lane lane, uint32_t endpoint, ByteView packet,
                                   TimeNs when) {
  input_at(when, [this, link, lane, endpoint, bytes = to_bytes(packet)]() mutable {
    if (link_ != link) return;
    const RecoverydLane own = lane == Lane::kControl ? RecoverydLane::kControl : RecoverydLane::kData;
    if (!node_.mutator.active()) return handle(own, endpoint, bytes);
    std::vector<Bytes> more;
    if (!node_.mutator.recoveryd_input(bytes, more)) return;
    handle(own, endpoint, bytes);
    for (const Bytes& each : more) handle(own, endpoint, each);
  });
}

void RecoverydProcess::handle(RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  World& world = node_.world();
  world.trace.packet(node_.pnn(), "recoveryd", endpoint, packet);
  world.points.handled(node_.pnn(), packet);
  core_->on_packet(lane, endpoint, packet, clock());
}

void RecoverydProcess::to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  if (link_ == 0) return;
  Bytes changed;
  if (node_.mutator.active()) {
    changed = to_bytes(packet);
    if (!node_.mutator.recoveryd_output(changed)) return;
    packet = changed;
  }
  node_.world().sent(node_.pnn(), packet);
  const Lane own = lane == RecoverydLane::kControl ? Lane::kControl : Lane::kData;
  node_.router.from_daemon(Server::recoveryd, link_, static_cast<size_t>(own), endpoint, packet);
}

bool RecoverydProcess::persist(ByteView bytes) {
  if (!can_persist_) return false;
  Bytes kept = to_bytes(bytes);
  mutate_durable(node_.world().options().mutation, node_.durable, kept);
  node_.durable = kept;
  node_.world().points.persisted(node_.pnn(), bytes);
  return true;
}

TimeNs RecoverydProcess::serve_until() {
  return std::max<TimeNs>(0, node_.page->serve_until() - node_.slept());
}

bool RecoverydProcess::set_serve_until(TimeNs before, TimeNs when) {
  if (when != 0) when += node_.slept();
  if (before != 0) before += node_.slept();
  if (!node_.page->change_serve_until(before, when)) return false;
  if (when == 0) node_.note_revoked(before);
  if (when > before) node_.note_duty();
  if (before == 0 || when < before) node_.keeper.ring();
  return true;
}

bool RecoverydProcess::records_taken() {
  return node_.page->records_taken();
}

bool RecoverydProcess::being_fenced() {
  return node_.page->being_fenced();
}

TimeNs RecoverydProcess::store_beat() {
  return node_.page->store_beat() - node_.slept();
}

void RecoverydProcess::want_lock(bool wanted) {
  SharedLock& lock = node_.world().cluster_lock;
  if (!wanted) return lock.let_go(node_.pnn());
  lock.want(node_.pnn(), [this](LockState state, const std::string& why) {
    node_.world().trace.add(node_.pnn(), "cluster lock", static_cast<uint64_t>(state));
    input([this, state, why] { core_->on_lock(state, why, clock()); });
  });
}

void RecoverydProcess::access_register(uint64_t ticket, ByteView slot) {
  const auto told = [this, life = incarnation()](const RegisterAnswer& answer) {
    if (life != incarnation()) return;
    input([this, answer] { core_->on_register(answer, clock()); });
  };
  node_.world().cluster_lock.access(node_.pnn(), ticket, slot, told);
}

void RecoverydProcess::log(RecoverydLog, const std::string& text) {
  node_.world().trace.note(node_.pnn(), "recoveryd: " + text);
}

}  // namespace ctdb::sim
