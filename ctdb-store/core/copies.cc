// SPDX-License-Identifier: GPL-3.0-or-later
// Databases with more than one copy (ARCHITECTURE §4, "Copies"): the owner's data pushed to the nodes beside it, before a
// client is told that its change is kept and before the record may leave.
//
// Invariants:
//  1. Everywhere a copy's rsn is lower than that of the owner's file: the owner counts one up before it sends copies.
//  2. One push per record is under way. While a record leaves nothing else happens to it here.
//  3. A record that is not here any more has been pushed before it left, or this node's serving epoch is over.
#include <algorithm>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

constexpr uint32_t kRenewalsMax = 32;       // under way
constexpr uint32_t kRecordsPerSlice = 256;  // looked at for renewal

// A client has changed the record and waits to hear that it is elsewhere.
bool is_unlock(const Waiting& item) {
  return item.kind == Waiting::Kind::kPush && item.endpoint != 0;
}

bool has_unlock(const WaitingList& list) {
  for (const Waiting* item = list.front(); item != nullptr; item = item->next) {
    if (is_unlock(*item)) return true;
  }
  return false;
}

// The others have them still.
bool are_of_now(const StoreContext& context, const Database& db, const RecordExtra& extra) {
  return extra.copied_generation == context.generation && extra.copied_round == db.copies_round;
}

size_t copies_beside(const StoreContext& context, const Database& db) {
  return std::min<size_t>(db.copies, context.placement.members().size()) - 1;
}

}  // namespace

// ---- the attribute ----

void Migration::raise_copies(Database& db, uint32_t copies) {
  copies = std::min(copies, kCopiesMax);
  if (copies <= db.copies) return;
  db.copies = static_cast<uint8_t>(copies);
  if (!ctx_.is_open()) return;  // the recovery tells, and what is owned is pushed when it is over
  tell_of_database(db);
  renew_copies();
}

void Migration::tell_of_database(Database& db) {
  db.told_generation = ctx_.generation;
  for (uint32_t pnn : ctx_.placement.members()) {
    if (pnn != ctx_.self) tell_of_database(db, pnn);
  }
}

void Migration::tell_of_database(const Database& db, uint32_t node) {
  RecordDatabases message;
  message.generation = ctx_.generation;
  message.databases.push_back({db.name, db.flags, db.copies});
  message.open_generation = ctx_.open_generation;
  ctx_.send_own(node, Operation::RECORD_DATABASES, message.encode());
}

// ---- at the owner ----

// The epoch was over, or a newer one has begun: what this client changed may be lost.
bool Migration::change_may_be_lost(const Waiting& push) const {
  const bool is_renewal = push.kind == Waiting::Kind::kPush && push.endpoint == 0;
  return !is_renewal && push.epoch != ctx_.out.serving_epoch();
}

bool Migration::step_push(Activity& activity, bool& held, TimeNs now) {
  if (activity.pushing) return false;  // the next push is theirs
  const bool here = ctx_.owns(*activity.entry);
  if (here && !lock(activity, held, now)) return false;
  while (!activity.queue.empty() && activity.queue.front()->is_push()) {
    Waiting* push = activity.queue.pop();
    if (change_may_be_lost(*push)) {
      refuse_push(push);
    } else {
      activity.covered.push(push);
    }
  }
  if (activity.covered.empty()) return true;
  if (!here) return pushed(activity), true;
  const ByteView data = read_data(ctx_, activity);
  if (data.size() > kDataBytesMax) return drop_all(activity.covered), true;
  if (!needs_push(activity, data)) return pushed(activity), true;
  const RecordEntry& entry = *activity.entry;
  const uint64_t rsn = entry.rsn;
  const uint32_t flags = entry.flags | CTDB_RECORD_MIGRATED_WITH_DATA;
  if (!write_record(ctx_, activity, {rsn + 1, ctx_.self, flags}, data)) {
    activity.queue.take_in_front(activity.covered);
    return retry_later(activity, now);
  }
  send_copies(activity, rsn, flags, data);
  return true;
}

// What a client has just changed goes out even if it makes of the record what was pushed last: who got that may be dead, and
// the change is not where its answer would say.
bool Migration::needs_push(const Activity& activity, ByteView data) const {
  const RecordEntry& entry = *activity.entry;
  const size_t wanted = copies_beside(ctx_, *activity.db);
  if (wanted == 0) return false;
  if (has_unlock(activity.covered) || has_unlock(activity.queue)) return true;
  return !copies_are_out(activity) || entry.extra().copied_print != fingerprint(data);
}

