// SPDX-License-Identifier: GPL-3.0-or-later
// A record's queue worked off: local calls, calls of other nodes, arrivals.
#include "ctdb-store/core/migration.h"

#include <algorithm>

#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/assert.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

// A call overtakes a change of ownership for a few hops at most. One that is still on its way after so many goes round
// between nodes that contradict each other: it is dropped, counted, and sent again in the next generation.
constexpr uint32_t kHopsMax = 1000;
constexpr auto kCall = static_cast<uint32_t>(Operation::REQ_CALL);

// How many of the calls store the record again (rsn + 1 each). A client that is gone does not count: nothing runs.
uint64_t storing_calls(const WaitingList& calls) {
  uint64_t count = 0;
  for (const Waiting* call = calls.front(); call != nullptr; call = call->next) {
    if (!call->gone && call_stores(call->callid)) ++count;
  }
  return count;
}

bool is_clients(const Waiting& item) {
  return item.is_clients();
}

bool is_arrival(const Waiting& item) {
  return item.kind == Waiting::Kind::kArrival;
}

// What other nodes have sent does not wait for the thaw, nor behind calls that do. What arrives becomes this node's all the same: it is
// nobody else's. And the owner, frozen too, waits for its copies and their ends.
bool goes_on_frozen(const Waiting& item) {
  return is_arrival(item) || item.kind == Waiting::Kind::kCopy || item.kind == Waiting::Kind::kReadOnlyCopy ||
         item.kind == Waiting::Kind::kRevoke;
}

void note_change(RecordEntry& entry, TimeNs now) {
  if (RecordExtra* extra = entry.extra_if_any()) extra->heat.note_change(now);
}

void end_row(RecordEntry& entry) {
  if (RecordExtra* extra = entry.extra_if_any()) extra->functions_in_row = 0;
}

// Who makes a record anew that is gone with its owner is told so.
uint32_t unborn_flags(const RecordEntry& entry) {
  return entry.lost ? CTDB_RECORD_MAY_BE_OLDER : 0;
}

}  // namespace

void Migration::process(Activity& activity, TimeNs now) {
  bool held = false;
  while (step(activity, held, now)) {
  }
  if (held) ctx_.chains.let_go(*activity.db, *activity.entry);
  ctx_.activities.release_if_idle(activity);
}

bool Migration::lock(Activity& activity, bool& held, TimeNs now) {
  if (held) return true;
  held = ctx_.chains.take(activity, now);
  if (!held) return false;
  const RecordFile::Presence presence = presence_of(activity);
  if (presence == RecordFile::Presence::kThere) return true;
  if (presence == RecordFile::Presence::kUnreadable) {
    ctx_.found_damaged.push_back(activity.db->id);
  } else if (lose(activity); activity.entry->in_file) {
    return true;  // put back
  }
  ctx_.chains.let_go(*activity.db, *activity.entry);
  held = false;
  return retry_later(activity, now);
}

// With the chain held. Nobody takes a record out of the file behind this store.
RecordFile::Presence Migration::presence_of(const Activity& activity) {
  const RecordEntry& entry = *activity.entry;
  return entry.in_file ? activity.db->file->presence(entry.key()) : RecordFile::Presence::kThere;
}

// What was to be done with its header must not make it anew.
void Migration::lose(Activity& activity) {
  RecordEntry& entry = *activity.entry;
  const HeaderJob job = activity.job;
  if (job == HeaderJob::kPromote) entry.dmaster = ctx_.self;  // as it would have
  lose_record(ctx_, *activity.db, entry);
  if (entry.in_file) return;
  cancel_header_job(ctx_, activity);
  if (job == HeaderJob::kPoint) set_pointer(entry, activity.job_dmaster);
}

bool Migration::retry_later(Activity& activity, TimeNs now) {
  ctx_.timers.set(activity.timer, now + kFileRetry);
  return false;
}

