// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/store_process.h"

#include <algorithm>

#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/own_messages.h"
#include "tests/sim/client.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {
namespace {

MemoryDatabase::Holder worker_holder(uint64_t ticket) {
  return StoreProcess::kFirstWorker + static_cast<MemoryDatabase::Holder>(ticket & 0xffffff);
}

}  // namespace

StoreProcess::StoreProcess(Node& node)
    : Process(node.world().queue), node_(node), disk_random_(node.world().options().seed * 64 + node.pnn()) {}

void StoreProcess::start() {
  CTDB_ASSERT(!alive());
  set_alive();
  gate_ = {node_.page.get(), node_.page->fence_begun()};
  node_.files.set_gate(&gate_);
  if (!node_.keeper.alive()) node_.keeper.start();
  input([this] { turn_page(); });
  connect();
}

// ---- the node page: what StoreShell and KeeperLink do ----

void StoreProcess::obey_page() {
  const Mutator& mutator = node_.mutator;
  if (mutator.is(Mutation::kStoreIgnoresPage) || mutator.is(Mutation::kIgnoreSuspend)) {
    gate_.known = node_.page->fence_begun();
    return;
  }
  if (queue_.now() < node_.page->serve_until() && !gate_.shut()) return;
  const bool fenced = gate_.shut();
  gate_.known = node_.page->fence_begun();
  if (core_) core_->stop_serving(fenced, queue_.now());
}

void StoreProcess::turn_page() {
  const TimeNs now = queue_.now();
  node_.page->beat(now);
  obey_page();
  const TimeNs lease = node_.page->serve_until();
  page_at_ = now + 350 * kMillisecond;
  if (lease > now) page_at_ = std::min(page_at_, lease);
}

void StoreProcess::on_deadline() {
  if (queue_.now() >= page_at_) turn_page();
  obey_page();
  if (core_) core_->tick(queue_.now());
}

void StoreProcess::set_serving(bool on) {
  node_.page->set_serving(on, gate_.known);
}

void StoreProcess::set_prepared(uint32_t generation, bool empty_handed) {
  if (!node_.mutator.is(Mutation::kPreparedForgotten)) node_.page->set_prepared(generation, empty_handed);
}

uint64_t StoreProcess::serving_epoch() const {
  return node_.page->serving_epoch();
}

bool StoreProcess::lease_lasts() const {
  return queue_.now() < node_.page->serve_until();
}

bool StoreProcess::records_taken() const {
  return node_.page->records_taken();
}

bool StoreProcess::connected_to_router() const {
  return core_ != nullptr && node_.router.linked(Server::store, link_);
}

void StoreProcess::keeper_died() {
  const TimeNs when =
      queue_.now() + 50 * kMicrosecond + static_cast<TimeNs>(node_.world().random.below(kMillisecond));
  input_at(when, [this] { replace_keeper(); });
}

void StoreProcess::replace_keeper() {
  if (node_.keeper.alive()) return;
  node_.keeper.start();
  ask_for_wires();
}

// The router passes on what it has, then the keeper goes on duty.
void StoreProcess::ask_for_wires() {
  if (link_ == 0) return;
  Random& random = node_.world().random;
  const TimeNs there =
      queue_.now() + 5 * kMicrosecond + static_cast<TimeNs>(random.below(200 * kMicrosecond));
  const TimeNs back = 5 * kMicrosecond + static_cast<TimeNs>(random.below(200 * kMicrosecond));
  node_.router.input_at(there, [this, back, link = link_, keeper = node_.keeper.incarnation()] {
    if (!node_.router.linked(Server::store, link)) return;
    const std::vector<uint64_t> wires = node_.world().network.router_wires(node_.pnn());
    input_at(queue_.now() + back, [this, wires, keeper] {
      if (!node_.keeper.alive() || node_.keeper.incarnation() != keeper) return;
      node_.world().network.keeper_takes(node_.pnn(), wires);
      node_.keeper.ready(static_cast<uint32_t>(node_.router.incarnation()));
    });
  });
}

