// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/traverse.h"

#include <algorithm>
#include <optional>

#include "ctdb-store/core/rules.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kRecordsPerSlice = 512;
constexpr size_t kBytesPerSlice = 128u << 10;
constexpr TimeNs kStallRetry = kMillisecond;
constexpr TimeNs kStallMax = 5 * kSecond;
constexpr size_t kStep = Traverse::kWindow / 2;  // what a reader may send more when it is asked to go on

// The value of the end marker between stores: how many records it was.
struct End {
  uint64_t records = 0;
  bool left_out = false;  // some are missing

  Bytes encode() const {
    Bytes out;
    Writer w(out);
    w.u64(records);
    w.u32(left_out ? 1 : 0);
    return out;
  }
  static std::optional<End> decode(ByteView value) {
    Reader r(value);
    End end;
    end.records = r.u64();
    end.left_out = r.u32() != 0;
    return r.done() ? std::optional(end) : std::nullopt;
  }
};

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
    running.asked.push_back({ctx_.self});
    return ask(running, now);
  }
  // What this node knows of the members is of the past, or nothing since its store was restarted; there may be others by now.
  if (ctx_.phase == StorePhase::kSuspended) running.incomplete = "this node takes no part in the cluster now";
  // Which nodes have the records is being decided: it begins when that is known.
  const bool making = ctx_.phase == StorePhase::kRecovering || ctx_.phase == StorePhase::kPrepared;
  if (!making && ctx_.phase != StorePhase::kWaiting) ask_members(running, now);
}

void Traverse::ask_members(Running& running, TimeNs now) {
  for (uint32_t node : ctx_.placement.members()) running.asked.push_back({node});
  if (std::ranges::find(running.asked, ctx_.self, &Asked::node) == running.asked.end())
    running.asked.push_back({ctx_.self});
  ask(running, now);
}

// Whoever is not done.
void Traverse::ask(Running& running, TimeNs now) {
  running.reqid = ctx_.new_reqid();
  for (Asked& asked : running.asked) {
    if (asked.done) continue;
    asked.records = 0;
    asked.bytes = 0;
    if (asked.node == ctx_.self) {
      read(ctx_.self, running.reqid, running.request, now);
    } else {
      ask_node(running, asked.node);
    }
  }
}

void Traverse::ask_node(const Running& running, uint32_t node) {
  const TraverseRequest& request = running.request;
  Bytes payload;
  Writer w(payload);
  w.u32(request.db_id);
  w.u32(running.reqid);
  w.u32(ctx_.self);
  w.u32(request.reqid);
  w.u64(request.srvid);
  if (request.with_empty) w.u64(1);  // u8 and padding
  build_control(ctx_.built, ctx_.header_to(node, 0),
                request.with_empty ? Control::TRAVERSE_ALL_EXT : Control::TRAVERSE_ALL, payload);
  ctx_.out.to_router(0, ctx_.built);
}

void Traverse::let_go_on(Running& running) {
  if (running.crowded) return;
  for (Asked& asked : running.asked) {
    for (; asked.bytes >= kStep && !asked.done; asked.bytes -= kStep) {
      if (asked.node == ctx_.self) {
        (void)go_on(ctx_.self, running.reqid);
      } else {
        ask_node(running, asked.node);
      }
    }
  }
}

// true: that reader is known.
bool Traverse::go_on(uint32_t initiator, uint32_t reqid) {
  for (std::list<Source>* list : {&sources_, &watching_}) {
    for (Source& source : *list) {
      if (source.initiator != initiator || source.reqid != reqid) continue;
      source.may_send += kStep;
      return true;
    }
  }
  return false;
}

void Traverse::client_crowded(uint32_t endpoint, bool crowded) {
  for (Running& running : running_) {
    if (running.endpoint != endpoint) continue;
    running.crowded = crowded;
    let_go_on(running);
  }
}

