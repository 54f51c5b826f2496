// SPDX-License-Identifier: GPL-3.0-or-later
// The phases of a recovery and of being no member.
#include "ctdb-store/core/recovery.h"

#include <algorithm>

#include "ctdb-store/core/record_io.h"

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerSlice = 256;
constexpr TimeNs kTellEvery = 5 * kSecond;
// Clients keep a chain for microseconds; who keeps it for longer than this keeps nobody waiting but those who want its records.
constexpr TimeNs kChainPatience = 50 * kMillisecond;

}  // namespace

void Recovery::send_hello(uint64_t asked) {
  StoreHello hello;
  hello.open_generation = ctx_.open_generation;
  hello.prepared_generation = ctx_.prepared_generation;
  hello.databases = static_cast<uint32_t>(ctx_.databases.all().size());
  hello.asked = asked;
  if (ctx_.is_open()) hello.note = note_;
  ctx_.send_own(ctx_.self, Operation::STORE_HELLO, hello.encode());
}

// That store may have been killed when it was prepared for a generation and not yet open in it. It can have opened elsewhere only
// because all were prepared, so what is here is valid for it, as if the store had lived.
void Recovery::take_up() {
  if (ctx_.options.prepared_generation <= ctx_.open_generation) return;
  ctx_.prepared_generation = ctx_.options.prepared_generation;
  empty_handed_ = ctx_.options.empty_handed;
}

bool Recovery::begin(const StoreRecover& order, TimeNs now) {
  const bool same = order.generation == ctx_.generation;
  if (same && ctx_.phase == StorePhase::kRecovering) return false;
  if (same && ctx_.phase == StorePhase::kPrepared) {
    report({});
    return false;
  }
  const bool self_in = std::ranges::binary_search(order.members, ctx_.self);
  if (order.generation <= ctx_.generation || !self_in) {
    ctx_.refuse("an older generation, or one without this node");
    return false;
  }
  // An order that has waited for a store which was stopped. Recoveryd gives the lease first; without one others may have gone
  // on, and the keeper, which may still wait for a client's chain, must not find its epoch over.
  if (files_differ_ && !ctx_.out.lease_lasts()) {
    ctx_.refuse("this node has no lease");
    return false;
  }
  give_up_attempt();
  settle_detached(order.base_generation);
  settle_last_attempt(order.base_generation);
  began_ = now_ = now;
  tell_at_ = now + kTellEvery;
  migration_.close();
  take_order(order);
  must_discard_ =
      must_discard_ || std::max(ctx_.open_generation, ctx_.prepared_generation) < order.base_generation;
  if (!must_discard_ && open_placement_.members().empty()) learn_placement(order.base_members);
  if (must_discard_) {
    empty_handed_ = true;
    step_ = Step::kDiscarding;
    // Else clients could still use what is behind a chain that one of them keeps.
    if (ctx_.out.records_taken()) pass_at_ = now + kChainPatience;
    start_header_walk(HeaderJob::kDiscard);
    header_slice(now);
  } else {
    start_claiming();
  }
  return true;
}

void Recovery::take_order(const StoreRecover& order) {
  ctx_.phase = StorePhase::kRecovering;
  ctx_.generation = order.generation;
  ctx_.placement.set_members(order.members);
  stopped_ = false;
  member_logs_.clear();
  const auto is_member = [&](uint32_t voter) { return std::ranges::binary_search(order.members, voter); };
  const auto voting = static_cast<size_t>(std::ranges::count_if(order.voters, is_member));
  members_are_majority_ = 2 * voting > order.voters.size();
  base_generation_ = order.base_generation;
  for (uint32_t pnn : order.members) {
    members_.emplace_back();
    members_.back().pnn = pnn;
  }
}

// Of the generation whose records it has found in its files. Who owned what in it only the last store knew.
void Recovery::learn_placement(const std::vector<uint32_t>& base_members) {
  forgetful_ = true;
  if (!base_members.empty()) open_placement_.set_members(base_members);
}

void Recovery::give_up_attempt() {
  if (ctx_.phase == StorePhase::kPrepared) {
    unsettled_ = std::move(fallen_back_);
    unsettled_generation_ = ctx_.generation;
  }
  reset();
}