bool Migration::step(Activity& activity, bool& held, TimeNs now) {
  if (activity.job != HeaderJob::kNone) {
    if (waits_for_open(activity.job) && !ctx_.is_open()) return false;
    if (!lock(activity, held, now)) return false;
    if (!run_header_job(ctx_, activity)) return retry_later(activity, now);
    activity.lose_hold();
    return true;
  }
  if (activity.holder != 0) return false;
  if (!ctx_.is_open()) return false;
  if (activity.away) return step_unhide(activity, held, now);
  if (wants_revoke(activity)) return step_revoke(activity, held, now);
  activity.revoke_wanted = false;
  if (awaits_recovery(activity)) return false;
  // What has arrived becomes this node's first, and is rewritten then.
  if (activity.rewrite != nullptr && (activity.leaving || !activity.queue.bring_forward(is_arrival)))
    return step_rewrite(activity, held, now);
  if (activity.queue.empty() || activity.leaving) return false;
  if (activity.db->frozen && !activity.queue.bring_forward(goes_on_frozen)) return false;
  switch (activity.queue.front()->kind) {
    case Waiting::Kind::kLocalCall:
      return step_local(activity, held, now);
    case Waiting::Kind::kRemoteCall:
      return step_remote(activity, held, now);
    case Waiting::Kind::kArrival:
      return step_arrival(activity, held, now);
    case Waiting::Kind::kPush:
    case Waiting::Kind::kRan:
      return step_push(activity, held, now);
    case Waiting::Kind::kCopy:
      return step_copy(activity, held, now);
    case Waiting::Kind::kReadOnlyCopy:
      return step_read_only_copy(activity, held, now);
    case Waiting::Kind::kRevoke:
      return step_revoked(activity, held, now);
    case Waiting::Kind::kRewrite:  // never in the queue
      break;
  }
  return false;
}

bool Migration::step_local(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const bool may_read = ctx_.owns(entry) ? has_delegations(entry.flags) : is_read_only_copy(entry.flags);
  if (may_read && activity.queue.front()->only_reads()) {
    if (serve_reader(activity, held, now)) return true;
    if (!held) return false;
  }
  if (ctx_.owns(entry) && is_hold(*activity.queue.front())) return step_hold(activity, held, now);
  if (ctx_.owns(entry) && is_function(*activity.queue.front())) return step_function(activity, held, now);
  if (ctx_.owns(entry)) {
    if (batch_is_out(entry, now)) {
      if (on_hold(activity, held, now)) return false;
      if (others_first(activity)) return true;
    }
    if (!lock(activity, held, now)) return false;
    return serve_locals(activity, now) || retry_later(activity, now);
  }
  if (unborn_here(entry)) {
    if (!lock(activity, held, now)) return false;
    return become_owner(activity, {0, ctx_.self, unborn_flags(entry)}, {}, now) || retry_later(activity, now);
  }
  if (is_function(*activity.queue.front()) && send_function(activity)) return true;
  Waiting* call = activity.queue.pop();
  if (activity.migrating) {
    ++ctx_.counts.collapsed;
  } else {
    ask(activity, *call);
  }
  activity.joined.push(call);
  return true;
}

bool Migration::step_remote(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const Waiting& call = *activity.queue.front();
  if (is_function(call) && ctx_.owns(entry)) return step_function(activity, held, now);
  if (is_function(call) && unborn_here(entry)) {
    if (!lock(activity, held, now)) return false;
    return become_owner(activity, {0, ctx_.self, unborn_flags(entry)}, {}, now) || retry_later(activity, now);
  }
  if (call.node == ctx_.self && ctx_.owns(entry)) {
    // Our own call has come home: the record is here already.
    if (activity.migrating && activity.reqid == call.reqid) {
      end_question(activity);
      finish(activity.queue.pop());
      activity.queue.take_in_front(activity.joined);
    } else {
      finish(activity.queue.pop());
    }
    return true;
  }
  if (ctx_.owns(entry)) {
    if (is_pinned(activity, now)) return activity.queue.bring_forward(is_clients);
    if (activity.pushing || on_hold(activity, held, now) || !lock(activity, held, now)) return false;
    return step_asked(activity, now);
  } else if (unborn_here(entry)) {
    give_unborn(activity, call);
  } else {
    redirect(activity, call);
  }
  finish(activity.queue.pop());
  return true;
}

// Another node's call meets the record, with the chain locked: it gets the value, or the record.
bool Migration::step_asked(Activity& activity, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const Waiting& call = *activity.queue.front();
  if (call.only_reads()) {
    entry.make_extra().heat.note_read(now);
  } else {
    note_change(entry, now);
  }
  entry.recent->note_wait(now - call.since);
  bool copy = delegates(activity, call, now);
  if (copy) {
    const ByteView data = read_data(ctx_, activity);
    // What another node sees is safe.
    if (needs_push(activity, data)) return push_first(activity), true;
    copy = data.size() <= kDataBytesMax;
  }
  if (!(copy ? delegate(activity) : give_up(activity, call, now))) return retry_later(activity, now);
  if (activity.leaving) return false;
  finish(activity.queue.pop());
  return true;
}

