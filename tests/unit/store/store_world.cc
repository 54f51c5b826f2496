// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/store/store_world.h"

#include <algorithm>

#include "libctdbipc/base/assert.h"
#include "libctdbipc/wire/placement.h"

namespace ctdb::test {

Bytes with_nul(std::string_view text) {
  Bytes out = to_bytes(as_bytes(text));
  out.push_back(0);
  return out;
}

World::World(uint32_t nodes, uint32_t chains, TimeNs vacuum) : vacuum_(vacuum) {
  for (uint32_t pnn = 0; pnn < nodes; ++pnn) {
    nodes_.push_back(std::make_unique<Node>(chains));
    start(pnn);
  }
}

std::vector<uint32_t> World::everybody() const {
  std::vector<uint32_t> all;
  for (uint32_t pnn = 0; pnn < size(); ++pnn) all.push_back(pnn);
  return all;
}

void World::start(uint32_t pnn, uint32_t open_generation, StoreOptions options) {
  Node& n = node(pnn);
  n.store.reset();
  n.outbox.clear();
  n.tickets.clear();
  n.granted.clear();
  options.pnn = pnn;
  options.open_generation = open_generation;
  options.vacuum_interval = vacuum_;
  n.store = std::make_unique<Store>(options, n.files, n, &n.disk, n.functions);
  n.store->on_router_up(now_);
}

void World::send(uint32_t from, uint32_t to, const Bytes& packet) {
  if (!on_link(from, to, packet)) return;
  if (!cut_.contains({from, to}) && nodes_[to]->store != nullptr) {
    links_[{from, to}].push_back(packet);
    return;
  }
  const Header header = read_header(packet);
  if (header.operation != static_cast<uint32_t>(Operation::REQ_CALL)) return;
  Bytes error;
  build(error, {0, header.generation, 0, from, to, header.reqid},
        ReplyErrorPacket{-1, "node is disconnected"});
  deliver(from, error);
}

// Whom this node's router would give the packet.
static Server server_of(const Header& header, ByteView packet) {
  if (header.operation == static_cast<uint32_t>(Operation::REQ_CONTROL)) {
    const auto control = parse_req_control(packet);
    const ControlRow* row = control ? find_control(control->opcode) : nullptr;
    return row == nullptr ? Server::nobody : row->server;
  }
  const OperationRow* row = find_operation(header.operation);
  return row == nullptr ? Server::nobody : row->server;
}

// What a router does with what its store says.
void World::route(uint32_t from, Sent sent) {
  const Header header = sent.header();
  if (sent.endpoint != 0) {
    node(from).to_clients.push_back(std::move(sent));
    return;
  }
  if (header.destnode == CTDB_BROADCAST_CONNECTED || header.destnode == CTDB_BROADCAST_ACTIVE) {
    for (uint32_t pnn = 0; pnn < size(); ++pnn) {
      set_destnode(sent.packet, pnn);
      route(from, sent);
    }
    return;
  }
  if (header.destnode != from) {
    if (header.destnode < size()) send(from, header.destnode, sent.packet);
    return;
  }
  if (server_of(header, sent.packet) == Server::recoveryd) {
    node(from).to_recoveryd.push_back(std::move(sent));
  } else {
    deliver(from, sent.packet);
  }
}

void World::collect() {
  for (uint32_t pnn = 0; pnn < size(); ++pnn) {
    while (!node(pnn).outbox.empty()) {
      Sent sent = std::move(node(pnn).outbox.front());
      node(pnn).outbox.pop_front();
      route(pnn, std::move(sent));
    }
  }
}

bool World::carry_one(uint32_t from, uint32_t to) {
  std::deque<Bytes>& queue = links_[{from, to}];
  if (queue.empty()) return false;
  Bytes packet = std::move(queue.front());
  queue.pop_front();
  if (nodes_[to]->store != nullptr) turn(to, [&](Store& store) { store.on_router_packet(0, packet, now_); });
  collect();
  return true;
}

void World::work_all() {
  for (uint32_t pnn = 0; pnn < size(); ++pnn) {
    if (nodes_[pnn]->store != nullptr && store(pnn).has_work())
      turn(pnn, [&](Store& store) { store.work(now_); });
  }
  collect();
}

void World::run() {
  for (int rounds = 0; rounds < 100000; ++rounds) {
    collect();
    bool busy = false;
    for (uint32_t from = 0; from < size(); ++from) {
      for (uint32_t to = 0; to < size(); ++to) busy |= carry_one(from, to);
    }
    for (const auto& n : nodes_) busy |= n->store != nullptr && n->store->has_work();
    busy |= serve_disks();
    work_all();
    if (!busy) return;
  }
  const bool the_stores_come_to_rest = false;
  CTDB_ASSERT(the_stores_come_to_rest);
}

bool World::serve_disks() {
  bool busy = false;
  for (uint32_t pnn = 0; pnn < size(); ++pnn) {
    Node& n = node(pnn);
    if (n.store == nullptr || n.disk_stands_still) continue;
    if (const auto answer = n.disk.carry_out()) {
      turn(pnn, [&](Store& store) { store.on_disk_done(answer->ticket, answer->error, now_); });
      busy = true;
    }
  }
  collect();
  return busy;
}

void World::pass(TimeNs time) {
  const TimeNs end = now_ + time;
  for (;;) {
    run();
    TimeNs next = kNever;
    for (const auto& n : nodes_) {
      if (n->store != nullptr) next = std::min(next, n->store->next_deadline());
    }
    if (next > end) break;
    now_ = std::max(now_, next);
    for (const auto& n : nodes_) {
      if (n->store != nullptr) n->store->tick(now_);
    }
  }
  now_ = end;
  run();
}

void World::order(uint32_t pnn, Operation operation, const Bytes& payload) {
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(operation), pnn, pnn, 0}, payload);
  deliver(pnn, packet);
}

