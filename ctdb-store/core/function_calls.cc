// SPDX-License-Identifier: GPL-3.0-or-later
// Functions that run on a record at its owner (ARCHITECTURE §4, "Functions"): the call travels, the record stays, unless one
// node alone calls again and again.
//
// Invariants:
//  1. A call leaves its node once. When the generation ends before its answer is here, its client hears that nobody knows;
//     a packet of another generation has no effect, so it cannot be run later.
//  2. One that has not left waits for the next generation like every local call.
//  3. What is answered is in the owner's file, and, where there are copies, with the nodes that hold them.
//  4. Nothing is run, and nothing that was run is answered as done, when the lease is over.
#include <algorithm>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/named_functions.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {
namespace {

// The lease is over, and the shell is about to say so.
constexpr TimeNs kLeaseRetry = kMillisecond;

}  // namespace

bool Migration::is_function(const Waiting& call) {
  return (call.kind == Waiting::Kind::kLocalCall || call.kind == Waiting::Kind::kRemoteCall) &&
         is_changing_function(call.callid);
}

// ---- at the caller's node ----

// The call in front goes to the node that has the record. false: it waits for the record instead, because its client wants
// that, or because it is on its way here, or because nobody can be asked.
bool Migration::send_function(Activity& activity) {
  Waiting* call = activity.queue.front();
  if (call->gone) {
    finish(activity.queue.pop());
    return true;
  }
  if (activity.migrating || (call->call_flags & CTDB_CALL_IMMEDIATE_MIGRATION) != 0) return false;
  const RecordEntry& entry = *activity.entry;
  const uint32_t lmaster = ctx_.lmaster(entry);
  const bool answered = lmaster != ctx_.self && ctx_.is_member(entry.extra().function_node);
  const uint32_t hint = answered ? entry.extra().function_node : entry.dmaster;
  const uint32_t node = whom_to_ask(ctx_.self, lmaster, hint, ctx_.is_member(hint));
  if (node == ctx_.self || !ctx_.is_member(node)) return false;
  if (activity.db->told_generation != ctx_.generation) tell_of_database(*activity.db);
  activity.queue.pop();
  const uint32_t reqid = ctx_.new_reqid();
  sent_[reqid] = {call, &activity};
  ++activity.functions_sent;
  ++ctx_.counts.functions_sent;
  build(ctx_.built, ctx_.header_to(node, reqid),
        ReqCall{call->call_flags, activity.db->id, call->callid, 0, entry.key(), call->data});
  ctx_.out.to_router(0, ctx_.built);
  return true;
}

void Migration::reply_call(const Header& header, const ReplyCall& packet, TimeNs now) {
  if (const auto asked = asked_.find(header.reqid); asked != asked_.end() && ctx_.is_member(header.srcnode))
    return read_only_copy(*asked->second, header, packet, now);
  const auto sent = sent_.find(header.reqid);
  if (sent == sent_.end() || !ctx_.is_member(header.srcnode))
    return ctx_.refuse("it answers no call of this node, or comes from no member");
  Activity& activity = *sent->second.activity;
  if (!ctx_.owns(*activity.entry)) activity.entry->make_extra().function_node = header.srcnode;
  function_answered(header.reqid, packet.status, packet.data);
  process(activity, now);
}

void Migration::function_answered(uint32_t reqid, int32_t status, ByteView data) {
  const auto at = sent_.find(reqid);
  if (at == sent_.end()) return;
  const SentFunction sent = at->second;
  sent_.erase(at);
  --sent.activity->functions_sent;
  reply_function(*sent.call, status, data);
  finish(sent.call);
}

void Migration::reply_function(const Waiting& call, int32_t status, ByteView data) {
  if (call.gone) return;
  if (status == CTDB_FUNC_STATUS_UNKNOWN) ++ctx_.counts.functions_unknown;
  reply(call, status, data);
}

// The generation is over, or the database (nullptr: all): whether the calls that are with other nodes were run nobody knows.
void Migration::lose_functions(const Database* database) {
  for (auto at = sent_.begin(); at != sent_.end();) {
    const SentFunction sent = at->second;
    if (database != nullptr && sent.activity->db != database) {
      ++at;
      continue;
    }
    at = sent_.erase(at);
    --sent.activity->functions_sent;
    refuse_ran(sent.call);
  }
}

// ---- at the owner ----

// All functions in front are run, so that they share one lock and one push of copies.
bool Migration::step_function(Activity& activity, bool& held, TimeNs now) {
  if (activity.pushing || !lock(activity, held, now)) return false;
  WaitingList ran;
  while (!activity.queue.empty() && is_function(*activity.queue.front())) {
    if (!ctx_.out.lease_lasts()) {
      ctx_.timers.set(activity.timer, now + kLeaseRetry);
      activity.queue.take_in_front(ran);
      return false;
    }
    Waiting* call = activity.queue.pop();
    if (call->gone) {
      finish(call);
      continue;
    }
    run(activity, *call);
    if (activity.db->copies > 1 && call->status >= 0) {
      ran.push(call);
    } else if (answer_function(activity, call)) {
      ran.push(call);
      break;
    }
  }
  activity.queue.take_in_front(ran);
  return true;
}