// Forgets everything about the attempt under way.
void Recovery::reset() {
  for (const ClaimedKey& key : keys_) key.entry->first_claim = RecordEntry::kNoClaim;
  keys_.clear();
  claims_.clear();
  members_.clear();
  self_queue_.clear();
  decided_ = 0;
  statistics_ = {};
  account_at_ = 0;
  fallen_back_.forget();
  failed_ = false;
  walk_.stop();
  walk_job_ = HeaderJob::kNone;
  step_ = Step::kIdle;
  pass_at_ = kNever;
  late_.databases.clear();
  ctx_.detached.begin();
}

void Recovery::suspend(bool discard, bool fenced) {
  give_up_attempt();
  migration_.close();
  migration_.refuse_pushes();
  ctx_.phase = StorePhase::kSuspended;
  stopped_ = discard;
  files_differ_ = files_differ_ || fenced;
  if (discard) {
    must_discard_ = true;
    ctx_.open_generation = ctx_.prepared_generation = CTDB_INVALID_GENERATION;
  }
  serving_ended_ = false;
  start_header_walk(must_discard_ ? HeaderJob::kDiscard : HeaderJob::kTakeAway);
  // A chain that a lock worker has got, or is about to, would else be let go with the record still here.
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.on_chain && activity.entry->in_file) set_header_job(ctx_, activity, walk_job_);
  });
}

void Recovery::start_header_walk(HeaderJob job) {
  walk_job_ = job;
  walk_.start(ctx_.databases);
}

void Recovery::header_slice(TimeNs now) {
  for (uint32_t i = 0; i < kRecordsPerSlice; ++i) {
    Database* db = nullptr;
    RecordEntry* entry = walk_.next(ctx_.databases, db);
    if (entry == nullptr) {
      walk_job_ = HeaderJob::kNone;
      return;
    }
    const bool concerned = walk_job_ == HeaderJob::kDiscard
                               ? entry->in_file
                               : ctx_.owns(*entry) || is_read_only_copy(entry->flags);
    if (!concerned) continue;
    Activity& activity = ctx_.activities.attach(*db, *entry);
    set_header_job(ctx_, activity, walk_job_);
    migration_.process(activity, now);
  }
}

// The recovery waits for no chain that a client keeps: what is behind it stays in the file for now, where nobody believes it. So does what
// cannot be read until the file has been examined, which any chain that is kept delays.
void Recovery::pass_held_chains(TimeNs now) {
  if (now < pass_at_) return;
  pass_at_ = now + kChainPatience;
  if (step_ != Step::kDiscarding) {
    pass_at_ = kNever;
  } else if (walk_job_ == HeaderJob::kNone) {
    for (const auto& db : ctx_.databases.all()) leave_over(*db);
  }
}

// Where that cannot be noted they are waited for.
void Recovery::leave_over(Database& db) {
  const auto waits = [&db](const Activity& a) { return a.db == &db && a.job == HeaderJob::kDiscard; };
  std::vector<ByteView> keys;
  ctx_.activities.for_each_used([&](const Activity& a) {
    if (waits(a) && a.entry->in_file) keys.push_back(a.entry->key());
  });
  const Result<void> noted = keys.empty() ? Result<void>() : db.leftovers.add(*db.file, keys);
  const bool is_news = !noted && !db.leftovers_failing;
  db.leftovers_failing = !noted;
  if (!noted) {
    ++ctx_.counts.file_errors;
    if (is_news) ctx_.out.log(StoreLog::kError, noted.error().text() + "; trying again until it works");
    return;
  }
  ctx_.activities.for_each_used([&](Activity& a) {
    if (waits(a)) discard_unseen(ctx_, a);
  });
  if (keys.empty()) return;
  ctx_.out.log(StoreLog::kWarning,
               db.name + ": " + std::to_string(keys.size()) +
                   " record(s) of the past are behind chains that clients keep, or cannot be "
                   "read: they are discarded when they can, nothing else waits");
}

bool Recovery::has_work() const {
  if (walk_job_ != HeaderJob::kNone || !self_queue_.empty() || step_ == Step::kTidying) return true;
  const bool sends = step_ == Step::kClaiming || step_ == Step::kDeciding;
  return sends && !ctx_.out.congested();
}

