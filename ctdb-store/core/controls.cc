// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/controls.h"

#include <algorithm>
#include <cstdio>

#include "ctdb-store/core/rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

// Who keeps a file as a whole makes a wait of each of its chains, and to look who keeps one costs some system calls. The oldest are told.
constexpr size_t kLockWaitsTold = 256;
constexpr size_t kLockWaitBytesTold = 1u << 20;

}  // namespace

struct StoreControls::Row {
  Control control;
  // Exact size of the request data (wire-protocol §8: one byte more or less is answered -1); -1: the handler looks.
  int size;
  Handler handler;
};

const StoreControls::Row* StoreControls::find(uint32_t opcode) {
  using C = Control;
  using S = StoreControls;
  static const Row kRows[] = {
      {C::STATISTICS_RESET, 0, &S::reset_statistics},
      {C::GETDBPATH, 4, &S::get_db_path},
      {C::GET_DBMAP, 0, &S::get_db_map},
      {C::DB_ATTACH, -1, &S::db_attach},
      {C::TRAVERSE_START, 16, &S::traverse_start},
      {C::TRAVERSE_ALL, 24, &S::traverse_all},
      {C::TRAVERSE_DATA, -1, &S::traverse_data},
      {C::GET_DBNAME, 4, &S::get_db_name},
      {C::ENABLE_SEQNUM, 4, &S::enable_seqnum},
      {C::UPDATE_SEQNUM, 4, &S::update_seqnum},
      {C::FREEZE, -1, &S::no_freeze},
      {C::DB_ATTACH_PERSISTENT, -1, &S::db_attach},
      {C::UPDATE_RECORD, -1, &S::not_persistent},
      {C::WIPE_DATABASE, 8, &S::wipe_database},
      {C::TRY_DELETE_RECORDS, -1, &S::no_vacuum},
      {C::TRAVERSE_KILL, 16, &S::traverse_kill},
      {C::TRANS3_COMMIT, -1, &S::trans3_commit},
      {C::GET_DB_SEQNUM, 8, &S::get_db_seqnum},
      {C::DB_SET_HEALTHY, 4, &S::db_set_healthy},
      {C::DB_GET_HEALTH, 4, &S::db_get_health},
      {C::SCHEDULE_FOR_DELETION, -1, &S::schedule_for_deletion},
      {C::SET_DB_READONLY, 4, &S::set_db_readonly},
      {C::TRAVERSE_START_EXT, 24, &S::traverse_start},
      {C::GET_DB_STATISTICS, 4, &S::get_db_statistics},
      {C::SET_DB_STICKY, 4, &S::set_db_sticky},
      {C::TRAVERSE_ALL_EXT, 32, &S::traverse_all},
      {C::DB_DETACH, 4, &S::db_detach},
      {C::DB_FREEZE, 4, &S::db_freeze},
      {C::DB_THAW, 4, &S::db_thaw},
      {C::DB_TRANSACTION_START, 8, &S::db_transaction_start},
      {C::DB_TRANSACTION_COMMIT, 8, &S::db_transaction_commit},
      {C::DB_TRANSACTION_CANCEL, 4, &S::db_transaction_cancel},
      {C::DB_PULL, -1, &S::no_freeze},
      {C::DB_PUSH_START, 16, &S::db_push_start},
      {C::DB_PUSH_CONFIRM, 4, &S::db_push_confirm},
      {C::DB_OPEN_FLAGS, 4, &S::db_open_flags},
      {C::DB_ATTACH_REPLICATED, -1, &S::db_attach},
      {C::VACUUM_FETCH, -1, &S::no_vacuum},
      {C::DB_VACUUM, 5, &S::db_vacuum},
      {C::PUSH_RECORD, -1, &S::not_persistent},
      {C::GET_LOCK_WAITS, 0, &S::get_lock_waits},
      {C::DB_COPIES, 8, &S::db_copies},
      {C::DB_RECORD_LIMIT, 4, &S::db_record_limit},
  };
  for (const Row& row : kRows) {
    if (static_cast<uint32_t>(row.control) == opcode) return &row;
  }
  return nullptr;
}

void StoreControls::serve(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  const Row* row = find(control.opcode);
  if (row == nullptr) return refuse(origin, "control is not served");
  if (row->size >= 0 && control.data.size() != static_cast<size_t>(row->size)) return refuse(origin);
  (this->*row->handler)(origin, control, now);
}

void StoreControls::reply(const ControlOrigin& origin, int32_t status, ByteView data,
                          std::string_view error) {
  if (status != 0 && origin.noreply) ctx_.refuse("a control that failed, and nobody waits for the answer");
  if (origin.noreply) return;
  build(built_, ctx_.header_to(origin.endpoint != 0 ? 0 : origin.node, origin.reqid),
        ReplyControl{status, data, error});
  ctx_.out.to_router(origin.endpoint, built_);
}

void StoreControls::reply_text(const ControlOrigin& origin, const std::string& text) {
  ok(origin, {reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1});
}

