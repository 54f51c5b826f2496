// SPDX-License-Identifier: GPL-3.0-or-later
// How the parts of the commits on different members reach each other; a part on this node itself is no exception.
#ifndef CTDB_STORE_CORE_COMMITS_COMMIT_WAYS_H_
#define CTDB_STORE_CORE_COMMITS_COMMIT_WAYS_H_

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb {

class CommitWays {
 public:
  virtual ~CommitWays() = default;
  // In order per receiver. To this node itself: later, from Commits::advance().
  virtual void send(uint32_t node, Operation operation, ByteView payload) = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_COMMITS_COMMIT_WAYS_H_
