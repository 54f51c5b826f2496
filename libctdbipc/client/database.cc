// SPDX-License-Identifier: LGPL-3.0-or-later
// Attaching: the controls of client-semantics §4 and those for copies and the record limit, then the local file is opened. The stages are described
// once and driven by the blocking twin and by the answers of ctdb_attach_send().
#include <algorithm>
#include <cstring>

#include "libctdbipc/base/database_rules.h"
#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/error_texts.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint32_t kStages = 6;

struct StageControl {
  Control opcode;
  Bytes data;
};

StageControl control_of(const ctdb_db& db) {
  StageControl control{Control::DB_ATTACH, {}};
  Writer writer(control.data);
  if (db.stage == 0) {
    writer.bytes(as_bytes(db.name));
    writer.u8(0);
    if (db.kind == CTDB_ATTACH_PERSISTENT) control.opcode = Control::DB_ATTACH_PERSISTENT;
    if (db.kind == CTDB_ATTACH_REPLICATED) control.opcode = Control::DB_ATTACH_REPLICATED;
    return control;
  }
  constexpr Control kOpcodes[kStages] = {Control::DB_ATTACH,       Control::DB_COPIES,
                                         Control::SET_DB_READONLY, Control::DB_RECORD_LIMIT,
                                         Control::GETDBPATH,       Control::DB_OPEN_FLAGS};
  control.opcode = kOpcodes[db.stage];
  writer.u32(db.id);
  if (control.opcode == Control::DB_COPIES) writer.u32(db.copies);
  return control;
}

// Takes the answer of the current stage and goes to the next. 0 or CTDB_ERR_*.
int take_answer(ctdb_client& client, ctdb_db& db, ByteView data) {
  const auto malformed = [&] { return client.fail(CTDB_ERR_PROTOCOL, "answer to attaching is malformed"); };
  switch (db.stage++) {
    case 0:
      if (data.size() < 4) return malformed();
      db.id = load<uint32_t>(data.data());
      if (db.full_copy()) db.stage += 2;  // copies are for records that move
      return 0;
    case 1:
      if (data.size() < 4) return malformed();
      db.copies = load<uint32_t>(data.data());
      if (!db.read_copies) ++db.stage;
      return 0;
    case 2:
      return 0;
    case 3:
      if (data.size() < 4) return malformed();
      db.record_limit = std::min(load<uint32_t>(data.data()), uint32_t{CTDB_VALUE_BYTES_MAX});
      return 0;
    case 4: {
      const std::string_view text = as_text(data);
      db.path = text.substr(0, text.find('\0'));
      return db.path.empty() ? malformed() : 0;
    }
    default:
      if (data.size() < 4) return malformed();
      db.tdb_flags = load<uint32_t>(data.data());
      return open_file(client, db);
  }
}

constexpr uint32_t kKinds = CTDB_ATTACH_PERSISTENT | CTDB_ATTACH_REPLICATED;

ctdb_db* new_database(ctdb_client& client, const char* name, uint32_t flags) {
  auto db = std::make_unique<ctdb_db>();
  db->kind = flags & kKinds;
  db->read_copies = (flags & CTDB_ATTACH_READ_COPIES) != 0;
  db->copies = flags & ~(kKinds | CTDB_ATTACH_READ_COPIES);
  db->client = &client;
  db->name = name;
  db->record.db = db.get();
  client.databases.push_back(std::move(db));
  return client.databases.back().get();
}

int send_stage(ctdb_client& client, Request& request) {
  request.call = client.stores_seen;
  const StageControl control = control_of(*request.db);
  return client.send_control(&request, CTDB_PNN_CURRENT, static_cast<uint32_t>(control.opcode), 0, 0,
                             control.data);
}

void finish_attach(ctdb_client& client, Request& request, int error) {
  const auto user = reinterpret_cast<ctdb_attach_fn>(request.user);
  void* user_data = request.user_data;
  ctdb_db* db = request.db;
  client.requests.release(request);
  if (error != 0) {
    free_database(client, db);
    db = nullptr;
  }
  user(&client, error, db, user_data);
}

void attached_locally(ctdb_client& client, Request& request, const Answer& answer) {
  finish_attach(client, request, answer.error);
}