bool Migration::step_arrival(Activity& activity, bool& held, TimeNs now) {
  if (ctx_.owns(*activity.entry)) {  // a second copy of what arrived before
    ctx_.refuse("the record is here already");
    finish(activity.queue.pop());
    return true;
  }
  if (!lock(activity, held, now)) return false;
  Waiting* arrival = activity.queue.pop();
  const RecordHeader header{arrival->rsn, ctx_.self, arrival->record_flags};
  if (become_owner(activity, header, arrival->data, now)) {
    activity.entry->recent->came = activity.entry->recent->noted = now;
    count_move(activity, now);
    finish(arrival);
    return true;
  }
  WaitingList first;
  first.push(arrival);
  activity.queue.take_in_front(first);
  return retry_later(activity, now);
}

// Damage has cost the record, and others may have copies of it: older ones, and some that are read. Its location master takes this node
// for the owner: a call that were sent there would come back, and so on.
bool Migration::awaits_recovery(const Activity& activity) const {
  const RecordEntry& entry = *activity.entry;
  if (!entry.missed || ctx_.owns(entry) || ctx_.rule_broken_in != ctx_.generation) return false;
  return activity.queue.empty() || activity.queue.front()->kind != Waiting::Kind::kArrival;
}

bool Migration::unborn_here(const RecordEntry& entry) const {
  return ctx_.lmaster(entry) == ctx_.self && !ctx_.owns(entry) && entry.pointer_generation != ctx_.generation;
}

void Migration::set_pointer(RecordEntry& entry, uint32_t dmaster) {
  entry.dmaster = dmaster;
  entry.pointer_generation = ctx_.generation;
}

void Migration::ask(Activity& activity, const Waiting& call) {
  const RecordEntry& entry = *activity.entry;
  const uint32_t node =
      whom_to_ask(ctx_.self, ctx_.lmaster(entry), entry.dmaster, ctx_.is_member(entry.dmaster));
  activity.migrating = true;
  activity.told = false;
  asked_.erase(activity.reqid);
  activity.reqid = ctx_.new_reqid();
  // A function runs when the record is here.
  const bool function = is_function(call);
  if (call.only_reads()) asked_[activity.reqid] = &activity;
  const uint32_t callid = call.only_reads() ? CTDB_FUNC_FETCH_WITH_HEADER : call.callid;
  build(ctx_.built, ctx_.header_to(node, activity.reqid),
        ReqCall{call.call_flags, activity.db->id, function ? CTDB_FUNC_NULL : callid, 0, entry.key(),
                function ? ByteView() : ByteView(call.data)});
  ctx_.out.to_router(0, ctx_.built);
}

// Answered, or not to be any more.
void Migration::end_question(Activity& activity) {
  activity.migrating = false;
  asked_.erase(activity.reqid);
}

// The record is here: the local calls at the front of the queue are answered in order.
bool Migration::serve_locals(Activity& activity, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  WaitingList calls;
  take_calls(activity.queue, calls, batch(entry, now));
  const ByteView data = read_data(ctx_, activity);
  const uint64_t rsn = entry.rsn;
  const uint64_t stores = storing_calls(calls);
  // The record is ours already, so a write that fails keeps nobody from it.
  if (stores > 0) write_record(ctx_, activity, {rsn + stores, ctx_.self, entry.flags}, data);
  for (const Waiting* call = calls.front(); call != nullptr; call = call->next) {
    if (!call->gone) ++ctx_.counts.calls_local;
  }
  answer_locals(activity, calls, rsn, data, now);
  return true;
}

