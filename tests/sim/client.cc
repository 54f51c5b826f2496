// SPDX-License-Identifier: GPL-3.0-or-later
// The client's state machine: connection and attach, choice of the next operation, answers. Fetch-lock:
// client_fetch_lock.cc.
#include "tests/sim/client.h"

#include <utility>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/rec_buffer.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

Client::Client(Node& node, uint32_t number, ClientOptions options)
    : Process(node.world().queue),
      node_(node),
      number_(number),
      progress_(node.world().checkers.progress.add_client(node.pnn())),
      options_(options) {}

void Client::set_state(State state) {
  static const char* const kDoing[] = {
      "connects",           "attaches",          "thinks",    "waits for a chain lock", "works on a record",
      "waits for a record", "waits for a value", "traverses", "waits for copies",       "waits for a commit",
      "adds to a counter"};
  state_ = state;
  node_.world().checkers.progress.doing(progress_, kDoing[static_cast<size_t>(state)]);
}

TimeNs Client::random_below(TimeNs bound) {
  return static_cast<TimeNs>(node_.world().random.below(static_cast<uint64_t>(bound)));
}

void Client::later(TimeNs delay, void (Client::*step)()) {
  input_at(queue_.now() + delay, [this, step] { (this->*step)(); });
}

void Client::start() {
  CTDB_ASSERT(!alive());
  set_alive();
  set_state(State::kConnecting);
  endpoint_ = 0;
  channel_ = 0;
  call_lost_ = cut_off_ = file_cut_ = false;
  later(random_below(2 * kMillisecond), &Client::connect);
}

void Client::kill() {
  if (!alive()) return;
  const bool making_room = options_.native && state_ == State::kWorking && node_.world().random.one_in(2);
  if (state_ == State::kLocking || state_ == State::kWorking) {
    node_.locks.drop(*node_.database(), key_bytes_, holder());
  }
  record(HistoryEvent::Kind::kGone);
  set_dead();
  node_.router.client_died(*this, endpoint_);
  if (channel_ != 0) node_.store.client_died(channel_, endpoint_, making_room);
  endpoint_ = 0;
  channel_ = 0;
}

// ---- connection ----

void Client::connect() {
  endpoint_ = node_.router.connect(*this);
  if (endpoint_ == 0) return later(10 * kMillisecond + random_below(50 * kMillisecond), &Client::connect);
  if (options_.native) channel_ = node_.store.attach(*this, endpoint_);
  attach();
}

void Client::connection_lost(uint32_t endpoint, TimeNs when) {
  if (endpoint == endpoint_) cut_off_ = true;
  input_at(when, [this, endpoint] {
    if (endpoint != endpoint_) return;
    // A process without its daemon exits; somebody starts another one.
    kill();
    start();
  });
}

void Client::store_channel_lost(uint64_t channel) {
  input_at(queue_.now() + random_below(200 * kMicrosecond), [this, channel] {
    if (channel_ != channel) return;
    channel_ = 0;
    // A function is not put to another store: nobody knows whether it was done.
    if (state_ == State::kAdding && !node_.mutator.is(Mutation::kFunctionAgain)) return completed();
    call_lost_ = state_ == State::kAdding || state_ == State::kCalling || state_ == State::kReading ||
                 state_ == State::kCopying;
  });
}

void Client::store_returned() {
  if (!options_.native || !alive()) return;
  input_at(queue_.now() + random_below(300 * kMicrosecond), [this] {
    if (endpoint_ == 0 || channel_ != 0) return;
    channel_ = node_.store.attach(*this, endpoint_);
    if (channel_ != 0 && call_lost_) send_call();
  });
}

void Client::attach() {
  set_state(State::kAttaching);
  told_copies_ = told_persistent_ = told_counters_ = told_counter_copies_ = told_delegations_ = false;
  Bytes name = to_bytes(as_bytes(World::database_name()));
  name.push_back(0);
  send_control(static_cast<uint32_t>(Control::DB_ATTACH), 0, 0, name);
}

void Client::send_control(uint32_t opcode, uint64_t srvid, uint32_t flags, ByteView data) {
  ++reqid_;
  if ((flags & CTDB_CONTROL_NOREPLY) == 0) waiting_for_ = reqid_;
  Bytes packet;
  build(packet, {0, 0, 0, CTDB_CURRENT_NODE, 0, reqid_}, ReqControl{opcode, srvid, 0, flags, data});
  node_.router.from_client(*this, endpoint_, packet);
}

