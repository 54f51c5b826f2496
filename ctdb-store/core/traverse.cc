// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/traverse.h"

#include <algorithm>

#include "ctdb-store/core/rules.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerSlice = 512;
constexpr size_t kBytesPerSlice = 128u << 10;
constexpr TimeNs kStallRetry = kMillisecond;
constexpr TimeNs kStallMax = 5 * kSecond;

void build_control(Bytes& out, Header header, Control opcode, ByteView data) {
  build(out, header, ReqControl{static_cast<uint32_t>(opcode), 0, 0, CTDB_CONTROL_NOREPLY, data});
}

}  // namespace

void append_rec_data(Bytes& out, uint32_t reqid, ByteView key, ByteView value) {
  Writer w(out);
  w.u32(static_cast<uint32_t>(16 + key.size() + value.size()));
  w.u32(reqid);
  w.u32(static_cast<uint32_t>(key.size()));
  w.u32(static_cast<uint32_t>(value.size()));
  w.bytes(key);
  w.bytes(value);
}

void Traverse::start(uint32_t endpoint, const TraverseRequest& request, TimeNs now) {
  ++ctx_.counts.traverses;
  Running& running = running_.emplace_back();
  running.endpoint = endpoint;
  running.request = request;
  running.deadline = now + ctx_.options.traverse_timeout;
  const Database* db = ctx_.databases.find(request.db_id);
  if (db != nullptr && db->full_copy()) {
    running.outstanding = {ctx_.self};
  } else {
    running.outstanding = ctx_.placement.members();
    if (!ctx_.is_member(ctx_.self)) running.outstanding.push_back(ctx_.self);
  }
  ask_outstanding(running);
}

void Traverse::ask_outstanding(Running& running) {
  running.reqid = ctx_.new_reqid();
  const TraverseRequest& request = running.request;
  Bytes payload;
  Writer w(payload);
  w.u32(request.db_id);
  w.u32(running.reqid);
  w.u32(ctx_.self);
  w.u32(request.reqid);
  w.u64(request.srvid);
  if (request.with_empty) w.u64(1);  // u8 and padding
  for (uint32_t node : running.outstanding) {
    if (node == ctx_.self) {
      read(ctx_.self, running.reqid, request);
      continue;
    }
    build_control(ctx_.built, ctx_.header_to(node, 0),
                  request.with_empty ? Control::TRAVERSE_ALL_EXT : Control::TRAVERSE_ALL, payload);
    ctx_.out.to_router(0, ctx_.built);
  }
}

bool Traverse::data(uint32_t node, ByteView element) {
  Reader r(element);
  const uint32_t length = r.u32();
  const uint32_t reqid = r.u32();
  const uint32_t key_size = r.u32();
  const uint32_t value_size = r.u32();
  const ByteView key = r.bytes(key_size);
  const ByteView value = r.bytes(value_size);
  if (!r.done() || length != element.size()) return false;
  const auto running = std::ranges::find(running_, reqid, &Running::reqid);
  if (running == running_.end()) return false;
  const auto at = std::ranges::find(running->outstanding, node);
  if (at == running->outstanding.end()) return false;
  if (key_size != 0) {
    pass_on(*running, key, value);
    return true;
  }
  if (value_size != 0) running->incomplete = true;
  running->outstanding.erase(at);
  if (running->outstanding.empty()) finish(running);
  return true;
}

void Traverse::pass_on(const Running& running, ByteView key, ByteView value) {
  element_.clear();
  append_rec_data(element_, running.request.reqid, key, value);
  build(ctx_.built, ctx_.header_to(0, 0), ReqMessage{running.request.srvid, element_});
  ctx_.out.to_router(running.endpoint, ctx_.built);
}

void Traverse::finish(std::list<Running>::iterator running) {
  constexpr uint8_t kKey = 0;
  if (running->incomplete) {
    ++ctx_.counts.traverses_incomplete;
    pass_on(*running, {&kKey, 1}, {});  // not even a record header
  }
  pass_on(*running, {}, {});
  running_.erase(running);
}

void Traverse::send_kill(const Running& running) {
  Bytes payload;
  Writer w(payload);
  w.u32(running.request.db_id);
  w.u32(running.request.reqid);
  w.u64(running.request.srvid);
  build_control(ctx_.built, ctx_.header_to(CTDB_BROADCAST_CONNECTED, 0), Control::TRAVERSE_KILL, payload);
  ctx_.out.to_router(0, ctx_.built);
}

void Traverse::client_gone(uint32_t endpoint) {
  std::erase_if(running_, [&](const Running& running) {
    if (running.endpoint != endpoint) return false;
    send_kill(running);
    return true;
  });
}

