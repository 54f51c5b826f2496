// SPDX-License-Identifier: GPL-3.0-or-later
// Record packets on their way into the queues, and the ends of clients and generations.
#include <algorithm>
#include <cstdio>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

constexpr std::string_view kUnknownDatabase = "Unknown database in request.";
constexpr std::string_view kDisconnected = "node is disconnected";  // said by this node's router

void keep_data(Waiting& item, ByteView data) {
  item.data.assign(data.begin(), data.end());
}

constexpr size_t kCopyCallBytes = 12;

// To take a chain, and its records out of the file and the note, are some system calls.
constexpr size_t kLeftoversPerSlice = 32;

// Of a database that may have sticky records: in one second, to this node.
constexpr uint16_t kMovesMakeSticky = 50;

// A read-only copy does for who only wants the value.
uint32_t flags_of(const ReqCall& call) {
  return call_stores(call.callid) ? call.flags : call.flags & ~CTDB_CALL_WANT_READONLY;
}

}  // namespace

void Migration::local_call(uint32_t endpoint, bool via_router, const Header& header, const ReqCall& call,
                           TimeNs now) {
  ++ctx_.counts.calls;
  Database* db = ctx_.databases.find_volatile(call.db_id);
  if (db == nullptr || call.key.size() > kKeyBytesMax) return refuse_call(endpoint, via_router, header.reqid);
  const bool push = call.callid == CTDB_FUNC_COPY;
  if (push && (call.data.size() < kCopyCallBytes || ctx_.phase == StorePhase::kSuspended))
    return refuse_call(endpoint, via_router, header.reqid);
  // What a classic client has asked is put to the next store when one dies.
  if (via_router && is_changing_function(call.callid)) return refuse_call(endpoint, via_router, header.reqid);
  if (push)
    raise_copies(*db, load<uint32_t>(call.data.data() + 8));  // a store that was restarted may not know
  InFlight& in_flight = in_flight_[endpoint];
  if (in_flight.calls >= kClientRequestsInFlightMax ||
      in_flight.bytes + call.data.size() > kClientSendQueueBytesMax) {
    return refuse_call(endpoint, via_router, header.reqid);
  }
  ++in_flight.calls;
  in_flight.bytes += call.data.size();
  Activity& activity = ctx_.activities.attach(*db, db->entry(call.key));
  Waiting* item = ctx_.waiting.take();
  item->kind = push ? Waiting::Kind::kPush : Waiting::Kind::kLocalCall;
  item->epoch = push ? load<uint64_t>(call.data.data()) : 0;
  item->charged = call.data.size();
  item->endpoint = endpoint;
  item->via_router = via_router;
  item->reqid = header.reqid;
  item->call_flags = flags_of(call);
  item->since = now;
  item->callid = call.callid;
  item->hopcount = 0;
  keep_data(*item, call.data);
  activity.queue.push(item);
  ++ctx_.counts.calls_pending;
  process(activity, now);
}

void Migration::refuse_call(uint32_t endpoint, bool via_router, uint32_t reqid) {
  answer_call(endpoint, via_router, reqid, -1, {});
}

void Migration::remote_call(const Header& header, const ReqCall& call, TimeNs now) {
  if (!ctx_.is_member(header.srcnode) || call.key.size() > kKeyBytesMax)
    return ctx_.rule_broken("not from a member, or a key that is too long");
  Database* db = ctx_.databases.find_volatile(call.db_id);
  if (db == nullptr) {
    char text[64];
    std::snprintf(text, sizeof text, "%s db_id==0x%08x", kUnknownDatabase.data(), call.db_id);
    return refuse_remote(header.srcnode, header.reqid, text);
  }
  Activity& activity = ctx_.activities.attach(*db, db->entry(call.key));
  count_hops(activity, call.hopcount, now);
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kRemoteCall;
  item->node = header.srcnode;
  item->reqid = header.reqid;
  item->call_flags = flags_of(call);
  item->since = now;
  item->callid = call.callid;
  item->hopcount = call.hopcount;
  keep_data(*item, call.data);
  activity.queue.push(item);
  process(activity, now);
}

void Migration::give(Database& db, const RecordEntry& entry, uint32_t node, TimeNs now) {
  if (db.told_generation != ctx_.generation) tell_of_database(db);
  const Bytes key = to_bytes(entry.key());
  Header header = ctx_.header_to(ctx_.self, ctx_.new_reqid());
  header.srcnode = node;
  remote_call(header, ReqCall{CTDB_CALL_IMMEDIATE_MIGRATION, db.id, CTDB_FUNC_NULL, 0, key, {}}, now);
}

void Migration::refuse_remote(uint32_t node, uint32_t reqid, std::string_view text) {
  build(ctx_.built, ctx_.header_to(node, reqid), ReplyErrorPacket{-1, text});
  ctx_.out.to_router(0, ctx_.built);
}