RecoveredDatabase& Recovery::account(const Database& db) {
  std::vector<RecoveredDatabase>& all = statistics_.databases;
  if (account_at_ >= all.size() || all[account_at_].db_id != db.id) {
    const auto known = std::ranges::find(all, db.id, &RecoveredDatabase::db_id);
    account_at_ = static_cast<size_t>(known - all.begin());
    if (known == all.end()) {
      all.push_back({});
      all.back().db_id = db.id;
      all.back().from_ns = static_cast<uint64_t>(now_ - began_);
    }
  }
  all[account_at_].to_ns = static_cast<uint64_t>(now_ - began_);
  return all[account_at_];
}

void Recovery::work(TimeNs now) {
  now_ = now;
  if (walk_job_ != HeaderJob::kNone) {
    header_slice(now);
  } else if (!self_queue_.empty()) {
    const SelfPacket packet = std::move(self_queue_.front());
    self_queue_.pop_front();
    ctx_.packet = {ctx_.self, static_cast<uint32_t>(packet.operation), now};
    record_packet(packet.operation, ctx_.self, packet.payload, now);
  } else if (step_ == Step::kClaiming) {
    claim_slice();
  } else if (step_ == Step::kDeciding) {
    decide_slice();
  } else if (step_ == Step::kTidying) {
    tidy_slice();
  }
  advance();
}

void Recovery::advance() {
  if (failed_) return;
  const bool headers_done = walk_job_ == HeaderJob::kNone && ctx_.header_jobs == 0;
  // Before the last ones: these may wait for a client's chain, and a store that ends meanwhile can tell of nothing.
  if (walk_job_ == HeaderJob::kNone) tell_left_behind();
  if (step_ == Step::kDiscarding && headers_done) {
    must_discard_ = files_differ_ = false;
    // What was changed before is gone, and clients that wait to hear whether it is kept must not take the time from now on
    // for the time of their change.
    if (empty_handed_) ctx_.out.set_serving(false);
    done(RecoveryStep::kDiscarded);
    start_claiming();
  }
  if (step_ == Step::kAwaitingClaims && all_ended(&Member::claims_ended)) {
    done(RecoveryStep::kAllClaimed);
    step_ = Step::kDeciding;
  }
  if (step_ == Step::kAwaitingAssignments && headers_done && all_ended(&Member::assignments_ended))
    prepared();
  if (ctx_.phase == StorePhase::kSuspended && headers_done && !serving_ended_) {
    must_discard_ = files_differ_ = false;
    serving_ended_ = true;
    ctx_.out.set_serving(false);
  }
}

// Only here does the node begin to serve anew: until the records of the past are discarded it is the old epoch that files
// speak of. A keeper that still waits for a client's chain finds its epoch over and leaves that file alone: what the
// index believes to own is of the newest generation here, so nobody else can have it, also when it is fenced half or whole.
void Recovery::start_claiming() {
  ctx_.out.set_serving(true);
  RecordDatabases databases;
  databases.generation = ctx_.generation;
  databases.log_end = ctx_.log_end;
  databases.log_trusted = ctx_.log_trusted;
  for (const auto& db : ctx_.databases.all())
    databases.databases.push_back({db->name, db->flags, db->copies});
  databases.open_generation = ctx_.open_generation;
  ctx_.detached.tell(databases);
  const Bytes payload = databases.encode();
  for (const Member& to : members_) send(to.pnn, Operation::RECORD_DATABASES, payload);
  walk_.start(ctx_.databases);
  step_ = Step::kClaiming;
}

void Recovery::prepared() {
  step_ = Step::kDone;
  decide_detached();
  look_at_promotions();
  done(RecoveryStep::kPrepared);
  ctx_.phase = StorePhase::kPrepared;
  ctx_.prepared_generation = ctx_.generation;
  ctx_.out.set_prepared(ctx_.generation, empty_handed_);
  report({});
}

void Recovery::report(StoreRecovered message) {
  message.generation = ctx_.generation;
  message.statistics = statistics_;
  ctx_.send_own(ctx_.self, Operation::STORE_RECOVERED, message.encode());
}

// This attempt cannot succeed; the leader starts another.
void Recovery::fail(const std::string& error, std::vector<uint32_t> about) {
  if (failed_) return;
  failed_ = true;
  ctx_.out.log(StoreLog::kError, "recovery of generation " + std::to_string(ctx_.generation) + ": " + error);
  StoreRecovered message;
  message.ok = false;
  message.error = error;
  message.about = std::move(about);
  report(std::move(message));
}

