// SPDX-License-Identifier: GPL-3.0-or-later
#include "world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "libctdbipc/wire/packet.h"

namespace ctdb::test {
namespace {

constexpr TimeNs kStoreDelay = 2 * kMillisecond;
constexpr uint32_t kClient = 77;
constexpr TimeNs kStoreTells = 5 * kSecond;
constexpr TimeNs kKeeperDelay = 50 * kMillisecond;

}  // namespace

struct World::Output : RecoverydOutput {
  Output(World& w, uint32_t p) : world(w), pnn(p) {}
  void to_router(RecoverydLane lane, uint32_t endpoint, ByteView packet) override {
    world.from_core(pnn, lane, endpoint, packet);
  }
  bool persist(ByteView bytes) override {
    if (world.full_disks.contains(pnn)) return false;
    world.nodes_[pnn].durable = to_bytes(bytes);
    return true;
  }
  TimeNs serve_until() override { return node().lease; }
  bool set_serve_until(TimeNs before, TimeNs when) override {
    if (node().lease != before) return false;
    node().lease = when;
    return true;
  }
  // The keeper does it, whatever happens to the store.
  bool records_taken() override {
    if (world.now_ >= node().lease + kKeeperDelay && !node().store.unkept) node().store.serving = false;
    return !node().store.serving;
  }
  bool being_fenced() override { return false; }
  TimeNs store_beat() override { return node().store.up && !node().store.hangs ? world.now_ : 0; }
  Node& node() { return world.nodes_[pnn]; }
  void want_lock(bool) override {}
  void access_register(uint64_t, ByteView) override {}
  int64_t wall_clock_ns() override { return 1700000000 * kSecond + world.now_; }
  void log(RecoverydLog, const std::string& text) override {
    world.log.push_back(std::to_string(world.now_ / kMillisecond) + " ms node " + std::to_string(pnn) + ": " +
                        text);
  }
  World& world;
  uint32_t pnn;
};

World::World(uint32_t nodes, uint64_t seed) : World(nodes, seed, [](RecoverydOptions&) {}) {}

World::World(uint32_t nodes, uint64_t seed, const std::function<void(RecoverydOptions&)>& adjust)
    : random_(seed), adjust_(adjust), nodes_(nodes) {
  std::vector<uint32_t> all;
  for (uint32_t pnn = 0; pnn < nodes; ++pnn) all.push_back(pnn);
  for (uint32_t pnn = 0; pnn < nodes; ++pnn) {
    nodes_[pnn].output = std::make_unique<Output>(*this, pnn);
    nodes_[pnn].nodes_file = list_of(all);
  }
}

World::~World() {
  if (!::testing::Test::HasFailure()) return;
  for (const std::string& line : log) std::fprintf(stderr, "%s\n", line.c_str());
}

ClusterNode& World::node(uint32_t pnn) {
  return *nodes_[pnn].core;
}

// ---- time ----

void World::later(TimeNs delay, std::function<void()> action) {
  events_.push({now_ + delay, ++order_, std::move(action)});
}

bool World::until(const std::function<bool()>& done, TimeNs limit) {
  const TimeNs end = now_ + limit;
  while (!done()) {
    TimeNs next = events_.empty() ? kNever : events_.top().at;
    Node* ticking = nullptr;
    for (Node& node : nodes_) {
      if (node.core == nullptr || node.core->next_deadline() >= next) continue;
      next = node.core->next_deadline();
      ticking = &node;
    }
    if (next > end) {
      now_ = end;
      return done();
    }
    now_ = std::max(now_, next);
    if (ticking != nullptr) {
      ticking->core->tick(now_);
    } else {
      const std::function<void()> action = events_.top().action;
      events_.pop();
      action();
    }
    check_leaders();
  }
  return true;
}

void World::run(TimeNs duration) {
  until([] { return false; }, duration);
}

void World::check_leaders() {
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    if (nodes_[pnn].core == nullptr || !nodes_[pnn].core->is_leader()) continue;
    const uint64_t term = nodes_[pnn].core->state().term;
    if (nodes_[pnn].core->state().leader != pnn) continue;  // not told yet
    const auto [at, fresh] = leaders_.emplace(term, pnn);
    ASSERT_EQ(at->second, pnn) << "two leaders in term " << term;
  }
}

// ---- nodes, daemons, links ----

