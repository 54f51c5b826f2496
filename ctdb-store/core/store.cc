// SPDX-License-Identifier: GPL-3.0-or-later
// Events on their way to the part that serves them, and the gate that keeps packets of other generations out.
#include "ctdb-store/core/store.h"

#include <algorithm>
#include <utility>

#include "ctdb-store/core/commits/commits.h"
#include "ctdb-store/core/commits/full_copy.h"
#include "ctdb-store/core/controls.h"
#include "ctdb-store/core/file_checks.h"
#include "ctdb-store/core/hand_over.h"
#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/parked_calls.h"
#include "ctdb-store/core/parked_packets.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/recovery.h"
#include "ctdb-store/core/sights.h"
#include "ctdb-store/core/store_context.h"
#include "ctdb-store/core/take_up.h"
#include "ctdb-store/core/traverse.h"
#include "ctdb-store/core/vacuum.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

// Between two requests for a recovery.
constexpr TimeNs kCallInterval = kSecond;
// A store that looks at its counters all the time does nothing else.
constexpr TimeNs kSeqnumIntervalMin = 10 * kMillisecond;
bool is_recovery_packet(Operation operation) {
  return operation >= Operation::RECORD_DATABASES && operation <= Operation::RECORD_ASSIGN_END;
}

}  // namespace

class Store::Impl {
 public:
  Impl(const StoreOptions& options, RecordFiles& files, StoreOutput& output, CommitDisk* disk,
       NamedFunctions* functions)
      : ctx_(options, files, output),
        migration_(ctx_),
        recovery_(ctx_, migration_),
        take_up_(ctx_),
        traverse_(ctx_),
        hand_over_(ctx_, migration_),
        commits_(disk == nullptr ? nullptr : std::make_unique<Commits>(ctx_, *disk)),
        rewrites_(ctx_, migration_, commits_.get()),
        vacuum_(ctx_, migration_),
        file_checks_(ctx_),
        controls_(ctx_, migration_, recovery_, traverse_, commits_.get(), rewrites_, vacuum_) {
    ctx_.functions = functions;
    ctx_.drop_database = [this](Database& db) { controls_.drop_database(db); };
    take_up_files();
  }

  void on_router_up() { say_hello(0); }
  void on_router_down(const Endpoints& staying);
  void on_router_packet(uint32_t endpoint, MutableBytes packet, TimeNs now);
  void on_client_packet(uint32_t endpoint, ByteView packet, TimeNs now);
  void on_client_gone(uint32_t endpoint, TimeNs now, uint32_t changing_db = 0);
  void stop_serving(bool fenced);
  void tick(TimeNs now);
  TimeNs next_deadline() const;
  void on_disk_done(uint64_t ticket, const std::string& error, TimeNs now);
  bool has_work() const {
    return recovery_.has_work() || traverse_.has_work() || migration_.has_work() || rewrites_.has_work() ||
           vacuum_.has_work() || (commits_ != nullptr && commits_->has_work());
  }
  void work(TimeNs now);

 private:
  friend class Store;
  using Parked = ParkedPackets::Parked;

  void take_up_files();
  void go_on_taking_up(TimeNs now);
  bool stops_later(bool fenced);
  void say_hello(uint64_t asked) {
    if (take_up_.done()) recovery_.send_hello(asked);
  }
  void advance(TimeNs now);
  void local_call(uint32_t endpoint, bool via_router, ByteView packet, TimeNs now, bool has_waited = false);
  void put_parked_calls(TimeNs now, bool have_waited);
  void commit_under_hold(uint32_t endpoint, bool via_router, uint32_t reqid, const ReqCall& call, TimeNs now);
  void node_packet(const Header& header, ByteView packet, TimeNs now);
  void serve_node_packet(const Header& header, ByteView packet, TimeNs now);
  bool is_plausible(uint32_t generation) const;
  void park(Parked&& one);
  void unpark(bool begun, TimeNs now);
  void order(const Header& header, ByteView packet, TimeNs now);
  void take_tunables(const TunablesMessage& tunables, TimeNs now);
  void opened(TimeNs now);
  void suspended(bool discard, bool fenced = false);
  void lose_locks();
  void call_for_recovery(TimeNs now);
  void control(uint32_t endpoint, const Header& header, ByteView packet, TimeNs now);

