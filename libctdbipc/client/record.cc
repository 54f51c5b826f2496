// SPDX-License-Identifier: LGPL-3.0-or-later
// Records on the local file: fetch-lock, read, store, delete (client-semantics §5). Only data is changed
// here, never a record header: who owns a record is the store's business.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/base/hash.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/reader.h"

static_assert(CTDB_KEY_BYTES_MAX == ctdb::kKeyBytesMax);
static_assert(CTDB_VALUE_BYTES_MAX == ctdb::kValueBytesMax);
// A record must be able to move: in one packet.
static_assert(CTDB_VALUE_BYTES_MAX + CTDB_KEY_BYTES_MAX + 1024 <= ctdb::kPacketBytesMax);
static_assert(CTDB_PAYLOAD_BYTES_MAX + 1024 <= ctdb::kPacketBytesMax);
static_assert(CTDB_REQUESTS_MAX == ctdb::kClientRequestsInFlightMax);

namespace ctdb {
namespace {

// Whether this node may change the record, as its header says: nobody else owns it, and nobody has a read-only copy.
bool may_change(ByteView value, uint32_t pnn) {
  const std::optional<RecordHeader> header = read_record_header(value);
  return header && header->dmaster == pnn && (header->flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) == 0;
}

// Of a value that has a header.
uint32_t record_flags(ByteView value) {
  return load<uint32_t>(value.data() + CTDB_OFF_RECORD_FLAGS);
}

int check_key(ctdb_db* db, ctdb_blob key) {
  if (const int error = check(db); error != 0) return error;
  if (key.size == 0 || key.data == nullptr) return CTDB_ERR_INVALID;
  return key.size > CTDB_KEY_BYTES_MAX ? CTDB_ERR_TOO_BIG : 0;
}

int check_fetch_lock(ctdb_db* db, ctdb_blob key) {
  if (const int error = check_key(db, key); error != 0) return error;
  return db->full_copy() ? CTDB_ERR_INVALID : 0;
}

// 1: the record is here and now locked. 0: it is not here. Negative: CTDB_ERR_DATABASE, CTDB_ERR_DAMAGED.
int lock_if_here(ctdb_db& db, ByteView key) {
  LocalFile& file = *db.file;
  if (!file.lock(key)) return file_failed(db, file.failure());
  ctdb_record& record = db.record;
  record.hash = jenkins_hash(key);
  const LocalFile::Found found = file.fetch_locked(key, record.hash, record.value);
  if (found != LocalFile::Found::kYes || !may_change(record.value, db.client->link.pnn()) ||
      !db.client->link.may_use_records()) {
    file.unlock(key);
    return found == LocalFile::Found::kError ? file_failed(db, file.failure()) : 0;
  }
  db.client->link.note_lock();
  record.key.assign(key.begin(), key.end());
  record.locked = true;
  record.changed = false;
  file.holder = &record;
  ++db.client->records_locked;
  return 1;
}

// A program that works on the same records in a tight loop never sleeps, and on a busy processor the daemons that want
// to give them to other nodes would wait for the scheduler's next tick (4 ms) each time. Some 50 us of hits, then a
// chance for others: under 1 % of the loop's time.
void give_way(ctdb_client& client) {
  constexpr uint32_t kHitsInARow = 256;
  if (++client.hits_in_a_row < kHitsInARow || client.records_locked > 0) return;
  client.hits_in_a_row = 0;
  sched_yield();
}

// The store may give a record while the node's keeper is being replaced, which takes a few milliseconds.
void wait_for_keeper(ctdb_client& client) {
  const timespec half_a_millisecond{0, 500000};
  if (!client.link.may_use_records()) nanosleep(&half_a_millisecond, nullptr);
}

int fetch_lock(ctdb_db& db, ByteView key, int timeout_ms, ctdb_record** out) {
  if (db.file->holder != nullptr) return CTDB_ERR_BUSY;
  give_way(*db.client);
  int here = lock_if_here(db, key);
  if (here == 1) ++db.client->stats.local_hits;
  if (here == 0 && timeout_ms == 0) return CTDB_ERR_TIMEOUT;
  if (here == 0) {
    const Deadline deadline(timeout_ms);
    while (here == 0) {
      Waiter waiter;
      int error = call_and_wait(db, key, CTDB_FUNC_NULL, CTDB_CALL_IMMEDIATE_MIGRATION, {}, deadline, waiter);
      if (error == 0) error = refusal(*db.client, waiter.status);
      if (error != 0) return error;
      here = lock_if_here(db, key);
      if (here == 0) wait_for_keeper(*db.client);
    }
  }
  if (here < 0) return here;
  *out = &db.record;
  return 0;
}

// ---- asynchronous fetch-lock ----

void finish_fetch_lock(ctdb_client& client, Request& request, int error) {
  const auto user = reinterpret_cast<ctdb_record_fn>(request.user);
  void* user_data = request.user_data;
  ctdb_record* record = error == 0 ? &request.db->record : nullptr;
  client.requests.release(request);
  user(&client, error, record, user_data);
}

int ask_for_record(ctdb_client& client, Request& request) {
  return client.send_call(request, CTDB_FUNC_NULL, CTDB_CALL_IMMEDIATE_MIGRATION, request.key, {});
}

void fetch_lock_step(ctdb_client& client, Request& request, const Answer& answer) {
  int error = answer.error != 0 ? answer.error : refusal(client, answer.status);
  if (error != 0) return finish_fetch_lock(client, request, error);
  ctdb_db& db = *request.db;
  if (db.file->holder != nullptr) return client.park(request);
  const int here = lock_if_here(db, request.key);
  if (here != 0) return finish_fetch_lock(client, request, here == 1 ? 0 : here);
  if (!client.link.up()) return finish_fetch_lock(client, request, CTDB_ERR_DISCONNECTED);
  const uint32_t id = request.id;
  error = ask_for_record(client, request);
  // Losing the connection on the way has made the request ready; it ends in service().
  if (error == 0 || client.requests.find(id)->state == Request::State::kReady) return;
  finish_fetch_lock(client, request, error);
}

}  // namespace

int check_size(ctdb_db& db, ByteView key, size_t bytes) {
  if (bytes <= db.record_limit) return 0;
  ++db.client->stats.too_big;
  return db.client->fail(CTDB_ERR_TOO_BIG, why_too_large(db.name, db.record_limit, key, bytes));
}

void unlock_record(ctdb_record& record) {
  LocalFile& file = *record.db->file;
  file.unlock(record.key);
  record.locked = false;
  file.holder = nullptr;
  --record.db->client->records_locked;
  if (file.waiting.empty()) return;
  const std::vector<ctdb_client*> waiting = std::move(file.waiting);
  file.waiting.clear();
  for (ctdb_client* client : waiting) client->wake_parked();
}

}  // namespace ctdb