void StoreControls::broadcast(Control opcode, ByteView data) {
  const uint32_t to = opcode == Control::UPDATE_SEQNUM ? CTDB_BROADCAST_ACTIVE : CTDB_BROADCAST_CONNECTED;
  build(built_, ctx_.header_to(to, 0),
        ReqControl{static_cast<uint32_t>(opcode), 0, 0, CTDB_CONTROL_NOREPLY, data});
  ctx_.out.to_router(0, built_);
}

Database* StoreControls::database(const ControlOrigin& origin, const ReqControl& control, size_t at) {
  const uint32_t id = load<uint32_t>(control.data.data() + at);
  Database* db = ctx_.databases.find(id);
  if (db != nullptr) return db;
  char text[48];
  std::snprintf(text, sizeof text, "unknown database 0x%08x", id);
  refuse(origin, text);
  return nullptr;
}

void StoreControls::get_db_path(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  if (const Database* db = database(origin, control)) reply_text(origin, db->file->path());
}

void StoreControls::get_db_name(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  if (const Database* db = database(origin, control)) reply_text(origin, db->name);
}

// Most recently attached first (wire-protocol §7.5).
void StoreControls::get_db_map(const ControlOrigin& origin, const ReqControl&, TimeNs) {
  const auto& databases = ctx_.databases.all();
  Bytes map;
  Writer w(map);
  w.u32(static_cast<uint32_t>(databases.size()));
  for (auto db = databases.rbegin(); db != databases.rend(); ++db) {
    w.u32((*db)->id);
    w.u8((*db)->flags);
    w.zeros(3);
  }
  ok(origin, map);
}

void StoreControls::db_open_flags(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  uint8_t flags[4];
  store(flags, static_cast<int32_t>(db->file->open_flags()));
  ok(origin, flags);
}

// No data says that it is healthy.
void StoreControls::db_get_health(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  const std::string damage = db->file->damage();
  if (damage.empty() || ctx_.log_trusted) return ok(origin);  // or it came from the others meanwhile
  reply_text(origin, damage);
}

// What was damaged came back from the other nodes by itself; there is nothing to forgive.
void StoreControls::db_set_healthy(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  if (database(origin, control) != nullptr) ok(origin);
}

void StoreControls::get_db_seqnum(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  static constexpr char kKey[] = "__db_sequence_number__";  // with its NUL
  Database* db = database(origin, control);
  if (db == nullptr) return;
  uint8_t number[8] = {};
  if (db->full_copy()) {
    store(number, db->contents.sequence);
    return ok(origin, number);
  }
  const ByteView key(reinterpret_cast<const uint8_t*>(kKey), sizeof kKey);
  if (const RecordEntry* entry = db->index.find(key, jenkins_hash(key)); entry != nullptr && entry->in_file) {
    if (!ctx_.chains.try_take(*db, *entry)) return refuse(origin, "the sequence number's record is locked");
    const bool found = db->file->fetch(key, ctx_.value);
    ctx_.chains.let_go(*db, *entry);
    if (found && ctx_.value.size() == CTDB_RECORD_HEADER_SIZE + 8) {
      store(number, load<uint64_t>(ctx_.value.data() + CTDB_RECORD_HEADER_SIZE));
    }
  }
  ok(origin, number);
}

namespace {

// In the place of a hot key.
void describe_heat(uint8_t* at, const RecordEntry& entry, TimeNs now) {
  const Heat& heat = entry.extra().heat;
  uint32_t state = heat.is_sticky(now) ? db_statistics::kKeyIsSticky : 0;
  if (has_delegations(entry.flags) || is_read_only_copy(entry.flags)) state |= db_statistics::kKeyIsRead;
  const uint32_t waited_us = entry.recent == nullptr ? 0 : entry.recent->waited_us;
  store(at + db_statistics::kKeyWait, std::max(heat.waited_us, waited_us));
  store(at + db_statistics::kKeyHops, heat.hops);
  store(at + db_statistics::kKeyReads, heat.reads_most);
  store(at + db_statistics::kKeyState, state);
}

}  // namespace

void StoreControls::get_db_statistics(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  Bytes image = db->statistics.encode(static_cast<uint32_t>(db->chain_waits.size()));
  uint8_t* at = image.data() + db_statistics::kKeys;
  for (const HotKeys::Key& hot : db->statistics.hot_keys.all()) {
    if (const RecordEntry* entry = db->index.find(hot.key, jenkins_hash(hot.key));
        hot.count > 0 && entry != nullptr)
      describe_heat(at, *entry, now);
    at += db_statistics::kKeyBytes;
  }
  ok(origin, image);
}

// From this node's router, which answers the client.
void StoreControls::reset_statistics(const ControlOrigin& origin, const ReqControl&, TimeNs) {
  for (const auto& db : ctx_.databases.all()) db->statistics = {};
  ok(origin);
}

// The classic daemon sets it on one node only. Here the others hear of it at once, newcomers from the next recovery.
void StoreControls::set_attribute(Database& db, uint8_t flag) {
  if ((db.flags & flag) != 0) return;
  db.flags |= flag;
  if (ctx_.is_open()) migration_.tell_of_database(db);
}

void StoreControls::set_db_readonly(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (db->full_copy()) return refuse(origin, db->name + " is not volatile: every node has all of it");
  set_attribute(*db, CTDB_DB_READONLY);
  ok(origin);
}

