// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/node_events.h"

#include <gtest/gtest.h>

#include "ctdb-cli/output.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

DaemonView alive(const char* name, uint32_t pid) {
  DaemonView view;
  view.name = name;
  view.liveness = Liveness::kAlive;
  view.counters.emplace();
  view.counters->pid = pid;
  view.counters->values.resize(static_cast<size_t>(Counter::count));
  return view;
}

NodeView healthy() {
  NodeView node;
  for (const char* name : kDaemons) node.daemons.push_back(alive(name, 100));
  node.cluster = ClusterView{7, 2, 3, CTDB_RUNSTATE_RUNNING, false, 3, 3, 2};
  node.nodes = 3;
  return node;
}

DaemonView& store_of(NodeView& node) {
  return node.daemons[1];
}

using Lines = std::vector<std::string>;

// As text, with a time in front that is always the same.
Lines told(const NodeView* before, const NodeView& now) {
  Lines lines;
  for (Report& event : events_between(before, now)) {
    event.fields.insert(event.fields.begin(), {"time", std::string("T")});
    std::string line = render_line(Format::kTable, "events", event);
    EXPECT_EQ(line.back(), '\n');
    line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

TEST(NodeEvents, FirstItIsToldHowItIs) {
  EXPECT_EQ(told(nullptr, healthy()),
            (Lines{"T  daemon  daemon: ctdb-router, state: alive, pid: 100",
                   "T  daemon  daemon: ctdb-store, state: alive, pid: 100",
                   "T  daemon  daemon: ctdb-recoveryd, state: alive, pid: 100", "T  leader  leader: 2",
                   "T  members  generation: 7, members: 3", "T  voters  reachable: 3, of: 3, needed: 2",
                   "T  health  healthy: yes, ready: yes"}));
}

TEST(NodeEvents, NothingIsToldOfWhatStays) {
  const NodeView before = healthy();
  NodeView now = healthy();
  now.daemons[0].counters->values[static_cast<size_t>(Counter::router_wakeups)] = 9;
  EXPECT_EQ(told(&before, now), Lines{});
}

TEST(NodeEvents, ANodeThatLeavesIsAGenerationWithFewerMembers) {
  const NodeView before = healthy();
  NodeView now = healthy();
  now.cluster->generation = 8;
  now.cluster->members = now.cluster->voters_reachable = 2;
  EXPECT_EQ(told(&before, now),
            (Lines{"T  members  generation: 8, members: 2", "T  voters  reachable: 2, of: 3, needed: 2",
                   "T  health  healthy: no, ready: yes, reason: only 2 of 3 nodes take part"}));
  EXPECT_EQ(told(&now, before).back(), "T  health  healthy: yes, ready: yes");
}

TEST(NodeEvents, ADaemonThatDiesAndItsSuccessor) {
  const NodeView before = healthy();
  NodeView dead = healthy();
  store_of(dead).liveness = Liveness::kDead;
  store_of(dead).last_end = "killed by signal KILL";
  EXPECT_EQ(told(&before, dead).front(),
            "T  daemon  daemon: ctdb-store, state: dead, pid: 100, reason: killed by signal KILL");
  NodeView back = healthy();
  store_of(back).counters->pid = 200;
  EXPECT_EQ(told(&dead, back), (Lines{"T  daemon  daemon: ctdb-store, state: alive, pid: 200",
                                      "T  health  healthy: yes, ready: yes"}));
}

TEST(NodeEvents, WithoutRecoverydNothingIsKnownOfTheCluster) {
  const NodeView before = healthy();
  NodeView now = healthy();
  now.daemons[2].liveness = Liveness::kDead;
  now.cluster.reset();
  const Lines lines = told(&before, now);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[1], "T  leader  leader: -");
  EXPECT_EQ(lines[2], "T  members  generation: -, members: -");
}

TEST(NodeEvents, DamageIsToldWhenItGrows) {
  constexpr auto kAt = static_cast<size_t>(Counter::store_records_fallen_back);
  NodeView before = healthy();
  store_of(before).counters->values[kAt] = 5;
  EXPECT_EQ(told(nullptr, before).size(), 7u) << "what was before is history";
  NodeView now = before;
  store_of(now).counters->values[kAt] = 7;
  EXPECT_EQ(told(&before, now), Lines{"T  damage  counter: store_records_fallen_back, more: 2, count: 7, "
                                      "meaning: records whose only fresh copy was on a node that left"});
  store_of(now).counters->pid = 200;
  store_of(now).counters->values[kAt] = 1;  // another life counts from 0
  EXPECT_EQ(told(&before, now).back(),
            "T  damage  counter: store_records_fallen_back, more: 1, count: 1, meaning: records whose only "
            "fresh copy was on a node that left");
}

}  // namespace
}  // namespace ctdb::cli
