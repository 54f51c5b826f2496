// SPDX-License-Identifier: GPL-3.0-or-later
// Attaching and detaching databases (wire-protocol §8.2.1) and their change counters (§8.2.6).
#include <algorithm>
#include <cerrno>
#include <utility>

#include "ctdb-store/core/controls.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"

namespace ctdb {
namespace {

constexpr size_t kParkedAttachesMax = 4096;
// A file that another process has locked is tried again.
constexpr TimeNs kLockedPause = 50 * kMillisecond;

uint8_t kind_of(uint32_t opcode) {
  if (opcode == static_cast<uint32_t>(Control::DB_ATTACH_PERSISTENT)) return CTDB_DB_PERSISTENT;
  if (opcode == static_cast<uint32_t>(Control::DB_ATTACH_REPLICATED)) return CTDB_DB_REPLICATED;
  return 0;
}

Control attach_control(uint8_t kind) {
  if (kind == CTDB_DB_PERSISTENT) return Control::DB_ATTACH_PERSISTENT;
  return kind == CTDB_DB_REPLICATED ? Control::DB_ATTACH_REPLICATED : Control::DB_ATTACH;
}

}  // namespace

void StoreControls::db_attach(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  const ByteView data = control.data;
  if (data.empty() || data.back() != 0 || std::ranges::count(data, uint8_t{0}) != 1) {
    return refuse(origin, "a database name is text that ends with NUL");
  }
  const std::string name(as_text(data.first(data.size() - 1)));
  const uint8_t kind = kind_of(control.opcode);
  if (kind != 0 && commits_ == nullptr) return refuse(origin, "this node has no disk for such databases");
  const ParkedAttach attach{origin, name, kind, now + ctx_.options.deferred_attach_timeout};
  // Other nodes may always: they have the database already.
  if (origin.endpoint == 0) return attach_now(attach, now);
  if (!ctx_.options.allow_client_db_attach) return refuse(origin, "AllowClientDBAttach is 0");
  if (recovery_.stopped()) return refuse(origin, "this node is stopped or banned");
  if (ctx_.is_open()) return attach_now(attach, now);
  if ((control.flags & CTDB_CONTROL_ATTACH_BY_RECOVERY) != 0) return attach_now(attach, now);
  if (parked_attaches_.size() >= kParkedAttachesMax)
    return refuse(origin, "too many requests wait for a recovery");
  parked_attaches_.push_back(attach);
}

void StoreControls::attach_now(const ParkedAttach& attach, TimeNs now) {
  const auto& [origin, name, kind, deadline, tried_at] = attach;
  bool is_new = false;
  const bool told = origin.endpoint == 0 && origin.client_id == 0;
  // Said before it was detached, and late: who has it attached anew says so on the way of records.
  if (told && ctx_.detached.is_noted(database_id(name))) return refuse(origin, name + " is detached");
  Result<Database*> db = ctx_.databases.attach(name, kind, false, is_new);
  const bool is_locked = !db && db.error().code == ErrorCode::kSystem && db.error().saved_errno == EAGAIN;
  if (is_locked && now < deadline && parked_attaches_.size() < kParkedAttachesMax) {
    parked_attaches_.push_back({origin, name, kind, deadline, now + kLockedPause});
    return;
  }
  if (!db) {
    if (db.error().code == ErrorCode::kSystem || db.error().code == ErrorCode::kCorrupt) {
      ++ctx_.counts.file_errors;
      ctx_.out.log(StoreLog::kError, "attaching " + name + ": " + db.error().text());
    }
    return refuse(origin, db.error().text());
  }
  ctx_.counts.databases = ctx_.databases.all().size();
  // The others need it too before calls for it reach them; what comes from a node is told by that node.
  if (is_new && !told) {
    ctx_.detached.attached(name);
    Bytes with_nul = to_bytes(as_bytes(name));
    with_nul.push_back(0);
    broadcast(attach_control((*db)->flags & (CTDB_DB_PERSISTENT | CTDB_DB_REPLICATED)), with_nul);
    if (ctx_.is_open()) migration_.tell_of_database(**db);  // on the way that calls for it take
  }
  uint8_t id[4];
  store(id, (*db)->id);
  ok(origin, id);
}

// On how many nodes the records are: never less than was said before. 0 asks only.
void StoreControls::db_copies(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (db->full_copy())
    return refuse(origin,
                  db->name + " is not volatile: every node has all of it, and only transactions change it");
  const uint32_t copies = load<uint32_t>(control.data.data() + 4);
  if (copies > kCopiesMax) return refuse(origin, "at most " + std::to_string(kCopiesMax) + " copies");
  migration_.raise_copies(*db, copies);
  uint8_t now_has[4];
  store(now_has, uint32_t{db->copies});
  ok(origin, now_has);
}

// Programs check what they store; this node checks what it is asked to write.
void StoreControls::db_record_limit(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  const Database* db = database(origin, control);
  if (db == nullptr) return;
  uint8_t limit[4];
  store(limit, db->record_limit);
  ok(origin, limit);
}

void StoreControls::db_detach(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (ctx_.options.allow_client_db_attach) return refuse(origin, "AllowClientDBAttach is 1");
  if (db->full_copy()) return refuse(origin, db->name + " is not volatile");
  if (!ctx_.is_open()) return refuse(origin, "a recovery is running");
  // Also when a node of an older release says it to all.
  ctx_.detached.order(db->name);
  parked_detaches_.push_back({origin, db->id});
}

void StoreControls::drop_database(Database& db) {
  const std::string name = db.name;
  vacuum_.drop_database(db);
  migration_.drop_database(db);
  const Result<void> detached = ctx_.databases.detach(db);
  ctx_.counts.databases = ctx_.databases.all().size();
  if (detached) return ctx_.out.log(StoreLog::kInfo, name + " is detached");
  ++ctx_.counts.file_errors;
  ctx_.out.log(StoreLog::kError, "detaching " + name + ": " + detached.error().text() +
                                     "; the database is back when ctdb-store is started anew");
}

// A counter that has moved was wanted by somebody, and still is.
void StoreControls::resume_seqnums() {
  for (const auto& db : ctx_.databases.all()) {
    if (db->full_copy() || db->file->seqnum() == 0) continue;
    db->file->enable_seqnum();
    db->seqnum_on = true;
    db->seqnum_seen = db->file->seqnum();
    next_seqnum_tick_ = 0;
  }
}

void StoreControls::enable_seqnum(const ControlOrigin& origin, const ReqControl& control, TimeNs now) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (!db->seqnum_on) {
    db->file->enable_seqnum();
    db->seqnum_on = true;
    db->seqnum_seen = db->file->seqnum();
  }
  if (next_seqnum_tick_ == kNever) next_seqnum_tick_ = now + ctx_.options.seqnum_interval;
  ok(origin);
}