// At the set-up socket.
void StoreProcess::connect() {
  link_ = node_.router.connect(Server::store, *this, [this] { connected(); });
  if (link_ != 0) {
    generation_at_setup_ = node_.router.open_generation();
    return;
  }
  const TimeNs again = 10 * kMillisecond + static_cast<TimeNs>(node_.world().random.below(40 * kMillisecond));
  input_at(queue_.now() + again, [this] { connect(); });
}

// The first time the router's answer says whether the files are taken up as they are.
void StoreProcess::connected() {
  if (link_ == 0) return;  // the router died in between
  if (!core_) {
    StoreOptions options;
    options.pnn = node_.pnn();
    options.open_generation = generation_at_setup_;
    options.prepared_generation = node_.page->prepared().generation;
    options.empty_handed = node_.page->prepared().empty_handed;
    options.traverse_timeout = 3 * kSecond;
    options.vacuum_interval = node_.world().options().vacuum;
    options.opened_per_slice = 2;  // there are few records here, and much is to happen between two slices
    options.vacuum_unit = options.vacuum_interval / 10;  // the tunable is 10
    const bool lost = node_.mutator.is(Mutation::kFilesLostOnRestart);
    // Its core does it.
    if (generation_at_setup_ == CTDB_INVALID_GENERATION) files_emptied();
    if (lost) (void)node_.files.open(World::database_name(), 0, false);
    if (node_.mutator.is(Mutation::kLeftoversForgotten) && node_.database() != nullptr)
      node_.database()->forget_leftovers();
    node_.world().trace.add(node_.pnn(), "store opens", generation_at_setup_);
    node_.world().points.reach(Point::kStoreStarted, node_.pnn());
    options.first_transaction_id = (incarnation() + 1) << 32;
    node_.disk.on_order = [this] { disk_ordered(); };
    core_ = std::make_unique<Store>(options, node_.files, *this, &node_.disk);
    if (node_.page->fence_unfinished()) core_->stop_serving(true, queue_.now());
  }
  core_->on_router_up(queue_.now());
  if (!node_.keeper.alive()) node_.keeper.start();
  ask_for_wires();
  for (auto& client : node_.clients) client->store_returned();
}

void StoreProcess::disk_ordered() {
  if (disk_busy_) return;
  disk_busy_ = true;
  const TimeNs takes =
      20 * kMicrosecond +
      static_cast<TimeNs>(disk_random_.below(disk_random_.one_in(10) ? 20 * kMillisecond : kMillisecond));
  input_at(queue_.now() + takes, [this] { carry_out(); });
}

void StoreProcess::carry_out() {
  disk_busy_ = false;
  if (!core_) return;
  const std::optional<MemoryDisk::Answer> answer =
      node_.disk.carry_out(node_.mutator.is(Mutation::kSyncsLost));
  if (!node_.disk.idle()) disk_ordered();
  if (answer) core_->on_disk_done(answer->ticket, answer->error, queue_.now());
}

// The core empties a file when it is attached; until then nobody can see what is left in it.
void StoreProcess::files_emptied() {
  node_.world().checkers.lives.store_cleared(node_.pnn());
  note_copies_lost();
  for (auto& client : node_.clients) client->file_cut();
}

void StoreProcess::note_copies_lost() {
  World& world = node_.world();
  const MemoryDatabase* database = node_.database();
  for (uint32_t key = 0; database != nullptr && key < world.options().keys; ++key) {
    const Bytes* value = database->look(world.key_bytes(key));
    const std::optional<RecordHeader> header = value == nullptr ? std::nullopt : read_record_header(*value);
    if (!header || was_owned_by(node_.pnn(), header->dmaster)) continue;
    const auto version =
        world.checkers.history.identify(key, ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE));
    if (version) world.checkers.reported_losses.lost_as_a_copy(*version);
  }
}

void StoreProcess::kill() {
  if (!alive()) return;
  const StorePhase phase = core_ ? core_->phase() : StorePhase::kOpen;
  if (phase == StorePhase::kPrepared || phase == StorePhase::kSuspended)
    node_.world().checkers.reported_losses.may_have_killed_teller();
  set_dead();
  core_.reset();
  node_.disk.crash();
  disk_busy_ = false;
  link_ = 0;
  page_at_ = kNever;
  if (MemoryDatabase* database = node_.database(); database != nullptr) {
    for (const auto& [ticket, worker] : workers_)
      node_.locks.drop(*database, worker.key, worker_holder(ticket));
  }
  workers_.clear();
  for (auto& [endpoint, attached] : clients_) attached.client->store_channel_lost(attached.channel);
  clients_.clear();
  node_.router.daemon_died(Server::store);
}

