// SPDX-License-Identifier: LGPL-3.0-or-later
// Functions that change a record where it is. One that is here is changed here, like any record that the program locks; all
// others are the store's, which sends the call to the record's owner.
#include <utility>

#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/record_functions.h"

static_assert(CTDB_CALL_ADD == CTDB_FUNC_ADD && CTDB_CALL_COMPARE_AND_SWAP == CTDB_FUNC_COMPARE_AND_SWAP);
static_assert(CTDB_CALL_APPEND == CTDB_FUNC_APPEND && CTDB_CALL_APPEND_IF == CTDB_FUNC_APPEND_IF);
static_assert(CTDB_CALL_NAMED == CTDB_FUNC_NAMED);

namespace ctdb {
namespace {

int error_of(int32_t status) {
  switch (status) {
    case CTDB_FUNC_STATUS_DONE:
      return 0;
    case CTDB_FUNC_STATUS_UNEQUAL:
      return CTDB_ERR_UNEQUAL;
    case CTDB_FUNC_STATUS_NO_COUNTER:
      return CTDB_ERR_NO_COUNTER;
    case CTDB_FUNC_STATUS_OVERFLOW:
      return CTDB_ERR_OVERFLOW;
    case CTDB_FUNC_STATUS_TOO_BIG:
      return CTDB_ERR_TOO_BIG;
    case CTDB_FUNC_STATUS_NO_FUNCTION:
      return CTDB_ERR_NOT_FOUND;
    default:
      return status < 0 ? CTDB_ERR_REMOTE : CTDB_ERR_PROTOCOL;
  }
}

int check_function(const ctdb_db* db, ctdb_blob key, size_t in_size, bool in_valid) {
  if (const int error = check(db); error != 0) return error;
  if (key.size == 0 || key.data == nullptr || !in_valid || db->full_copy()) return CTDB_ERR_INVALID;
  return key.size > CTDB_KEY_BYTES_MAX || in_size > CTDB_PAYLOAD_BYTES_MAX ? CTDB_ERR_TOO_BIG : 0;
}

// 1: done here. 0: the record is not here, or the store does it better. Negative: an error.
int run_here(ctdb_db& db, ctdb_blob key, uint32_t call, ByteView in, Waiter& waiter) {
  // With copies the store is asked anyway, for the change to be on other nodes; plug-ins are the store's.
  if (db.copies > 1 || call == CTDB_FUNC_NAMED) return 0;
  ctdb_client& client = *db.client;
  ctdb_record* record = nullptr;
  int error = ctdb_fetch_lock(&db, key, 0, &record);
  if (error != 0) return error == CTDB_ERR_TIMEOUT ? 0 : error;
  // ctdb_store() would take the mark away.
  const bool may_be_older = ctdb_record_may_be_older(record) == 1;
  FunctionOutcome& outcome = client.outcome;
  if (!may_be_older) run_record_function(call, view(ctdb_record_data(record)), in, db.record_limit, outcome);
  if (!may_be_older && outcome.changed) {
    error = outcome.value.empty() ? ctdb_delete(record) : ctdb_store(record, blob(outcome.value));
  }
  unlock_record(*record);
  if (may_be_older || error == CTDB_ERR_FENCED) return 0;
  if (error != 0) return error;
  waiter.status = outcome.status;
  if (outcome.status == CTDB_FUNC_STATUS_TOO_BIG) ++client.stats.too_big;
  const bool refused = outcome.status < 0;
  client.answer_text.assign(refused ? as_text(outcome.result) : std::string_view());
  client.answer_data = refused ? Bytes() : outcome.result;
  return 1;
}

// 0: done, and client.answer_data is the result.
int run(ctdb_db* db, ctdb_blob key, uint32_t call, ByteView in, int timeout_ms) {
  if (timeout_ms < -1) return CTDB_ERR_INVALID;
  Waiter waiter;
  if (const int error = run_function(*db, key, call, in, timeout_ms, waiter); error != 0) return error;
  const int error = error_of(waiter.status);
  return error == 0 ? 0 : db->client->fail(error, db->client->answer_text);
}

template <typename Number>
int number_in(ByteView result, Number* number) {
  if (result.size() != sizeof(Number)) return CTDB_ERR_PROTOCOL;
  if (number != nullptr) *number = load<Number>(result.data());
  return 0;
}

Bytes swap_argument(ctdb_blob expected, ctdb_blob wanted) {
  Bytes in;
  in.reserve(sizeof(uint32_t) + expected.size + wanted.size);
  Writer writer(in);
  writer.counted_bytes(view(expected));
  writer.bytes(view(wanted));
  return in;
}

Bytes append_if_argument(uint64_t size_now, ctdb_blob data) {
  Bytes in;
  in.reserve(sizeof size_now + data.size);
  Writer writer(in);
  writer.u64(size_now);
  writer.bytes(view(data));
  return in;
}

// ---- asynchronous ----

int error_of(ctdb_client& client, const Answer& answer) {
  if (answer.error != 0) return answer.error;
  const int error = error_of(answer.status);
  return error == 0 ? 0 : client.fail(error, std::string(answer.text));
}

// Hands the number that a function answers with to the program.
template <typename Number, typename User>
void number_step(ctdb_client& client, Request& request, const Answer& answer) {
  const auto user = reinterpret_cast<User>(request.user);
  void* user_data = request.user_data;
  int error = error_of(client, answer);
  Number number = 0;
  if (error == 0 || error == CTDB_ERR_UNEQUAL) {
    if (const int malformed = number_in(answer.data, &number); malformed != 0) error = malformed;
  }
  client.requests.release(request);
  user(&client, error, number, user_data);
}

void swap_step(ctdb_client& client, Request& request, const Answer& answer) {
  const auto user = reinterpret_cast<ctdb_swap_fn>(request.user);
  void* user_data = request.user_data;
  const int error = error_of(client, answer);
  client.requests.release(request);
  user(&client, error, error == CTDB_ERR_UNEQUAL ? blob(answer.data) : ctdb_blob{nullptr, 0}, user_data);
}

void named_step(ctdb_client& client, Request& request, const Answer& answer) {
  const auto user = reinterpret_cast<ctdb_function_fn>(request.user);
  void* user_data = request.user_data;
  const int error = error_of(client, answer);
  client.requests.release(request);
  const bool says = error == 0 || error == CTDB_ERR_UNEQUAL;
  user(&client, error, says ? blob(answer.data) : ctdb_blob{nullptr, 0}, user_data);
}

int check_named(const ctdb_db* db, ctdb_blob key, const char* name, ctdb_blob argument) {
  const bool good = name != nullptr && is_function_name(name) && valid(argument);
  return check_function(db, key, sum(sizeof(uint32_t) + kFunctionNameBytesMax, argument.size), good);
}

template <typename User>
int send(ctdb_db* db, ctdb_blob key, uint32_t call, ByteView in, Request::Step step, User done,
         void* private_data, uint32_t* id) {
  if (done == nullptr) return CTDB_ERR_INVALID;
  return send_function(*db, key, call, in, step, reinterpret_cast<void (*)()>(done), private_data, id);
}

}  // namespace

int run_function(ctdb_db& db, ctdb_blob key, uint32_t call, ByteView in, int timeout_ms, Waiter& waiter) {
  const int here = run_here(db, key, call, in, waiter);
  if (here != 0) return here == 1 ? 0 : here;
  if (timeout_ms == 0) return CTDB_ERR_TIMEOUT;
  return call_and_wait(db, view(key), call, 0, in, Deadline(timeout_ms), waiter);
}

// Where there are no daemons: run when the program serves the client.
static void run_when_served(ctdb_client& client, Request& request, const Answer& answer) {
  if (answer.error == 0 && request.db->file->holder != nullptr) return client.park(request);
  Waiter waiter;
  int here = answer.error;
  if (here == 0) here = run_here(*request.db, blob(request.key), request.call, request.packet, waiter);
  if (here == 0) here = client.no_daemons();
  if (here < 0) return request.then(client, request, {here, 0, {}, {}});
  const Bytes data = client.answer_data;
  const std::string text = client.answer_text;
  request.then(client, request, {0, waiter.status, data, text});
}

static int run_locally_send(ctdb_client& client, Request& request, ByteView key, ByteView in) {
  request.then = std::exchange(request.step, run_when_served);
  request.key.assign(key.begin(), key.end());
  request.packet.assign(in.begin(), in.end());
  client.make_ready(request, 0);
  client.link.kick();
  return 0;
}

int send_function(ctdb_db& db, ctdb_blob key, uint32_t call, ByteView in, Request::Step step, void (*user)(),
                  void* user_data, uint32_t* id) {
  ctdb_client& client = *db.client;
  if (const int error = check_connected(&client); error != 0) return error;
  int error = 0;
  Request* request = client.add_request(&error);
  if (request == nullptr) return error;
  request->db = &db;
  request->call = call;
  request->user = user;
  request->user_data = user_data;
  request->step = step;
  const uint32_t new_id = request->id;
  error = client.link.local() ? run_locally_send(client, *request, view(key), in)
                              : client.send_call(*request, call, 0, view(key), in);
  if (error != 0) return client.give_up(new_id, error);
  if (id != nullptr) *id = new_id;
  return 0;
}

Answer answer_of_function(ctdb_client& client, const Answer& answer) {
  if (answer.status >= 0) return answer;
  const std::string_view text = as_text(answer.data);
  if (answer.status != CTDB_FUNC_STATUS_UNKNOWN) return {0, answer.status, {}, text};
  client.error_text.assign(text);
  return {CTDB_ERR_UNKNOWN, 0, {}, {}};
}

}  // namespace ctdb

