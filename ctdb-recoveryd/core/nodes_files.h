// SPDX-License-Identifier: GPL-3.0-or-later
// What must be the same on all nodes: the nodes file and the quorum rule. Told when a link comes up and at every change,
// compared, and differences named. Who takes part and who votes does not follow from the nodes file; see judge.cc. With a node
// of another quorum rule nothing else is spoken.
#ifndef CTDB_RECOVERYD_CORE_NODES_FILES_H_
#define CTDB_RECOVERYD_CORE_NODES_FILES_H_

#include <map>
#include <string>

#include "ctdb-recoveryd/core/context.h"

namespace ctdb {

class NodesFiles {
 public:
  explicit NodesFiles(Context& context) : c_(context) {}

  // The own one has changed.
  void tell_all();
  void on_link(uint32_t pnn, bool up);
  void on_router_down() { lists_.clear(); }
  void on_list(uint32_t from, const NodeListMessage& message);
  // Says in the log what has differed for a while; once. Asks again now and then. `open`: this node is in an open generation. The
  // others hear that it no longer is when that has lasted longer than a recovery.
  void work(bool open);
  TimeNs next_deadline() const;

  // Its list is known and is not that of this node.
  bool differs(uint32_t pnn) const;
  // It has another quorum rule.
  bool other_rule(uint32_t pnn) const;
  // No node in sight has another quorum rule, or this node's is the one that goes on (quorum_rules.h).
  bool rule_prevails() const;
  // Of the nodes that vote and whose list is known, more than half have another list than this node, all the same one; then
  // that list counts.
  const NodeList& prevailing() const;
  bool odd(uint32_t pnn) const;
  // For people: the nodes whose lists differ from this one's; empty: none.
  std::string remark() const;

 private:
  struct Known {
    NodeList list;
    std::string rule;
    bool open = false;
    bool other_list = false;
    bool other_rule = false;
    std::string difference;  // from ours, in words
    std::string logged;      // the last one told in the log
    TimeNs log_at = kNever;
    TimeNs ask_at = kNever;  // while it differs
  };
  void send(uint32_t pnn, bool asks);
  void compare(uint32_t pnn, Known& known);
  void log_difference(uint32_t pnn, Known& known);
  bool rules_differ() const;

  Context& c_;
  bool open_ = false;  // as the others were told
  TimeNs closed_is_news_at_ = kNever;
  std::map<uint32_t, Known> lists_;
};

}  // namespace ctdb

#endif  // CTDB_RECOVERYD_CORE_NODES_FILES_H_
