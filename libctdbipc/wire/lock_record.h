// SPDX-License-Identifier: LGPL-3.0-or-later
// The lock of a full copy's transactions, and who of the classic clients holds it, out of its record in g_lock.tdb. There are two formats under the same keys, of smbd and of
// the ctdb tool (client-semantics §7.4); they differ in length, but for locks that several share.
#ifndef LIBCTDBIPC_WIRE_LOCK_RECORD_H_
#define LIBCTDBIPC_WIRE_LOCK_RECORD_H_

#include <cstdint>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

inline constexpr char kLockDatabase[] = "g_lock.tdb";
// Of the lock of that database's transactions, with its NUL.
Bytes transaction_lock_key(uint32_t db_id);

struct TransactionLockHolder {
  uint64_t pid = 0;
  uint32_t pnn = 0;
  uint64_t unique_id = 0;
  bool verify = false;  // the unique id says something
};

// Empty: nobody holds it, or the record is of no known format (its writers would make the same of it).
std::vector<TransactionLockHolder> holders_in(ByteView record);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_LOCK_RECORD_H_