bool Traverse::all_done(const Running& running) {
  return std::ranges::all_of(running.asked, &Asked::done);
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
  if (running == running_.end()) return true;
  const auto at = std::ranges::find(running->asked, node, &Asked::node);
  if (at == running->asked.end()) return false;
  if (key_size != 0) {
    ++at->records;
    at->bytes += element.size();
    take(*running, node, key, value);
    if (at->bytes >= kStep) let_go_on(*running);
    return true;
  }
  if (at->done) return false;
  const std::optional<End> end = End::decode(value);
  if (!end) return false;
  // What is missing went with a link: the recovery that follows has the node asked again.
  if (end->records != at->records) return true;
  if (end->left_out && running->incomplete.empty())
    running->incomplete = "node " + std::to_string(node) + " has left records out";
  at->done = true;
  if (all_done(*running)) finish(running);
  return true;
}

void Traverse::take(Running& running, uint32_t node, ByteView key, ByteView value) {
  const std::optional<RecordHeader> header = read_record_header(value);
  const Database* db = ctx_.databases.find(running.request.db_id);
  const bool owned = db != nullptr && !db->full_copy();
  const bool copy = header && header->dmaster != node && owned;
  const bool gone = value.size() == CTDB_RECORD_HEADER_SIZE && owned && !running.request.with_empty;
  if (gone) {
    (void)is_new(running, key);
  } else if (copy) {
    if (!running.passed_on.contains(KeySet::print_of(key))) keep_copy(running, key, value);
  } else if (is_new(running, key)) {
    pass_on(running, key, value);
  }
}

void Traverse::keep_copy(Running& running, ByteView key, ByteView value) {
  running.copy_bytes += key.size() + value.size();
  if (running.copy_bytes <= kCopyBytesMax) {
    running.copies.push_back({to_bytes(key), to_bytes(value)});
  } else {
    running.incomplete = "too many records move";
  }
}

bool Traverse::is_new(Running& running, ByteView key) {
  const uint64_t print = KeySet::print_of(key);
  if (running.passed_on.contains(print)) return false;
  if (keys_ >= kKeysMax) {
    running.forgets = true;
  } else {
    running.passed_on.add(print);
    ++keys_;
  }
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
  for (const Copy& copy : running->copies) {
    if (is_new(*running, copy.key)) pass_on(*running, copy.key, copy.value);
  }
  if (!running->incomplete.empty()) {
    ++ctx_.counts.traverses_incomplete;
    const Database* db = ctx_.databases.find(running->request.db_id);
    ctx_.out.log(StoreLog::kWarning, "a traverse of " +
                                         (db == nullptr ? std::string("a database") : db->name) +
                                         " is not complete: " + running->incomplete);
    pass_on(*running, {&kKey, 1}, {});  // not even a record header
  }
  pass_on(*running, {}, {});
  dismiss(*running);
  running_.erase(running);
}

void Traverse::dismiss(const Running& running) {
  keys_ -= running.passed_on.size();
  Bytes payload;
  Writer w(payload);
  w.u32(running.request.db_id);
  w.u32(running.request.reqid);
  w.u64(running.request.srvid);
  for (const Asked& asked : running.asked) {
    if (asked.node == ctx_.self) continue;
    build_control(ctx_.built, ctx_.header_to(asked.node, 0), Control::TRAVERSE_KILL, payload);
    ctx_.out.to_router(0, ctx_.built);
  }
  forget_sources([&](const Source& one) { return one.initiator == ctx_.self && one.reqid == running.reqid; });
}

void Traverse::client_gone(uint32_t endpoint) {
  std::erase_if(running_, [&](const Running& running) {
    if (running.endpoint != endpoint) return false;
    dismiss(running);
    return true;
  });
}

void Traverse::all_clients_gone() {
  for (const Running& running : running_) dismiss(running);
  running_.clear();
}

