// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 1: while a client works on a record, no other node of the lineage has a copy that says it owns the record,
// and the client's own node is in the lineage. Asked at every use, before and after the client's change.
//
// A node that is told to stop takes its records away under the chain locks. Clients that had a chain, or waited for it
// before the store did, use the record once more; what they write is lost. That is a limit of files that clients lock on
// their own, not a violation.
#ifndef CTDB_TESTS_SIM_CHECKERS_SINGLE_OWNER_H_
#define CTDB_TESTS_SIM_CHECKERS_SINGLE_OWNER_H_

#include <functional>
#include <optional>

#include "libctdbipc/wire/packet.h"
#include "tests/sim/checkers/lives.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class SingleOwner {
 public:
  // The header of a key in a node's file, if it has it.
  using Sight = std::function<std::optional<RecordHeader>(uint32_t node, uint32_t key)>;
  SingleOwner(const Lives& lives, Sight sight, Verdict& verdict)
      : lives_(lives), sight_(std::move(sight)), verdict_(verdict) {}

  // A client of `node` works on `key` under the chain lock; the header names the node. `store_waits`: the store wants
  // that chain too and has not got it yet.
  void used(uint32_t node, uint32_t key, bool store_waits, TimeNs now);

 private:
  const Lives& lives_;
  const Sight sight_;
  Verdict& verdict_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_SINGLE_OWNER_H_
