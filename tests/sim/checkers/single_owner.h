// SPDX-License-Identifier: GPL-3.0-or-later
// Invariant 1: while a client works on a record, no other node of the lineage has a copy that says it owns the record,
// and the client's own node is in the lineage. Asked at every use, before and after the client's change.
//
// There are three excuses, all for classic clients only, and all are counted: a client that had the chain lock before the
// lease of its node ended uses the record once more; so may one whose node was left out because router and keeper were
// dead, until it reads the end of its connection; and one on a machine that was paused as a whole, until the keeper has
// fenced: if the node was left out during the pause, or the client had the chain before the keeper's turn came, which the pause
// put off. What they write is lost: limits of files that clients lock on their own.
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

  // A client of `node` works on `key` under the chain lock; the header names the node. `allowed`: the node is in the
  // lineage, or the client has an excuse.
  void used(uint32_t node, uint32_t key, bool allowed);
  void excuse_holder() { ++holders_; }
  void excuse_dead_node() { ++of_dead_nodes_; }
  void excuse_paused_node() { ++of_paused_nodes_; }
  uint64_t of_paused_nodes() const { return of_paused_nodes_; }
  uint64_t holders() const { return holders_; }
  uint64_t of_dead_nodes() const { return of_dead_nodes_; }

 private:
  const Lives& lives_;
  const Sight sight_;
  Verdict& verdict_;
  uint64_t holders_ = 0;
  uint64_t of_dead_nodes_ = 0;
  uint64_t of_paused_nodes_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_SINGLE_OWNER_H_