void StoreControls::set_db_sticky(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (db->full_copy()) return refuse(origin, db->name + " is not volatile: every node has all of it");
  set_attribute(*db, CTDB_DB_STICKY);
  ok(origin);
}

// Answered without the chain lock: the client holds it (client-semantics §5.3). The record is looked at later.
void StoreControls::schedule_for_deletion(const ControlOrigin& origin, const ReqControl& control,
                                          TimeNs now) {
  constexpr size_t kKey = 36;
  const ByteView data = control.data;
  if (data.size() < kKey || load<uint32_t>(data.data() + 32) != data.size() - kKey) return refuse(origin);
  Database* db = database(origin, control);
  if (db == nullptr) return;
  vacuum_.deleted(*db, data.subspan(kKey), now);
  ok(origin);
}

void StoreControls::deletion(ByteView packet, TimeNs now) {
  const std::optional<ReqControl> request = parse_req_control(packet);
  const bool is_it = request && request->opcode == static_cast<uint32_t>(Control::SCHEDULE_FOR_DELETION) &&
                     (request->flags & CTDB_CONTROL_NOREPLY) != 0;
  if (!is_it) return ctx_.refuse("clients send all other controls to the router");
  ControlOrigin origin;
  origin.noreply = true;
  schedule_for_deletion(origin, *request, now);
}

void StoreControls::traverse_start(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (origin.endpoint == 0) return refuse(origin, "a traverse is started on the client's own node");
  if (database(origin, control) == nullptr) return;
  Reader r(control.data);
  TraverseRequest request{r.u32(), r.u32(), r.u64(), false};
  request.with_empty = r.left() > 0 && r.u8() != 0;
  ok(origin);  // before any record: smbd looks for records only after the answer (client-semantics §9)
  traverse_.start(origin.endpoint, request, now);
}

void StoreControls::traverse_all(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  Reader r(control.data);
  TraverseRequest request;
  request.db_id = r.u32();
  const uint32_t reqid = r.u32();
  const uint32_t initiator = r.u32();
  request.reqid = r.u32();
  request.srvid = r.u64();
  request.with_empty = r.left() > 0 && r.u8() != 0;
  if (origin.endpoint != 0 || origin.client_id != 0 || initiator != origin.node || initiator == ctx_.self) {
    return refuse(origin);
  }
  traverse_.read(initiator, reqid, request, now);
  ok(origin);
}

void StoreControls::traverse_data(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  if (origin.endpoint != 0 || !traverse_.data(origin.node, control.data)) return refuse(origin);
  ok(origin);
}

void StoreControls::traverse_kill(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Reader r(control.data);
  traverse_.kill(origin.node, {r.u32(), r.u32(), r.u64(), false});
  ok(origin);
}

void StoreControls::get_lock_waits(const ControlOrigin& origin, const ReqControl&, TimeNs now) {
  std::vector<const ChainWait*> all;
  for (const std::unique_ptr<Database>& db : ctx_.databases.all()) {
    for (const ChainWait* wait : db->chain_waits) {
      if (wait->ticket != 0) all.push_back(wait);
    }
  }
  const size_t most = std::min(all.size(), kLockWaitsTold);
  std::ranges::partial_sort(all, all.begin() + static_cast<ptrdiff_t>(most), {}, &ChainWait::since);
  LockWaits answer;
  size_t bytes = 0;
  for (size_t i = 0; i < most && bytes < kLockWaitBytesTold; ++i) {
    answer.waits.push_back(ctx_.chains.described(*all[i], now));
    bytes += answer.waits.back().key.size();
  }
  ok(origin, answer.encode());
}

void StoreControls::no_freeze(const ControlOrigin& origin, const ReqControl&, TimeNs) {
  refuse(origin, "databases are never frozen here; recovery does without");
}

// Answered when it is on all members, or known to be on none.
void StoreControls::trans3_commit(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (origin.endpoint == 0) return refuse(origin, "a transaction is committed on the client's own node");
  if (commits_ == nullptr) return refuse(origin, "this node has no disk for transactions");
  if (control.data.size() < 8) return refuse(origin, "a transaction begins with its database");
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  if (!db->full_copy()) return refuse(origin, db->name + " is volatile: it has no transactions");
  commits_->submit(
      origin.endpoint, CommitKind::kRecords, control.data,
      [this, origin](int32_t status, const std::string& error) {
        reply(origin, status == kCommitConflict ? -1 : status, {}, error);
      },
      now);
}

void StoreControls::not_persistent(const ControlOrigin& origin, const ReqControl&, TimeNs) {
  refuse(origin, "stores of this project change full copies by their log of commits only");
}

// Of all databases, and always in full: there is one list for all. Answered when it has begun.
void StoreControls::db_vacuum(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  if (database(origin, control) == nullptr) return;
  vacuum_.hurry(now);
  ok(origin);
}

void StoreControls::no_vacuum(const ControlOrigin& origin, const ReqControl&, TimeNs) {
  refuse(origin, "location masters of this project ask for deleted records with operations of their own");
}

}  // namespace ctdb
