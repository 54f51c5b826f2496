// SPDX-License-Identifier: LGPL-3.0-or-later
// Transactions for programs with an event loop: what transaction_lock.cc waits for one after the other is begun here by the answer to the
// step before. Nothing here blocks or sleeps: the pause between two looks at a lock that somebody else holds is a timer.
#include <algorithm>

#include "libctdbipc/client/client.h"

namespace ctdb {
namespace {

void finish_start(ctdb_client& client, Request& request, int error) {
  const auto user = reinterpret_cast<ctdb_transaction_fn>(request.user);
  void* user_data = request.user_data;
  ctdb_db& db = *request.db;
  client.requests.release(request);
  if (error == 0) error = begin_transaction(*db.transaction);
  if (error != 0) {
    forget_transaction(db);
    return user(&client, error, nullptr, user_data);
  }
  db.transaction->start_id = 0;
  user(&client, 0, db.transaction.get(), user_data);
}

// Behind a step that has sent the next packet, or could not.
void sent(ctdb_client& client, uint32_t id, int error) {
  Request* request = client.requests.find(id);
  // Losing the connection on the way has made the request ready; it ends in service().
  if (error != 0 && request->state != Request::State::kReady) finish_start(client, *request, error);
}

void hold_step(ctdb_client& client, Request& request, const Answer& answer);
void holder_step(ctdb_client& client, Request& request, const Answer& answer);

int ask_for_lock(ctdb_client& client, Request& request) {
  request.step = hold_step;
  request.state = Request::State::kSent;
  return client.send_call(request, client.locks->id, CTDB_FUNC_HOLD, 0, transaction_lock_key(request.db->id),
                          {});
}

int ask_about_holder(ctdb_client& client, Request& request, const TransactionLockHolder& holder) {
  Control opcode = Control::PROCESS_EXISTS;
  const Bytes question = liveness_question(holder, &opcode);
  request.step = holder_step;
  request.peer = Peer::kRouter;
  return client.send_control(&request, holder.pnn, static_cast<uint32_t>(opcode), 0, 0, question);
}

// Twice as long each time.
int pause(ctdb_client& client, Request& request, Request::Step then) {
  request.step = then;
  uint32_t& pause_ms = request.db->transaction->pause_ms;
  const auto now_ms = static_cast<int>(pause_ms);
  pause_ms = std::min(2 * pause_ms, uint32_t{kLockPauseMsMax});
  return client.start_timer(request, Request::State::kPauses, now_ms);
}

// The lock is held: is anybody of the classic clients alive who is written into its record?
void ask_next_holder(ctdb_client& client, Request& request) {
  const std::vector<TransactionLockHolder>& unasked = request.db->transaction->unasked;
  if (unasked.empty()) return finish_start(client, request, 0);
  const uint32_t id = request.id;
  sent(client, id, ask_about_holder(client, request, unasked.back()));
}

void hold_step(ctdb_client& client, Request& request, const Answer& answer) {
  const int error = answer.error != 0 ? answer.error : refusal(client, answer.status);
  if (error != 0) return finish_start(client, request, error);
  request.db->transaction->unasked = holders_in(answer.data);
  ask_next_holder(client, request);
}

void ask_again_step(ctdb_client& client, Request& request, const Answer& answer) {
  if (answer.error != 0) return finish_start(client, request, answer.error);
  const uint32_t id = request.id;
  sent(client, id, ask_for_lock(client, request));
}

void holder_step(ctdb_client& client, Request& request, const Answer& answer) {
  if (answer.error != 0) return finish_start(client, request, answer.error);
  ctdb_transaction& transaction = *request.db->transaction;
  transaction.unasked.pop_back();
  if (answer.status < 0) return ask_next_holder(client, request);
  unlock_transactions(*request.db);
  const uint32_t id = request.id;
  sent(client, id, pause(client, request, ask_again_step));
}

// The database of the locks is there, or cannot be.
void begin_step(ctdb_client& client, Request& request, const Answer& answer) {
  if (answer.error != 0) return finish_start(client, request, answer.error);
  const uint32_t id = request.id;
  sent(client, id, ask_for_lock(client, request));
}

// It is attached with the first transaction; several may have asked for it at a time.
void locks_attached(ctdb_client* client, int error, ctdb_db* db, void*) {
  if (error == 0 && client->locks != nullptr) {
    free_database(*client, db);
  } else if (error == 0) {
    client->locks = db;
  }
  client->requests.for_each([&](Request& request) {
    if (request.state == Request::State::kWaits) client->make_ready(request, error);
  });
}

// Somebody else may have a transaction on the file.
void begin_locally_step(ctdb_client& client, Request& request, const Answer& /*answer*/) {
  const int error = begin_locally(*request.db, Deadline(0));
  if (error != CTDB_ERR_TIMEOUT) return finish_start(client, request, error);
  const uint32_t id = request.id;
  sent(client, id, pause(client, request, begin_locally_step));
}

int begin_start(ctdb_client& client, Request& request) {
  if (client.link.local()) {
    request.step = begin_locally_step;
    client.make_ready(request, 0);
    client.link.kick();
    return 0;
  }
  if (client.locks != nullptr) return ask_for_lock(client, request);
  request.state = Request::State::kWaits;
  request.step = begin_step;
  return attach_hidden_send(client, kLockDatabase, locks_attached);
}

int start_send(ctdb_db& db, ctdb_transaction_fn done, void* private_data, uint32_t* id) {
  ctdb_client& client = *db.client;
  if (const int error = check_connected(&client); error != 0) return error;
  if (has_transaction(client, db.id)) return CTDB_ERR_BUSY;
  int error = 0;
  Request* request = client.add_request(&error);
  if (request == nullptr) return error;
  request->db = &db;
  request->user = reinterpret_cast<void (*)()>(done);
  request->user_data = private_data;
  const uint32_t new_id = request->id;
  db.transaction = std::make_unique<ctdb_transaction>();
  db.transaction->db = &db;
  db.transaction->start_id = new_id;
  db.transaction->pause_ms = kLockPauseMsMin;
  error = begin_start(client, *request);
  if (error != 0) return client.give_up(new_id, error);
  if (id != nullptr) *id = new_id;
  return 0;
}

// ---- commit ----

void finish_commit(ctdb_client& client, Request& request, int error) {
  const auto user = reinterpret_cast<ctdb_commit_fn>(request.user);
  void* user_data = request.user_data;
  client.requests.release(request);
  user(&client, error, user_data);
}

void commit_step(ctdb_client& client, Request& request, const Answer& answer) {
  int error = answer.error;
  if (error == CTDB_ERR_DISCONNECTED)
    error = client.fail(CTDB_ERR_UNKNOWN, "the commit was not answered: " + client.error_text);
  if (error == 0)
    error = commit_result(client, answer.status, std::string(as_text(answer.data)),
                          client.stores_seen == request.call);
  finish_commit(client, request, error);
}

void committed_here(ctdb_client& client, Request& request, const Answer& answer) {
  finish_commit(client, request, answer.error);
}

int send_commit(ctdb_client& client, Request& request, const ctdb_transaction& transaction) {
  if (transaction.changes.empty() || client.link.local()) {
    request.step = committed_here;
    const int error = transaction.changes.empty() ? 0 : commit_locally(*request.db, transaction);
    unlock_transactions(*request.db);
    client.make_ready(request, error);
    client.link.kick();
    return 0;
  }
  request.step = commit_step;
  if (client.locks == nullptr) return client.fail(CTDB_ERR_CONFLICT, "the lock is lost");
  return client.send_call(request, client.locks->id, CTDB_FUNC_COMMIT, 0,
                          transaction_lock_key(request.db->id), marshalled(transaction));
}

int commit_send(ctdb_transaction& transaction, ctdb_commit_fn done, void* private_data, uint32_t* id) {
  ctdb_db& db = *transaction.db;
  ctdb_client& client = *db.client;
  const std::unique_ptr<ctdb_transaction> mine = std::move(db.transaction);
  int error = check_connected(&client);
  Request* request = error == 0 ? client.add_request(&error) : nullptr;
  if (request == nullptr) {
    unlock_transactions(db);
    return error;
  }
  request->db = &db;
  request->user = reinterpret_cast<void (*)()>(done);
  request->user_data = private_data;
  request->call = client.stores_seen;
  const uint32_t new_id = request->id;
  error = send_commit(client, *request, *mine);
  if (error != 0) {
    unlock_transactions(db);
    return client.give_up(new_id, error);
  }
  if (id != nullptr) *id = new_id;
  return 0;
}

}  // namespace

bool starts_transaction(const Request& request) {
  const ctdb_transaction* transaction = request.db == nullptr ? nullptr : request.db->transaction.get();
  return transaction != nullptr && transaction->start_id == request.id;
}

}  // namespace ctdb

extern "C" {

int ctdb_transaction_start_send(ctdb_db* db, ctdb_transaction_fn done, void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(db); error != 0) return error;
    if (done == nullptr || !db->full_copy()) return CTDB_ERR_INVALID;
    return ctdb::start_send(*db, done, private_data, id);
  });
}

int ctdb_transaction_commit_send(ctdb_transaction* transaction, ctdb_commit_fn done, void* private_data,
                                 uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (transaction == nullptr || done == nullptr) return CTDB_ERR_INVALID;
    if (const int error = ctdb::check(transaction->db); error != 0) return error;
    return ctdb::commit_send(*transaction, done, private_data, id);
  });
}

}  // extern "C"
