// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/lock_record.h"

#include <cstdio>

#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr size_t kToolEntryBytes = 32;
constexpr size_t kWatcherBytes = 32;
constexpr size_t kServerIdBytes = 24;

TransactionLockHolder read_server_id(Reader& r, bool verify) {
  TransactionLockHolder holder;
  holder.pid = r.u64();
  r.skip(4);  // task
  holder.pnn = r.u32();
  holder.unique_id = r.u64();
  holder.verify = verify;
  return holder;
}

// Entries of {type, padding, server id}.
bool is_of_tool(ByteView record) {
  if (record.size() % kToolEntryBytes != 0) return false;
  for (size_t at = 0; at < record.size(); at += kToolEntryBytes) {
    const auto type = load<uint32_t>(record.data() + at);
    const auto padding = load<uint32_t>(record.data() + at + 4);
    if (type > 1 || padding != 0) return false;
  }
  return true;
}

std::vector<TransactionLockHolder> holders_of_tool(ByteView record) {
  std::vector<TransactionLockHolder> holders;
  Reader r(record);
  while (r.left() > 0) {
    r.skip(8);
    holders.push_back(read_server_id(r, false));
  }
  return holders;
}

// Watchers, the exclusive holder (pid 0: none), two epochs, the shared ones, the lock's data.
std::vector<TransactionLockHolder> holders_of_smbd(ByteView record) {
  Reader r(record);
  const uint32_t watchers = r.u32();
  if (watchers > r.left() / kWatcherBytes) return {};
  r.skip(watchers * kWatcherBytes);
  std::vector<TransactionLockHolder> holders{read_server_id(r, true)};
  if (holders.front().pid == 0) holders.clear();
  r.skip(16);
  const uint32_t shared = r.u32();
  if (!r.ok() || shared > r.left() / kServerIdBytes) return {};
  for (uint32_t i = 0; i < shared; ++i) holders.push_back(read_server_id(r, true));
  return holders;
}

}  // namespace

Bytes transaction_lock_key(uint32_t db_id) {
  char text[32];
  const int length = std::snprintf(text, sizeof text, "transaction_db_0x%08x", db_id);
  const auto* bytes = reinterpret_cast<const uint8_t*>(text);
  return {bytes, bytes + length + 1};
}

std::vector<TransactionLockHolder> holders_in(ByteView record) {
  if (record.empty()) return {};
  return is_of_tool(record) ? holders_of_tool(record) : holders_of_smbd(record);
}

}  // namespace ctdb
