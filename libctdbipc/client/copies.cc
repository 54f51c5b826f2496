// SPDX-License-Identifier: LGPL-3.0-or-later
// Unlocking a record whose database keeps copies: the store is asked to bring the change to the other nodes, and answers
// when it is there. It reads the change from the file, so the question is small and one answer may serve several changes.
#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/reader.h"

static_assert(CTDB_COPIES_MAX == ctdb::kCopiesMax);

namespace ctdb {
namespace {

Bytes question(const ctdb_record& record) {
  Bytes data;
  Writer writer(data);
  writer.u64(record.changed_in_epoch);
  writer.u32(record.db->copies);
  return data;
}

int not_copied(ctdb_client& client) {
  return client.fail(CTDB_ERR_NOT_COPIED, "the node stopped serving before the change was on other nodes");
}

// Works also while other records are locked: stores want the chain of this record only (ctdb.h, Locks).
int copy_and_wait(ctdb_record& record, const Deadline& deadline, uint32_t* copies) {
  ctdb_client& client = *record.db->client;
  if (const int error = check_connected(&client); error != 0) return error;
  Waiter waiter;
  int error = 0;
  Request* request = client.add_waiting(waiter, &error);
  if (request == nullptr) return error;
  request->db = record.db;
  const uint32_t id = request->id;
  error = client.send_call(*request, CTDB_FUNC_COPY, 0, record.key, question(record));
  if (error != 0) return client.give_up(id, error);
  error = client.wait_for(id, waiter, Peer::kStore, deadline);
  if (error != 0) return error;
  if (waiter.status < 0) return not_copied(client);
  *copies = static_cast<uint32_t>(waiter.status);
  return 0;
}

void unlock_step(ctdb_client& client, Request& request, const Answer& answer) {
  const auto user = reinterpret_cast<ctdb_unlock_fn>(request.user);
  void* user_data = request.user_data;
  const bool asked = !request.packet.empty();
  client.requests.release(request);
  int error = answer.error;
  if (error == 0 && answer.status < 0) error = not_copied(client);
  const int32_t copies = error != 0 ? 0 : asked ? answer.status : 1;
  user(&client, error, static_cast<uint32_t>(copies), user_data);
}

bool has_copies_to_make(const ctdb_record& record) {
  return record.changed && record.db->copies > 1;
}

}  // namespace

int unlock_and_copy(ctdb_record& record, int timeout_ms, uint32_t* copies) {
  *copies = 1;
  unlock_record(record);
  return has_copies_to_make(record) ? copy_and_wait(record, Deadline(timeout_ms), copies) : 0;
}

int unlock_send(ctdb_record& record, ctdb_unlock_fn done, void* private_data, uint32_t* id) {
  ctdb_client& client = *record.db->client;
  unlock_record(record);
  if (const int error = check_connected(&client); error != 0) return error;
  int error = 0;
  Request* request = client.add_request(&error);
  if (request == nullptr) return error;
  request->step = unlock_step;
  request->user = reinterpret_cast<void (*)()>(done);
  request->user_data = private_data;
  request->db = record.db;
  const uint32_t new_id = request->id;
  if (!has_copies_to_make(record)) {
    client.make_ready(*request, 0);
    client.link.kick();
  } else if (error = client.send_call(*request, CTDB_FUNC_COPY, 0, record.key, question(record));
             error != 0) {
    return client.give_up(new_id, error);
  }
  if (id != nullptr) *id = new_id;
  return 0;
}

}  // namespace ctdb