// Stores the record as ours, then answers everybody here who waited for it. The classic daemon stores it once on arrival
// and once per call; the sequence number moves as if we did too.
bool Migration::become_owner(Activity& activity, const RecordHeader& arrived, ByteView data, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  activity.queue.take_in_front(activity.joined);
  WaitingList calls;
  take_calls(activity.queue, calls, batch(entry, now));
  RecordHeader header = arrived;
  header.flags &= ~kReadOnlyFlags;
  const bool unasked = calls.empty() && !activity.migrating;
  const bool made_anew = data.empty() && arrived.rsn <= 1 && !entry.in_file;
  const bool lost = activity.question_lost && made_anew && (arrived.flags & CTDB_RECORD_MAY_BE_OLDER) == 0;
  if (lost) header.flags |= CTDB_RECORD_MAY_BE_OLDER;
  if (entry.in_file) header.rsn = std::max(header.rsn, entry.rsn);
  const Kept kept = server_store_rule(header, !data.empty(), ctx_.lmaster(entry) == ctx_.self, ctx_.self);
  header = kept.header;
  const uint64_t rsn = header.rsn;
  header.rsn += storing_calls(calls);
  if (!write_record(ctx_, activity, header, data)) {
    (activity.migrating ? activity.joined : activity.queue).take_in_front(calls);
    return false;
  }
  end_question(activity);
  activity.question_lost = false;
  if (lost) tell_lost_question(activity);
  entry.recent->granted = 0;
  end_row(entry);
  entry.lost = entry.missed = false;
  if (activity.db->copies > 1) note_arrived_copies(activity, data);
  if (data.empty()) note_deleted(*activity.db, entry, unasked, now);
  answer_locals(activity, calls, rsn, data, now);
  return true;
}

// A location master that is given a deleted record it has not asked for is to remove it: it has rested where it comes from (vacuum.h).
void Migration::note_deleted(Database& db, RecordEntry& entry, bool unasked, TimeNs now) {
  if (unasked && ctx_.lmaster(entry) == ctx_.self) return ctx_.deleted.note_rested(db, entry);
  ctx_.deleted.note(db, entry, now);
}

// Perhaps nobody ever had the record; but if it was on its way here when a node was lost, nobody else can say so.
void Migration::tell_lost_question(const Activity& activity) {
  Losses lost;
  lost.note(activity.db->name, activity.entry->key());
  ctx_.counts.records_fallen_back += lost.tell(
      ctx_.out, "may be gone: asked for in the last generation, and not answered by a node that left",
      kFallenBack);
}

void Migration::answer_locals(Activity& activity, WaitingList& calls, uint64_t rsn, ByteView data,
                              TimeNs now) {
  RecordEntry& entry = *activity.entry;
  uint32_t granted = 0;
  bool changes = false;
  while (!calls.empty()) {
    Waiting* call = calls.pop();
    if (!call->gone) {
      if (call_stores(call->callid)) ++rsn;
      answer(*call, {rsn, ctx_.self, entry.flags}, data);
      entry.recent->note_wait(now - call->since);
      if (call->callid == CTDB_FUNC_NULL) ++granted;
      changes = changes || (call->callid == CTDB_FUNC_NULL && !call->only_reads());
    }
    finish(call);
  }
  if (granted == 0) return;
  end_row(entry);
  entry.recent->granted = static_cast<uint16_t>(std::min<uint32_t>(entry.recent->granted + granted, 0xFFFF));
  entry.recent->granted_until = now + hold_time(entry);
  entry.recent->print = fingerprint(data);
  entry.recent->noted = now;
  if (changes) note_change(entry, now);
}

void Migration::answer(const Waiting& call, const RecordHeader& header, ByteView data) {
  const bool wants_data = call.callid == CTDB_FUNC_FETCH || call.callid == CTDB_FUNC_FETCH_WITH_HEADER;
  if (wants_data && data.size() > kDataBytesMax) return reply(call, -1, {});
  if (call.callid == CTDB_FUNC_FETCH) return reply(call, 0, data);
  if (call.callid != CTDB_FUNC_FETCH_WITH_HEADER) return reply(call, 0, {});
  with_header_.clear();
  append_record_header(with_header_, header);
  with_header_.insert(with_header_.end(), data.begin(), data.end());
  reply(call, 0, with_header_);
}

void Migration::reply(const Waiting& call, int32_t status, ByteView data) {
  if (call.endpoint == kStoresOwn) return ctx_.holds->on_hold(call.reqid, status == 0, data);
  answer_call(call.endpoint, call.via_router, call.reqid, status, data);
}

void Migration::answer_call(uint32_t endpoint, bool via_router, uint32_t reqid, int32_t status,
                            ByteView data) {
  build(ctx_.built, ctx_.header_to(0, reqid), ReplyCall{status, data});
  if (via_router) {
    ctx_.out.to_router(endpoint, ctx_.built);
  } else {
    ctx_.out.to_client(endpoint, ctx_.built);
  }
}