// Another node's data have changed: a hint for caches of local clients.
void StoreControls::update_seqnum(const ControlOrigin& origin, const ReqControl& control, TimeNs) {
  Database* db = database(origin, control);
  if (db == nullptr) return;
  if (origin.endpoint == 0 && origin.node != ctx_.self) {
    db->file->increment_seqnum();
    ++db->seqnum_seen;  // not our own change, nobody is told of it
  }
  ok(origin);
}

void StoreControls::tell_seqnums() {
  for (const auto& db : ctx_.databases.all()) {
    if (!db->seqnum_on || db->file->seqnum() == db->seqnum_seen) continue;
    db->seqnum_seen = db->file->seqnum();
    uint8_t id[4];
    store(id, db->id);
    broadcast(Control::UPDATE_SEQNUM, id);
  }
}

void StoreControls::client_gone(uint32_t endpoint) {
  std::erase_if(parked_attaches_,
                [&](const ParkedAttach& parked) { return parked.origin.endpoint == endpoint; });
  std::erase_if(parked_detaches_,
                [&](const ParkedDetach& parked) { return parked.origin.endpoint == endpoint; });
}

void StoreControls::opened(TimeNs now) {
  for (const ParkedDetach& detach : std::exchange(parked_detaches_, {})) {
    if (ctx_.databases.find(detach.db_id) == nullptr) {
      ok(detach.origin);
    } else {
      refuse(detach.origin, "a node of an older release takes part: detach it when all are upgraded");
    }
  }
  for (const ParkedAttach& attach : std::exchange(parked_attaches_, {})) attach_now(attach, now);
}

void StoreControls::stopped() {
  for (const ParkedAttach& attach : parked_attaches_) refuse(attach.origin, "this node is stopped or banned");
  parked_attaches_.clear();
}

void StoreControls::suspended() {
  ctx_.detached.drop_orders();
  for (const ParkedDetach& detach : parked_detaches_)
    refuse(detach.origin, "this node takes no part any more: whether the database is detached is not known");
  parked_detaches_.clear();
}

void StoreControls::tick(TimeNs now) {
  std::vector<ParkedAttach> due;
  std::erase_if(parked_attaches_, [&](const ParkedAttach& parked) {
    if (now >= parked.try_at) due.push_back(parked);
    if (now >= parked.deadline && now < parked.try_at) refuse(parked.origin, "no recovery has ended in time");
    return now >= parked.deadline || now >= parked.try_at;
  });
  for (ParkedAttach& attach : due) {
    if (ctx_.is_open()) {
      attach_now(attach, now);
    } else {
      attach.try_at = kNever;
      parked_attaches_.push_back(std::move(attach));
    }
  }
  if (now < next_seqnum_tick_) return;
  next_seqnum_tick_ = now + ctx_.options.seqnum_interval;
  tell_seqnums();
}

TimeNs StoreControls::next_deadline() const {
  TimeNs next = next_seqnum_tick_;
  for (const ParkedAttach& parked : parked_attaches_) next = std::min({next, parked.deadline, parked.try_at});
  return next;
}

}  // namespace ctdb
