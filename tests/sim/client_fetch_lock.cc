// SPDX-License-Identifier: GPL-3.0-or-later
// Client semantics §5.1 to §5.4: under the chain lock look whether the record is here; if it is, read or change it, else
// let go, ask with REQ_CALL and try again.
#include <utility>

#include "libctdbipc/wire/reader.h"
#include "tests/sim/client.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

namespace ctdb::sim {

void Client::lock() {
  set_state(State::kLocking);
  if (node_.mutator.is(Mutation::kNoChainLock)) return later(1 * kMicrosecond, &Client::locked);
  node_.locks.acquire(*node_.database(), key_bytes_, holder(), [this, mine = incarnation()] {
    if (mine != incarnation()) return;
    state_ = State::kWorking;  // it has the lock, also while it is stopped
    locked_at_ = queue_.now();
    input([this] { locked(); });
  });
}

// Who waits for a chain waits on, until it hears that its router is dead.
void Client::file_cut() {
  if (!alive() || (state_ != State::kLocking && state_ != State::kWorking)) return;
  node_.locks.drop(*node_.database(), key_bytes_, holder());
  file_cut_ = true;
}

bool Client::dies_of_cut_file() {
  if (!file_cut_) return false;
  node_.world().trace.add(node_.pnn(), "client dies: its file was cut under its lock", number_);
  kill();
  start();
  return true;
}

bool Client::usable() const {
  const std::optional<RecordHeader> header = read_record_header(value_);
  if (node_.mutator.is(Mutation::kNoHeaderCheck) && header && node_.world().random.one_in(20)) return true;
  return header && header->dmaster == node_.pnn() && (header->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) == 0 &&
         page_allows();
}

bool Client::only_readable() const {
  const std::optional<RecordHeader> header = read_record_header(value_);
  if (!header || !page_allows()) return false;
  if ((header->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0) return true;
  return header->dmaster == node_.pnn() && (header->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) != 0;
}

bool Client::page_allows() const {
  return !options_.native || node_.mutator.is(Mutation::kNativeUnchecked) ||
         node_.page->may_use(queue_.now());
}

void Client::locked() {
  if (dies_of_cut_file()) return;
  set_state(State::kWorking);
  if (std::exchange(hold_any_, false)) return later(std::exchange(hold_next_, 0), &Client::locked);
  value_ = node_.database()->fetch(key_bytes_).value_or(Bytes());
  if (usable()) return own();
  if (work_ == Work::kRead && only_readable()) return read_only();
  release();
  if (work_ != Work::kRead) return call(CTDB_FUNC_NULL, CTDB_CALL_IMMEDIATE_MIGRATION);
  expectation_ = node_.world().checkers.lost_updates.expect(key_);
  call(CTDB_FUNC_FETCH, value_.size() >= CTDB_RECORD_HEADER_SIZE ? CTDB_CALL_WANT_READONLY : 0);
}

// While the cluster goes on without this node only classic clients may still be at work, and not without an excuse.
bool Client::may_be_used() {
  Checkers& checkers = node_.world().checkers;
  if (checkers.lives.valid(node_.pnn())) return true;
  return !options_.native && node_.excused(locked_at_, cut_off_);
}

// With the chain locked: nobody can have changed it since.
void Client::read_only() {
  made_ = kNoVersion;
  Checkers& checkers = node_.world().checkers;
  const ByteView data = ByteView(value_).subspan(CTDB_RECORD_HEADER_SIZE);
  // What an excused client of a node that is out reads is lost like what it would write.
  const bool counts = checkers.lives.valid(node_.pnn());
  if (counts || !may_be_used()) {
    checkers.lost_updates.read(node_.pnn(), key_, data, expectation_);
    if (const std::optional<VersionId> seen = checkers.history.identify(key_, data))
      record(HistoryEvent::Kind::kReadCopy, true, *seen);
  }
  later(1 * kMicrosecond, &Client::unlock);
}

// The record is here and the chain is locked.
void Client::own() {
  World& world = node_.world();
  made_ = kNoVersion;
  const ByteView data = ByteView(value_).subspan(CTDB_RECORD_HEADER_SIZE);
  const RecordHeader header = *read_record_header(value_);
  counts_ = world.checkers.lives.valid(node_.pnn());
  life_ = world.checkers.lives.life(node_.pnn());
  world.checkers.single_owner.used(node_.pnn(), key_, may_be_used());
  const uint64_t fallbacks = world.checkers.history.fallbacks(key_);
  version_ = world.checkers.lost_updates.owned(node_.pnn(), key_, data);
  // A store that is killed while it discards, because its node is stopped, does not know afterwards that it has.
  const bool fallen_back = world.checkers.history.fallbacks(key_) != fallbacks && !data.empty() &&
                           !world.checkers.lives.anything_discarded();
  if (fallen_back && (header.flags & CTDB_RECORD_MAY_BE_OLDER) == 0) {
    world.checkers.verdict.violation("may_be_older", "key " + std::to_string(key_) + " on node " +
                                                         std::to_string(node_.pnn()) +
                                                         " has fallen back and does not say so");
  }
  world.checkers.copies.seen(node_.pnn(), key_, version_);
  record(HistoryEvent::Kind::kLocked, counts_, version_);
  const uint64_t made_under = world.checkers.history.version(version_).rsn;
  if (counts_) world.checkers.sequence_numbers.seen(node_.pnn(), key_, header.rsn, made_under, data.empty());
  world.trace.add(node_.pnn(), "client owns key/rsn/version", key_, header.rsn, version_);
  world.points.reach(Point::kClientLocks, node_.pnn());
  if (work_ == Work::kRead) return later(1 * kMicrosecond, &Client::unlock);
  if (work_ == Work::kDelete && data.empty()) work_ = Work::kIncrement;
  TimeNs hold = 1 * kMicrosecond + random_below(10 * kMicrosecond);
  if (world.random.one_in(40)) hold = random_below(3 * kMillisecond);
  if (!world.options().clients_brisk && world.random.one_in(2000)) hold = random_below(800 * kMillisecond);
  if (hold_next_ > 0) hold = hold_next_;
  hold_next_ = 0;
  later(hold, &Client::change);
}

void Client::change() {
  if (dies_of_cut_file()) return;
  World& world = node_.world();
  Checkers& checkers = world.checkers;
  if (node_.database()->fetch(key_bytes_) != value_) {
    return checkers.verdict.violation("client", "key " + std::to_string(key_) + " was changed on node " +
                                                    std::to_string(node_.pnn()) +
                                                    " under a client's chain lock");
  }
  // CTDB_ERR_FENCED: nothing is written, and it begins anew.
  if (!page_allows()) return later(1 * kMicrosecond, &Client::unlock);
  const bool counts =
      counts_ && checkers.lives.valid(node_.pnn()) && checkers.lives.life(node_.pnn()) == life_;
  checkers.single_owner.used(node_.pnn(), key_, may_be_used());
  if (counts) {
    checkers.lost_updates.replaces(node_.pnn(), key_, version_);
  }
  const ByteView header = ByteView(value_).first(CTDB_RECORD_HEADER_SIZE);
  const ByteView old = ByteView(value_).subspan(CTDB_RECORD_HEADER_SIZE);
  Bytes data;
  if (work_ == Work::kIncrement) {
    std::vector<uint64_t> counters(world.node_count(), 0);
    if (const std::optional<Value> value = Value::decode(old, world.node_count()); value)
      counters = value->counters;
    ++counters[node_.pnn()];
    data = Value::encode(checkers.history.next_id(), counters, world.random.below(100));
  }
  const uint64_t rsn = load<uint64_t>(header.data());
  const VersionId made = checkers.history.add(key_, version_, node_.pnn(), rsn, data, counts);
  checkers.reported_losses.wrote(made);
  if (!counts && data.empty()) checkers.reported_losses.deleted_by_outsider(version_);
  made_ = made;
  made_in_epoch_ = node_.page->serving_epoch();
  losses_when_made_ = node_.world().checkers.copies.losses();
  counts_ = counts;
  record(HistoryEvent::Kind::kWrote, counts, made, version_);
  Bytes value = to_bytes(header);
  if (options_.native) {
    const uint32_t flags = load<uint32_t>(header.data() + CTDB_OFF_RECORD_FLAGS);
    ctdb::store(value.data() + CTDB_OFF_RECORD_FLAGS, flags & ~CTDB_RECORD_MAY_BE_OLDER);
  }
  value.insert(value.end(), data.begin(), data.end());
  node_.database()->store(key_bytes_, value);
  world.points.reach(data.empty() ? Point::kClientDeletes : Point::kClientChanges, node_.pnn());
  if (data.empty()) schedule_for_deletion(header);
  later(1 * kMicrosecond, &Client::unlock);
}

void Client::schedule_for_deletion(ByteView header) {
  Bytes data;
  Writer w(data);
  w.u32(db_id_);
  w.u32(0);
  w.bytes(header);
  w.counted_bytes(key_bytes_);
  send_control(static_cast<uint32_t>(Control::SCHEDULE_FOR_DELETION), db_id_, CTDB_CONTROL_NOREPLY, data);
}

void Client::release() {
  if (node_.mutator.is(Mutation::kNoChainLock)) return;
  node_.locks.release(*node_.database(), key_bytes_, holder());
}

void Client::unlock() {
  if (dies_of_cut_file()) return;
  record(HistoryEvent::Kind::kUnlock);
  release();
  if (made_ != kNoVersion && options_.native && node_.world().options().copies > 1) return copy();
  completed();
}

// As a native client's unlock: done when the change is on other nodes too.
void Client::copy() {
  Bytes data;
  Writer w(data);
  w.u64(made_in_epoch_);
  w.u32(node_.world().options().copies);
  call(CTDB_FUNC_COPY, 0, data);
}

void Client::call(uint32_t callid, uint32_t flags, ByteView data) {
  set_state(callid == CTDB_FUNC_FETCH  ? State::kReading
            : callid == CTDB_FUNC_COPY ? State::kCopying
                                       : State::kCalling);
  waiting_for_ = ++reqid_;
  node_.world().points.reach(Point::kClientAsks, node_.pnn());
  node_.world().trace.add(node_.pnn(), "client asks client/key/reqid", number_, key_, reqid_);
  build(call_packet_, {0, 0, 0, CTDB_CURRENT_NODE, 0, reqid_},
        ReqCall{flags, db_id_, callid, 0, key_bytes_, data});
  send_call();
}

void Client::send_call() {
  call_lost_ = false;
  if (!options_.native) return node_.router.from_client(*this, endpoint_, call_packet_);
  if (channel_ == 0) {
    call_lost_ = true;
    return;
  }
  node_.store.from_client(channel_, endpoint_, call_packet_);
}

}  // namespace ctdb::sim
