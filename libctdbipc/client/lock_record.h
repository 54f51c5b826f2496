// SPDX-License-Identifier: LGPL-3.0-or-later
// Who holds a lock of classic clients, out of its record in g_lock.tdb. There are two formats under the same keys, of smbd and of
// the ctdb tool (client-semantics §7.4); they differ in length, but for locks that several share.
#ifndef LIBCTDBIPC_CLIENT_LOCK_RECORD_H_
#define LIBCTDBIPC_CLIENT_LOCK_RECORD_H_

#include <cstdint>
#include <vector>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

struct LockHolder {
  uint64_t pid = 0;
  uint32_t pnn = 0;
  uint64_t unique_id = 0;
  bool verify = false;  // the unique id says something
};

// Empty: nobody holds it, or the record is of no known format (its writers would make the same of it).
std::vector<LockHolder> holders_in(ByteView record);

}  // namespace ctdb

#endif  // LIBCTDBIPC_CLIENT_LOCK_RECORD_H_
