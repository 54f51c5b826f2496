// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-recoveryd/core/context.h"

namespace ctdb {

size_t Context::linked_count() const {
  size_t count = 0;
  for (uint32_t node = 0; node < voters.lines(); ++node) {
    if (voters.is_voter(node) && linked(node)) ++count;
  }
  return count;
}

bool Context::save(const DurableState& next) {
  if (next == durable) return true;
  const bool written = out.persist(next.encode());
  if (!written && !disk_failing) {
    log(RecoverydLog::kError, "the state of recoveryd cannot be written: this node neither votes nor leads");
  } else if (written && disk_failing) {
    log(RecoverydLog::kNotice, "the state of recoveryd can be written again");
  }
  disk_failing = !written;
  if (!written) return false;
  durable = next;
  return true;
}

void Context::send(uint32_t to, Operation operation, const Bytes& payload) {
  if (!router_up) return;
  build_own(built_, {0, stamp, static_cast<uint32_t>(operation), to, pnn(), 0}, payload);
  out.to_router(RecoverydLane::kControl, 0, built_);
}

}  // namespace ctdb