namespace {

int check_locked(const ctdb_record* record) {
  if (record == nullptr) return CTDB_ERR_INVALID;
  if (const int error = ctdb::check(record->db); error != 0) return error;
  return record->locked ? 0 : CTDB_ERR_NOT_LOCKED;
}

int fenced(ctdb_client& client) {
  return client.fail(CTDB_ERR_FENCED, "this node was excluded while the record was locked");
}

// In one piece. Where there is no room for a second value beside the old one (the disk is full), as libtdb stores: a value that is not
// longer always has room then. Only making room and libtdb's store change what holds a file together: the store is told, so that it
// looks at the file if we are killed in the middle.
int store_whole(ctdb_record& record, ctdb::ByteView header, ctdb::ByteView data) {
  using Outcome = ctdb::ValueWriter::Outcome;
  ctdb::LocalFile& file = *record.db->file;
  ctdb_client& client = *record.db->client;
  Outcome outcome = file.publish(record.key, record.hash, header, data);
  if (outcome == Outcome::kDone) return 0;
  client.link.note_change_of(record.db->id);
  const size_t size = header.size() + data.size();
  const Outcome room =
      outcome == Outcome::kNoRoom ? file.make_room(record.hash, record.key.size() + size) : Outcome::kDone;
  const bool has_room = room == Outcome::kDone;
  ctdb::Result<void> stored;
  int error = 0;
  if (!has_room && size > record.value.size()) {
    // libtdb would delete the old value and then look for room.
    stored = ctdb::fail(room == Outcome::kNoRoom ? file.no_room() : file.failure());
  } else if (outcome == Outcome::kNoRoom && has_room && !client.link.may_use_records()) {
    error = fenced(client);  // room took its time
  } else {
    if (outcome == Outcome::kNoRoom && has_room)
      outcome = file.publish(record.key, record.hash, header, data);
    if (outcome != Outcome::kDone) stored = file.store(record.key, header, data, record.value);
  }
  client.link.note_change_of(0);
  return stored ? error : ctdb::file_failed(*record.db, stored.error());
}

int write_record(ctdb_record& record, ctdb::ByteView data) {
  ctdb_client& client = *record.db->client;
  if (!client.link.may_use_records()) return fenced(client);
  const auto old_header = ctdb::MutableBytes(record.value).first(CTDB_RECORD_HEADER_SIZE);
  if (record.db->copies > 1 && !record.changed) record.changed_in_epoch = client.link.serving_epoch();
  uint8_t header[CTDB_RECORD_HEADER_SIZE];
  std::copy(old_header.begin(), old_header.end(), header);
  ctdb::store(header + CTDB_OFF_RECORD_FLAGS, ctdb::record_flags(old_header) & ~CTDB_RECORD_MAY_BE_OLDER);
  if (const int error = store_whole(record, header, data); error != 0) return error;
  record.changed = true;
  std::copy(std::begin(header), std::end(header), old_header.begin());
  // `data` may be part of the old value: then it is not longer, and nothing moves before it is copied.
  const size_t bytes = CTDB_RECORD_HEADER_SIZE + data.size();
  if (record.value.size() < bytes) record.value.resize(bytes);
  if (!data.empty()) std::memmove(record.value.data() + CTDB_RECORD_HEADER_SIZE, data.data(), data.size());
  record.value.resize(bytes);
  return 0;
}

}  // namespace

