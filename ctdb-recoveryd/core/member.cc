// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/member.h"

#include <algorithm>

namespace ctdb {

// The last life may have left a store that serves, and a lease that lasts.
void Member::start() {
  question_ = static_cast<uint64_t>(c_.now);
  lease_until_ = told_lease_ = c_.out.serve_until();
  taken_ = c_.out.records_taken();
  if (lease_until_ > c_.now) standing_ = Standing::kRecovering;
  if (stopped()) return;
  look_at_ = c_.now;
  cut_at_ = c_.now + c_.timing().nobody_fences;
}

void Member::on_store(bool up, uint64_t instance) {
  told_of_store_ = true;
  if (up == store_up_ && instance == store_instance_) return;
  c_.announce = true;
  hello_ = hangs_ = false;
  store_up_ = up;
  if (up) store_instance_ = instance;
  // A store that is gone keeps nobody from working on its files; it counts as serving until it was told
  // otherwise.
  if (standing_ == Standing::kOpen) standing_ = Standing::kRecovering;
  query_at_ = up ? c_.now : kNever;
}

void Member::on_router_down() {
  on_store(false, 0);
  // The next router counts sessions and instances from the beginning: numbers that look the same mean
  // nothing.
  asked_ = true;
}

void Member::on_store_hello(const StoreHello& hello) {
  if (!store_up_) return c_.refuse("ctdb-store is not connected");
  if (hello_) return;  // it introduced itself and was asked as well: the first word counts
  hello_ = true;
  store_since_ = c_.now;
  query_at_ = kNever;
  c_.announce = true;
  open_generation_ = hello.open_generation;
  prepared_generation_ = hello.prepared_generation;
  if (open_generation_ == CTDB_INVALID_GENERATION) {
    standing_ = Standing::kSuspended;
    look_at_ = c_.now;
    return publish_lease();
  }
  // It was suspended while it was away, or its last life was: this one does not know.
  if (!serving()) return tell_suspended();
  standing_ = Standing::kRecovering;
  take_over(hello);
}

// A recoveryd that is started anew beside a store that has been open all the while goes on where the last one ended. Orders that the last one
// gave came there before the question. What it did not live to see shows: another store has another instance, a link that was
// lost another session (disturbed()), and what others have decided meanwhile comes with the first heartbeat.
void Member::take_over(const StoreHello& hello) {
  const OpenNote& note = hello.note;
  const DurableState& known = c_.durable;
  if (begun_.generation != CTDB_INVALID_GENERATION || hello.asked != question_) return;
  if (hello.open_generation != known.decided_generation || note.members != known.decided_members) return;
  if (!contains(note.members, c_.pnn()) || note.store_instance != store_instance_) return;
  if (!std::all_of(note.members.begin(), note.members.end(),
                   [this](uint32_t node) { return c_.known(node); }))
    return;
  begun_ = {note.leader, open_generation_, note.members, note.sessions, store_instance_, c_.now};
  open_members_ = note.members;
  standing_ = Standing::kOpen;
  why_suspended_.clear();
  c_.log(RecoverydLog::kNotice,
         "the store is open in generation " + std::to_string(open_generation_) + ": it goes on");
}

bool Member::asks() const {
  return standing_ == Standing::kRecovering && begun_.generation == CTDB_INVALID_GENERATION &&
         (!told_of_store_ || (store_up_ && !hello_));
}

void Member::on_store_suspended() {
  if (!store_up_) return c_.refuse("ctdb-store is not connected");
  suspend(false, "ctdb-store stopped serving: its lease was over");
}

// What the files hold is of the past, and clients may still take it for valid: no new lease before it is taken away. (What
// is not of the past may stay as it is.)
bool Member::must_empty_files(uint32_t base) const {
  if (serving() || taken_ || base == CTDB_INVALID_GENERATION) return false;
  return std::max(open_generation_, prepared_generation_) < base;
}

bool Member::on_begin(uint32_t leader, const RecoveryBegin& begin) {
  if (!is_part(begin.members, begin.voters) || !contains(begin.members, c_.pnn())) return false;
  const auto known = [this](uint32_t node) { return c_.known(node); };
  if (!std::all_of(begin.members.begin(), begin.members.end(), known)) return false;
  if (term_of_generation(begin.generation) != begin.term || begin.generation == CTDB_INVALID_GENERATION)
    return false;
  // Strictly newer than anything begun here: a packet that was delayed or doubled has no effect.
  if (begun_.generation != CTDB_INVALID_GENERATION && begin.generation <= begun_.generation) return false;
  if (begin.base_generation != CTDB_INVALID_GENERATION && begin.base_generation >= begin.generation)
    return false;
  look_at_lease();
  // The leader hears of it with the next heartbeat reply.
  if (!store_ready() || must_empty_files(begin.base_generation)) return true;
  begun_ = {leader, begin.generation, begin.members, {}, store_instance_, c_.now};
  for (uint32_t node : begin.members) begun_.sessions.push_back(c_.links[node].session);
  standing_ = Standing::kRecovering;
  asked_ = false;
  why_suspended_.clear();
  started_wall_ns_ = c_.out.wall_clock_ns();
  c_.announce = true;
  publish_lease();
  c_.to_store(Operation::STORE_RECOVER, begin.encode());
  return true;
}

uint32_t Member::on_store_recovered(const StoreRecovered& report) {
  if (report.ok && !report.about.empty() && open() && report.generation == open_generation_ &&
      report.about == open_members_) {
    logs_equal_in_ = report.generation;
    return begun_.leader;
  }
  // It crossed the order to begin another attempt, or to stop: no fault of anybody's.
  if (report.generation < begun_.generation || !serving()) return CTDB_UNKNOWN_PNN;
  if (report.generation != begun_.generation || open()) {
    c_.refuse("not about the recovery under way");
    return CTDB_UNKNOWN_PNN;
  }
  if (report.ok) {
    prepared_generation_ = report.generation;
  } else if (!report.error.empty()) {
    c_.log(RecoverydLog::kError, "the store could not recover generation " +
                                     std::to_string(report.generation) + ": " + report.error);
  }
  return begun_.leader;
}

bool Member::on_commit(const RecoveryCommit& commit) {
  if (begun_.store_instance != store_instance_) return false;  // another store knows nothing of it
  if (commit.generation != begun_.generation || prepared_generation_ != commit.generation) return false;
  if (standing_ != Standing::kRecovering || term_of_generation(commit.generation) != commit.term)
    return false;
  standing_ = Standing::kOpen;
  open_generation_ = commit.generation;
  open_members_ = begun_.members;
  ++c_.counts.recoveries;
  c_.counts.last_recovery = c_.now - begun_.at;
  finished_wall_ns_ = c_.out.wall_clock_ns();
  c_.announce = true;
  const OpenNote note{begun_.leader, begun_.store_instance, begun_.members, begun_.sessions};
  c_.to_store(Operation::STORE_OPEN, StoreOpen{commit.term, commit.generation, note, everybody()}.encode());
  return true;
}

bool Member::everybody() const {
  for (uint32_t node = 0; node < c_.lines(); ++node) {
    if (c_.known(node) && !c_.witness(node) && !std::ranges::binary_search(open_members_, node)) return false;
  }
  return true;
}

void Member::answered(uint64_t sequence) {
  Sent& sent = sent_[sequence % sent_.size()];
  if (sent.sequence == sequence) return;  // told again: the first time counts
  sent = {sequence, c_.now};
}

void Member::acked(uint64_t sequence, TimeNs late) {
  const Sent& sent = sent_[sequence % sent_.size()];
  if (sequence != 0 && sent.sequence == sequence) lease_from(sent.at - std::min(late, sent.at));
}

void Member::lease_from(TimeNs start) {
  lease_until_ = std::max(lease_until_, start + c_.timing().lease);
}

void Member::publish_lease() {
  const TimeNs lease = serving() ? lease_until_ : 0;
  if (lease == told_lease_) return;
  if (!c_.out.set_serve_until(told_lease_, lease)) return look_at_lease();
  told_lease_ = lease;
}

// A keeper that comes on duty takes the lease back when router and keeper may both have been dead, as at a start: others may have seen
// that and gone on. What was answered before then, and is acknowledged only now, makes no lease.
void Member::look_at_lease() {
  const TimeNs now = c_.out.serve_until();
  if (now == told_lease_) return;
  told_lease_ = now;
  lease_until_ = now;
  sent_.fill({});
  suspend(
      false,
      "its lease was taken back by a keeper that has just begun: nobody could have fenced this node before");
}

void Member::suspend(bool discard, const std::string& reason) {
  if (!serving()) return;
  c_.log(RecoverydLog::kWarning, "this node is no member now: " + reason);
  standing_ = Standing::kSuspended;
  why_suspended_ = reason;
  discard_ = discard;
  c_.announce = true;
  taken_ = false;
  look_at_ = c_.now;
  look_after_ = 0;
  cut_at_ = c_.now + c_.timing().nobody_fences;
  publish_lease();
  if (store_up_ && hello_) tell_suspended();
}

void Member::tell_suspended() {
  if (discard_) open_generation_ = prepared_generation_ = CTDB_INVALID_GENERATION;
  c_.to_store(Operation::STORE_SUSPEND, StoreSuspend{discard_, why_suspended_}.encode());
}

// The page shows a store that hangs even when the router between it and us hangs too.
void Member::look_at_store() {
  if (!store_up_ || !hello_) return;
  const bool hangs = c_.now >= std::max(c_.out.store_beat(), store_since_) + c_.timing().store_hangs;
  if (hangs == hangs_) return;
  hangs_ = hangs;
  c_.announce = true;
  if (hangs) suspend(false, "ctdb-store hangs");
}

// While records are being taken away: by the store, or by the keeper if it cannot.
void Member::look_at_files() {
  if (c_.now < look_at_) return;
  const bool taken = c_.out.records_taken();
  if (taken != taken_) c_.announce = true;
  taken_ = taken;
  const TimeNs first = c_.timing().fence_check;
  look_after_ = std::clamp(2 * look_after_, first, 20 * first);
  look_at_ = taken || serving() ? kNever : c_.now + look_after_;
  cut_clients_off();
}

// Once: who connects later gets no record while there is no store. Without a router they have lost their connections already.
void Member::cut_clients_off() {
  if (serving() || taken_ || cut_at_ == kNever) return;
  if (c_.now < cut_at_) {
    look_at_ = std::min(look_at_, cut_at_);
  } else if (c_.router_up && !c_.out.being_fenced()) {
    cut_at_ = kNever;
    c_.log(RecoverydLog::kError,
           "neither ctdb-store nor its keeper takes the records away: clients are cut off");
    c_.send(c_.pnn(), Operation::CUT_CLIENTS, {});
  }
}

// Their records are taken away: they do no harm, but smbd keeps its own clients waiting for as long as it waits. An operator who stops a
// node says what its clients are to do. A recovery that begins and does not open is no return.
void Member::end_waiting_clients(bool inactive) {
  if (open() || inactive || c_.timing().client_grace == kNever) {
    end_clients_at_ = kNever;
    return;
  }
  if (end_clients_at_ == kNever) end_clients_at_ = c_.now + c_.timing().client_grace;
  if (c_.now < end_clients_at_ || !c_.router_up) return;
  end_clients_at_ = c_.now + c_.timing().client_grace;
  c_.log(RecoverydLog::kWarning, "this node has been out for " +
                                     std::to_string(c_.timing().client_grace / kSecond) +
                                     " s (client grace): connections of classic clients are closed");
  c_.send(c_.pnn(), Operation::CUT_CLIENTS, {});
}

void Member::work(bool inactive) {
  if (c_.router_up && store_up_ && !hello_ && c_.now >= query_at_) {
    query_at_ = c_.now + c_.timing().store_query;
    c_.to_store(Operation::STORE_QUERY, StoreQuery{question_}.encode());
  }
  if (majority_linked()) {
    majority_lost_at_ = kNever;
  } else if (majority_lost_at_ == kNever) {
    majority_lost_at_ = c_.now;
  }
  look_at_store();
  look_at_lease();
  if (serving() && c_.router_up && quorum_lost()) {
    suspend(false, "no quorum: " + std::to_string(c_.linked_count()) + " of " +
                       std::to_string(c_.voters.count()) + " nodes reachable");
  } else if (serving() && c_.now >= lease_until_) {
    suspend(false, "no word from a leader for too long");
  }
  look_at_files();
  end_waiting_clients(inactive);
}

bool Member::quorum_lost() const {
  return majority_lost_at_ != kNever && c_.now >= majority_lost_at_ + c_.timing().suspend_grace;
}

TimeNs Member::next_deadline() const {
  TimeNs next = store_up_ && !hello_ && c_.router_up ? query_at_ : kNever;
  if (c_.router_up) next = std::min(next, end_clients_at_);
  if (!serving()) return std::min(next, look_at_);
  if (c_.router_up && majority_lost_at_ != kNever)
    next = std::min(next, majority_lost_at_ + c_.timing().suspend_grace);
  return std::min(next, lease_until_);
}

bool Member::disturbed() const {
  if (begun_.generation == CTDB_INVALID_GENERATION) return false;
  if (begun_.store_instance != store_instance_) return true;
  for (size_t i = 0; i < begun_.members.size(); ++i) {
    const uint32_t node = begun_.members[i];
    if (node != c_.pnn() && c_.linked(node) && c_.links[node].session != begun_.sessions[i]) return true;
  }
  return false;
}

HeartbeatReply Member::reply(uint64_t term, uint64_t sequence, uint32_t flags, uint32_t capabilities) const {
  HeartbeatReply r;
  r.term = term;
  r.sequence = sequence;
  r.flags = flags;
  r.capabilities = capabilities;
  r.store_up = store_ready() && !must_empty_files(c_.durable.decided_generation);
  r.store_instance = store_instance_;
  r.open_generation = open_generation_;
  r.prepared_generation = prepared_generation_;
  for (uint32_t node = 0; node < c_.lines(); ++node) {
    if (!c_.known(node) || !c_.linked(node)) continue;
    r.reachable.push_back(node);
    r.sessions.push_back(c_.links[node].session);
  }
  r.wants_recovery = asked_ || disturbed();
  r.decided_generation = c_.durable.decided_generation;
  r.begun_generation = begun_.generation;
  r.serving = serving();
  r.stopped = stopped();
  r.open = open();
  return r;
}

}  // namespace ctdb