  StoreContext ctx_;
  Migration migration_;
  Recovery recovery_;
  TakeUp take_up_;
  bool stop_meanwhile_ = false, fenced_meanwhile_ = false;  // before all files were taken up
  Traverse traverse_;
  HandOver hand_over_;
  std::unique_ptr<Commits> commits_;  // nullptr: no disk
  Rewrites rewrites_;
  Vacuum vacuum_;
  FileChecks file_checks_;
  StoreControls controls_;
  ParkedPackets parked_;
  ParkedCalls parked_calls_;
  TimeNs call_for_recovery_at_ = kNever, may_call_from_ = 0;
  RouterLives lives_;
};

void Store::Impl::take_up_files() {
  ctx_.databases.discard_detached(ctx_.detached.take_up(ctx_.options.open_generation));
  const bool as_they_are = ctx_.options.open_generation != CTDB_INVALID_GENERATION;
  if (as_they_are) {
    ctx_.open_generation = ctx_.options.open_generation;
    recovery_.take_up();
  } else {
    ctx_.detached.forget();
    discard_past(ctx_);
    recovery_.tell_left_behind();
  }
  take_up_.begin(as_they_are, commits_ != nullptr);
  go_on_taking_up(0);
}

void Store::Impl::go_on_taking_up(TimeNs now) {
  take_up_.work(now);
  if (!take_up_.done()) return;
  controls_.resume_seqnums();
  if (commits_ != nullptr) commits_->take_up(take_up_.damaged());
  if (stop_meanwhile_) suspended(recovery_.stopped(), fenced_meanwhile_);
}

// What is not taken up yet cannot be taken away: the store that has it does that, or else the keeper.
bool Store::Impl::stops_later(bool fenced) {
  if (take_up_.done()) return false;
  stop_meanwhile_ = true;
  fenced_meanwhile_ = fenced_meanwhile_ || fenced;
  return true;
}

// Clients came through the router; its next life counts them anew. Of those that stay the calls do, too.
void Store::Impl::on_router_down(const Endpoints& staying) {
  lives_.next(staying);
  migration_.all_clients_gone(staying);
  traverse_.all_clients_gone();
  controls_.all_clients_gone();
  rewrites_.all_clients_gone();
  if (commits_ != nullptr) commits_->all_clients_gone();
  parked_calls_.keep_only(staying);
  if (!stops_later(false)) suspended(recovery_.stopped());
}

void Store::Impl::on_router_packet(uint32_t endpoint, MutableBytes packet, TimeNs now) {
  if (!ctx_.takes(packet, now)) return;
  const Header header = read_header(packet);
  const auto operation = static_cast<Operation>(header.operation);
  if (operation == Operation::REQ_MESSAGE) {
    if (const auto message = parse_req_message(packet)) rewrites_.message(message->srvid, message->data, now);
  } else if (operation == Operation::REQ_CONTROL) {
    control(endpoint, header, packet, now);
  } else if (operation == Operation::REQ_CALL && endpoint != 0) {
    local_call(endpoint, true, packet, now);
  } else if (endpoint == 0 && is_record_operation(header.operation)) {
    node_packet(header, packet, now);
  } else if (endpoint == 0 && header.srcnode == ctx_.self) {
    order(header, packet, now);
  } else {
    ctx_.refuse("no such packets come to ctdb-store");
  }
  advance(now);
}

