// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps a store from touching files that its keeper has fenced. A store that was stopped in the middle of its work may learn
// of it only here: record files ask each time they got a chain lock. The store's shell owns the gate and opens it again
// when it has made the core stop serving.
#ifndef CTDB_STORE_BACKEND_FENCE_GATE_H_
#define CTDB_STORE_BACKEND_FENCE_GATE_H_

#include "libctdbipc/ring/node_page.h"

namespace ctdb {

struct FenceGate {
  const NodePage* page = nullptr;
  uint64_t known = 0;  // the newest fence this store has acted on
  bool shut() const { return page->fence_begun() != known; }
};

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_FENCE_GATE_H_