void Traverse::generation_opened(TimeNs now) {
  records_taken_ = false;
  for (auto running = running_.begin(); running != running_.end();) {
    const auto here = running++;
    const Database* db = ctx_.databases.find(here->request.db_id);
    if (db != nullptr && db->full_copy()) continue;  // this node's file only
    if (here->asked.empty()) {
      ask_members(*here, now);
      continue;
    }
    for (Asked& asked : here->asked) {
      if (asked.done || asked.node == ctx_.self || ctx_.is_member(asked.node)) continue;
      asked.done = true;
      here->incomplete = "node " + std::to_string(asked.node) + " has left before it was done";
    }
    if (!all_done(*here) && here->forgets) {
      here->incomplete =
          "a recovery came in between, and it has too many records to tell which have been sent";
      finish(here);
    } else if (all_done(*here)) {
      finish(here);
    } else {
      ask(*here, now);
    }
  }
}

void Traverse::read(uint32_t initiator, uint32_t reqid, const TraverseRequest& request, TimeNs now) {
  if (go_on(initiator, reqid)) return;
  // Asked again: the old answer is not waited for any more.
  forget_sources([&](const Source& source) {
    return source.initiator == initiator && source.request.reqid == request.reqid &&
           source.request.srvid == request.srvid;
  });
  Source& source = sources_.emplace_back();
  source.initiator = initiator;
  source.reqid = reqid;
  source.request = request;
  source.began = now;
  source.forgotten_at = now + ctx_.options.traverse_timeout + kStallMax;
  const Database* db = ctx_.databases.find(request.db_id);
  if (db == nullptr) return;
  source.cut_short = records_taken_ && !db->full_copy();
  source.walk.start(*db, true);
  Database* same = nullptr;
  source.walk.current(ctx_.databases,
                      same);  // it stands from now on, so that `wants` knows of what was given away
  // What has arrived and waits for its chain is nobody's record yet.
  ctx_.activities.for_each_used([&](Activity& activity) {
    if (activity.db != db) return;
    for (const Waiting* item = activity.queue.front(); item != nullptr; item = item->next) {
      if (item->kind != Waiting::Kind::kArrival) continue;
      send_moved(source, activity.entry->key(), {item->rsn, ctx_.self, item->record_flags}, item->data);
    }
  });
}

void Traverse::kill(uint32_t initiator, const TraverseRequest& request) {
  const auto same = [&](const auto& one) {
    return one.request.reqid == request.reqid && one.request.srvid == request.srvid;
  };
  forget_sources([&](const Source& one) { return one.initiator == initiator && same(one); });
  if (initiator != ctx_.self) return;
  std::erase_if(running_, [&](const Running& running) {
    if (!same(running)) return false;
    dismiss(running);
    return true;
  });
}

void Traverse::serving_ended() {
  records_taken_ = true;
  for (Source& source : sources_) {
    const Database* db = ctx_.databases.find(source.request.db_id);
    if (db != nullptr && !db->full_copy()) source.cut_short = true;
  }
}

void Traverse::on_move(const Database& db, ByteView key, const RecordHeader& header, ByteView data) {
  for (std::list<Source>* list : {&sources_, &watching_}) {
    for (Source& source : *list) {
      if (source.request.db_id == db.id) send_moved(source, key, header, data);
    }
  }
}

void Traverse::send_moved(Source& source, ByteView key, const RecordHeader& header, ByteView data) {
  const uint64_t print = KeySet::print_of(key);
  if (source.moved.contains(print)) return;
  if (source.moved.size() >= kMovedMax || data.size() > kDataBytesMax || key.empty()) {
    source.cut_short = true;
    return;
  }
  source.moved.add(print);
  moved_.clear();
  append_record_header(moved_, header);
  moved_.insert(moved_.end(), data.begin(), data.end());
  send_record(source, key, moved_);
}

// The readers take turns.
void Traverse::work(TimeNs now) {
  if (!has_work()) return;
  do {
    sources_.splice(sources_.end(), sources_, sources_.begin());
  } while (sources_.back().may_send == 0);
  Source& source = sources_.back();
  if (slice(source, now)) return;
  if (source.stalled_since != 0) {
    stalled_until_ = now + kStallRetry;
    return;
  }
  // Out of the list first: the end marker may be the end of the traverse.
  std::list<Source> done;
  done.splice(done.begin(), sources_, std::prev(sources_.end()));
  end_of_source(done.front());
  const bool over = source.initiator == ctx_.self &&
                    std::ranges::find(running_, source.reqid, &Running::reqid) == running_.end();
  if (!over) watching_.splice(watching_.end(), done);
}