void StoreProcess::router_died(uint64_t link, TimeNs when) {
  input_at(when, [this, link] {
    if (link_ != link) return;
    link_ = 0;
    // Native clients were connected by that router: their channels end with it.
    const auto gone = std::move(clients_);
    clients_.clear();
    if (core_) {
      for (const auto& [endpoint, attached] : gone) core_->on_client_gone(endpoint, queue_.now());
      core_->on_router_down(queue_.now());
    }
    connect();
  });
}

// ---- packets ----

void StoreProcess::from_router(uint64_t link, uint32_t endpoint, ByteView packet, TimeNs when) {
  input_at(when, [this, link, endpoint, bytes = to_bytes(packet)]() mutable {
    if (link_ == link && core_) handle(endpoint, std::move(bytes));
  });
}

uint32_t StoreProcess::newest_generation() const {
  return std::max(core_->open_generation(), core_->prepared_generation());
}

void StoreProcess::handle(uint32_t endpoint, Bytes packet) {
  World& world = node_.world();
  obey_page();
  const uint32_t newest = newest_generation();
  const Header sent = read_header(packet);  // as it was before a mutation hid what it is
  if (!node_.mutator.store_input(packet, core_->generation(), newest, world.random)) return;
  const Header header = read_header(packet);
  world.trace.packet(node_.pnn(), "store", endpoint, packet);
  world.points.handled(node_.pnn(), packet);
  if (header.operation == static_cast<uint32_t>(Operation::STORE_OPEN)) {
    const std::optional<StoreOpen> open = StoreOpen::decode(own_payload(packet));
    if (open) {
      world.checkers.lives.generation_takes_effect(open->generation);
      world.checkers.lives.generation_opened(open->generation);
    }
  }
  if (header.operation == static_cast<uint32_t>(Operation::STORE_SUSPEND)) {
    const std::optional<StoreSuspend> suspend = StoreSuspend::decode(own_payload(packet));
    if (suspend && suspend->discard) {
      world.checkers.lives.records_discarded(node_.pnn());
      world.checkers.copies.node_lost(node_.pnn());
      note_copies_lost();
    }
  }
  if (node_.mutator.is(Mutation::kTakenInRecovery) && node_.database() != nullptr &&
      header.operation == static_cast<uint32_t>(Operation::STORE_RECOVER) &&
      !node_.database()->any_chain_held()) {
    node_.keeper.take_records_away();
  }
  if (header.operation == static_cast<uint32_t>(Operation::STORE_RECOVER)) {
    const std::optional<StoreRecover> recover = StoreRecover::decode(own_payload(packet));
    if (recover && newest < recover->base_generation) note_copies_lost();
  }
  OldGenerations& checker = world.checkers.old_generations;
  if (OldGenerations::concerns(sent, node_.pnn(), core_->generation())) {
    const OldGenerations::Before before = OldGenerations::look(*core_, packets_sent_);
    core_->on_router_packet(endpoint, packet, queue_.now());
    checker.compare(node_.pnn(), sent, before, OldGenerations::look(*core_, packets_sent_));
    return;
  }
  core_->on_router_packet(endpoint, packet, queue_.now());
  note_recovery(header, packet, newest);
}

void StoreProcess::note_recovery(const Header& header, ByteView packet, uint32_t newest_before) {
  if (header.operation != static_cast<uint32_t>(Operation::STORE_RECOVER)) return;
  const std::optional<StoreRecover> recover = StoreRecover::decode(own_payload(packet));
  if (!recover || core_->generation() != recover->generation) return;
  const bool discarded =
      recover->base_generation != CTDB_INVALID_GENERATION && newest_before < recover->base_generation;
  Checkers& checkers = node_.world().checkers;
  const MemoryDatabase* database = node_.database();
  if (!discarded) {
    checkers.outsiders.keeps(node_.pnn(), recover->generation, newest_before,
                             database ? database->size() : 0);
  }
  checkers.lives.store_recovers(node_.pnn(), recover->generation, discarded);
}