void Traverse::generation_opened() {
  for (auto running = running_.begin(); running != running_.end();) {
    const auto here = running++;
    const auto left = [&](uint32_t node) { return node != ctx_.self && !ctx_.is_member(node); };
    std::erase_if(here->outstanding, left);
    if (here->outstanding.empty()) {
      finish(here);
    } else {
      ask_outstanding(*here);
    }
  }
}

void Traverse::read(uint32_t initiator, uint32_t reqid, const TraverseRequest& request) {
  // Asked again: the old answer is not waited for any more.
  std::erase_if(sources_, [&](const Source& source) {
    return source.initiator == initiator && source.request.reqid == request.reqid &&
           source.request.srvid == request.srvid;
  });
  Source& source = sources_.emplace_back();
  source.initiator = initiator;
  source.reqid = reqid;
  source.request = request;
  if (const Database* db = ctx_.databases.find(request.db_id)) source.walk.start(*db);
  stalled_until_ = 0;
}

void Traverse::kill(const TraverseRequest& request) {
  const auto same = [&](const auto& one) {
    return one.request.reqid == request.reqid && one.request.srvid == request.srvid;
  };
  std::erase_if(sources_, same);
  std::erase_if(running_, same);
  stalled_until_ = 0;
}

// The readers take turns.
void Traverse::work(TimeNs now) {
  if (!has_work()) return;
  sources_.splice(sources_.end(), sources_, sources_.begin());
  Source& source = sources_.back();
  if (slice(source, now)) return;
  if (source.stalled_since != 0) {
    stalled_until_ = now + kStallRetry;
    return;
  }
  // Out of the list first: the end marker may start something new.
  std::list<Source> done;
  done.splice(done.begin(), sources_, std::prev(sources_.end()));
  end_of_source(done.front());
}

void Traverse::end_of_source(const Source& source) {
  if (source.left_out == 0) return send_record(source, {}, {});
  const Database* db = ctx_.databases.find(source.request.db_id);
  ctx_.out.log(StoreLog::kWarning,
               "a traverse of " + (db == nullptr ? std::string("a database") : db->name) + " leaves out " +
                   std::to_string(source.left_out) +
                   " records: their locks were held for 5 s, or no packet has room for them");
  constexpr uint8_t kIncomplete[4] = {0xFF, 0xFF, 0xFF, 0xFF};
  send_record(source, {}, kIncomplete);
}

bool Traverse::slice(Source& source, TimeNs now) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < kRecordsPerSlice && bytes < kBytesPerSlice; ++i) {
    Database* db = nullptr;
    const RecordEntry* entry = source.walk.current(ctx_.databases, db);
    if (entry == nullptr) return false;
    if (ctx_.owns(*entry) || db->full_copy()) {
      if (!read_record(*db, *entry)) {
        if (source.stalled_since == 0) source.stalled_since = now;
        if (now - source.stalled_since < kStallMax) return false;
        ++source.left_out;
      } else if (ctx_.value.size() > kDataBytesMax) {
        ++source.left_out;  // no packet has room for it
      } else if (ctx_.value.size() > CTDB_RECORD_HEADER_SIZE ||
                 (source.request.with_empty && ctx_.value.size() == CTDB_RECORD_HEADER_SIZE)) {
        send_record(source, entry->key(), ctx_.value);
        bytes += entry->key_size + ctx_.value.size();
      }
    }
    // Also when the record has left meanwhile: the reader waits for nothing any more.
    source.stalled_since = 0;
    source.walk.advance();
  }
  return true;
}

// Into context.value; false: a client holds the chain.
bool Traverse::read_record(Database& db, const RecordEntry& entry) {
  if (!ctx_.chains.try_take(db, entry)) return false;
  if (!db.file->fetch(entry.key(), ctx_.value)) ctx_.value.clear();
  ctx_.chains.let_go(db, entry);
  return true;
}

void Traverse::send_record(const Source& source, ByteView key, ByteView value) {
  Bytes element;
  append_rec_data(element, source.reqid, key, value);
  if (source.initiator == ctx_.self) {
    data(ctx_.self, element);
    return;
  }
  build_control(ctx_.built, ctx_.header_to(source.initiator, 0), Control::TRAVERSE_DATA, element);
  ctx_.out.to_router(0, ctx_.built);
}

void Traverse::tick(TimeNs now) {
  if (stalled_until_ != 0 && now >= stalled_until_) stalled_until_ = 0;
  for (auto running = running_.begin(); running != running_.end();) {
    const auto here = running++;
    if (now < here->deadline) continue;
    ++ctx_.counts.traverse_timeouts;
    send_kill(*here);
    here->incomplete = true;
    finish(here);
  }
}

TimeNs Traverse::next_deadline() const {
  TimeNs next = stalled_until_ != 0 ? stalled_until_ : kNever;
  for (const Running& running : running_) next = std::min(next, running.deadline);
  return next;
}

}  // namespace ctdb