extern "C" {

int ctdb_add(ctdb_db* db, ctdb_blob key, int64_t amount, int timeout_ms, int64_t* value) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_function(db, key, sizeof amount, true); error != 0) return error;
    uint8_t in[sizeof amount];
    ctdb::store(in, amount);
    const int error = ctdb::run(db, key, CTDB_FUNC_ADD, in, timeout_ms);
    return error != 0 ? error : ctdb::number_in(db->client->answer_data, value);
  });
}

int ctdb_compare_and_swap(ctdb_db* db, ctdb_blob key, ctdb_blob expected, ctdb_blob wanted, int timeout_ms,
                          ctdb_blob* current) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(expected) && ctdb::valid(wanted);
    const size_t size = ctdb::sum(sizeof(uint32_t), ctdb::sum(expected.size, wanted.size));
    if (const int error = ctdb::check_function(db, key, size, valid); error != 0) return error;
    const ctdb::Bytes in = ctdb::swap_argument(expected, wanted);
    const int error = ctdb::run(db, key, CTDB_FUNC_COMPARE_AND_SWAP, in, timeout_ms);
    if (error == CTDB_ERR_UNEQUAL && current != nullptr) *current = ctdb::blob(db->client->answer_data);
    return error;
  });
}

int ctdb_append(ctdb_db* db, ctdb_blob key, ctdb_blob data, int timeout_ms, uint64_t* size) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(data);
    if (const int error = ctdb::check_function(db, key, data.size, valid); error != 0) return error;
    const int error = ctdb::run(db, key, CTDB_FUNC_APPEND, ctdb::view(data), timeout_ms);
    return error != 0 ? error : ctdb::number_in(db->client->answer_data, size);
  });
}