void World::start(uint32_t pnn) {
  Node& node = nodes_[pnn];
  node.router = true;
  node.store.up = true;
  ++node.store.instance;
  start_recoveryd(pnn);
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) join(pnn, peer);
  }
}

void World::start_all() {
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) start(pnn);
}

void World::kill(uint32_t pnn) {
  Node& node = nodes_[pnn];
  node.core.reset();
  ++node.recoveryd_life;
  node.router = node.has_said = false;
  const uint64_t instance = node.store.instance;
  node.store = {};  // volatile files are empty after that
  node.store.instance = instance;
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) set_link(pnn, peer, false, true);
  }
}

void World::kill_recoveryd(uint32_t pnn) {
  nodes_[pnn].core.reset();
  ++nodes_[pnn].recoveryd_life;
}

void World::start_recoveryd(uint32_t pnn) {
  Node& node = nodes_[pnn];
  RecoverydOptions options;
  options.pnn = pnn;
  options.nodes = node.nodes_file;
  adjust_(options);
  ++node.recoveryd_life;
  const std::optional<ClusterState> said = node.has_said ? std::optional(node.state) : std::nullopt;
  node.random = std::make_unique<Random>(random_.next());
  node.core = std::make_unique<ClusterNode>(options, *node.random, *node.output, node.durable, now_);
  node.core->on_router_up(now_);
  if (said) forge(pnn, pnn, Operation::CLUSTER_STATE, said->encode());
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) tell_link(pnn, peer);
  }
  own(pnn, Operation::DAEMON_STATE,
      DaemonState{DaemonRole::kStore, node.store.up, node.store.instance}.encode());
}

void World::kill_store(uint32_t pnn) {
  nodes_[pnn].store.up = false;
  own(pnn, Operation::DAEMON_STATE,
      DaemonState{DaemonRole::kStore, false, nodes_[pnn].store.instance}.encode());
}

void World::start_store(uint32_t pnn) {
  FakeStore& store = nodes_[pnn].store;
  store.up = true;
  ++store.instance;
  store.entered = CTDB_INVALID_GENERATION;
  store.prepared = store.left_prepared;
  own(pnn, Operation::DAEMON_STATE, DaemonState{DaemonRole::kStore, true, store.instance}.encode());
  store_hello(pnn);
}

void World::tell_link(uint32_t pnn, uint32_t peer, bool gone) {
  const Wire& w = wire(pnn, peer);
  own(pnn, Operation::LINK_STATE, LinkState{peer, w.up, w.session, gone}.encode());
}

NodeList World::list_of(const std::vector<uint32_t>& numbers) {
  NodeList list;
  for (uint32_t pnn : numbers) {
    list.resize(std::max<size_t>(list.size(), pnn + 1));
    list[pnn] = "10.0.0." + std::to_string(pnn + 1);
  }
  return list;
}

bool World::listed(uint32_t by, uint32_t pnn) const {
  return in_list(nodes_[by].nodes_file, pnn) &&
         nodes_[by].nodes_file[pnn].address == list_of({pnn})[pnn].address;
}

void World::set_nodes(uint32_t pnn, const std::vector<uint32_t>& numbers) {
  set_nodes(pnn, list_of(numbers));
}

void World::set_nodes(uint32_t pnn, NodeList list) {
  nodes_[pnn].nodes_file = std::move(list);
  own(pnn, Operation::NODE_LIST,
      NodeListMessage{false, false, CTDB_INVALID_GENERATION, "", nodes_[pnn].nodes_file}.encode());
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) join(pnn, peer);
  }
}

bool World::removed(uint32_t by, uint32_t pnn) const {
  const std::vector<uint32_t>& voters = nodes_[by].state.voters;
  return !listed(by, pnn) && !std::binary_search(voters.begin(), voters.end(), pnn);
}

void World::drop_removed(uint32_t pnn) {
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer == pnn || !removed(pnn, peer)) continue;
    later(0, [this, pnn, peer] {
      if (removed(pnn, peer)) cut(pnn, peer);
    });
  }
}

void World::set_link(uint32_t a, uint32_t b, bool up, bool gone) {
  if (wire(a, b).up == up) return;
  ++sessions_;
  wire(a, b).up = wire(b, a).up = up;
  wire(a, b).session = wire(b, a).session = sessions_;
  tell_link(a, b, gone);
  tell_link(b, a, gone);
}