void Store::Impl::advance(TimeNs now) {
  if (commits_ != nullptr) commits_->advance(now);
  recovery_.advance();
  file_checks_.tell_gone();
  call_for_recovery(now);
  ctx_.counts.deleted_waiting = ctx_.deleted.size();
}

void Store::Impl::on_disk_done(uint64_t ticket, const std::string& error, TimeNs now) {
  commits_->on_disk_done(ticket, error, now);
  advance(now);
}

// At once, then once a second as long as the generation stays: the request may get lost, and one that changed nothing
// must not be the beginning of a storm.
void Store::Impl::call_for_recovery(TimeNs now) {
  const bool broken = ctx_.rule_broken_in == ctx_.generation;
  call_for_recovery_at_ = kNever;
  if (!ctx_.is_open() || (!broken && !ctx_.detached.ordered())) return;
  call_for_recovery_at_ = std::max(now, may_call_from_);
  if (!ctx_.detached.is_news() && now < may_call_from_) return;
  const std::string in = " in generation " + std::to_string(ctx_.generation) + ": asking for a recovery";
  if (broken) ctx_.out.log(StoreLog::kWarning, "records contradict each other, or are gone," + in);
  uint8_t active[4];
  store(active, CTDB_RECOVERY_ACTIVE);
  build(ctx_.built, ctx_.header_to(ctx_.self, 0),
        ReqControl{static_cast<uint32_t>(Control::SET_RECMODE), 0, 0, CTDB_CONTROL_NOREPLY, active});
  ctx_.out.to_router(0, ctx_.built);
  may_call_from_ = call_for_recovery_at_ = now + kCallInterval;
}

void Store::Impl::on_client_packet(uint32_t endpoint, ByteView packet, TimeNs now) {
  if (!ctx_.takes(packet, now)) return;
  ctx_.packet.from = ctx_.self;
  const auto operation = static_cast<Operation>(read_header(packet).operation);
  if (operation == Operation::REQ_CONTROL) return controls_.deletion(packet, now);
  if (operation != Operation::REQ_CALL) return ctx_.refuse("clients may only send calls");
  local_call(endpoint, false, packet, now);
}

void Store::Impl::local_call(uint32_t endpoint, bool via_router, ByteView packet, TimeNs now,
                             bool has_waited) {
  const Header header = read_header(packet);
  const std::optional<ReqCall> call = parse_req_call(packet);
  if (!call) {
    ctx_.refuse("malformed");
    return migration_.refuse_call(endpoint, via_router, header.reqid);
  }
  if (ctx_.databases.find(call->db_id) == nullptr && !(has_waited && ctx_.is_open())) {
    if (!parked_calls_.keep(endpoint, via_router, packet))
      return migration_.refuse_call(endpoint, via_router, header.reqid);
    if (ctx_.is_open()) parked_calls_.pause(now);
    return;
  }
  if (call->callid == CTDB_FUNC_RELEASE) return migration_.release(endpoint, *call, now);
  if (call->callid == CTDB_FUNC_DELETED) return vacuum_.deleted(*call, now);
  if (call->callid == CTDB_FUNC_DAMAGED) return file_checks_.found_damaged(call->db_id, now);
  if (call->callid == CTDB_FUNC_COMMIT)
    return commit_under_hold(endpoint, via_router, header.reqid, *call, now);
  migration_.local_call(endpoint, via_router, header, *call, now);
}

// The hold lasts until it is known what became of the transaction, also when its client dies: who gets the record next reads
// the database as it is then.
void Store::Impl::commit_under_hold(uint32_t endpoint, bool via_router, uint32_t reqid, const ReqCall& call,
                                    TimeNs now) {
  const auto answer = [this, endpoint, via_router, reqid](int32_t status, std::string_view error) {
    migration_.answer_call(endpoint, via_router, reqid, status, as_bytes(error));
  };
  const uint64_t hold = migration_.begin_commit(endpoint, call);
  if (hold == 0) return answer(kCommitConflict, "the lock of the transaction is lost");
  const auto done = [this, answer, hold, endpoint, life = lives_.number(), db_id = call.db_id,
                     key = to_bytes(call.key)](int32_t status, const std::string& error) {
    migration_.end_commit(db_id, key, hold);
    if (lives_.goes_on(life, endpoint)) answer(status, error);
  };
  if (commits_ == nullptr) return done(-1, "this node has no disk for transactions");
  commits_->submit_locked(CommitKind::kRecords, call.data, done, now);
  commits_->advance(now);
}