void Traverse::end_of_source(Source& source) {
  const bool left_out = source.left_out > 0 || source.cut_short;
  if (source.left_out > 0) {
    const Database* db = ctx_.databases.find(source.request.db_id);
    ctx_.out.log(StoreLog::kWarning,
                 "a traverse of " + (db == nullptr ? std::string("a database") : db->name) + " leaves out " +
                     std::to_string(source.left_out) +
                     " records: their locks were held for 5 s, no packet can have them, or they are "
                     "gone from their file");
  }
  send_record(source, {}, End{source.sent, left_out}.encode());
}

// Of the record that was just read, or its file is damaged: who wants it finds that out.
bool Traverse::is_gone(const Database& db) const {
  return ctx_.value.empty() && !db.full_copy();
}

bool Traverse::slice(Source& source, TimeNs now) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < kRecordsPerSlice && bytes < kBytesPerSlice && source.may_send > 0; ++i) {
    Database* db = nullptr;
    const RecordEntry* entry = source.walk.current(ctx_.databases, db);
    if (entry == nullptr) return false;
    if (wants(source, *db, *entry)) {
      if (!read_record(*db, *entry)) {
        if (source.stalled_since == 0) source.stalled_since = now;
        if (now - source.stalled_since < kStallMax) return false;
        ++source.left_out;
      } else if (ctx_.value.size() > kDataBytesMax || entry->key_size == 0 || is_gone(*db)) {
        ++source.left_out;  // no packet has room for it, it would be taken for the end, or it is gone
      } else if (ctx_.value.size() > CTDB_RECORD_HEADER_SIZE || tells_of_empty(source, *db, *entry)) {
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

bool Traverse::wants(const Source& source, const Database& db, const RecordEntry& entry) const {
  if (db.full_copy()) return true;
  const TimeNs gave = entry.recent == nullptr ? Recent::kLongAgo : entry.recent->gave;
  const bool may_be_on_its_way = entry.in_file && gave <= source.began && gave >= source.began - kFlight;
  if (!ctx_.owns(entry) && !becomes_ours(entry) && !may_be_on_its_way) return false;
  return source.moved.size() == 0 || !source.moved.contains(KeySet::print_of(entry.key()));
}

// Also of those that the client does not want: others may have copies from before it was emptied.
bool Traverse::tells_of_empty(const Source& source, const Database& db, const RecordEntry& entry) const {
  return ctx_.value.size() == CTDB_RECORD_HEADER_SIZE &&
         (db.full_copy() ? source.request.with_empty : ctx_.owns(entry));
}

// Into context.value; false: a client holds the chain, or it is nobody's record yet.
bool Traverse::read_record(Database& db, const RecordEntry& entry) {
  if (becomes_ours(entry) || !ctx_.chains.try_take(db, entry)) return false;
  if (!db.file->fetch(entry.key(), ctx_.value)) ctx_.value.clear();
  ctx_.chains.let_go(db, entry);
  return true;
}

void Traverse::send_record(Source& source, ByteView key, ByteView value) {
  Bytes element;
  append_rec_data(element, source.reqid, key, value);
  if (!key.empty()) {
    ++source.sent;
    source.may_send -= std::min(source.may_send, element.size());
  }
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
    if (here->incomplete.empty()) here->incomplete = "it has taken too long";
    finish(here);
  }
  // Also of those that rest until they are asked to go on.
  for (std::list<Source>* list : {&sources_, &watching_})
    std::erase_if(*list, [now](const Source& source) { return now >= source.forgotten_at; });
}

TimeNs Traverse::next_deadline() const {
  TimeNs next = stalled_until_ != 0 ? stalled_until_ : kNever;
  for (const Running& running : running_) next = std::min(next, running.deadline);
  for (const std::list<Source>* list : {&sources_, &watching_}) {
    for (const Source& source : *list) next = std::min(next, source.forgotten_at);
  }
  return next;
}

}  // namespace ctdb