std::vector<uint32_t> Recovery::waited_for() const {
  const bool ended = step_ > Step::kAwaitingClaims;
  const bool own_part = step_ != Step::kAwaitingClaims && step_ != Step::kAwaitingAssignments;
  std::vector<uint32_t> nodes;
  for (const Member& m : members_) {
    const bool here = ended ? m.assignments_ended : m.claims_ended;
    if (!here || (m.pnn == ctx_.self && (own_part || ctx_.header_jobs != 0))) nodes.push_back(m.pnn);
  }
  return nodes;
}

void Recovery::tick(TimeNs now) {
  pass_held_chains(now);
  if (ctx_.phase != StorePhase::kRecovering || failed_ || now < tell_at_) return;
  now_ = now;
  tell_at_ = now + kTellEvery;
  StoreRecovered message;
  message.ok = false;
  message.about = waited_for();
  message.all_claimed = step_ > Step::kAwaitingClaims;
  report(std::move(message));
}

TimeNs Recovery::next_deadline() const {
  return ctx_.phase == StorePhase::kRecovering && !failed_ ? std::min(tell_at_, pass_at_) : kNever;
}

bool Recovery::open(const StoreOpen& order) {
  if (ctx_.phase != StorePhase::kPrepared || order.generation != ctx_.generation) {
    ctx_.refuse("this generation is not prepared");
    return false;
  }
  look_at_questions();
  ctx_.counts.records_fallen_back += tell(fallen_back_);
  tell_departures();
  forget_told_losses();
  owners_known_ = empty_handed_ = forgetful_ = false;
  const RecordDatabases late = std::move(late_);
  reset();
  settle_detached(ctx_.generation);
  ctx_.detached.drop_orders();
  if (order.everybody) ctx_.detached.forget();
  ctx_.phase = StorePhase::kOpen;
  ctx_.open_generation = ctx_.generation;
  if (const std::string error = attach_databases(late, ctx_.generation); !error.empty())
    ctx_.out.log(StoreLog::kError, error);
  note_ = order.note;
  open_placement_ = ctx_.placement;
  ++ctx_.counts.recoveries;
  return true;
}

Recovery::Member* Recovery::member(uint32_t pnn) {
  const auto at = std::ranges::find(members_, pnn, &Member::pnn);
  return at == members_.end() ? nullptr : &*at;
}

bool Recovery::all_ended(bool Member::*ended) const {
  return std::ranges::all_of(members_, [&](const Member& m) { return m.*ended; });
}

void Recovery::send(uint32_t node, Operation operation, const Bytes& payload) {
  statistics_.bytes_sent += payload.size();
  if (node == ctx_.self) {
    self_queue_.push_back({operation, payload});
  } else {
    ctx_.send_own(node, operation, payload);
  }
}

void Recovery::record_packet(Operation operation, uint32_t node, ByteView payload, TimeNs now) {
  now_ = now;
  Member* from = member(node);
  if (from == nullptr) return ctx_.refuse("it is no member of the generation being made");
  bool understood = false;
  if (operation == Operation::RECORD_DATABASES) {
    const auto message = RecordDatabases::decode(payload);
    if (message) take_databases(node, *message);
    understood = message.has_value();
  } else if (operation == Operation::RECORD_CLAIMS) {
    const auto message = RecordClaims::decode(payload);
    if (message) take_claims(*from, *message);
    understood = message.has_value();
  } else if (operation == Operation::RECORD_ASSIGN) {
    const auto message = RecordAssign::decode(payload);
    if (message) take_assignments(*from, *message, now);
    understood = message.has_value();
  } else {
    const auto message = RecordEnd::decode(payload);
    if (message && operation == Operation::RECORD_CLAIMS_END) {
      if (!from->claims_ended) {
        from->empty_handed = message->empty_handed;
        from->forgetful = message->forgetful;
      }
      take_end(&Member::claims_ended, from->claim_batches_in, *from, *message);
    } else if (message) {
      take_end(&Member::assignments_ended, from->assign_batches_in, *from, *message);
    }
    understood = message.has_value();
  }
  if (!understood) ctx_.refuse("malformed");
}

}  // namespace ctdb