void StoreProcess::to_router(uint32_t endpoint, ByteView packet) {
  if (link_ == 0) return;
  World& world = node_.world();
  ++packets_sent_;
  Bytes changed;
  if (node_.mutator.active()) {
    changed = to_bytes(packet);
    if (node_.mutator.is(Mutation::kCopyNotAwaited) || node_.mutator.is(Mutation::kRevokeNotAwaited))
      count_as_held(changed);
    if (node_.mutator.is(Mutation::kForgetNotAwaited)) count_as_forgotten(changed);
    if (!node_.mutator.store_output(changed, world.random)) return;
    if (node_.mutator.is(Mutation::kOwnerKeeps)) keep_ownership(changed);
    if (node_.mutator.is(Mutation::kRevokeIgnored)) keep_readable(changed);
    packet = changed;
  }
  world.sent(node_.pnn(), packet);
  node_.router.from_daemon(Server::store, link_, 0, endpoint, packet);
}

// Mutation: the answer is there before the question is sent.
void StoreProcess::count_as_held(ByteView packet) {
  Header header = read_header(packet);
  const std::optional<RecordCopy> copy = header.operation == static_cast<uint32_t>(Operation::RECORD_COPY)
                                             ? RecordCopy::decode(own_payload(packet))
                                             : std::nullopt;
  if (!copy) return;
  std::swap(header.srcnode, header.destnode);
  header.operation = static_cast<uint32_t>(Operation::RECORD_COPIED);
  Bytes answer;
  build_own(answer, header, RecordCopied{copy->db_id, copy->key}.encode());
  input_at(queue_.now() + kMicrosecond, [this, answer]() mutable {
    if (core_) core_->on_router_packet(0, answer, queue_.now());
  });
}

// Mutation: the same of deleted records.
void StoreProcess::count_as_forgotten(ByteView packet) {
  Header header = read_header(packet);
  if (header.operation != static_cast<uint32_t>(Operation::RECORD_FORGET)) return;
  const std::optional<RecordForget> question = RecordForget::decode(own_payload(packet));
  RecordForgotten answer{question->db_id, question->step, {}};
  answer.results.assign(question->records.size(), static_cast<uint8_t>(ForgetResult::kNothing));
  std::swap(header.srcnode, header.destnode);
  header.operation = static_cast<uint32_t>(Operation::RECORD_FORGOTTEN);
  Bytes made;
  build_own(made, header, answer.encode());
  input_at(queue_.now() + kMicrosecond, [this, made]() mutable {
    if (core_) core_->on_router_packet(0, made, queue_.now());
  });
}

// Mutation: the record has just been given away, its file is put back.
void StoreProcess::keep_ownership(ByteView packet) {
  const std::optional<ReqDmaster> given = parse_req_dmaster(packet);
  MemoryDatabase* database = node_.database();
  if (!given || database == nullptr || !node_.world().random.one_in(20)) return;
  std::optional<Bytes> value = database->fetch(given->key);
  std::optional<RecordHeader> header = value ? read_record_header(*value) : std::nullopt;
  if (!header || given->data.empty()) return;
  header->dmaster = node_.pnn();
  Bytes kept;
  append_record_header(kept, *header);
  kept.insert(kept.end(), value->begin() + CTDB_RECORD_HEADER_SIZE, value->end());
  database->store(given->key, kept);
}

// Mutation: a copy's end is answered, and the file says again that it may be read.
void StoreProcess::keep_readable(ByteView packet) {
  MemoryDatabase* database = node_.database();
  if (read_header(packet).operation != static_cast<uint32_t>(Operation::RECORD_COPIED) || database == nullptr)
    return;
  const std::optional<RecordCopied> end = RecordCopied::decode(own_payload(packet));
  std::optional<Bytes> value = end ? database->fetch(end->key) : std::nullopt;
  if (!value || value->size() <= CTDB_RECORD_HEADER_SIZE) return;
  uint8_t* flags = value->data() + CTDB_OFF_RECORD_FLAGS;
  ctdb::store(flags, load<uint32_t>(flags) | CTDB_RECORD_RO_HAVE_READONLY);
  database->store(end->key, *value);
}