void Migration::count_hops(Activity& activity, uint32_t hops, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  ctx_.counts.hops_max = std::max<uint64_t>(ctx_.counts.hops_max, hops);
  activity.db->statistics.hops(hops);
  if (hops >= Heat::kHopsAtLeast || entry.extra_if_any() != nullptr) entry.make_extra().heat.note_hops(hops);
  const uint32_t many = ctx_.options.sticky.hops;
  if (many > 0 && hops >= many) entry.make_extra().heat.make_sticky(now, ctx_.options.sticky.duration);
}

void Migration::count_move(Activity& activity, TimeNs now) {
  ++ctx_.counts.migrations_in;
  RecordEntry& entry = *activity.entry;
  Recent& recent = *entry.recent;
  const auto second = static_cast<uint16_t>(now / kSecond);
  if (recent.moved_second != second) recent.moved_count = 0;
  recent.moved_second = second;
  if (recent.moved_count < UINT16_MAX) ++recent.moved_count;
  activity.db->statistics.hot_keys.note(entry.key(), recent.moved_count);
  if (recent.moved_count >= Heat::kMovesAtLeast) entry.make_extra();
  if ((activity.db->flags & CTDB_DB_STICKY) != 0 && recent.moved_count >= kMovesMakeSticky)
    entry.make_extra().heat.make_sticky(now, ctx_.options.sticky.duration);
}

// At the lmaster: the owner has given the record to packet.dmaster.
void Migration::req_dmaster(const Header& header, const ReqDmaster& packet, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(packet.db_id);
  if (db == nullptr || packet.key.size() > kKeyBytesMax || !ctx_.is_member(header.srcnode) ||
      !ctx_.is_member(packet.dmaster)) {
    return ctx_.rule_broken("of no database or member that is known, or a key that is too long");
  }
  RecordEntry& entry = db->entry(packet.key);
  const bool known = ctx_.owns(entry) || entry.pointer_generation == ctx_.generation;
  // Only the owner on record may give a record away, and only its lmaster is told.
  if (ctx_.lmaster(entry) != ctx_.self || (known && entry.dmaster != header.srcnode))
    return ctx_.rule_broken("who gives the record away is not its owner, or this node not its lmaster");
  Activity& activity = ctx_.activities.attach(*db, entry);
  set_pointer(entry, packet.dmaster == ctx_.self ? header.srcnode : packet.dmaster);
  entry.gave_generation = 0;
  if (packet.dmaster != ctx_.self) {
    send_reply_dmaster(activity, packet.dmaster, header.reqid, packet.rsn, packet.record_flags, packet.data);
    return process(activity, now);
  }
  arrive(activity, header, {packet.db_id, packet.rsn, packet.record_flags, packet.key, packet.data}, now);
}

// From the lmaster, which has the record's new owner down as this node.
void Migration::reply_dmaster(const Header& header, const ReplyDmaster& packet, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(packet.db_id);
  if (db == nullptr || packet.key.size() > kKeyBytesMax)
    return ctx_.rule_broken("of no database that is known, or a key that is too long");
  RecordEntry& entry = db->entry(packet.key);
  const uint32_t lmaster = ctx_.lmaster(entry);
  if (ctx_.owns(entry) || lmaster == ctx_.self || header.srcnode != lmaster)
    return ctx_.rule_broken("the record is here already, or comes from no lmaster");
  arrive(ctx_.activities.attach(*db, entry), header, packet, now);
}

void Migration::arrive(Activity& activity, const Header& header, const ReplyDmaster& packet, TimeNs now) {
  ctx_.moves->on_move(*activity.db, activity.entry->key(), {packet.rsn, ctx_.self, packet.record_flags},
                      packet.data);
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kArrival;
  item->node = header.srcnode;
  item->reqid = header.reqid;
  item->rsn = packet.rsn;
  item->record_flags = packet.record_flags;
  keep_data(*item, packet.data);
  activity.queue.push(item);
  process(activity, now);
}

// The router could not deliver our call: the node is gone, a recovery follows and the call is sent again after it. A
// node that does not know the database has not heard of it yet: it is told, and asked once more. Whatever else is wrong
// the clients are told.
void Migration::reply_error(const Header& header, const ReplyErrorPacket& packet, TimeNs now) {
  if (packet.text == kDisconnected) return;
  if (sent_.contains(header.reqid))
    return function_answered(header.reqid, CTDB_FUNC_STATUS_REFUSED, as_bytes(packet.text));
  Activity* asked = nullptr;
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.migrating && activity.reqid == header.reqid) asked = &activity;
  });
  if (asked == nullptr || !ctx_.is_member(header.srcnode))
    return ctx_.refuse("it answers no call of this node, or comes from no member");
  if (!asked->told && packet.text.starts_with(kUnknownDatabase)) {
    tell_of_database(*asked->db, header.srcnode);
    ask(*asked, *asked->joined.front());
    asked->told = true;
    return;
  }
  end_question(*asked);
  drop_all(asked->joined);
  process(*asked, now);
}