void World::begin(uint32_t generation, uint32_t base, const std::vector<uint32_t>& members) {
  RecoveryBegin message;
  message.term = generation;
  message.generation = generation;
  message.base_generation = base;
  message.members = members;
  message.voters = voters.empty() ? members : voters;
  message.base_members = base_members;
  for (uint32_t pnn : members) order(pnn, Operation::STORE_RECOVER, message.encode());
}

bool World::recovered(uint32_t pnn, uint32_t generation) {
  return std::ranges::any_of(node(pnn).to_recoveryd, [&](const Sent& sent) {
    if (sent.operation() != Operation::STORE_RECOVERED) return false;
    const auto report = StoreRecovered::decode(own_payload(sent.packet));
    return report && report->ok && report->generation == generation;
  });
}

void World::open(uint32_t generation, const std::vector<uint32_t>& members) {
  StoreOpen message;
  message.term = generation;
  message.generation = generation;
  message.everybody = all_are_members;
  for (uint32_t pnn : members) order(pnn, Operation::STORE_OPEN, message.encode());
}

void World::recover(uint32_t generation, uint32_t base, const std::vector<uint32_t>& members) {
  begin(generation, base, members);
  run();
  for (uint32_t pnn : members) CTDB_ASSERT(recovered(pnn, generation));
  open(generation, members);
  run();
}

void World::deliver(uint32_t pnn, Bytes packet, uint32_t endpoint) {
  turn(pnn, [&](Store& store) { store.on_router_packet(endpoint, packet, now_); });
  collect();
}

void World::call(uint32_t pnn, uint32_t endpoint, uint32_t reqid, std::string_view key, uint32_t callid,
                 bool via_router, uint32_t db_id, uint32_t flags) {
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{flags, db_id, callid, 0, as_bytes(key), {}});
  if (via_router) {
    node(pnn).store->on_router_packet(endpoint, packet, now_);
  } else {
    node(pnn).store->on_client_packet(endpoint, packet, now_);
  }
  collect();
}

void World::control(uint32_t pnn, uint32_t endpoint, uint32_t reqid, Control opcode, ByteView data,
                    uint32_t flags, uint32_t from) {
  Bytes packet;
  const uint32_t src = from == CTDB_UNKNOWN_PNN ? pnn : from;
  build(packet, {0, 0, 0, pnn, src, reqid},
        ReqControl{static_cast<uint32_t>(opcode), 0, endpoint, flags, data});
  deliver(pnn, packet, endpoint);
}

void World::attach(uint32_t pnn, std::string_view name) {
  control(pnn, 900 + pnn, 1, Control::DB_ATTACH, with_nul(name));
  run();
  const auto reply = control_answer(pnn, 900 + pnn, 1);
  CTDB_ASSERT(reply && reply->status == 0);
}