int attach_locally_send(ctdb_client& client, Request& request) {
  request.step = attached_locally;
  client.make_ready(request, attach_locally(client, *request.db));
  client.link.kick();
  return 0;
}

// The stage is asked again when a store comes; at once if one has come since it was asked.
int wait_for_store(ctdb_client& client, Request& request) {
  if (request.call != client.stores_seen) return send_stage(client, request);
  request.state = Request::State::kNoStore;
  return 0;
}

void attach_step(ctdb_client& client, Request& request, const Answer& answer) {
  int error = answer.error;
  if (error == 0 && answer.status < 0 && answer.text == kStoreNotRunning) {
    error = wait_for_store(client, request);
    if (error != 0 && request.state != Request::State::kReady) finish_attach(client, request, error);
    return;
  }
  if (error == 0 && answer.status < 0) error = client.fail(CTDB_ERR_REMOTE, std::string(answer.text));
  if (error == 0) error = take_answer(client, *request.db, answer.data);
  if (error == 0 && request.db->stage < kStages) {
    const uint32_t id = request.id;
    error = send_stage(client, request);
    // Losing the connection on the way has made the request ready; it ends in service().
    if (error == 0 || client.requests.find(id)->state == Request::State::kReady) return;
  }
  if (error != 0 || request.db->stage == kStages) finish_attach(client, request, error);
}

int check_attach(ctdb_client* client, const char* name, uint32_t flags) {
  if (const int error = check_connected(client); error != 0) return error;
  if (name == nullptr || *name == '\0' || std::strlen(name) > kDatabaseNameBytesMax)
    return client->fail(CTDB_ERR_INVALID, "a database's name has 1 to 200 bytes");
  const uint32_t copies = flags & ~CTDB_ATTACH_READ_COPIES;
  if (copies > CTDB_COPIES_MAX && flags != CTDB_ATTACH_PERSISTENT && flags != CTDB_ATTACH_REPLICATED)
    return CTDB_ERR_INVALID;
  return 0;
}

}  // namespace

int open_file(ctdb_client& client, ctdb_db& db) {
  if (db.file != nullptr && db.file->is_still(db.path)) return 0;
  using Layout = LocalFile::Layout;
  Result<LocalFile*> opened =
      LocalFile::open(db.path, db.tdb_flags, client.link.local() ? Layout::kPlain : Layout::kRecords);
  if (!opened) return client.fail(CTDB_ERR_DATABASE, opened.error().text());
  LocalFile::close(db.file);
  db.file = *opened;
  return 0;
}

void attach_again(ctdb_client& client) {
  client.requests.for_each([&](Request& request) {
    if (request.state != Request::State::kNoStore) return;
    request.state = Request::State::kSent;
    const int error = send_stage(client, request);
    if (error != 0 && request.state == Request::State::kSent) client.make_ready(request, error);
  });
}

void free_database(ctdb_client& client, ctdb_db* db) {
  if (db->record.locked) unlock_record(db->record);
  if (db->transaction != nullptr) unlock_transactions(*db);
  if (client.locks == db) client.locks = nullptr;
  client.requests.for_each([&](Request& request) {
    if (request.db != db) return;
    if (request.timed()) client.stop_timer(request);
    client.requests.release(request);
  });
  LocalFile* file = db->file;
  std::erase_if(client.databases, [db](const std::unique_ptr<ctdb_db>& each) { return each.get() == db; });
  const bool used = std::any_of(client.databases.begin(), client.databases.end(),
                                [file](const std::unique_ptr<ctdb_db>& each) { return each->file == file; });
  if (file != nullptr && !used) std::erase(file->waiting, &client);
  LocalFile::close(file);
}

int attach_blocking(ctdb_client& client, ctdb_db& db, const Deadline& deadline) {
  if (client.link.local()) return attach_locally(client, db);
  db.stage = 0;
  while (db.stage < kStages) {
    const StageControl control = control_of(db);
    int error = blocking_control(client, CTDB_PNN_CURRENT, control.opcode, 0, control.data, deadline);
    if (error == CTDB_ERR_REMOTE && client.answer_text == kStoreNotRunning) {
      if (deadline.left_ms() == 0) return client.fail(CTDB_ERR_TIMEOUT, std::string(kStoreNotRunning));
      client.rest(deadline);
      client.settle();
      if (client.link.up()) continue;
      error = client.fail(CTDB_ERR_DISCONNECTED, client.link.why_down());
    }
    if (error == 0) error = take_answer(client, db, client.answer_data);
    if (error != 0) return error;
  }
  return 0;
}