// The gate: packets of the open generation are served, those of one to come are kept, all others change nothing.
void Store::Impl::node_packet(const Header& header, ByteView packet, TimeNs now) {
  ctx_.packet = {header.srcnode, header.operation, now};
  const bool for_recovery = is_recovery_packet(static_cast<Operation>(header.operation));
  const bool making = ctx_.phase == StorePhase::kRecovering || ctx_.phase == StorePhase::kPrepared;
  if (header.generation == ctx_.generation && for_recovery && making) {
    return recovery_.record_packet(static_cast<Operation>(header.operation), header.srcnode,
                                   own_payload(packet), now);
  }
  if (header.generation == ctx_.generation && ctx_.is_open() &&
      header.operation == static_cast<uint32_t>(Operation::RECORD_DATABASES)) {
    return recovery_.new_database(header.srcnode, own_payload(packet));
  }
  if (header.generation == ctx_.generation && !for_recovery && ctx_.is_open()) {
    return serve_node_packet(header, packet, now);
  }
  if (header.generation == ctx_.generation && !for_recovery && making)
    return park({header, false, ctx_.generation, to_bytes(packet)});
  // Others than those of a recovery are only sent to who has prepared itself, so they are of a life before this one.
  if (header.generation <= ctx_.generation || !for_recovery) {
    ++ctx_.counts.stale_packets;
    return;
  }
  if (!is_plausible(header.generation)) return ctx_.refuse("its generation is too far ahead");
  park({header, true, ctx_.generation, to_bytes(packet)});
}

// Terms may have come and gone while this node took no part.
bool Store::Impl::is_plausible(uint32_t generation) const {
  if (ctx_.phase == StorePhase::kWaiting || ctx_.phase == StorePhase::kSuspended) return true;
  return ParkedPackets::in_reach(generation, ctx_.generation);
}

void Store::Impl::serve_node_packet(const Header& header, ByteView packet, TimeNs now) {
  switch (static_cast<Operation>(header.operation)) {
    case Operation::REQ_CALL:
      if (const auto call = parse_req_call(packet)) return migration_.remote_call(header, *call, now);
      break;
    case Operation::REQ_DMASTER:
      if (const auto request = parse_req_dmaster(packet))
        return migration_.req_dmaster(header, *request, now);
      break;
    case Operation::REPLY_DMASTER:
      if (const auto reply = parse_reply_dmaster(packet))
        return migration_.reply_dmaster(header, *reply, now);
      break;
    case Operation::REPLY_CALL:  // of a function, or a read-only copy
      if (const auto reply = parse_reply_call(packet)) return migration_.reply_call(header, *reply, now);
      break;
    case Operation::REPLY_ERROR:
      if (const auto error = parse_reply_error(packet)) return migration_.reply_error(header, *error, now);
      break;
    case Operation::RECORD_COPY:
      if (const auto copy = RecordCopy::decode(own_payload(packet)))
        return migration_.record_copy(header, *copy, now);
      break;
    case Operation::RECORD_COPIED:
      if (const auto copied = RecordCopied::decode(own_payload(packet)))
        return migration_.record_copied(header, *copied, now);
      break;
    case Operation::RECORD_FORGET:
    case Operation::RECORD_FORGOTTEN:
      if (vacuum_.packet(header, own_payload(packet), now)) return;
      break;
    default:
      if (commits_ == nullptr || !ctx_.is_member(header.srcnode)) break;
      if (commits_->packet(header.srcnode, static_cast<Operation>(header.operation), own_payload(packet),
                           now))
        return;
      break;
  }
  ctx_.rule_broken("it contradicts the records here, or is malformed");
}

