// SPDX-License-Identifier: GPL-3.0-or-later
// Holds: a record that is one native client's alone until it lets go, commits a transaction under it, or is gone. It is the
// lock of transactions (ARCHITECTURE §10): a classic client that wants to write itself into the record needs it first,
// and waits in the same queue as everybody.
//
// While a record is held its file says that nobody owns it, so that clients which work on the file ask the store; the index
// says that this node does, so that a recovery leaves it here. When the node stops serving the hold is lost.
#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "libctdbipc/base/hash.h"

namespace ctdb {

bool Migration::is_hold(const Waiting& call) {
  return call.kind == Waiting::Kind::kLocalCall && call.callid == CTDB_FUNC_HOLD;
}

// The local calls in front, up to one that wants the record for itself or changes it; as many as give it to `grants` clients.
void Migration::take_calls(WaitingList& from, WaitingList& to, size_t grants) {
  while (grants > 0 && !from.empty() && from.front()->kind == Waiting::Kind::kLocalCall &&
         !is_alone(*from.front())) {
    if (from.front()->callid == CTDB_FUNC_NULL && !from.front()->gone) --grants;
    to.push(from.pop());
  }
}

bool Migration::step_hold(Activity& activity, bool& held, TimeNs now) {
  if (activity.queue.front()->gone) {
    finish(activity.queue.pop());
    return true;
  }
  if (activity.pushing || on_hold(activity, held, now) || !lock(activity, held, now)) return false;
  const ByteView data = read_data(ctx_, activity);
  if (!hide_record(ctx_, activity, data)) return retry_later(activity, now);
  Waiting* call = activity.queue.pop();
  activity.away = true;
  activity.holder = call->endpoint;
  activity.hold = ++last_hold_;
  activity.committing = activity.let_go = false;
  reply(*call, 0, data);
  finish(call);
  return false;
}

// The hold is over: the file says again whose the record is.
bool Migration::step_unhide(Activity& activity, bool& held, TimeNs now) {
  const RecordEntry& entry = *activity.entry;
  if (ctx_.owns(entry)) {
    if (!lock(activity, held, now)) return false;
    const ByteView data = read_data(ctx_, activity);
    if (!write_record(ctx_, activity, {entry.rsn, ctx_.self, entry.flags}, data))
      return retry_later(activity, now);
  }
  activity.away = false;
  return true;
}

bool Migration::hold_for(uint32_t number, uint32_t client, Database& db, ByteView key, TimeNs now) {
  Activity& activity = ctx_.activities.attach(db, db.entry(key));
  if (activity.holder == client && client != 0) return false;
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kLocalCall;
  item->callid = CTDB_FUNC_HOLD;
  item->endpoint = kStoresOwn;
  item->via_router = false;
  item->reqid = number;
  item->call_flags = item->hopcount = 0;
  item->charged = 0;
  item->since = now;
  item->data.clear();
  activity.queue.push(item);
  ++ctx_.counts.calls_pending;
  process(activity, now);
  return true;
}

void Migration::release_for(uint32_t number, const Database& db, ByteView key, TimeNs now) {
  release(kStoresOwn, ReqCall{0, db.id, CTDB_FUNC_RELEASE, number, key, {}}, now);
}

// nullptr: nothing is going on with it.
Activity* Migration::busy_record(uint32_t db_id, ByteView key) const {
  const Database* db = ctx_.databases.find_volatile(db_id);
  const RecordEntry* entry = db == nullptr ? nullptr : db->index.find(key, jenkins_hash(key));
  return entry == nullptr ? nullptr : entry->activity();
}

void Migration::release(uint32_t endpoint, const ReqCall& call, TimeNs now) {
  Activity* busy = busy_record(call.db_id, call.key);
  if (busy == nullptr) return;
  Activity& activity = *busy;
  for (const WaitingList* list : {&activity.queue, &activity.joined}) {
    for (Waiting* item = list->front(); item != nullptr; item = item->next) {
      if (is_hold(*item) && item->endpoint == endpoint) item->gone = true;
    }
  }
  if (activity.holder != endpoint) return;
  let_go(activity);
  ctx_.timers.cancel(activity.timer);
  process(activity, now);
}

void Migration::let_go(Activity& activity) {
  activity.let_go = true;
  if (activity.committing) return;
  activity.holder = 0;
  ctx_.timers.set(activity.timer, 0);
}

// This node serves no more. `away` stays: the files of records that are still this node's are set right when it is a member
// again, those of others by the change of their headers.
void Migration::lose_holds() {
  ctx_.activities.for_each_used([](Activity& activity) {
    activity.holder = 0;
    activity.hold = 0;
    activity.committing = activity.let_go = false;
  });
}

uint64_t Migration::begin_commit(uint32_t endpoint, const ReqCall& call) {
  Activity* activity = busy_record(call.db_id, call.key);
  if (activity == nullptr || activity->holder != endpoint || activity->committing) return 0;
  if (ctx_.phase == StorePhase::kSuspended || activity->job != HeaderJob::kNone) return 0;
  activity->committing = true;
  return activity->hold;
}

void Migration::end_commit(uint32_t db_id, ByteView key, uint64_t hold) {
  Activity* activity = busy_record(db_id, key);
  if (activity == nullptr || activity->hold != hold) return;
  activity->committing = false;
  let_go(*activity);
}

}  // namespace ctdb
