// SPDX-License-Identifier: GPL-3.0-or-later
// Read-only copies, "delegations" in the classic protocol (ARCHITECTURE §4, client-semantics §6): the owner gives its value to nodes
// that only read it. Their clients, and its own, read their file without asking anybody until somebody wants to change the record.
//
// Invariants, in an open generation:
//  1. When a member's file has a read-only copy, the owner's header says RO_HAVE_DELEGATIONS, or the record is assigned to an
//     owner who is told (recovery). So no client changes the record.
//  2. The flag is taken away when every member that may have a copy has answered in this generation that it has none. Who is
//     no member cannot read: its files were fenced.
//  3. Copies and their ends go from the owner to a node in order: same lane, one after the other in the record's queue there.
#include <algorithm>

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_io.h"
#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr uint32_t kAnyReader = 63;  // the bit that stands for all nodes from this number on

constexpr uint64_t reader_bit(uint32_t pnn) {
  return uint64_t{1} << std::min(pnn, kAnyReader);
}

}  // namespace

// ---- at the owner ----

// What is next for this record needs that nobody else reads it.
bool Migration::wants_revoke(const Activity& activity) const {
  const RecordEntry& entry = *activity.entry;
  if (!ctx_.owns(entry) || !has_delegations(entry.flags)) return false;
  if (activity.revoke_wanted || activity.revoked || activity.rewrite != nullptr) return true;
  if (activity.queue.empty() || activity.db->frozen) return false;
  const Waiting& next = *activity.queue.front();
  // Our own call that has come home wants nothing.
  if (next.kind == Waiting::Kind::kRemoteCall && next.node == ctx_.self && !is_function(next)) return false;
  if (next.is_call()) return !next.only_reads();
  return next.is_push() && !copies_are_out(activity);
}

// Waits for nothing else with this record.
void Migration::revoke(Database& db, RecordEntry& entry, TimeNs now) {
  Activity& activity = ctx_.activities.attach(db, entry);
  activity.revoke_wanted = true;
  process(activity, now);
}

bool Migration::step_revoke(Activity& activity, bool& held, TimeNs now) {
  if (activity.pushing) return false;
  RecordEntry& entry = *activity.entry;
  if (!activity.revoked && send_revokes(activity)) return false;
  activity.revoked = true;
  if (!lock(activity, held, now)) return false;
  const ByteView data = read_data(ctx_, activity);
  const RecordHeader header{entry.rsn + kRevokedRsn, ctx_.self, entry.flags & ~kReadOnlyFlags};
  if (!write_record(ctx_, activity, header, data)) return retry_later(activity, now);
  if (RecordExtra* extra = entry.extra_if_any()) extra->readers = 0;
  activity.revoke_wanted = activity.revoked = false;
  ++ctx_.counts.delegations_revoked;
  ++activity.db->statistics.delegations_revoked;
  return true;
}

// false: there is nobody to be asked.
bool Migration::send_revokes(Activity& activity) {
  const RecordEntry& entry = *activity.entry;
  const uint64_t readers = entry.extra().readers;
  const bool all = readers == 0;
  activity.awaited.clear();
  for (const uint32_t pnn : ctx_.placement.members()) {
    if (pnn != ctx_.self && (all || (readers & reader_bit(pnn)) != 0)) activity.awaited.push_back(pnn);
  }
  if (activity.awaited.empty()) return false;
  if (activity.db->told_generation != ctx_.generation) tell_of_database(*activity.db);
  activity.pushing = activity.revoking = true;
  activity.push_reqid = ctx_.new_reqid();
  // A copy that is none: a control like the classic UPDATE_RECORD would go by another way, and could overtake a copy.
  const Bytes payload =
      RecordCopy{activity.db->id, entry.rsn - 1, CTDB_RECORD_RO_REVOKING_READONLY, entry.key(), {}}.encode();
  send_to_awaited(activity, payload);
  return true;
}

void Migration::end_revoke(Activity& activity, TimeNs now) {
  activity.pushing = activity.revoking = false;
  activity.revoked = true;
  process(activity, now);
}

bool Migration::delegates(const Activity& activity, const Waiting& call, TimeNs now) const {
  if (!call.only_reads() || call.node == ctx_.self) return false;
  const RecordEntry& entry = *activity.entry;
  return has_delegations(entry.flags) || (activity.db->flags & CTDB_DB_READONLY) != 0 ||
         entry.extra().heat.is_read(now);
}