// ---- operations ----

void Client::think() {
  set_state(State::kIdle);
  const TimeNs think = node_.world().options().think_time;
  if (!finishing_) later(1 + random_below(2 * think), &Client::begin);
}

void Client::begin() {
  if (finishing_ || state_ != State::kIdle) return;
  World& world = node_.world();
  const bool pinned = options_.pinned_key != ~0u && !world.random.one_in(8);
  key_ = pinned ? options_.pinned_key : static_cast<uint32_t>(world.random.below(world.options().keys));
  if (world.options().clients_local && !world.random.one_in(8)) {
    key_ = static_cast<uint32_t>((node_.pnn() + world.node_count() * world.random.below(8)) %
                                 world.options().keys);
  }
  key_bytes_ = world.key_bytes(key_);
  if (world.options().transactions && world.random.one_in(4)) return commit();
  if (world.options().functions && options_.native && world.random.one_in(3)) return add();
  const uint64_t dice = world.random.below(100);
  if (dice < 1) return traverse();
  record(HistoryEvent::Kind::kBegin);
  const uint64_t reads = world.options().delegations ? 60 : 20;
  work_ = dice < reads ? Work::kRead : dice < reads + 6 ? Work::kDelete : Work::kIncrement;
  expectation_ = world.checkers.lost_updates.expect(key_);
  lock();
}

void Client::record(HistoryEvent::Kind kind, bool counts, VersionId version, VersionId parent) {
  const Checkers& checkers = node_.world().checkers;
  HistoryEvent event{kind, queue_.now(), number_, node_.pnn(), key_, checkers.lives.life(node_.pnn())};
  event.counts = counts;
  event.version = version;
  event.parent = parent;
  event.empty = version != kNoVersion && checkers.history.version(version).empty;
  node_.world().checkers.linearizability.add(event);
}

void Client::completed() {
  node_.world().checkers.progress.completed(progress_);
  think();
}

void Client::traverse() {
  set_state(State::kTraversing);
  traverse_id_ = ++reqid_ | number_ << 20;
  traversed_.clear();
  before_traverse_ = sights();
  node_.world().trace.add(node_.pnn(), "client traverses client/reqid", number_, reqid_);
  const uint64_t srvid = 0xBE00000000000000ull | traverse_id_;
  send_control(static_cast<uint32_t>(Control::REGISTER_SRVID), srvid, CTDB_CONTROL_NOREPLY, {});
  Bytes data;
  Writer w(data);
  w.u32(db_id_);
  w.u32(traverse_id_);
  w.u64(srvid);
  send_control(static_cast<uint32_t>(Control::TRAVERSE_START), 0, 0, data);
}

void Client::commit() {
  set_state(State::kCommitting);
  transaction_ = node_.world().checkers.transactions.begin();
  Bytes value;
  append_record_header(value, {1, node_.pnn(), 0});
  value.resize(value.size() + 8 + static_cast<size_t>(random_below(200)), 0x5A);
  Bytes buffer = begin_rec_buffer(database_id(World::persistent_name()));
  add_to_rec_buffer(buffer, Transactions::key_of(transaction_), value);
  node_.world().trace.add(node_.pnn(), "client commits client/transaction", number_, transaction_);
  send_control(static_cast<uint32_t>(Control::TRANS3_COMMIT), 0, 0, buffer);
}

void Client::add() {
  World& world = node_.world();
  counter_ = static_cast<uint32_t>(world.random.below(Counters::kCounters));
  world.checkers.counters.begun(counter_);
  set_state(State::kAdding);
  waiting_for_ = ++reqid_;
  world.trace.add(node_.pnn(), "client adds client/counter/reqid", number_, counter_, reqid_);
  Bytes one;
  Writer(one).i64(1);
  build(call_packet_, {0, 0, 0, CTDB_CURRENT_NODE, 0, reqid_},
        ReqCall{world.random.one_in(8) ? CTDB_CALL_IMMEDIATE_MIGRATION : 0,
                database_id(World::counters_name()), CTDB_FUNC_ADD, 0, Counters::key_of(counter_), one});
  send_call();
}