void World::cut(uint32_t a, uint32_t b) {
  set_link(a, b, false);
}
void World::join(uint32_t a, uint32_t b) {
  if (nodes_[a].router && nodes_[b].router && listed(a, b) && listed(b, a)) set_link(a, b, true);
}
void World::reset(uint32_t a, uint32_t b) {
  cut(a, b);
  join(a, b);
}
void World::isolate(uint32_t pnn) {
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) cut(pnn, peer);
  }
}
void World::rejoin(uint32_t pnn) {
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer != pnn) join(pnn, peer);
  }
}
void World::silence(uint32_t from, uint32_t to, bool on) {
  wire(from, to).silent = on;
}

// ---- packets ----

void World::deliver(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  if (nodes_[pnn].core != nullptr) nodes_[pnn].core->on_packet(lane, endpoint, packet, now_);
}

// From router or store of the same node; later, because cores must not be called from their own output.
void World::own(uint32_t pnn, Operation operation, const Bytes& payload) {
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(operation), pnn, pnn, 0}, payload);
  const uint64_t life = nodes_[pnn].recoveryd_life;
  later(0, [this, pnn, life, packet] {
    if (nodes_[pnn].recoveryd_life == life) deliver(pnn, RecoverydLane::kControl, 0, packet);
  });
}

void World::forge(uint32_t to, uint32_t from, Operation operation, const Bytes& payload) {
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(operation), to, from, 0}, payload);
  deliver(to, RecoverydLane::kControl, 0, packet);
}

void World::packet(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  deliver(pnn, lane, endpoint, packet);
}

void World::from_core(uint32_t pnn, RecoverydLane lane, uint32_t endpoint, ByteView packet) {
  ASSERT_EQ(check_header(packet), HeaderFault::kNone);
  const Header header = read_header(packet);
  ASSERT_EQ(header.srcnode, pnn);
  if (lane == RecoverydLane::kData) return data_from_core(pnn, endpoint, header, packet);
  ASSERT_EQ(endpoint, 0u);
  if (header.destnode != pnn) return over_wire(pnn, header, packet);
  if (header.operation == static_cast<uint32_t>(Operation::CLUSTER_STATE)) {
    const auto state = ClusterState::decode(own_payload(packet));
    ASSERT_TRUE(state.has_value());
    nodes_[pnn].state = *state;
    nodes_[pnn].has_said = true;
    nodes_[pnn].states.push_back(*state);
    drop_removed(pnn);
    return;
  }
  if (header.operation == static_cast<uint32_t>(Operation::CUT_CLIENTS)) {
    ++nodes_[pnn].store.clients_cut;
    nodes_[pnn].store.serving = false;  // nobody is left to use a record
    return;
  }
  to_store(pnn, header, packet);
}

void World::data_from_core(uint32_t pnn, uint32_t endpoint, const Header& header, ByteView packet) {
  if (header.operation == static_cast<uint32_t>(Operation::REPLY_CONTROL)) {
    ASSERT_EQ(endpoint, kClient);
    const auto reply = parse_reply_control(packet);
    ASSERT_TRUE(reply.has_value());
    reply_status_ = reply->status;
    reply_data = to_bytes(reply->data);
    return;
  }
  const auto message = parse_req_message(packet);
  ASSERT_TRUE(message.has_value());
  told.push_back({pnn, header.destnode, message->srvid, to_bytes(message->data)});
}

void World::over_wire(uint32_t from, const Header& header, ByteView packet) {
  const uint32_t to = header.destnode;
  ASSERT_LT(to, nodes_.size());
  Wire& w = wire(from, to);
  ++wire_packets_;
  if (!w.up || w.silent) return;
  if (on_wire && !on_wire(from, to, static_cast<Operation>(header.operation))) return;
  const TimeNs arrival = std::max(w.last, now_ + w.delay + static_cast<TimeNs>(random_.below(kWireDelay)));
  w.last = arrival;
  const uint64_t session = w.session;
  later(arrival - now_, [this, from, to, session, copy = to_bytes(packet)] {
    const Wire& then = wire(from, to);
    if (then.up && then.session == session) deliver(to, RecoverydLane::kControl, 0, copy);
  });
}

int32_t World::control(uint32_t pnn, Control opcode, ByteView data) {
  Bytes packet;
  build(packet, {0, 0, 0, pnn, pnn, 5}, ReqControl{static_cast<uint32_t>(opcode), 0, kClient, 0, data});
  reply_status_.reset();
  deliver(pnn, RecoverydLane::kData, kClient, packet);
  EXPECT_TRUE(reply_status_.has_value()) << "the control was not answered";
  return reply_status_.value_or(-99);
}

