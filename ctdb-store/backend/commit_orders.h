// SPDX-License-Identifier: GPL-3.0-or-later
// What the store tells its commit workers and what they answer: packets of the usual frame (length first) whose operation is
// an order.
#ifndef CTDB_STORE_BACKEND_COMMIT_ORDERS_H_
#define CTDB_STORE_BACKEND_COMMIT_ORDERS_H_

#include <cstdint>
#include <string>

#include "ctdb-store/core/commits/commit_disk.h"
#include "libctdbipc/wire/packet.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

enum class CommitOrder : uint32_t {
  // Log worker.
  kLogAppend = 1,  // committed, position, kind, origin, id, payload
  kLogCut,         // end
  kLogRestart,     // start, trusted
  kLogTrust,
  kLogSync,  // ticket
  // Database worker.
  kApply,       // ticket, flags, path, kind, payload
  kReplace,     // path, first, rec_buffer
  kReplaced,    // ticket, flags, path, how many parts
  kCheckpoint,  // ticket
  // Their answer.
  kDone,  // ticket, error
};

inline void build_order(Bytes& out, CommitOrder order, ByteView payload) {
  Header header;
  header.operation = static_cast<uint32_t>(order);
  build_own(out, header, payload);
}

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_COMMIT_ORDERS_H_