extern "C" {

int ctdb_fetch_lock(ctdb_db* db, ctdb_blob key, int timeout_ms, ctdb_record** record) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_fetch_lock(db, key); error != 0) return error;
    if (record == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    return ctdb::fetch_lock(*db, ctdb::view(key), timeout_ms, record);
  });
}

int ctdb_fetch_lock_send(ctdb_db* db, ctdb_blob key, ctdb_record_fn done, void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_fetch_lock(db, key); error != 0) return error;
    if (done == nullptr) return CTDB_ERR_INVALID;
    ctdb_client& client = *db->client;
    if (const int error = ctdb::check_connected(&client); error != 0) return error;
    int error = 0;
    ctdb::Request* request = client.add_request(&error);
    if (request == nullptr) return error;
    request->step = ctdb::fetch_lock_step;
    request->user = reinterpret_cast<void (*)()>(done);
    request->user_data = private_data;
    request->db = db;
    const auto bytes = ctdb::view(key);
    request->key.assign(bytes.begin(), bytes.end());
    const uint32_t new_id = request->id;
    const bool here = db->file->holder != nullptr ||
                      (db->file->fetch(bytes, db->value) == ctdb::LocalFile::Found::kYes &&
                       ctdb::may_change(db->value, client.link.pnn()) && client.link.may_use_records());
    if (here) {
      client.make_ready(*request, 0);
      client.link.kick();
    } else if (error = ctdb::ask_for_record(client, *request); error != 0) {
      return client.give_up(new_id, error);
    }
    if (id != nullptr) *id = new_id;
    return 0;
  });
}

ctdb_blob ctdb_record_data(const ctdb_record* record) {
  if (check_locked(record) != 0) return {nullptr, 0};
  return ctdb::blob(ctdb::ByteView(record->value).subspan(CTDB_RECORD_HEADER_SIZE));
}

ctdb_blob ctdb_record_key(const ctdb_record* record) {
  return check_locked(record) != 0 ? ctdb_blob{nullptr, 0} : ctdb::blob(record->key);
}

int ctdb_record_may_be_older(const ctdb_record* record) {
  if (const int error = check_locked(record); error != 0) return error;
  return (ctdb::record_flags(record->value) & CTDB_RECORD_MAY_BE_OLDER) != 0 ? 1 : 0;
}

int ctdb_store(ctdb_record* record, ctdb_blob data) {
  return ctdb::guarded([&]() -> int {
    if (const int error = check_locked(record); error != 0) return error;
    if (!ctdb::valid(data)) return CTDB_ERR_INVALID;
    if (const int error = ctdb::check_size(*record->db, record->key, data.size); error != 0) return error;
    return write_record(*record, ctdb::view(data));
  });
}

int ctdb_delete(ctdb_record* record) {
  return ctdb::guarded([&]() -> int {
    if (const int error = check_locked(record); error != 0) return error;
    if (const int error = write_record(*record, {}); error != 0) return error;
    ctdb::tell_store(*record->db, CTDB_FUNC_DELETED, record->key);
    return 0;
  });
}

int ctdb_unlock(ctdb_record* record) {
  return ctdb::guarded([&]() -> int {
    if (const int error = check_locked(record); error != 0) return error;
    uint32_t copies = 0;
    return ctdb::unlock_and_copy(*record, -1, &copies);
  });
}

int ctdb_unlock_copied(ctdb_record* record, int timeout_ms, uint32_t* copies) {
  return ctdb::guarded([&]() -> int {
    if (const int error = check_locked(record); error != 0) return error;
    if (timeout_ms < -1 || copies == nullptr) return CTDB_ERR_INVALID;
    uint32_t made = 0;
    const int error = ctdb::unlock_and_copy(*record, timeout_ms, &made);
    if (error == 0) *copies = made;
    return error;
  });
}

int ctdb_unlock_send(ctdb_record* record, ctdb_unlock_fn done, void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = check_locked(record); error != 0) return error;
    if (done == nullptr) return CTDB_ERR_INVALID;
    return ctdb::unlock_send(*record, done, private_data, id);
  });
}

}  // extern "C"