int ctdb_append_if(ctdb_db* db, ctdb_blob key, uint64_t size_now, ctdb_blob data, int timeout_ms,
                   uint64_t* size) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(data);
    if (const int error = ctdb::check_function(db, key, ctdb::sum(sizeof size_now, data.size), valid);
        error != 0)
      return error;
    const ctdb::Bytes in = ctdb::append_if_argument(size_now, data);
    const int error = ctdb::run(db, key, CTDB_FUNC_APPEND_IF, in, timeout_ms);
    if (error != 0 && error != CTDB_ERR_UNEQUAL) return error;
    const int malformed = ctdb::number_in(db->client->answer_data, size);
    return malformed != 0 ? malformed : error;
  });
}

int ctdb_call_function(ctdb_db* db, ctdb_blob key, const char* name, ctdb_blob argument, int timeout_ms,
                       ctdb_blob* answer) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_named(db, key, name, argument); error != 0) return error;
    const ctdb::Bytes in = ctdb::encode_named_call({name, ctdb::view(argument)});
    const int error = ctdb::run(db, key, CTDB_FUNC_NAMED, in, timeout_ms);
    const bool says = error == 0 || error == CTDB_ERR_UNEQUAL;
    if (says && answer != nullptr) *answer = ctdb::blob(db->client->answer_data);
    return error;
  });
}