void Store::Impl::park(Parked&& one) {
  const bool early = one.early;
  if (!parked_.keep(std::move(one))) {
    ctx_.refuse("too much waits for the next generation");
    // The attempt of an early one fails. Of the generation being made nobody repeats a packet.
    if (!early) ctx_.rule_broken_in = ctx_.generation;
  }
  ctx_.counts.packets_parked = parked_.count();
}

// Takes what has become due out of the parked packets, and what never will. `begun`: the generation has been; else it has opened.
void Store::Impl::unpark(bool begun, TimeNs now) {
  for (Parked& one : parked_.take_all()) {
    const bool due = one.header.generation == ctx_.generation && one.early == begun;
    const bool past = one.header.generation < ctx_.generation;
    // A member has come to the end of this generation's recovery, and so left every attempt that it was in before.
    const bool left =
        !begun && one.early && one.came_in != ctx_.generation && ctx_.is_member(one.header.srcnode);
    if (due) {
      node_packet(one.header, one.packet, now);
    } else if (past || left || !is_plausible(one.header.generation)) {
      ++ctx_.counts.stale_packets;
    } else {
      park(std::move(one));
    }
  }
  ctx_.counts.packets_parked = parked_.count();
}

// From this node's own daemons.
void Store::Impl::order(const Header& header, ByteView packet, TimeNs now) {
  const ByteView payload = own_payload(packet);
  switch (static_cast<Operation>(header.operation)) {
    case Operation::CLIENT_GONE:
      if (const auto gone = ClientGone::decode(payload)) return on_client_gone(gone->endpoint, now);
      break;
    case Operation::TUNABLES:
      if (const auto tunables = TunablesMessage::decode(payload)) return take_tunables(*tunables, now);
      break;
    case Operation::STORE_QUERY:
      if (const auto query = StoreQuery::decode(payload)) return say_hello(query->number);
      break;
    case Operation::STORE_RECOVER:
      if (const auto recover = StoreRecover::decode(payload)) {
        if (!recovery_.begin(*recover, now)) return;
        rewrites_.close();
        vacuum_.close();
        if (commits_ != nullptr) commits_->close();
        if (recovery_.discards()) lose_locks();
        unpark(true, now);
        return;
      }
      break;
    case Operation::STORE_OPEN:
      if (const auto open = StoreOpen::decode(payload)) {
        if (recovery_.open(*open)) opened(now);
        return;
      }
      break;
    case Operation::STORE_SUSPEND:
      if (const auto suspend = StoreSuspend::decode(payload)) return suspended(suspend->discard);
      break;
    default:
      break;
  }
  ctx_.refuse("malformed, or nothing that is said to ctdb-store");
}

// Those that have no meaning here (FetchCollapse: calls for one record are always collapsed) are the router's to remember.
void Store::Impl::take_tunables(const TunablesMessage& tunables, TimeNs now) {
  ctx_.options.allow_client_db_attach = tunables[Tunable::AllowClientDBAttach] != 0;
  ctx_.options.deferred_attach_timeout = tunables[Tunable::DeferredAttachTO] * kSecond;
  ctx_.options.traverse_timeout = tunables[Tunable::TraverseTimeout] * kSecond;
  ctx_.options.seqnum_interval =
      std::max(tunables[Tunable::SeqnumInterval] * kMillisecond, kSeqnumIntervalMin);
  ctx_.options.sticky = {tunables[Tunable::HopcountMakeSticky], tunables[Tunable::StickyDuration] * kSecond,
                         tunables[Tunable::StickyPindown] * kMillisecond};
  vacuum_.set_interval(tunables[Tunable::VacuumInterval] * ctx_.options.vacuum_unit, now);
  ctx_.databases.tune_files(tunables[Tunable::DatabaseHashSize], tunables[Tunable::DatabaseMaxDead]);
}