// The call at the front gets a copy. With the chain locked. false: the file could not be written.
bool Migration::delegate(Activity& activity) {
  RecordEntry& entry = *activity.entry;
  const Waiting& call = *activity.queue.front();
  const ByteView data = read_data(ctx_, activity);
  if (!has_delegations(entry.flags)) {
    RecordHeader header{entry.rsn + kFirstDelegationRsn, ctx_.self,
                        entry.flags | CTDB_RECORD_RO_HAVE_DELEGATIONS};
    if (!data.empty()) header.flags |= CTDB_RECORD_MIGRATED_WITH_DATA;
    if (!write_record(ctx_, activity, header, data)) return false;
    entry.make_extra().readers = reader_bit(call.node);
  }
  // None: any member, that one too.
  if (entry.extra().readers != 0) entry.make_extra().readers |= reader_bit(call.node);
  with_header_.clear();
  append_record_header(with_header_, {entry.rsn - kDelegatedRsnBelow, ctx_.self,
                                      (entry.flags & ~kReadOnlyFlags) | CTDB_RECORD_RO_HAVE_READONLY});
  with_header_.insert(with_header_.end(), data.begin(), data.end());
  build(ctx_.built, ctx_.header_to(call.node, call.reqid), ReplyCall{0, with_header_});
  ctx_.out.to_router(0, ctx_.built);
  ++ctx_.counts.delegations;
  ++activity.db->statistics.delegations;
  return true;
}

// ---- at the others ----

// The call at the front is answered with a copy, or with the record while others have some, which is looked at but not stored
// again. false: it was not, since there is no copy any more; or (not `held`) the chain is waited for, or the record is gone from its file.
bool Migration::serve_reader(Activity& activity, bool& held, TimeNs now) {
  const RecordEntry& entry = *activity.entry;
  if (!lock(activity, held, now)) return false;
  const ByteView data = read_data(ctx_, activity);
  if (!ctx_.owns(entry) && !is_read_only_copy(entry.flags)) return false;
  Waiting* call = activity.queue.pop();
  const bool whole = call->callid == CTDB_FUNC_NULL && call->via_router && !ctx_.owns(entry);
  if (whole) call->callid = CTDB_FUNC_FETCH_WITH_HEADER;
  if (!call->gone) {
    ++ctx_.counts.calls_local;
    answer(*call, {entry.rsn, entry.dmaster, entry.flags}, data);
  }
  finish(call);
  return true;
}

// The answer to a question of this node.
void Migration::read_only_copy(Activity& activity, const Header& header, const ReplyCall& packet,
                               TimeNs now) {
  const std::optional<RecordHeader> record = read_record_header(packet.data);
  if (packet.status != 0 || !record || record->dmaster != header.srcnode || !is_read_only_copy(record->flags))
    return ctx_.rule_broken("it should be a read-only copy, and is none");
  Waiting* item = ctx_.waiting.take();
  item->kind = Waiting::Kind::kReadOnlyCopy;
  item->node = header.srcnode;
  item->rsn = record->rsn;
  item->record_flags = record->flags;
  const ByteView data = packet.data.subspan(CTDB_RECORD_HEADER_SIZE);
  item->data.assign(data.begin(), data.end());
  activity.queue.push(item);
  process(activity, now);
}

bool Migration::step_read_only_copy(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const Waiting& copy = *activity.queue.front();
  if (!is_news_of_owner(entry, copy)) {
    ctx_.rule_broken(copy.node, static_cast<uint32_t>(Operation::REPLY_CALL),
                     "older than the record here, or of another owner");
    finish(activity.queue.pop());
    return true;
  }
  if (!lock(activity, held, now)) return false;
  const uint32_t flags = (copy.record_flags & ~kReadOnlyFlags) | CTDB_RECORD_RO_HAVE_READONLY;
  if (!write_record(ctx_, activity, {copy.rsn, copy.node, flags}, copy.data))
    return retry_later(activity, now);
  entry.gave_generation = 0;  // others have had the record since
  finish(activity.queue.pop());
  end_question(activity);
  activity.queue.take_in_front(activity.joined);
  return true;
}

// Local clients read the copy no more. Of a database that is being emptied nothing may stay that could come back.
bool Migration::step_revoked(Activity& activity, bool& held, TimeNs now) {
  RecordEntry& entry = *activity.entry;
  const Waiting& end = *activity.queue.front();
  if (!ctx_.owns(entry) && is_read_only_copy(entry.flags)) {
    if (!lock(activity, held, now)) return false;
    const ByteView data = read_data(ctx_, activity);
    const RecordHeader header{entry.rsn, entry.dmaster, entry.flags & ~kReadOnlyFlags};
    const bool ok =
        activity.db->frozen ? remove_record(ctx_, activity) : write_record(ctx_, activity, header, data);
    if (!ok) return retry_later(activity, now);
  }
  answer_copy(activity, end);
  finish(activity.queue.pop());
  return true;
}

}  // namespace ctdb
