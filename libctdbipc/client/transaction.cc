// SPDX-License-Identifier: LGPL-3.0-or-later
// Transactions of databases of which every node has all (client-semantics §7): changes are collected here, seen by the
// transaction itself, and sent in one piece. The sequence number is the one of the start, so that a transaction whose lock
// got lost unnoticed cannot overwrite what another one committed.
#include <algorithm>

#include "libctdbipc/client/client.h"
#include "libctdbipc/wire/reader.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {
namespace {

constexpr char kSequenceKey[] = "__db_sequence_number__";  // with its NUL
// Beside key and data of a change, in the packet.
constexpr size_t kChangeBytes = 16 + CTDB_RECORD_HEADER_SIZE;
// Of the packet: head of the buffer, the sequence number's record, the lock's key.
constexpr size_t kOtherBytes = 256;

ByteView sequence_key() {
  return {reinterpret_cast<const uint8_t*>(kSequenceKey), sizeof kSequenceKey};
}

int check_open(const ctdb_transaction* transaction) {
  return transaction == nullptr ? CTDB_ERR_INVALID : check(transaction->db);
}

int check_key(const ctdb_transaction* transaction, ctdb_blob key) {
  if (const int error = check_open(transaction); error != 0) return error;
  if (!valid(key) || key.size == 0) return CTDB_ERR_INVALID;
  return key.size > CTDB_KEY_BYTES_MAX ? CTDB_ERR_TOO_BIG : 0;
}

// db.value becomes the committed record, header included.
int fetch_committed(ctdb_db& db, ByteView key) {
  switch (db.file->fetch(key, db.value)) {
    case LocalFile::Found::kError:
      return file_failed(db, db.file->failure());
    case LocalFile::Found::kYes:
      if (db.value.size() >= CTDB_RECORD_HEADER_SIZE) return 0;
      break;
    case LocalFile::Found::kNo:
      break;
  }
  db.value.assign(CTDB_RECORD_HEADER_SIZE, 0);
  return 0;
}

ByteView data_of(const Bytes& value) {
  return ByteView(value).subspan(CTDB_RECORD_HEADER_SIZE);
}

uint64_t rsn_of(const Bytes& value) {
  return load<uint64_t>(value.data());
}

int start(ctdb_db& db, int timeout_ms, ctdb_transaction** out) {
  ctdb_client& client = *db.client;
  if (!db.full_copy()) return CTDB_ERR_INVALID;
  if (client.may_wait() != 0 || has_transaction(client, db.id)) return CTDB_ERR_BUSY;
  auto transaction = std::make_unique<ctdb_transaction>();
  transaction->db = &db;
  if (const int error = lock_transactions(db, Deadline(timeout_ms)); error != 0) return error;
  if (const int error = begin_transaction(*transaction); error != 0) {
    unlock_transactions(db);
    return error;
  }
  *out = transaction.get();
  db.transaction = std::move(transaction);
  return 0;
}

int change(ctdb_transaction& transaction, ByteView key, ByteView data) {
  ctdb_db& db = *transaction.db;
  if (const int error = check_size(db, key, data.size()); error != 0) return error;
  Bytes name(key.begin(), key.end());
  const auto known = transaction.changes.find(name);
  const size_t old_bytes =
      known == transaction.changes.end() ? 0 : kChangeBytes + key.size() + known->second.data.size();
  const size_t bytes = transaction.bytes - old_bytes + kChangeBytes + key.size() + data.size();
  if (bytes > CTDB_PAYLOAD_BYTES_MAX - kOtherBytes)
    return db.client->fail(CTDB_ERR_TOO_BIG, "the transaction would be larger than a packet may be");
  if (known != transaction.changes.end()) {
    Bytes copy(data.begin(), data.end());  // `data` may be the old value
    known->second.data = std::move(copy);
  } else {
    Bytes copy(data.begin(), data.end());
    if (const int error = fetch_committed(db, key); error != 0) return error;
    const bool same = data_of(db.value).size() == copy.size() &&
                      std::equal(copy.begin(), copy.end(), data_of(db.value).begin());
    if (same) return 0;
    transaction.changes[std::move(name)] = {rsn_of(db.value) + 1, std::move(copy)};
  }
  transaction.bytes = bytes;
  return 0;
}

void add(Bytes& buffer, ByteView key, const RecordHeader& header, ByteView data) {
  Bytes value;
  append_record_header(value, header);
  value.insert(value.end(), data.begin(), data.end());
  add_to_rec_buffer(buffer, key, value);
}

int commit(ctdb_transaction& transaction, int timeout_ms) {
  ctdb_db& db = *transaction.db;
  const std::unique_ptr<ctdb_transaction> mine = std::move(db.transaction);
  if (mine->changes.empty()) {
    unlock_transactions(db);
    return 0;
  }
  if (db.client->link.local()) return commit_locally(db, *mine);
  return commit_locked(db, marshalled(*mine), Deadline(timeout_ms));
}

int fetch(ctdb_transaction& transaction, ByteView key, ctdb_blob* value) {
  const auto own = transaction.changes.find(Bytes(key.begin(), key.end()));
  if (own != transaction.changes.end()) {
    *value = blob(own->second.data);
    return 0;
  }
  if (const int error = fetch_committed(*transaction.db, key); error != 0) return error;
  *value = blob(data_of(transaction.db->value));
  return 0;
}

}  // namespace