static int attach_new(ctdb_client& client, const char* name, uint32_t flags, const Deadline& deadline,
                      ctdb_db** db) {
  ctdb_db* made = new_database(client, name, flags);
  const int error = attach_blocking(client, *made, deadline);
  if (error != 0) {
    free_database(client, made);
    return error;
  }
  *db = made;
  return 0;
}

int attach_hidden(ctdb_client& client, const char* name, const Deadline& deadline, ctdb_db** db) {
  return attach_new(client, name, 0, deadline, db);
}

static int attach_new_send(ctdb_client& client, const char* name, uint32_t flags, ctdb_attach_fn done,
                           void* private_data, uint32_t* id) {
  int error = 0;
  Request* request = client.add_request(&error);
  if (request == nullptr) return error;
  request->step = attach_step;
  request->user = reinterpret_cast<void (*)()>(done);
  request->user_data = private_data;
  request->db = new_database(client, name, flags);
  const uint32_t new_id = request->id;
  error = client.link.local() ? attach_locally_send(client, *request) : send_stage(client, *request);
  if (error != 0) return client.give_up(new_id, error);
  if (id != nullptr) *id = new_id;
  return 0;
}

int attach_hidden_send(ctdb_client& client, const char* name, ctdb_attach_fn done) {
  return attach_new_send(client, name, 0, done, nullptr, nullptr);
}

void tell_store(ctdb_db& db, uint32_t what, ByteView key) {
  ctdb_client& client = *db.client;
  if (!client.link.up() || client.link.local()) return;
  Header header;
  header.destnode = CTDB_CURRENT_NODE;
  header.srcnode = client.link.pnn();
  build(client.out, header, ReqCall{0, db.id, what, 0, key, {}});
  (void)client.send_packet(Peer::kStore, client.out);
}

int file_failed(ctdb_db& db, const Error& error) {
  if (error.code != ErrorCode::kCorrupt || db.full_copy() || db.client->link.local())
    return db.client->fail(CTDB_ERR_DATABASE, error.text());
  tell_store(db, CTDB_FUNC_DAMAGED, {});
  return db.client->fail(
      CTDB_ERR_DAMAGED,
      error.text() +
          " (somebody was killed while he changed the file; ctdb-store repairs it as soon as no record "
          "of it is locked: unlock yours and try again)");
}

}  // namespace ctdb

extern "C" {

int ctdb_attach(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms, ctdb_db** db) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_attach(client, name, flags); error != 0) return error;
    if (db == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    return ctdb::attach_new(*client, name, flags, ctdb::Deadline(timeout_ms), db);
  });
}

int ctdb_attach_send(ctdb_client* client, const char* name, uint32_t flags, ctdb_attach_fn done,
                     void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_attach(client, name, flags); error != 0) return error;
    if (done == nullptr) return CTDB_ERR_INVALID;
    return ctdb::attach_new_send(*client, name, flags, done, private_data, id);
  });
}

void ctdb_detach(ctdb_db* db) {
  if (ctdb::check(db) == 0) ctdb::free_database(*db->client, db);
}

int ctdb_db_copies(const ctdb_db* db, uint32_t* copies) {
  if (const int error = ctdb::check(db); error != 0) return error;
  if (copies == nullptr) return CTDB_ERR_INVALID;
  *copies = db->copies;
  return 0;
}

int ctdb_db_record_limit(const ctdb_db* db, uint32_t* bytes) {
  if (const int error = ctdb::check(db); error != 0) return error;
  if (bytes == nullptr) return CTDB_ERR_INVALID;
  *bytes = db->record_limit;
  return 0;
}

int ctdb_db_id(const ctdb_db* db, uint32_t* id) {
  if (const int error = ctdb::check(db); error != 0) return error;
  if (id == nullptr) return CTDB_ERR_INVALID;
  *id = db->id;
  return 0;
}

}  // extern "C"