void Client::on_message(const ReqMessage& message) {
  Reader reader(message.data);
  reader.skip(4);
  const uint32_t id = reader.u32();
  const uint32_t keylen = reader.u32(), datalen = reader.u32();
  if (state_ != State::kTraversing || id != traverse_id_) return;
  World& world = node_.world();
  if (keylen == 0 && datalen == 0) {
    send_control(static_cast<uint32_t>(Control::DEREGISTER_SRVID), message.srvid, CTDB_CONTROL_NOREPLY, {});
    check_traverse();
    return completed();
  }
  const ByteView key = reader.bytes(keylen), value = reader.bytes(datalen);
  if (datalen < CTDB_RECORD_HEADER_SIZE) return completed();  // it failed
  const bool whole = reader.ok() && keylen == 4;
  const uint32_t number = whole ? load<uint32_t>(key.data()) % world.options().keys : 0;
  if (!whole || !world.checkers.history.identify(number, value.subspan(CTDB_RECORD_HEADER_SIZE))) {
    world.checkers.verdict.violation("traverse", "a record nobody wrote");
  }
  if (!traversed_.insert(number).second)
    world.checkers.verdict.violation("traverse", "key " + std::to_string(number) + " came twice");
}

// Where each record is, and what it is.
std::vector<Client::Sight> Client::sights() const {
  World& world = node_.world();
  std::vector<Sight> found(world.options().keys);
  for (uint32_t key = 0; key < found.size(); ++key) {
    found[key].version = world.checkers.history.tip(key);
    for (uint32_t pnn = 0; pnn < world.node_count(); ++pnn) {
      const MemoryDatabase* database = world.node(pnn).database();
      const auto value = database == nullptr ? std::nullopt : database->fetch(world.key_bytes(key));
      const auto header = value ? read_record_header(*value) : std::nullopt;
      if (!header || header->dmaster != pnn || !world.checkers.lives.valid(pnn)) continue;
      // Nobody has seen yet that it has fallen back.
      const ByteView data = ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE);
      if (world.checkers.history.identify(key, data) != found[key].version) continue;
      found[key].owner = pnn;
      found[key].life = world.checkers.lives.life(pnn);
      found[key].rsn = header->rsn;
    }
  }
  return found;
}

// It says that it is complete: what stayed on one node all the time has come. (What is on its way may be missing.)
void Client::check_traverse() {
  Checkers& checkers = node_.world().checkers;
  const std::vector<Sight> after = sights();
  for (uint32_t key = 0; key < after.size(); ++key) {
    const Sight& before = before_traverse_[key];
    VersionId version = after[key].version;
    bool stayed = before.owner != CTDB_UNKNOWN_PNN && before.owner == after[key].owner &&
                  before.rsn == after[key].rsn && before.life == after[key].life &&
                  checkers.history.is_ancestor_or_self(before.version, version);
    const bool was_empty = checkers.history.version(before.version).empty;
    if (stayed && was_empty && version == before.version && traversed_.contains(key)) {
      checkers.verdict.violation("traverse",
                                 "key " + std::to_string(key) + " was deleted before, and has come");
    }
    // A record that was empty in between need not come.
    for (; stayed && version != before.version; version = checkers.history.version(version).parent)
      stayed = !checkers.history.version(version).empty;
    if (!stayed || checkers.history.version(version).empty || traversed_.contains(key)) continue;
    checkers.verdict.violation("traverse", "key " + std::to_string(key) + " of node " +
                                               std::to_string(before.owner) + " has not come");
  }
}

// ---- answers ----

void Client::from_router(uint32_t endpoint, ByteView packet, TimeNs when) {
  input_at(when, [this, endpoint, bytes = to_bytes(packet)] {
    if (endpoint == endpoint_) on_packet(bytes);
  });
}