// With the chain locked.
void Migration::run(Activity& activity, Waiting& call) {
  RecordEntry& entry = *activity.entry;
  const ByteView data = read_data(ctx_, activity);
  const bool untouched = fingerprint(data) == entry.recent->print;
  call.moves = note_caller(entry, call, untouched);
  call.epoch = ctx_.out.serving_epoch();
  run_function(activity, call, data);
  if (outcome_.status == CTDB_FUNC_STATUS_TOO_BIG) ++ctx_.counts.records_too_large;
  // The mark of a record that may be older stays: the caller has not seen it.
  if (outcome_.changed &&
      !write_record(ctx_, activity, {entry.rsn + 1, ctx_.self, entry.flags}, outcome_.value)) {
    refuse_function(outcome_, CTDB_FUNC_STATUS_REFUSED);
  }
  // As in needs_push(): it goes out even if the next function takes the change back.
  if (RecordExtra* extra = entry.extra_if_any(); extra != nullptr && outcome_.changed)
    extra->copied_generation = 0;
  entry.recent->print = fingerprint(outcome_.changed ? ByteView(outcome_.value) : data);
  const bool served = ctx_.out.lease_lasts() && ctx_.out.serving_epoch() == call.epoch;
  if (!served) refuse_function(outcome_, CTDB_FUNC_STATUS_UNKNOWN);
  ++ctx_.counts.functions_run;
  call.status = outcome_.status;
  call.data.assign(outcome_.result.begin(), outcome_.result.end());
  if (call.kind == Waiting::Kind::kRemoteCall) call.endpoint = 0;
  call.kind = Waiting::Kind::kRan;
}

void Migration::run_function(Activity& activity, const Waiting& call, ByteView data) {
  const Database& db = *activity.db;
  if (call.callid != CTDB_FUNC_NAMED)
    return run_record_function(call.callid, data, call.data, db.record_limit, outcome_);
  const std::optional<NamedCall> named = parse_named_call(call.data);
  if (!named) return refuse_function(outcome_, CTDB_FUNC_STATUS_BAD_ARGUMENT);
  const NamedFunctions::Input input{db.name, activity.entry->key(), data, named->argument, db.record_limit};
  if (ctx_.functions == nullptr || !ctx_.functions->run(named->name, input, outcome_)) {
    return refuse_function(outcome_, CTDB_FUNC_STATUS_NO_FUNCTION,
                           "node " + std::to_string(ctx_.self) + " has no function '" +
                               std::string(named->name) + "' ([database] functions of its ctdb.conf)");
  }
  if (outcome_.status != CTDB_FUNC_STATUS_FAULT) return;
  ++ctx_.counts.functions_faulty;
  if (faulty_functions_.emplace(named->name).second)
    ctx_.out.log(StoreLog::kError,
                 std::string(as_text(outcome_.result)) + "; nothing was changed (said once)");
}

// true: the node of this call has called so often in a row, without that anybody here changed the record, that it had better
// have it: from then on its calls, and its clients' own work on the file, cost no other node.
bool Migration::note_caller(RecordEntry& entry, const Waiting& call, bool untouched) {
  constexpr uint32_t kInRow = 8;
  if (call.kind == Waiting::Kind::kLocalCall) {
    if (RecordExtra* extra = entry.extra_if_any()) extra->functions_in_row = 0;
    return false;
  }
  RecordExtra& extra = entry.make_extra();
  if (!untouched || extra.function_node != call.node) extra.functions_in_row = 0;
  extra.function_node = call.node;
  if (++extra.functions_in_row < kInRow) return false;
  extra.functions_in_row = 0;
  return true;
}

// true: the call goes on, as one that wants the record.
bool Migration::answer_function(Activity& activity, Waiting* call) {
  send_answer(*call);
  const bool moves = call->endpoint == 0 && call->node != ctx_.self && call->moves &&
                     activity.queue.empty() && ctx_.owns(*activity.entry);
  if (!moves) return finish(call), false;
  call->kind = Waiting::Kind::kRemoteCall;
  call->callid = CTDB_FUNC_NULL;
  call->call_flags = CTDB_CALL_IMMEDIATE_MIGRATION;
  call->hopcount = 0;
  call->data.clear();
  return true;
}

void Migration::send_answer(const Waiting& call) {
  if (call.endpoint != 0) return reply_function(call, call.status, call.data);
  // Our own call has met its record at home.
  if (call.node == ctx_.self) return function_answered(call.reqid, call.status, call.data);
  build(ctx_.built, ctx_.header_to(call.node, call.reqid), ReplyCall{call.status, call.data});
  ctx_.out.to_router(0, ctx_.built);
}

// Nobody knows whether it was done, or what becomes of the change. A caller on another node sees the end of the generation.
void Migration::refuse_ran(Waiting* call) {
  if (call->is_clients()) {
    refuse_function(outcome_, CTDB_FUNC_STATUS_UNKNOWN);
    reply_function(*call, CTDB_FUNC_STATUS_UNKNOWN, outcome_.result);
  }
  finish(call);
}

}  // namespace ctdb