// The record leaves. What stays behind is a copy that names the new owner, or nothing (wire-protocol §5). It leaves later
// (activity.leaving) when its copies have to go out first. false: the file could not be written.
bool Migration::give_up(Activity& activity, const Waiting& call, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const ByteView data = read_data(ctx_, activity);
  if (data.size() > kDataBytesMax) {
    ctx_.refuse(call.kind == Waiting::Kind::kRemoteCall ? call.node : ctx_.self, kCall,
                "the record is larger than may be sent");
    refuse_remote(call.node, call.reqid, "Record is too large to move.");
    return true;
  }
  ctx_.moves->on_move(*activity.db, entry.key(), {entry.rsn, ctx_.self, entry.flags}, data);
  RecordHeader header{entry.rsn, call.node, entry.flags & ~kReadOnlyFlags};
  // Where there are copies a deletion must outlive them.
  if (!data.empty() || activity.db->copies > 1) header.flags |= CTDB_RECORD_MIGRATED_WITH_DATA;
  const bool push = activity.db->copies > 1 && needs_push(activity, data);
  const uint64_t copies_rsn = header.rsn;
  if (push) ++header.rsn;
  const uint32_t lmaster = ctx_.lmaster(entry);
  const Kept kept = server_store_rule(header, !data.empty(), lmaster == ctx_.self, ctx_.self);
  const bool ok = kept.keep ? write_record(ctx_, activity, kept.header, data) : remove_record(ctx_, activity);
  if (!ok) return false;
  set_pointer(entry, call.node);
  if (RecordExtra* extra = entry.extra_if_any()) extra->function_node = call.node;
  entry.gave_generation = ctx_.generation;
  entry.recent->gave = entry.recent->noted = now;
  end_hold(activity);
  ++ctx_.counts.migrations_out;
  const Answer to = whom_to_answer(ctx_.self, lmaster, call.node);
  const Header grant = ctx_.header_to(to.node, call.reqid);
  const uint32_t db_id = activity.db->id;
  if (to.direct) {
    build(ctx_.built, grant, ReplyDmaster{db_id, header.rsn, header.flags, entry.key(), data});
  } else {
    build(ctx_.built, grant, ReqDmaster{db_id, header.rsn, call.node, header.flags, entry.key(), data});
  }
  if (!push) {
    ctx_.out.to_router(0, ctx_.built);
    return true;
  }
  activity.grant = ctx_.built;
  activity.leaving = true;
  send_copies(activity, copies_rsn, header.flags, data);
  return true;
}

// Nobody has it: the lmaster makes it up and hands it on at once (rsn 0, stored once: 1). It never touches the file.
void Migration::give_unborn(Activity& activity, const Waiting& call) {
  set_pointer(*activity.entry, call.node);
  ++ctx_.counts.migrations_out;
  send_reply_dmaster(activity, call.node, call.reqid, 1, unborn_flags(*activity.entry), {});
  activity.entry->lost = false;
}

void Migration::send_reply_dmaster(const Activity& activity, uint32_t node, uint32_t reqid, uint64_t rsn,
                                   uint32_t flags, ByteView data) {
  build(ctx_.built, ctx_.header_to(node, reqid),
        ReplyDmaster{activity.db->id, rsn, flags, activity.entry->key(), data});
  ctx_.out.to_router(0, ctx_.built);
}

void Migration::redirect(Activity& activity, const Waiting& call) {
  const RecordEntry& entry = *activity.entry;
  const uint32_t node = whom_to_redirect_to(ctx_.self, ctx_.lmaster(entry), entry.dmaster);
  if (!ctx_.is_member(node) || node == ctx_.self || call.hopcount >= kHopsMax) {
    return ctx_.rule_broken(call.kind == Waiting::Kind::kRemoteCall ? call.node : ctx_.self, kCall,
                            "it has been round too often, or nobody knows the owner");
  }
  Header header = ctx_.header_to(node, call.reqid);
  header.srcnode = call.node;
  build(ctx_.built, header,
        ReqCall{call.call_flags, activity.db->id, call.callid, call.hopcount + 1, entry.key(), call.data});
  ctx_.out.to_router(0, ctx_.built);
  ++ctx_.counts.redirects;
}

}  // namespace ctdb