int ctdb_call_function_send(ctdb_db* db, ctdb_blob key, const char* name, ctdb_blob argument,
                            ctdb_function_fn done, void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_named(db, key, name, argument); error != 0) return error;
    const ctdb::Bytes in = ctdb::encode_named_call({name, ctdb::view(argument)});
    return ctdb::send(db, key, CTDB_FUNC_NAMED, in, ctdb::named_step, done, private_data, id);
  });
}

int ctdb_add_send(ctdb_db* db, ctdb_blob key, int64_t amount, ctdb_add_fn done, void* private_data,
                  uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_function(db, key, sizeof amount, true); error != 0) return error;
    uint8_t in[sizeof amount];
    ctdb::store(in, amount);
    return ctdb::send(db, key, CTDB_FUNC_ADD, in, ctdb::number_step<int64_t, ctdb_add_fn>, done, private_data,
                      id);
  });
}

int ctdb_compare_and_swap_send(ctdb_db* db, ctdb_blob key, ctdb_blob expected, ctdb_blob wanted,
                               ctdb_swap_fn done, void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(expected) && ctdb::valid(wanted);
    const size_t size = ctdb::sum(sizeof(uint32_t), ctdb::sum(expected.size, wanted.size));
    if (const int error = ctdb::check_function(db, key, size, valid); error != 0) return error;
    const ctdb::Bytes in = ctdb::swap_argument(expected, wanted);
    return ctdb::send(db, key, CTDB_FUNC_COMPARE_AND_SWAP, in, ctdb::swap_step, done, private_data, id);
  });
}

int ctdb_append_send(ctdb_db* db, ctdb_blob key, ctdb_blob data, ctdb_append_fn done, void* private_data,
                     uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(data);
    if (const int error = ctdb::check_function(db, key, data.size, valid); error != 0) return error;
    return ctdb::send(db, key, CTDB_FUNC_APPEND, ctdb::view(data),
                      ctdb::number_step<uint64_t, ctdb_append_fn>, done, private_data, id);
  });
}

int ctdb_append_if_send(ctdb_db* db, ctdb_blob key, uint64_t size_now, ctdb_blob data, ctdb_append_fn done,
                        void* private_data, uint32_t* id) {
  return ctdb::guarded([&]() -> int {
    const bool valid = ctdb::valid(data);
    if (const int error = ctdb::check_function(db, key, ctdb::sum(sizeof size_now, data.size), valid);
        error != 0)
      return error;
    const ctdb::Bytes in = ctdb::append_if_argument(size_now, data);
    return ctdb::send(db, key, CTDB_FUNC_APPEND_IF, in, ctdb::number_step<uint64_t, ctdb_append_fn>, done,
                      private_data, id);
  });
}

}  // extern "C"