void Client::from_store(uint64_t channel, ByteView packet, TimeNs when) {
  // The promise is made when it is sent.
  if (channel == channel_ && state_ == State::kCopying && read_header(packet).reqid == waiting_for_) {
    const std::optional<ReplyCall> reply = parse_reply_call(packet);
    const bool kept = counts_ && reply && reply->status > 1;
    if (kept) {
      node_.world().checkers.copies.acknowledged(key_, made_, static_cast<uint32_t>(reply->status),
                                                 losses_when_made_);
    }
  }
  if (channel == channel_ && state_ == State::kAdding && read_header(packet).reqid == waiting_for_) {
    const std::optional<ReplyCall> reply = parse_reply_call(packet);
    Counters& counters = node_.world().checkers.counters;
    const bool done = reply && reply->status == CTDB_FUNC_STATUS_DONE && reply->data.size() == 8;
    if (done) counters.done(counter_, load<int64_t>(reply->data.data()), node_.world().nothing_may_be_lost());
    if (!done && reply && reply->status != CTDB_FUNC_STATUS_UNKNOWN) counters.not_done(counter_);
  }
  input_at(when, [this, channel, bytes = to_bytes(packet)] {
    if (channel == channel_) on_packet(bytes);
  });
}

void Client::on_packet(ByteView packet) {
  const Header header = read_header(packet);
  if (header.operation == static_cast<uint32_t>(Operation::REQ_MESSAGE)) {
    if (const std::optional<ReqMessage> message = parse_req_message(packet)) on_message(*message);
    return;
  }
  if (header.reqid != waiting_for_ || waiting_for_ == 0) return;
  waiting_for_ = 0;
  if (const std::optional<ReplyControl> reply =
          header.operation == static_cast<uint32_t>(Operation::REPLY_CONTROL) ? parse_reply_control(packet)
                                                                              : std::nullopt) {
    return on_control_reply(*reply);
  }
  if (header.operation != static_cast<uint32_t>(Operation::REPLY_CALL)) {
    return node_.world().checkers.verdict.violation("client", "a call is answered with an error");
  }
  const std::optional<ReplyCall> reply = parse_reply_call(packet);
  if (state_ == State::kCalling) return lock();
  if (state_ == State::kCopying || state_ == State::kAdding) return completed();
  if (state_ != State::kReading || !reply) return;
  Checkers& checkers = node_.world().checkers;
  checkers.lost_updates.read(node_.pnn(), key_, reply->data, expectation_);
  if (const std::optional<VersionId> seen = checkers.history.identify(key_, reply->data)) {
    record(HistoryEvent::Kind::kRead, true, *seen);
  }
  completed();
}

// The next of what there is to attach and to tell, then to work.
void Client::attached() {
  const WorldOptions& options = node_.world().options();
  const bool functions = options.functions && options_.native;
  const auto attach_too = [this](Control control, const char* database) {
    Bytes name = to_bytes(as_bytes(database));
    name.push_back(0);
    send_control(static_cast<uint32_t>(control), 0, 0, name);
  };
  db_id_ = database_id(World::database_name());
  if (options.transactions && !std::exchange(told_persistent_, true))
    return attach_too(Control::DB_ATTACH_PERSISTENT, World::persistent_name());
  if (functions && !std::exchange(told_counters_, true))
    return attach_too(Control::DB_ATTACH, World::counters_name());
  if (options.copies > 1 && !std::exchange(told_copies_, true)) return tell_copies(db_id_);
  if (options.delegations && !std::exchange(told_delegations_, true)) {
    uint8_t id[4];
    ctdb::store(id, db_id_);
    return send_control(static_cast<uint32_t>(Control::SET_DB_READONLY), 0, 0, id);
  }
  if (options.copies > 1 && functions && !std::exchange(told_counter_copies_, true))
    return tell_copies(database_id(World::counters_name()));
  think();
}

void Client::tell_copies(uint32_t db_id) {
  Bytes data;
  Writer w(data);
  w.u32(db_id);
  w.u32(node_.world().options().copies);
  send_control(static_cast<uint32_t>(Control::DB_COPIES), 0, 0, data);
}

void Client::on_control_reply(const ReplyControl& reply) {
  if (state_ == State::kAttaching) {
    const bool is_answer = reply.data.size() == 4 || (told_delegations_ && reply.data.empty());
    if (reply.status != 0 || !is_answer || node_.database() == nullptr) {
      return later(20 * kMillisecond + random_below(80 * kMillisecond), &Client::attach);
    }
    return attached();
  }
  if (state_ == State::kCommitting) {
    node_.world().checkers.transactions.answered(transaction_, reply.status);
    return completed();
  }
  // A traverse that could not begin is over.
  if (state_ == State::kTraversing && reply.status != 0) completed();
}

}  // namespace ctdb::sim
