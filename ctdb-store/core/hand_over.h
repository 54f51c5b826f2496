// SPDX-License-Identifier: GPL-3.0-or-later
// A store that ends gives its records to others first, so that nobody has to take an older copy: as if their lmaster, or
// where that is this node another member, had asked for each. Used by the store's core only.
#ifndef CTDB_STORE_CORE_HAND_OVER_H_
#define CTDB_STORE_CORE_HAND_OVER_H_

#include "ctdb-store/core/migration.h"
#include "ctdb-store/core/record_walk.h"
#include "ctdb-store/core/store_context.h"

namespace ctdb {

class HandOver {
 public:
  HandOver(StoreContext& context, Migration& migration) : ctx_(context), migration_(migration) {}

  // A bounded piece; StoreCounts says how far it is. true: this node owns nothing any more and has its answers, or nobody is there.
  bool step(TimeNs now);

 private:
  void begin_walk();
  bool walk(TimeNs now);
  uint32_t whom_to_give(const RecordEntry& entry) const;

  StoreContext& ctx_;
  Migration& migration_;
  RecordWalk walk_;
  bool walking_ = false;
  uint64_t owned_ = 0;  // records of ours that the walk has met
  uint64_t left_ = 0;   // by the walk before
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_HAND_OVER_H_