void Store::Impl::put_parked_calls(TimeNs now, bool have_waited) {
  for (const ParkedCalls::Parked& call : parked_calls_.take_all())
    local_call(call.endpoint, call.via_router, call.packet, now, have_waited);
}

void Store::Impl::opened(TimeNs now) {
  migration_.open(now);
  if (commits_ != nullptr) commits_->open(recovery_.member_logs(), recovery_.members_are_majority(), now);
  unpark(false, now);
  put_parked_calls(now, false);
  controls_.opened(now);
  rewrites_.opened(now);
  traverse_.generation_opened(now);
  vacuum_.open(now);
}

void Store::Impl::suspended(bool discard, bool fenced) {
  rewrites_.close();
  vacuum_.close();
  recovery_.suspend(discard, fenced);
  if (commits_ != nullptr) commits_->close();
  lose_locks();
  controls_.suspended();
  if (discard) controls_.stopped();
}

// Others may have what this node's clients held.
void Store::Impl::lose_locks() {
  traverse_.serving_ended();
  migration_.lose_holds();
  if (commits_ != nullptr) commits_->membership_ended();
}

void Store::Impl::control(uint32_t endpoint, const Header& header, ByteView packet, TimeNs now) {
  const std::optional<ReqControl> request = parse_req_control(packet);
  if (!request) return ctx_.refuse("malformed");
  const bool noreply = (request->flags & CTDB_CONTROL_NOREPLY) != 0;
  controls_.serve({endpoint, header.srcnode, request->client_id, header.reqid, noreply}, *request, now);
}

void Store::Impl::on_client_gone(uint32_t endpoint, TimeNs now, uint32_t changing_db) {
  file_checks_.client_ended(changing_db, now);
  migration_.client_gone(endpoint);
  traverse_.client_gone(endpoint);
  controls_.client_gone(endpoint);
  rewrites_.client_gone(endpoint, now);
  if (commits_ != nullptr) commits_->client_gone(endpoint);
  parked_calls_.forget(endpoint);
}

void Store::Impl::stop_serving(bool fenced) {
  if (stops_later(fenced)) return;
  const bool nothing_to_take =
      ctx_.phase == StorePhase::kWaiting && ctx_.open_generation == CTDB_INVALID_GENERATION;
  const bool fence_is_news = fenced && ctx_.phase == StorePhase::kSuspended;
  if (fence_is_news) return suspended(recovery_.stopped(), true);
  if (ctx_.phase == StorePhase::kSuspended || nothing_to_take) return;
  ctx_.out.log(StoreLog::kWarning, "the lease of this node is over: serving ends");
  suspended(recovery_.stopped(), fenced);
  ctx_.send_own(ctx_.self, Operation::STORE_SUSPENDED, {});
}

void Store::Impl::tick(TimeNs now) {
  if (now >= take_up_.next_deadline()) {
    go_on_taking_up(now);
    say_hello(0);
  }
  while (Timer* timer = ctx_.timers.take_due(now)) {
    if (timer->owner == Timer::Owner::kChain) {
      ctx_.chains.on_timer(*static_cast<ChainWait*>(timer->self), now);
    } else {
      migration_.process(*static_cast<Activity*>(timer->self), now);
    }
  }
  recovery_.tick(now);
  traverse_.tick(now);
  controls_.tick(now);
  rewrites_.tick(now);
  vacuum_.tick(now);
  file_checks_.tick(now);
  if (commits_ != nullptr) commits_->tick(now);
  if (now >= parked_calls_.due()) put_parked_calls(now, true);
  advance(now);
}