// ---- stores ----

void World::to_store(uint32_t pnn, const Header& header, ByteView packet) {
  FakeStore& store = nodes_[pnn].store;
  if (!store.up || store.hangs) return;
  const ByteView payload = own_payload(packet);
  switch (static_cast<Operation>(header.operation)) {
    case Operation::STORE_RECOVER:
      return store_recover(pnn, *StoreRecover::decode(payload));
    case Operation::STORE_OPEN:
      return store_open(pnn, *StoreOpen::decode(payload));
    case Operation::STORE_QUERY:
      if (!store.deaf) store_hello(pnn, StoreQuery::decode(payload)->number);
      return;
    case Operation::STORE_SUSPEND: {
      const auto order = StoreSuspend::decode(payload);
      store.suspended = true;
      store.serving = false;
      store.discarded = order->discard;
      store.reason = order->reason;
      store.entered = CTDB_INVALID_GENERATION;
      if (order->discard) store.opened = store.prepared = CTDB_INVALID_GENERATION;
      return;
    }
    default:
      FAIL() << "operation " << header.operation << " to a store";
  }
}

void World::store_recover(uint32_t pnn, const StoreRecover& order) {
  FakeStore& store = nodes_[pnn].store;
  ASSERT_TRUE(store.opened == CTDB_INVALID_GENERATION || order.generation > store.opened)
      << "back to an older generation";
  ASSERT_TRUE(store.entered == CTDB_INVALID_GENERATION || order.generation > store.entered);
  store.entered = order.generation;
  store.members = order.members;
  store.base = order.base_generation;
  store.voters = order.voters.size();
  store.voters_in = static_cast<size_t>(std::ranges::count_if(
      order.voters, [&](uint32_t voter) { return std::ranges::binary_search(order.members, voter); }));
  store.suspended = false;
  if (store.broken) {
    return own(pnn, Operation::STORE_RECOVERED,
               StoreRecovered{order.generation, false, {}, "the disk is on fire"}.encode());
  }
  later(kStoreDelay, [this] { finish_recoveries(); });
  later(kStoreDelay, [this, pnn, order] { find_wrong_counts(pnn, order.generation); });
  later(kStoreTells, [this, pnn, order] { tell_who_is_missing(pnn, order.generation); });
}

// `other` is where store `pnn` is, and has sent it all it needs.
bool World::helps(uint32_t pnn, uint32_t other) const {
  const FakeStore& store = nodes_[pnn].store;
  const FakeStore& theirs = nodes_[other].store;
  const auto at = wires_.find({pnn, other});
  return theirs.up && theirs.entered == store.entered && !theirs.broken && !theirs.slow &&
         theirs.miscounts_to.count(pnn) == 0 && (other == pnn || (at != wires_.end() && at->second.up));
}

void World::tell_who_is_missing(uint32_t pnn, uint32_t generation) {
  FakeStore& store = nodes_[pnn].store;
  if (!store.up || store.entered != generation || store.prepared == generation) return;
  StoreRecovered waits;
  waits.generation = generation;
  waits.ok = false;
  for (uint32_t other : store.members) {
    if (!helps(pnn, other)) waits.about.push_back(other);
  }
  // It has all claims; assignments are missing of those that have not.
  waits.all_claimed = waits.about.empty();
  for (uint32_t other : store.members) {
    const auto lacks = [&](uint32_t third) { return !helps(other, third); };
    if (waits.all_claimed && std::any_of(store.members.begin(), store.members.end(), lacks))
      waits.about.push_back(other);
  }
  if (!store.mute) own(pnn, Operation::STORE_RECOVERED, waits.encode());
  later(kStoreTells, [this, pnn, generation] { tell_who_is_missing(pnn, generation); });
}

void World::find_wrong_counts(uint32_t pnn, uint32_t generation) {
  const FakeStore& store = nodes_[pnn].store;
  if (!store.up || store.entered != generation) return;
  for (uint32_t other : store.members) {
    if (nodes_[other].store.miscounts_to.count(pnn) == 0) continue;
    const std::string what = "node " + std::to_string(other) + " has sent 3 batches, 2 have arrived";
    return own(pnn, Operation::STORE_RECOVERED,
               StoreRecovered{generation, false, {}, what, {other}, false}.encode());
  }
}