int begin_transaction(ctdb_transaction& transaction) {
  ctdb_db& db = *transaction.db;
  if (const int error = fetch_committed(db, sequence_key()); error != 0) return error;
  const ByteView data = data_of(db.value);
  transaction.sequence = data.size() == sizeof(uint64_t) ? load<uint64_t>(data.data()) : 0;
  transaction.sequence_rsn = rsn_of(db.value);
  return 0;
}

bool has_transaction(const ctdb_client& client, uint32_t db_id) {
  for (const auto& db : client.databases) {
    if (db->id == db_id && db->transaction != nullptr) return true;
  }
  return false;
}

Bytes marshalled(const ctdb_transaction& transaction) {
  const uint32_t pnn = transaction.db->client->link.pnn();
  Bytes buffer = begin_rec_buffer(transaction.db->id);
  buffer.reserve(transaction.bytes + kOtherBytes);
  for (const auto& [key, change] : transaction.changes) add(buffer, key, {change.rsn, pnn, 0}, change.data);
  uint8_t number[8];
  store(number, transaction.sequence + 1);
  add(buffer, sequence_key(), {transaction.sequence_rsn + 1, pnn, 0}, number);
  return buffer;
}

void forget_transaction(ctdb_db& db) {
  db.transaction.reset();
  unlock_transactions(db);
}

}  // namespace ctdb

extern "C" {

int ctdb_transaction_start(ctdb_db* db, int timeout_ms, ctdb_transaction** transaction) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check(db); error != 0) return error;
    if (transaction == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    return ctdb::start(*db, timeout_ms, transaction);
  });
}

int ctdb_transaction_fetch(ctdb_transaction* transaction, ctdb_blob key, ctdb_blob* value) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_key(transaction, key); error != 0) return error;
    return value == nullptr ? CTDB_ERR_INVALID : ctdb::fetch(*transaction, ctdb::view(key), value);
  });
}

int ctdb_transaction_store(ctdb_transaction* transaction, ctdb_blob key, ctdb_blob value) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_key(transaction, key); error != 0) return error;
    return ctdb::valid(value) ? ctdb::change(*transaction, ctdb::view(key), ctdb::view(value))
                              : CTDB_ERR_INVALID;
  });
}

int ctdb_transaction_delete(ctdb_transaction* transaction, ctdb_blob key) {
  return ctdb_transaction_store(transaction, key, {nullptr, 0});
}

int ctdb_transaction_commit(ctdb_transaction* transaction, int timeout_ms) {
  return ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_open(transaction); error != 0) return error;
    return timeout_ms < -1 ? CTDB_ERR_INVALID : ctdb::commit(*transaction, timeout_ms);
  });
}

void ctdb_transaction_cancel(ctdb_transaction* transaction) {
  (void)ctdb::guarded([&]() -> int {
    if (const int error = ctdb::check_open(transaction); error != 0) return error;
    ctdb::forget_transaction(*transaction->db);
    return 0;
  });
}

}  // extern "C"
