// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts of one ClusterNode share: options, the time of the event being handled, the durable state,
// the links, and the way out to the router. Owned by ClusterNode; the parts hold references.
#ifndef CTDB_RECOVERYD_CORE_CONTEXT_H_
#define CTDB_RECOVERYD_CORE_CONTEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ctdb-recoveryd/core/bench.h"
#include "ctdb-recoveryd/core/cluster_node.h"
#include "ctdb-recoveryd/core/durable_state.h"
#include "ctdb-recoveryd/core/quorum.h"
#include "libctdbipc/base/refusals.h"
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
        nodes(options.nodes),
        voters({}, options.majority_quorum && !options.lock_quorum),
        random(random_in),
        out(output),
        now(now_in) {
    count_voters();
  }

  const RecoverydOptions options;
  NodeList nodes;  // the nodes file as the router reads it: whom there are links to
  Voters voters;   // of the newest decided generation known here; before there is one: all of the nodes file
  Random& random;
  RecoverydOutput& out;
  TimeNs now;
  bool router_up = false;
  std::vector<Link> links;  // by pnn; never fewer than nodes and voters need
  DurableState durable;
  TimeNs router_up_at = 0;
  // Some node has heard of a decided generation; while this one has not, the cluster is not starting for the first time.
  bool decided_elsewhere = false;
  bool disk_failing = false;  // the last save(): told once, not at every attempt
  Bench bench{options.timing.bench,
              options.timing.bench_max};  // as the leader says, or this node when it leads
  RecoverydCounts counts;
  struct Packet {
    uint32_t from = 0;
    uint32_t operation = 0;
  };
  Packet packet;                             // that is being handled
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
  // Numbers of nodes are below.
  uint32_t lines() const { return static_cast<uint32_t>(links.size()); }
  // It has a share in this cluster: by the nodes file, or it still votes.
  bool known(uint32_t node) const { return in_list(nodes, node) || voters.is_voter(node); }
  // It votes and holds no records.
  bool witness(uint32_t node) const { return is_witness(nodes, node); }
  // Of two nodes that have the same words for it, a majority is the same thing. For people, too.
  std::string quorum_rule() const;
  // It knows of no decision.
  bool fresh() const { return durable.decided_generation == CTDB_INVALID_GENERATION; }
  bool all_linked() const;
  bool votes() const { return voters.is_voter(pnn()); }
  void set_nodes(const NodeList& list);
  // What was on disk at the start.
  void remember(DurableState state);
  // Voters this one can talk to, itself included.
  size_t linked_count() const;
  // Of them, those with lower numbers.
  uint32_t linked_before() const;

  // Makes `next` durable, then current. false: it could not be written; nothing has changed.
  bool save(const DurableState& next);
  // The last save() went well, or one would now.
  bool disk_takes() { return !disk_failing || write(durable); }
  // An operation of ours to recoveryd of another node, or with own pnn to the store of this one.
  void send(uint32_t to, Operation operation, const Bytes& payload);
  void to_store(Operation operation, const Bytes& payload) { send(pnn(), operation, payload); }
  // The packet that is being handled changes nothing. `why` is a literal, for the log.
  void refuse(std::string_view why);
  void log(RecoverydLog level, const std::string& text) { out.log(level, text); }
  // "until 12:34:56 UTC". For people: a text that stays the same while the time passes wakes nobody.
  std::string until(TimeNs when) const;

 private:
  void count_voters();
  bool write(const DurableState& next);
  Refusals refusals_;
  Bytes built_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_CONTEXT_H_