// Unless the data have changed since.
bool Migration::copies_are_out(const Activity& activity) const {
  const RecordExtra& extra = activity.entry->extra();
  const size_t wanted = copies_beside(ctx_, *activity.db);
  return wanted == 0 || (are_of_now(ctx_, *activity.db, extra) && extra.copied_nodes == wanted);
}

void Migration::send_copies(Activity& activity, uint64_t rsn, uint32_t flags, ByteView data) {
  Database& db = *activity.db;
  if (db.told_generation != ctx_.generation) tell_of_database(db);
  activity.pushing = true;
  activity.push_reqid = ctx_.new_reqid();
  activity.push_print = fingerprint(data);
  activity.push_round = db.copies_round;
  activity.awaited = ctx_.placement.nodes_beside(activity.entry->hash, ctx_.self, copies_beside(ctx_, db));
  activity.push_nodes = static_cast<uint8_t>(activity.awaited.size());
  send_to_awaited(activity, RecordCopy{db.id, rsn, flags, activity.entry->key(), data}.encode());
  ++ctx_.counts.copies_pushed;
}

void Migration::send_to_awaited(const Activity& activity, const Bytes& payload) {
  for (uint32_t node : activity.awaited) {
    Header header = ctx_.header_to(node, activity.push_reqid);
    header.operation = static_cast<uint32_t>(Operation::RECORD_COPY);
    build_own(ctx_.built, header, payload);
    ctx_.out.to_router(0, ctx_.built);
  }
}

void Migration::record_copied(const Header& header, const RecordCopied& packet, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(packet.db_id);
  const RecordEntry* entry = db == nullptr ? nullptr : db->index.find(packet.key, jenkins_hash(packet.key));
  Activity* activity = entry == nullptr ? nullptr : entry->activity();
  if (activity == nullptr || !activity->pushing || activity->push_reqid != header.reqid ||
      std::erase(activity->awaited, header.srcnode) == 0) {
    return ctx_.refuse("it answers no copy that was sent");
  }
  if (!activity->awaited.empty()) return;
  if (activity->revoking) return end_revoke(*activity, now);
  end_push(*activity, now);
}

void Migration::end_push(Activity& activity, TimeNs now) {
  activity.pushing = false;
  RecordExtra& extra = activity.entry->make_extra();
  extra.copied_generation = ctx_.generation;
  extra.copied_round = activity.push_round;
  extra.copied_print = activity.push_print;
  extra.copied_nodes = activity.push_nodes;
  if (activity.leaving) {
    activity.leaving = false;
    ctx_.out.to_router(0, activity.grant);
    finish(activity.queue.pop());
  }
  pushed(activity);
  process(activity, now);
}

// What the covered calls wanted is done: they are told how many nodes have the record.
void Migration::pushed(Activity& activity) {
  const auto nodes = static_cast<int32_t>(copies_beside(ctx_, *activity.db) + 1);
  WaitingList go_on;
  while (!activity.covered.empty()) {
    Waiting* push = activity.covered.pop();
    if (push->kind == Waiting::Kind::kRan) {
      if (answer_function(activity, push)) go_on.push(push);
      continue;
    }
    if (push->endpoint != 0 && !push->gone) reply(*push, nodes, {});
    finish(push);
  }
  activity.queue.take_in_front(go_on);
}

// Nobody knows what becomes of the change.
void Migration::refuse_push(Waiting* push) {
  if (push->kind == Waiting::Kind::kRan) return refuse_ran(push);
  if (!push->gone) reply(*push, -1, {});
  finish(push);
}

// The giver's file and the nodes it pushed to have what has just arrived.
void Migration::note_arrived_copies(Activity& activity, ByteView data) {
  RecordExtra& extra = activity.entry->make_extra();
  extra.copied_generation = ctx_.generation;
  extra.copied_round = activity.db->copies_round;
  extra.copied_print = fingerprint(data);
  extra.copied_nodes = static_cast<uint8_t>(copies_beside(ctx_, *activity.db));
}

// ---- at the others ----

void Migration::record_copy(const Header& header, const RecordCopy& packet, TimeNs now) {
  Database* db = ctx_.databases.find_volatile(packet.db_id);
  if (db == nullptr || packet.key.size() > kKeyBytesMax || !ctx_.is_member(header.srcnode))
    return ctx_.rule_broken("of no database or member that is known, or a key that is too long");
  Activity& activity = ctx_.activities.attach(*db, db->entry(packet.key));
  Waiting* item = ctx_.waiting.take();
  const bool revoked = (packet.flags & CTDB_RECORD_RO_REVOKING_READONLY) != 0;
  item->kind = revoked ? Waiting::Kind::kRevoke : Waiting::Kind::kCopy;
  item->node = header.srcnode;
  item->reqid = header.reqid;
  item->rsn = packet.rsn;
  item->record_flags = packet.flags;
  item->data.assign(packet.data.begin(), packet.data.end());
  activity.queue.push(item);
  process(activity, now);
}