std::optional<ReplyCall> World::answer(uint32_t pnn, uint32_t endpoint, uint32_t reqid) {
  std::vector<Sent>& sent = node(pnn).to_clients;
  const auto at = std::ranges::find_if(sent, [&](const Sent& one) {
    return one.endpoint == endpoint && one.operation() == Operation::REPLY_CALL &&
           one.header().reqid == reqid;
  });
  if (at == sent.end()) return std::nullopt;
  answer_ = at->packet;
  sent.erase(at);
  return parse_reply_call(answer_);
}

std::optional<ReplyControl> World::control_answer(uint32_t pnn, uint32_t endpoint, uint32_t reqid) {
  std::vector<Sent>& sent = node(pnn).to_clients;
  const auto at = std::ranges::find_if(sent, [&](const Sent& one) {
    return one.endpoint == endpoint && one.operation() == Operation::REPLY_CONTROL &&
           one.header().reqid == reqid;
  });
  if (at == sent.end()) return std::nullopt;
  answer_ = at->packet;
  sent.erase(at);
  return parse_reply_control(answer_);
}

bool World::write(uint32_t pnn, std::string_view key, std::string_view data) {
  constexpr MemoryDatabase::Holder kClient = 77;
  const std::optional<RecordHeader> found = header(pnn, key);
  if (!found || found->dmaster != pnn || (found->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) != 0) return false;
  if (!db(pnn).lock(as_bytes(key), kClient)) return false;
  Bytes value;
  append_record_header(value, *found);
  const ByteView bytes = as_bytes(data);
  value.insert(value.end(), bytes.begin(), bytes.end());
  db(pnn).store(as_bytes(key), value);
  db(pnn).unlock(as_bytes(key), kClient);
  return true;
}

std::optional<std::string> World::readable(uint32_t pnn, std::string_view key) {
  const std::optional<RecordHeader> found = header(pnn, key);
  const bool here = found && (found->dmaster == pnn || (found->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0);
  return here ? data(pnn, key) : std::nullopt;
}

// Takes CTDB_RECORD_MAY_BE_OLDER away behind the store, as native clients do when they store.
void World::clear_mark(uint32_t pnn, std::string_view key) {
  Bytes value = *db(pnn).fetch(as_bytes(key));
  uint8_t* flags = value.data() + CTDB_OFF_RECORD_FLAGS;
  ctdb::store(flags, load<uint32_t>(flags) & ~CTDB_RECORD_MAY_BE_OLDER);
  db(pnn).store(as_bytes(key), value);
}

std::optional<RecordHeader> World::header(uint32_t pnn, std::string_view key) {
  const std::optional<Bytes> value = db(pnn).fetch(as_bytes(key));
  return value ? read_record_header(*value) : std::nullopt;
}

std::optional<std::string> World::data(uint32_t pnn, std::string_view key) {
  const std::optional<Bytes> value = db(pnn).fetch(as_bytes(key));
  if (!value || value->size() < CTDB_RECORD_HEADER_SIZE) return std::nullopt;
  return std::string(as_text(ByteView(*value).subspan(CTDB_RECORD_HEADER_SIZE)));
}

RecordSight World::sight(uint32_t pnn, std::string_view key) {
  RecordSight found;
  store(pnn).for_each_record([&](const RecordSight& sight) {
    if (as_text(sight.key) == key) found = sight;
  });
  return found;
}

std::vector<uint32_t> World::owners(std::string_view key) {
  std::vector<uint32_t> found;
  for (uint32_t pnn = 0; pnn < size(); ++pnn) {
    if (node(pnn).store == nullptr || node(pnn).files.database(kDb) == nullptr) continue;
    const std::optional<RecordHeader> h = header(pnn, key);
    if (h && h->dmaster == pnn) found.push_back(pnn);
  }
  return found;
}

std::string World::key_of(uint32_t lmaster, const std::string& prefix) {
  const Placement placement(everybody());
  for (uint32_t i = 0;; ++i) {
    const std::string key = prefix + std::to_string(i);
    if (placement.lmaster(as_bytes(key)) == lmaster) return key;
  }
}

void World::serve_workers() {
  for (const auto& n : nodes_) {
    const std::map<uint64_t, Bytes> asked = n->tickets;
    for (const auto& [ticket, key] : asked) {
      if (n->granted.contains(ticket) || !n->tickets.contains(ticket)) continue;
      if (!n->files.database(kDb)->lock(key, Node::worker(ticket))) continue;
      n->granted.insert(ticket);
      n->store->on_chain_locked(ticket, now_);
    }
  }
  run();
}

}  // namespace ctdb::test