void Migration::finish(Waiting* item) {
  if (item->kind == Waiting::Kind::kPush && item->endpoint == 0) --renewals_;
  if (item->is_clients()) {
    --ctx_.counts.calls_pending;
    const auto in_flight = in_flight_.find(item->endpoint);
    if (in_flight != in_flight_.end() && in_flight->second.calls > 0) {
      --in_flight->second.calls;
      in_flight->second.bytes -= item->charged;
    }
  }
  ctx_.waiting.give_back(item);
}

void Migration::client_gone(uint32_t endpoint) {
  in_flight_.erase(endpoint);
  ctx_.waiting.for_each_used([&](Waiting& item) {
    if (item.is_clients() && item.endpoint == endpoint) item.gone = true;
  });
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.holder == endpoint) let_go(activity);
  });
}

void Migration::all_clients_gone(const Endpoints& but) {
  std::erase_if(in_flight_, [&](const auto& entry) { return !but.contains(entry.first); });
  ctx_.waiting.for_each_used([&](Waiting& item) {
    if (item.is_clients() && item.endpoint != kStoresOwn && !but.contains(item.endpoint)) item.gone = true;
  });
  ctx_.activities.for_each_used([&](Activity& activity) {
    const uint32_t holder = activity.holder;
    if (holder != 0 && holder != kStoresOwn && !but.contains(holder)) let_go(activity);
  });
}

void Migration::close() {
  unopened_ = 0;
  with_leftovers_.clear();
  lose_functions(nullptr);
  ctx_.activities.for_each_used([&](Activity& activity) {
    end_pushes(activity);
    activity.queue.take_in_front(activity.joined);
    WaitingList kept;
    while (!activity.queue.empty()) {
      Waiting* item = activity.queue.pop();
      if (item->is_clients() && !item->gone) {
        kept.push(item);
      } else {
        finish(item);
      }
    }
    activity.queue = kept;
    activity.question_lost = activity.question_lost || activity.migrating;
    end_question(activity);
    drop_rewrite(activity);
    cancel_header_job(ctx_, activity);
    end_hold(activity);
    ctx_.activities.release_if_idle(activity);
  });
}

// Who has the chain removes them, so one record of each is enough. After a restart nobody else waits for it.
void Migration::ask_for_leftovers(TimeNs now) {
  size_t asked = 0;
  while (!with_leftovers_.empty() && asked < kLeftoversPerSlice) {
    Database* db = ctx_.databases.find_volatile(with_leftovers_.back());
    const auto next = db == nullptr ? std::nullopt : db->leftovers.first_from(leftovers_from_);
    leftovers_from_ = next ? next->chain + 1 : 0;
    if (!next) {
      with_leftovers_.pop_back();
      continue;
    }
    asked += next->count;
    Activity& activity = ctx_.activities.attach(*db, db->entry(next->key));
    if (ctx_.chains.take(activity, now)) ctx_.chains.let_go(*db, *activity.entry);
    ctx_.activities.release_if_idle(activity);
  }
}

// A recovery may have something to do for each record of a large database. Whoever wants one of them has it looked at before.
void Migration::open(TimeNs now) {
  unopened_ = ctx_.activities.used();
  open_some(now);
  for (const auto& db : ctx_.databases.all()) {
    db->told_generation = ctx_.generation;  // the recovery has told
    if (!db->leftovers.empty()) with_leftovers_.push_back(db->id);
  }
  leftovers_from_ = 0;
  renew_copies();
}

void Migration::open_some(TimeNs now) {
  for (size_t i = 0; i < ctx_.options.opened_per_slice && unopened_ > 0; ++i)
    ctx_.activities.visit_next(unopened_, [&](Activity& activity) { process(activity, now); });
}

void Migration::work(TimeNs now) {
  if (unopened_ > 0) open_some(now);
  ask_for_leftovers(now);
  if (has_renewals()) renew_some(now);
}

void Migration::drop_all(WaitingList& list) {
  while (!list.empty()) {
    Waiting* item = list.pop();
    if (item->kind == Waiting::Kind::kRan) {
      refuse_ran(item);
      continue;
    }
    if (item->is_clients() && !item->gone) reply(*item, -1, {});
    finish(item);
  }
}

void Migration::drop_database(Database& database) {
  ctx_.chains.forget(database);
  lose_functions(&database);
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.db != &database) return;
    end_pushes(activity);
    drop_all(activity.queue);
    drop_all(activity.joined);
    end_question(activity);
    activity.lose_hold();
    drop_rewrite(activity);
    cancel_header_job(ctx_, activity);
    ctx_.activities.release_if_idle(activity);
  });
}

}  // namespace ctdb
