// SPDX-License-Identifier: LGPL-3.0-or-later
// Calls on records: ctdb_request() and ctdb_read(), with the short cut to the local file (client-semantics
// §5.4).
#include <algorithm>
#include <functional>

#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/record_functions.h"

int ctdb_client::send_call(Request& request, uint32_t call, uint32_t flags, ByteView key, ByteView data) {
  return send_call(request, request.db->id, call, flags, key, data);
}

int ctdb_client::send_call(Request& request, uint32_t db_id, uint32_t call, uint32_t flags, ByteView key,
                           ByteView data) {
  if (key.size() + data.size() > CTDB_PAYLOAD_BYTES_MAX)
    return fail(CTDB_ERR_TOO_BIG, "key and blob are too big");
  ctdb::Header header;
  header.destnode = CTDB_CURRENT_NODE;
  header.srcnode = link.pnn();
  header.reqid = request.id;
  request.peer = Peer::kStore;
  request.once = ctdb::is_changing_function(call);
  ctdb::build(request.packet, header, ctdb::ReqCall{flags, db_id, call, 0, key, data});
  const int error = send_packet(Peer::kStore, request.packet);
  if (error != 0) return error;
  request.handed_over = link.has(Peer::kStore);
  ++stats.calls;
  return 0;
}

namespace ctdb {
namespace {

// What the local file says about a record.
struct Local {
  int error = 0;
  bool usable = false;  // db.value is the record, header included
};

// Of a database of which this node has all.
Local look_at_copy(ctdb_db& db, ByteView key) {
  Local local;
  const LocalFile::Found found = db.file->fetch(key, db.value);
  if (found == LocalFile::Found::kError) {
    local.error = file_failed(db, db.file->failure());
    return local;
  }
  if (found == LocalFile::Found::kNo || db.value.size() < CTDB_RECORD_HEADER_SIZE) {
    db.value.assign(CTDB_RECORD_HEADER_SIZE, 0);
  }
  local.usable = true;
  return local;
}

Local look(ctdb_db& db, ByteView key) {
  if (db.full_copy()) return look_at_copy(db, key);
  Local local;
  switch (db.file->fetch(key, db.value)) {
    case LocalFile::Found::kNo:
      return local;
    case LocalFile::Found::kError:
      local.error = file_failed(db, db.file->failure());
      return local;
    case LocalFile::Found::kYes:
      break;
  }
  const std::optional<RecordHeader> header = read_record_header(db.value);
  if (!header) return local;
  local.usable =
      (header->dmaster == db.client->link.pnn() || (header->flags & CTDB_RECORD_RO_HAVE_READONLY) != 0) &&
      db.client->link.may_use_records();
  return local;
}

// As the key of a record is that the last one named.
bool is_part(ByteView bytes, const Bytes& whole) {
  const std::less<const uint8_t*> before;
  return !before(bytes.data(), whole.data()) && before(bytes.data(), whole.data() + whole.size());
}

bool is_fetch(uint32_t call) {
  return call == CTDB_CALL_FETCH || call == CTDB_CALL_FETCH_WITH_HEADER;
}

ByteView result_of(uint32_t call, ByteView value) {
  return call == CTDB_CALL_FETCH_WITH_HEADER ? value : value.subspan(CTDB_RECORD_HEADER_SIZE);
}

// For a fetch of a record that is not here: it comes, or a read-only copy of it. A NULL call and a look at the file spare the
// value the way through the ring.
constexpr uint32_t kBringFlags = CTDB_CALL_IMMEDIATE_MIGRATION | CTDB_CALL_WANT_READONLY;

int check_request(ctdb_db* db, ctdb_blob key, uint32_t* call, ctdb_blob in) {
  if (const int error = check(db); error != 0) return error;
  if (key.size == 0 || key.data == nullptr || !valid(in)) return CTDB_ERR_INVALID;
  if (key.size > CTDB_KEY_BYTES_MAX || sum(key.size, in.size) > CTDB_PAYLOAD_BYTES_MAX)
    return CTDB_ERR_TOO_BIG;
  if (*call == 0) {
    if (in.size != 0) return CTDB_ERR_INVALID;
    *call = CTDB_CALL_FETCH;
  }
  if (db->full_copy() && !is_fetch(*call)) return CTDB_ERR_INVALID;
  // Looking at the file takes a chain lock for a moment; with another one held two programs could block each other.
  return is_fetch(*call) && db->file->holder != nullptr ? CTDB_ERR_BUSY : 0;
}

// Until db.value is the record.
int fetch(ctdb_db& db, ByteView key, int timeout_ms) {
  Bytes kept;
  if (is_part(key, db.value)) key = kept = to_bytes(key);
  Local local = look(db, key);
  if (local.usable) ++db.client->stats.local_hits;
  if (local.usable || local.error != 0) return local.error;
  if (timeout_ms == 0) return CTDB_ERR_TIMEOUT;
  const Deadline deadline(timeout_ms);
  while (!local.usable) {
    Waiter waiter;
    int error = call_and_wait(db, key, CTDB_FUNC_NULL, kBringFlags, {}, deadline, waiter);
    if (error == 0) error = refusal(*db.client, waiter.status);
    if (error != 0) return error;
    local = look(db, key);
    if (local.error != 0) return local.error;
  }
  return 0;
}

// ---- asynchronous fetches ----

void finish_fetch(ctdb_client& client, Request& request, int error) {
  const Bytes value = error == 0 ? request.db->value : Bytes();
  const ByteView result = error == 0 ? result_of(request.call, value) : ByteView();
  ctdb_client::answer_user(client, request, {error, 0, result, {}});
}

void fetch_step(ctdb_client& client, Request& request, const Answer& answer) {
  int error = answer.error != 0 ? answer.error : refusal(client, answer.status);
  if (error != 0) return finish_fetch(client, request, error);
  if (request.db->file->holder != nullptr) return client.park(request);
  const Local local = look(*request.db, request.key);
  if (local.usable || local.error != 0) return finish_fetch(client, request, local.error);
  if (!client.link.up()) return finish_fetch(client, request, CTDB_ERR_DISCONNECTED);
  const uint32_t id = request.id;
  error = client.send_call(request, CTDB_FUNC_NULL, kBringFlags, request.key, {});
  // Losing the connection on the way has made the request ready; it ends in service().
  if (error == 0 || client.requests.find(id)->state == Request::State::kReady) return;
  finish_fetch(client, request, error);
}

int start_fetch(ctdb_client& client, Request& request, ByteView key) {
  request.step = fetch_step;
  request.key.assign(key.begin(), key.end());
  const Local local = look(*request.db, request.key);
  if (local.error != 0) return local.error;
  if (!local.usable) return client.send_call(request, CTDB_FUNC_NULL, kBringFlags, request.key, {});
  ++client.stats.local_hits;
  client.make_ready(request, 0);  // the record is read again then: it may change until the callback runs
  client.link.kick();
  return 0;
}

}  // namespace

int call_and_wait(ctdb_db& db, ByteView key, uint32_t call, uint32_t flags, ByteView in,
                  const Deadline& deadline, Waiter& waiter) {
  ctdb_client& client = *db.client;
  if (const int error = client.may_wait(); error != 0) return error;
  if (const int error = check_connected(&client); error != 0) return error;
  int error = 0;
  Request* request = client.add_waiting(waiter, &error);
  if (request == nullptr) return error;
  request->db = &db;
  const uint32_t id = request->id;
  error = client.send_call(*request, call, flags, key, in);
  if (error != 0) return client.give_up(id, error);
  return client.wait_for(id, waiter, Peer::kStore, deadline);
}

int refusal(ctdb_client& client, int32_t status) {
  return status >= 0 ? 0 : client.fail(CTDB_ERR_REMOTE, "the store refused the call");
}

}  // namespace ctdb