TimeNs Store::Impl::next_deadline() const {
  return std::min({ctx_.timers.next(), recovery_.next_deadline(), traverse_.next_deadline(),
                   controls_.next_deadline(), rewrites_.next_deadline(), vacuum_.next_deadline(),
                   file_checks_.next_deadline(), call_for_recovery_at_, take_up_.next_deadline(),
                   parked_calls_.due(), commits_ == nullptr ? kNever : commits_->next_deadline()});
}

void Store::Impl::work(TimeNs now) {
  if (recovery_.has_work()) recovery_.work(now);
  if (traverse_.has_work()) traverse_.work(now);
  if (commits_ != nullptr && commits_->has_work()) commits_->work(now);
  if (migration_.has_work()) migration_.work(now);
  if (rewrites_.has_work()) rewrites_.work(now);
  if (commits_ != nullptr) commits_->advance(now);  // what both have given it
  if (vacuum_.has_work()) vacuum_.work(now);
}

Store::Store(const StoreOptions& options, RecordFiles& files, StoreOutput& output, CommitDisk* disk,
             NamedFunctions* functions)
    : impl_(std::make_unique<Impl>(options, files, output, disk, functions)) {}
Store::~Store() = default;

void Store::on_router_up(TimeNs) {
  impl_->on_router_up();
}
void Store::on_router_down(TimeNs, const Endpoints& staying) {
  impl_->on_router_down(staying);
}
void Store::on_router_packet(uint32_t endpoint, MutableBytes packet, TimeNs now) {
  impl_->on_router_packet(endpoint, packet, now);
}
void Store::on_client_packet(uint32_t endpoint, MutableBytes packet, TimeNs now) {
  impl_->on_client_packet(endpoint, packet, now);
}
void Store::on_client_gone(uint32_t endpoint, TimeNs now, uint32_t changing_db) {
  impl_->on_client_gone(endpoint, now, changing_db);
}
void Store::on_client_crowded(uint32_t endpoint, bool crowded) {
  impl_->traverse_.client_crowded(endpoint, crowded);
}
void Store::on_chain_locked(uint64_t ticket, TimeNs now) {
  impl_->ctx_.chains.on_locked(ticket, now);
  impl_->advance(now);
}
void Store::on_chain_failed(uint64_t ticket, const std::string& why, TimeNs now) {
  impl_->ctx_.chains.on_failed(ticket, why, now);
}
void Store::stop_serving(bool fenced, TimeNs) {
  impl_->stop_serving(fenced);
}
void Store::on_disk_done(uint64_t ticket, const std::string& error, TimeNs now) {
  impl_->on_disk_done(ticket, error, now);
}
void Store::tick(TimeNs now) {
  impl_->tick(now);
}
TimeNs Store::next_deadline() const {
  return impl_->next_deadline();
}
bool Store::has_work() const {
  return impl_->has_work();
}
void Store::work(TimeNs now) {
  impl_->work(now);
}
bool Store::hand_over(TimeNs now) {
  return impl_->hand_over_.step(now);
}

const StoreCounts& Store::counts() const {
  return impl_->ctx_.counts;
}
StorePhase Store::phase() const {
  return impl_->ctx_.phase;
}
uint32_t Store::generation() const {
  return impl_->ctx_.generation;
}
uint32_t Store::open_generation() const {
  return impl_->ctx_.open_generation;
}
uint32_t Store::prepared_generation() const {
  return impl_->ctx_.prepared_generation;
}
void Store::for_each_record(const std::function<void(const RecordSight&)>& visit) const {
  visit_records(impl_->ctx_.databases, visit);
}
std::vector<DatabaseDigest> Store::digests() const {
  return digests_of(impl_->ctx_.databases);
}
LogPosition Store::commits_applied() const {
  return impl_->commits_ == nullptr ? LogPosition{} : impl_->commits_->applied();
}
uint32_t Store::commit_coordinator() const {
  return impl_->commits_ == nullptr ? CTDB_UNKNOWN_PNN : impl_->commits_->coordinator();
}

}  // namespace ctdb