// ---- native clients ----

uint64_t StoreProcess::attach(Client& client, uint32_t endpoint) {
  if (!alive() || !core_ || !node_.router.linked(Server::store, link_)) return 0;
  if (!node_.router.is_connected(client, endpoint)) return 0;
  Random& random = node_.world().random;
  const uint64_t channel = ++channels_;
  clients_.insert_or_assign(endpoint, Attached{&client, channel, Ring(queue_, random), Ring(queue_, random)});
  return channel;
}

void StoreProcess::from_client(uint64_t channel, uint32_t endpoint, ByteView packet) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end() || found->second.channel != channel) return;
  input_at(found->second.to_store.arrival(), [this, channel, endpoint, bytes = to_bytes(packet)]() mutable {
    const auto still = clients_.find(endpoint);
    if (still == clients_.end() || still->second.channel != channel || !core_) return;
    node_.world().trace.packet(node_.pnn(), "store (native)", endpoint, bytes);
    obey_page();
    core_->on_client_packet(endpoint, bytes, queue_.now());
  });
}

void StoreProcess::client_died(uint64_t channel, uint32_t endpoint, bool making_room) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end() || found->second.channel != channel) return;
  const bool told = making_room && !node_.mutator.is(Mutation::kDamageUnseen);
  if (making_room) node_.database()->break_room(told);
  const uint32_t changing_db = told ? database_id(World::database_name()) : 0;
  const TimeNs when = queue_.now() + static_cast<TimeNs>(node_.world().random.below(300 * kMicrosecond));
  input_at(when, [this, channel, endpoint, changing_db] {
    // The next router may have given its number to another client by now.
    const auto still = clients_.find(endpoint);
    if (still == clients_.end() || still->second.channel != channel) {
      // What it has left is read nevertheless.
      if (core_ && changing_db != 0) core_->on_client_gone(~0u, queue_.now(), changing_db);
      return;
    }
    clients_.erase(still);
    if (core_) core_->on_client_gone(endpoint, queue_.now(), changing_db);
  });
}

void StoreProcess::to_client(uint32_t endpoint, ByteView packet) {
  const auto found = clients_.find(endpoint);
  if (found == clients_.end()) return;
  found->second.client->from_store(found->second.channel, packet, found->second.to_client.arrival());
}

// ---- lock workers ----

void StoreProcess::lock_chain(uint64_t ticket, const RecordFile&, ByteView key) {
  MemoryDatabase* database = node_.database();
  CTDB_ASSERT(database != nullptr);
  workers_[ticket] = {to_bytes(key), false};
  node_.locks.acquire(*database, key, worker_holder(ticket), [this, ticket, incarnation = incarnation()] {
    if (incarnation != this->incarnation()) return;
    const auto worker = workers_.find(ticket);
    if (worker == workers_.end()) return;
    worker->second.locked = true;
    node_.world().points.reach(Point::kChainTaken, node_.pnn());
    const TimeNs when =
        queue_.now() + 5 * kMicrosecond + static_cast<TimeNs>(node_.world().random.below(20 * kMicrosecond));
    input_at(when, [this, ticket] {
      obey_page();
      core_->on_chain_locked(ticket, queue_.now());
    });
  });
}

void StoreProcess::unlock_chain(uint64_t ticket) {
  const auto worker = workers_.find(ticket);
  if (worker == workers_.end()) return;
  MemoryDatabase* database = node_.database();
  if (worker->second.locked) {
    node_.locks.release(*database, worker->second.key, worker_holder(ticket));
  } else {
    node_.locks.drop(*database, worker->second.key, worker_holder(ticket));
  }
  workers_.erase(worker);
}

void StoreProcess::log(StoreLog, const std::string& text) {
  const bool silent = node_.mutator.is(Mutation::kLossesUntold) && text.starts_with("left behind: ");
  if (!silent) node_.world().checkers.reported_losses.said(text);
  node_.world().trace.note(node_.pnn(), "store: " + text);
}

}  // namespace ctdb::sim
