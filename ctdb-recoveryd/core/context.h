// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of one ClusterNode share: options, the time of the event being handled, the durable state,
// the links, and the way out to the router. Owned by ClusterNode; the parts hold references.
#ifndef CTDB_RECOVERYD_CORE_CONTEXT_H_
#define CTDB_RECOVERYD_CORE_CONTEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-recoveryd/core/durable_state.h"
#include "ctdb-recoveryd/core/quorum.h"
#include "libctdbipc/wire/operations.h"

namespace ctdb {

struct Link {
  bool up = false;
  uint64_t session = 0;
  // While it is down: the node at its end was proved to be gone, when this was the newest generation known here.
  bool gone = false;
  uint32_t gone_generation = CTDB_INVALID_GENERATION;
};

struct Context {
  Context(RecoverydOptions given, Random& random_in, RecoverydOutput& output, TimeNs now_in)
      : options(std::move(given)),
        voters(options.deleted, options.majority_quorum),
        random(random_in),
        out(output),
        now(now_in),
        links(voters.lines()) {}

  const RecoverydOptions options;
  const Voters voters;
  Random& random;
  RecoverydOutput& out;
  TimeNs now;
  bool router_up = false;
  std::vector<Link> links;
  DurableState durable;
  bool disk_failing = false;  // the last save(): told once, not at every attempt
  RecoverydCounts counts;
  uint32_t stamp = CTDB_INVALID_GENERATION;  // generation in the headers of what we send
  bool announce = false;                     // something changed that the leader should hear of at once

  uint32_t pnn() const { return options.pnn; }
  const RecoverydTiming& timing() const { return options.timing; }
  bool linked(uint32_t node) const {
    return router_up && (node == pnn() || (node < links.size() && links[node].up));
  }
  // It was seen to die, and no generation that it could be in has been decided since. Seen by a member: members have links
  // to each other, so what died is what was a member.
  bool proved_gone(uint32_t node) const {
    const Link& link = links[node];
    return !link.up && link.gone && link.gone_generation == durable.decided_generation &&
           contains(durable.decided_members, pnn());
  }
  // Nodes this one can talk to, itself included.
  size_t linked_count() const;

  // Makes `next` durable, then current. false: it could not be written; nothing has changed.
  bool save(const DurableState& next);
  // An operation of ours to recoveryd of another node, or with own pnn to the store of this one.
  void send(uint32_t to, Operation operation, const Bytes& payload);
  void to_store(Operation operation, const Bytes& payload) { send(pnn(), operation, payload); }
  void refuse() { ++counts.refused; }
  void log(RecoverydLog level, const std::string& text) { out.log(level, text); }

 private:
  Bytes built_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_CONTEXT_H_