extern "C" {

int ctdb_request(ctdb_db* db, ctdb_blob key, uint32_t call, ctdb_blob in, int timeout_ms, ctdb_reply* reply) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_request(db, key, &call, in); error != 0) return error;
    if (reply == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    if (ctdb::is_fetch(call)) {
      if (const int error = ctdb::fetch(*db, ctdb::view(key), timeout_ms); error != 0) return error;
      *reply = {0, 0, ctdb::blob(ctdb::result_of(call, db->value)), ""};
      return 0;
    }
    ctdb::Waiter waiter;
    if (ctdb::is_changing_function(call)) {
      const int error = ctdb::run_function(*db, key, call, ctdb::view(in), timeout_ms, waiter);
      if (error == 0) *reply = db->client->last_reply(waiter);
      return error;
    }
    if (db->client->link.local()) {
      *reply = {0, 0, {nullptr, 0}, ""};
      return 0;
    }
    if (timeout_ms == 0) return CTDB_ERR_TIMEOUT;
    const int error = ctdb::call_and_wait(*db, ctdb::view(key), call, CTDB_CALL_IMMEDIATE_MIGRATION,
                                          ctdb::view(in), ctdb::Deadline(timeout_ms), waiter);
    if (error == 0) *reply = db->client->last_reply(waiter);
    return error;
  });
}

int ctdb_request_send(ctdb_db* db, ctdb_blob key, uint32_t call, ctdb_blob in, ctdb_reply_fn done,
                      void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_request(db, key, &call, in); error != 0) return error;
    if (done == nullptr) return CTDB_ERR_INVALID;
    if (ctdb::is_changing_function(call)) {
      return ctdb::send_function(*db, key, call, ctdb::view(in), ctdb_client::answer_user,
                                 reinterpret_cast<void (*)()>(done), private_data, id);
    }
    ctdb_client& client = *db->client;
    if (const int error = ctdb::check_connected(&client); error != 0) return error;
    int error = 0;
    ctdb::Request* request = client.add_request(&error);
    if (request == nullptr) return error;
    request->db = db;
    request->call = call;
    request->user = reinterpret_cast<void (*)()>(done);
    request->user_data = private_data;
    request->step = ctdb_client::answer_user;
    const uint32_t new_id = request->id;
    if (ctdb::is_fetch(call)) {
      error = ctdb::start_fetch(client, *request, ctdb::view(key));
    } else if (client.link.local()) {
      client.make_ready(*request, 0);
      client.link.kick();
    } else {
      error =
          client.send_call(*request, call, CTDB_CALL_IMMEDIATE_MIGRATION, ctdb::view(key), ctdb::view(in));
    }
    if (error != 0) return client.give_up(new_id, error);
    if (id != nullptr) *id = new_id;
    return 0;
  });
}

int ctdb_read(ctdb_db* db, ctdb_blob key, int timeout_ms, ctdb_blob* value) {
  return ctdb::guarded([&]() -> int {
    if (value == nullptr) return CTDB_ERR_INVALID;
    ctdb_reply reply;
    const int error = ctdb_request(db, key, CTDB_CALL_FETCH, {nullptr, 0}, timeout_ms, &reply);
    if (error == 0) *value = reply.data;
    return error;
  });
}

}  // extern "C"