// false: it contradicts what is known here.
bool Migration::is_news_of_owner(const RecordEntry& entry, const Waiting& copy) const {
  const bool other_owner = ctx_.lmaster(entry) == ctx_.self && entry.pointer_generation == ctx_.generation &&
                           entry.dmaster != copy.node;
  return !ctx_.owns(entry) && !other_owner && (!entry.in_file || copy.rsn >= entry.rsn);
}

// A copy never replaces what is newer. Its header names the owner, which is true while the owner waits for the answer.
bool Migration::step_copy(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const Waiting& copy = *activity.queue.front();
  if (!is_news_of_owner(entry, copy)) {
    ctx_.rule_broken(copy.node, static_cast<uint32_t>(Operation::RECORD_COPY),
                     "older than the record here, or of another owner");
    finish(activity.queue.pop());
    return true;
  }
  if (!lock(activity, held, now)) return false;
  if (!write_record(ctx_, activity, {copy.rsn, copy.node, copy.record_flags & ~kReadOnlyFlags}, copy.data))
    return retry_later(activity, now);
  answer_copy(activity, copy);
  ++ctx_.counts.copies_held;
  finish(activity.queue.pop());
  return true;
}

void Migration::answer_copy(const Activity& activity, const Waiting& copy) {
  Header header = ctx_.header_to(copy.node, copy.reqid);
  header.operation = static_cast<uint32_t>(Operation::RECORD_COPIED);
  build_own(ctx_.built, header, RecordCopied{activity.db->id, activity.entry->key()}.encode());
  ctx_.out.to_router(0, ctx_.built);
}

// ---- renewal: a new generation has other members, so what is owned gets its copies anew ----

void Migration::renew_copies() {
  const auto& all = ctx_.databases.all();
  renewing_ = std::ranges::any_of(all, [](const auto& db) { return db->copies > 1; });
  if (renewing_) renewal_walk_.start(ctx_.databases);
}

// A push for which nobody waits.
Waiting* Migration::renewal() {
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kPush;
  item->endpoint = 0;
  item->data.clear();
  ++renewals_;
  return item;
}

// Before what is at the front of the queue. Clients that wait for the same come along: needs_push() would else say so again.
void Migration::push_first(Activity& activity) {
  if (activity.queue.bring_forward(is_unlock)) return;
  WaitingList first;
  first.push(renewal());
  activity.queue.take_in_front(first);
}

bool Migration::has_renewals() const {
  return renewing_ && ctx_.is_open() && renewals_ < kRenewalsMax && !ctx_.out.congested();
}

void Migration::renew_some(TimeNs now) {
  for (uint32_t i = 0; i < kRecordsPerSlice && renewals_ < kRenewalsMax; ++i) {
    Database* db = nullptr;
    RecordEntry* entry = renewal_walk_.next(ctx_.databases, db);
    if (entry == nullptr) {
      renewing_ = false;
      return;
    }
    const size_t wanted = copies_beside(ctx_, *db);
    const RecordExtra& extra = entry->extra();
    const bool done = are_of_now(ctx_, *db, extra) && extra.copied_nodes == wanted;
    if (wanted == 0 || done || !(ctx_.owns(*entry) || becomes_ours(*entry))) continue;
    Activity& activity = ctx_.activities.attach(*db, *entry);
    activity.queue.push(renewal());
    process(activity, now);
  }
}

// ---- ends ----

void Migration::end_pushes(Activity& activity) {
  activity.queue.take_in_front(activity.covered);
  activity.pushing = activity.leaving = false;
  activity.revoking = activity.revoked = activity.revoke_wanted = false;
  activity.awaited.clear();
}

// This node serves no more: nobody knows what becomes of the changes.
void Migration::refuse_pushes() {
  ctx_.activities.for_each_used([&](Activity& activity) {
    WaitingList kept;
    while (!activity.queue.empty()) {
      Waiting* item = activity.queue.pop();
      if (item->is_push()) {
        refuse_push(item);
      } else {
        kept.push(item);
      }
    }
    activity.queue = kept;
    ctx_.activities.release_if_idle(activity);
  });
}

}  // namespace ctdb