// Stores can only be prepared when all members entered the generation and their routers can talk.
void World::finish_recoveries() {
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    FakeStore& store = nodes_[pnn].store;
    if (!store.up || store.entered == CTDB_INVALID_GENERATION || store.prepared == store.entered ||
        store.slow)
      continue;
    // Who lacks a claim decides nothing, so nobody has all assignments.
    const bool all_here = std::all_of(store.members.begin(), store.members.end(), [&](uint32_t other) {
      return std::all_of(store.members.begin(), store.members.end(),
                         [&](uint32_t third) { return helps(other, third); });
    });
    if (!all_here) continue;
    store.prepared = store.entered;
    own(pnn, Operation::STORE_RECOVERED, StoreRecovered{store.entered, true, {}, ""}.encode());
    later(kStoreDelay, [this] { finish_recoveries(); });
  }
}

void World::store_open(uint32_t pnn, const StoreOpen& order) {
  FakeStore& store = nodes_[pnn].store;
  ASSERT_EQ(store.entered, order.generation);
  ASSERT_EQ(store.prepared, order.generation);
  store.opened = order.generation;
  store.note = order.note;
  store.everybody = order.everybody;
  store.serving = true;
  check_fences(store.members);
  const auto [at, fresh] = opened_.emplace(order.generation, store.members);
  ASSERT_EQ(at->second, store.members) << "generation " << order.generation << " opened with other members";
  if (2 * store.voters_in > store.voters && !store.lacks_transactions)
    later(kStoreDelay, [this, pnn, order] { tell_logs_are_equal(pnn, order.generation); });
}

void World::tell_logs_are_equal(uint32_t pnn, uint32_t generation) {
  const FakeStore& store = nodes_[pnn].store;
  if (!store.up || store.opened != generation || store.entered != generation) return;
  own(pnn, Operation::STORE_RECOVERED, StoreRecovered{generation, true, {}, "", store.members}.encode());
}

// Whoever was left out must have stopped by now, or its lease must be over.
void World::check_fences(const std::vector<uint32_t>& members) {
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    const FakeStore& store = nodes_[pnn].store;
    if (std::binary_search(members.begin(), members.end(), pnn)) continue;
    EXPECT_FALSE(store.serving && now_ < nodes_[pnn].lease)
        << "at " << now_ / kMillisecond << " ms node " << pnn << " still serves";
  }
}

void World::store_hello(uint32_t pnn, uint64_t asked) {
  const FakeStore& store = nodes_[pnn].store;
  StoreHello hello{store.opened, store.prepared, 0, asked};
  if (store.opened == store.entered && !store.suspended) hello.note = store.note;
  own(pnn, Operation::STORE_HELLO, hello.encode());
}

// ---- what can be seen ----

uint32_t World::generation(uint32_t pnn) const {
  return nodes_[pnn].core == nullptr ? CTDB_INVALID_GENERATION : nodes_[pnn].core->open_generation();
}

bool World::recovering(uint32_t than) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [than](const Node& node) {
    return node.store.entered != CTDB_INVALID_GENERATION && node.store.entered > than;
  });
}

uint32_t World::leader() const {
  uint32_t found = CTDB_UNKNOWN_PNN;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) {
    if (nodes_[pnn].core == nullptr || !nodes_[pnn].core->is_leader()) continue;
    if (found != CTDB_UNKNOWN_PNN) return CTDB_UNKNOWN_PNN;
    found = pnn;
  }
  return found;
}

bool World::open_together(const std::vector<uint32_t>& members) const {
  const ClusterState& first = nodes_[members[0]].state;
  if (first.leader == CTDB_UNKNOWN_PNN) return false;
  return std::all_of(members.begin(), members.end(), [&](uint32_t pnn) {
    const ClusterState& s = nodes_[pnn].state;
    const FakeStore& store = nodes_[pnn].store;
    return running(pnn) && s.recovery_mode == CTDB_RECOVERY_NORMAL && s.members == members &&
           (s.reason.empty() || members.size() < s.voters.size()) && s.generation == first.generation &&
           s.leader == first.leader && generation(pnn) == first.generation &&
           store.opened == first.generation && !store.suspended;
  });
}

bool World::open_all() const {
  std::vector<uint32_t> all;
  for (uint32_t pnn = 0; pnn < nodes_.size(); ++pnn) all.push_back(pnn);
  return open_together(all);
}

}  // namespace ctdb::test
