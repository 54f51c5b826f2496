// SPDX-License-Identifier: LGPL-3.0-or-later
// The lock of transactions: the record that classic clients use for it (g_lock.tdb, client-semantics §7), held in the store
// (CTDB_FUNC_HOLD). While it is held no classic client can write itself into it, and a hold ends with its client. What is in
// the record is the classic clients' own: a holder that lives is waited for.
#include <algorithm>

#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/lock_record.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr uint64_t kDoNotVerify = UINT64_MAX;  // as unique id
// Who cannot be asked is dead for smbd and the ctdb tool too.
int is_alive(ctdb_client& client, const TransactionLockHolder& holder, const Deadline& deadline,
             bool* alive) {
  Control opcode = Control::PROCESS_EXISTS;
  const Bytes question = liveness_question(holder, &opcode);
  const int error = blocking_control(client, holder.pnn, opcode, 0, question, deadline);
  *alive = error == 0;
  return error == CTDB_ERR_REMOTE ? 0 : error;
}

int anybody_alive(ctdb_client& client, ByteView record, const Deadline& deadline, bool* alive) {
  *alive = false;
  for (const TransactionLockHolder& holder : holders_in(record)) {
    if (const int error = is_alive(client, holder, deadline, alive); error != 0 || *alive) return error;
  }
  return 0;
}

int hold(ctdb_db& locks, ByteView key, const Deadline& deadline) {
  Waiter waiter;
  const int error = call_and_wait(locks, key, CTDB_FUNC_HOLD, 0, {}, deadline, waiter);
  return error != 0 ? error : refusal(*locks.client, waiter.status);
}

int pause(ctdb_client& client, int ms, const Deadline& deadline) {
  const int left_ms = deadline.left_ms();
  if (left_ms == 0) return client.fail(CTDB_ERR_TIMEOUT, "a classic client holds the lock of transactions");
  const bool never = false;
  const int error = client.wait(never, Peer::kStore, Deadline(left_ms < 0 ? ms : std::min(ms, left_ms)));
  return error == CTDB_ERR_TIMEOUT ? 0 : error;
}

}  // namespace

// As smbd and the ctdb tool find out.
Bytes liveness_question(const TransactionLockHolder& holder, Control* opcode) {
  Bytes question;
  Writer writer(question);
  writer.u32(static_cast<uint32_t>(holder.pid));
  *opcode = Control::PROCESS_EXISTS;
  if (holder.verify && holder.unique_id != kDoNotVerify) {
    *opcode = Control::CHECK_PID_SRVID;
    writer.u64(holder.unique_id);
  }
  return question;
}

int lock_transactions(ctdb_db& db, const Deadline& deadline) {
  ctdb_client& client = *db.client;
  if (const int error = check_connected(&client); error != 0) return error;
  if (client.link.local()) return begin_locally(db, deadline);
  if (client.locks == nullptr) {
    if (const int error = attach_hidden(client, kLockDatabase, deadline, &client.locks); error != 0)
      return error;
  }
  const Bytes key = transaction_lock_key(db.id);
  for (int pause_ms = kLockPauseMsMin;; pause_ms = std::min(2 * pause_ms, kLockPauseMsMax)) {
    bool taken = false;
    int error = hold(*client.locks, key, deadline);
    if (error == 0) {
      const Bytes record = client.answer_data;
      error = anybody_alive(client, record, deadline, &taken);
    }
    if (error == 0 && !taken) return 0;
    unlock_transactions(db);
    if (error == 0) error = pause(client, pause_ms, deadline);
    if (error != 0) return error;
  }
}

void unlock_transactions(ctdb_db& db) {
  ctdb_client& client = *db.client;
  if (client.link.local()) return db.file->cancel(db);
  if (!client.link.up() || client.locks == nullptr) return;
  Bytes packet;
  Header header;
  header.destnode = CTDB_CURRENT_NODE;
  header.srcnode = client.link.pnn();
  build(packet, header, ReqCall{0, client.locks->id, CTDB_FUNC_RELEASE, 0, transaction_lock_key(db.id), {}});
  // A ring that is full, or has no store at its end: the message is one of the few that must get there.
  client.link.resend(Peer::kStore, packet);
  client.link.flush();
}

int commit_locked(ctdb_db& db, ByteView changes, const Deadline& deadline) {
  ctdb_client& client = *db.client;
  int error = client.may_wait();
  if (error == 0) error = check_connected(&client);
  if (error == 0 && client.locks == nullptr) error = client.fail(CTDB_ERR_CONFLICT, "the lock is lost");
  if (error != 0) {
    unlock_transactions(db);
    return error;
  }
  const uint32_t stores_before = client.stores_seen;
  Waiter waiter;
  error = call_and_wait(*client.locks, transaction_lock_key(db.id), CTDB_FUNC_COMMIT, 0, changes, deadline,
                        waiter);
  if (error == CTDB_ERR_TIMEOUT || error == CTDB_ERR_DISCONNECTED)
    return client.fail(CTDB_ERR_UNKNOWN, "the commit was not answered: " + client.error_text);
  if (error != 0) {
    unlock_transactions(db);
    return error;
  }
  return commit_result(client, waiter.status, std::string(as_text(client.answer_data)),
                       client.stores_seen == stores_before);
}

int commit_result(ctdb_client& client, int32_t status, std::string text, bool same_store) {
  if (status == 0) return 0;
  // A new store knows nothing of what the last one had begun.
  if (status == kCommitUnknown || !same_store) return client.fail(CTDB_ERR_UNKNOWN, std::move(text));
  return client.fail(status == kCommitConflict ? CTDB_ERR_CONFLICT : CTDB_ERR_REMOTE, std::move(text));
}

}  // namespace ctdb
