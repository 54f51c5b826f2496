// SPDX-License-Identifier: GPL-3.0-or-later
// Databases with copies: a change whose client was told that it is on k nodes survives the loss of any k - 1 of them. Looked
// at physically, in the files of the nodes that are left, whenever one is lost, and in what the next user of the record sees.
// What was lost after k or more losses is excused: nobody promises that copies are made anew in no time. That they are
// is demanded at rest.
#ifndef CTDB_TESTS_SIM_CHECKERS_COPIES_H_
#define CTDB_TESTS_SIM_CHECKERS_COPIES_H_

#include <functional>
#include <optional>
#include <vector>

#include "tests/sim/checkers/history.h"
#include "tests/sim/checkers/verdict.h"

namespace ctdb::sim {

class Copies {
 public:
  // The data of a key in a node's file, if there is such a record.
  using Sight = std::function<std::optional<Bytes>(uint32_t node, uint32_t key)>;
  Copies(uint32_t keys, const Lives& lives, const History& history, Sight sight, Verdict& verdict)
      : keys_(keys), lives_(lives), history_(history), sight_(std::move(sight)), verdict_(verdict) {}

  // How many nodes have lost what they had so far.
  uint32_t losses() const { return losses_; }
  // The store tells a client that `version` is on so many nodes. One may have lost its copy before the answer arrived: losses
  // count from `losses_before`, those at the time when the client asked.
  void acknowledged(uint32_t key, VersionId version, uint32_t nodes, uint32_t losses_before);
  // What this node has does not count any more, from now on.
  void node_lost(uint32_t node);
  // A client that owns the record sees `version`.
  void seen(uint32_t node, uint32_t key, VersionId version);
  // Everything is healed: everything acknowledged is on `nodes` nodes.
  void at_rest(uint32_t nodes);
  uint64_t acknowledgements() const { return acknowledgements_; }

 private:
  struct Key {
    VersionId version = kNoVersion;  // the newest that was acknowledged
    uint32_t nodes = 0;              // on so many nodes
    uint32_t losses_before = 0;      // of all nodes, when it was made
    bool excused = false;            // it may be lost
  };
  uint32_t holders(uint32_t key, uint32_t without, bool strict) const;

  std::vector<Key> keys_;
  const Lives& lives_;
  const History& history_;
  const Sight sight_;
  Verdict& verdict_;
  uint64_t acknowledgements_ = 0;
  uint32_t losses_ = 0;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_COPIES_H_
