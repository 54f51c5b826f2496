// SPDX-License-Identifier: GPL-3.0-or-later
// Whose records count: the simulator's own bookkeeping of which nodes are in the cluster's lineage, made from what the
// daemons tell each other, never from what they believe. The other checkers ask it.
//
// A node's *life* begins when its store takes part in making a generation and ends when
//   - its store's records are gone (machine lost, store started with emptied files), or
//   - a generation without this node is decided.
// What a node wrote in a life that has ended may be lost (reliability S5); what it wrote in one that lasts may not.
// And the exclusion itself must have been right: a node may be left out only when its clients can hold no records.
#ifndef CTDB_TESTS_SIM_CHECKERS_LIVES_H_
#define CTDB_TESTS_SIM_CHECKERS_LIVES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace ctdb::sim {

class Lives {
 public:
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // By the node page and the processes: clients of the node may hold records.
    virtual bool may_serve(uint32_t node) = 0;
    // A generation was made without a node that was in the one before and may serve.
    virtual void wrongly_excluded(uint32_t node) = 0;
    virtual void life_ended(uint32_t node) = 0;
  };
  Lives(uint32_t nodes, Watcher& watcher) : nodes_(nodes), watcher_(watcher) {}

  // ---- what happened ----
  void generation_begun(uint32_t generation, const std::vector<uint32_t>& members);
  // It was decided, since it opens somewhere or is the base of the next: nodes that are no members are out.
  void generation_takes_effect(uint32_t generation);
  // The node's store has begun to make this generation. `discards`: it throws its records away for it, and is in the
  // lineage when it has.
  void store_recovers(uint32_t node, uint32_t generation, bool discards);
  // It claims its records, or has nothing left to claim.
  void store_claims(uint32_t node, uint32_t generation);
  // It has reported that it is prepared: it keeps its records through every recovery whose base is not newer.
  void store_prepared(uint32_t node, uint32_t generation) { nodes_[node].prepared = generation; }
  void store_cleared(uint32_t node);
  // The node is stopped or banned: its records are invalid from now on.
  void records_discarded(uint32_t node) {
    nodes_[node].discarding = true;
    anything_discarded_ = true;
  }

  // ---- what checkers ask ----
  bool valid(uint32_t node) const { return nodes_[node].valid; }
  uint32_t life(uint32_t node) const { return nodes_[node].life; }
  uint32_t node_count() const { return static_cast<uint32_t>(nodes_.size()); }
  // Every life that ended, in this order.
  struct Ended {
    uint32_t node;
    uint32_t life;
  };
  const std::vector<Ended>& ends() const { return ends_; }
  // The newest that was opened by a store: a base may be on its leader's disk only, and be forgotten with it.
  void generation_opened(uint32_t generation) { newest_opened_ = std::max(newest_opened_, generation); }
  uint32_t newest_opened() const { return newest_opened_; }
  uint64_t lives_ended() const { return ends_.size(); }
  bool anything_discarded() const { return anything_discarded_; }
  // The fewest members that a generation had, so far: no record had more copies at that time.
  size_t fewest_members() const { return fewest_members_; }

 private:
  struct Node {
    bool valid = false;
    uint32_t life = 0;
    uint32_t recovering = 0;  // generation its store last began to make
    uint32_t prepared = 0;    // and was last prepared for
    bool discarding = false;
  };
  struct Made {
    std::vector<uint32_t> members;
    std::vector<bool> served;  // by node, when it was begun
  };
  void end(uint32_t pnn);

  std::vector<Node> nodes_;
  Watcher& watcher_;
  std::map<uint32_t, Made> made_;
  bool anything_discarded_ = false;
  size_t fewest_members_ = SIZE_MAX;
  uint32_t newest_effect_ = 0;
  uint32_t newest_opened_ = 0;
  std::vector<Ended> ends_;
};

}  // namespace ctdb::sim

#endif  // CTDB_TESTS_SIM_CHECKERS_LIVES_H_
