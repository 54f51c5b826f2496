// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes file while the router runs: read again, refused, edited; who gets links, what recoveryd is told.
#include "core_fixture.h"

namespace ctdb::test {
namespace {

class Reload : public CoreTest {
 protected:
  Reload() {
    daemons_up();
    link_up(0);
    link_up(2);
    cluster_state(state());
    out.take();
  }
  static ClusterState state() {
    ClusterState state = healthy();
    state.voters = {0, 1, 2};
    return state;
  }
  // Node 2 was stopped, and the cluster went on without it.
  void stop_node_2() {
    ClusterState now = state();
    now.node_flags[2] = CTDB_NODE_STOPPED;
    now.members = {0, 1};
    cluster_state(now);
  }
  static std::vector<RouterNode> file(const NodeList& list) {
    std::vector<RouterNode> nodes;
    for (const NodeEntry& node : list)
      nodes.push_back({Bytes(28, 9), node.empty(), false, 0, node.address, node.witness});
    return nodes;
  }
  // The answer; what else was sent stays in `others`.
  ReplyControl reload(const NodeList& list) {
    out.file_nodes = file(list);
    from_client(control(Control::RELOAD_NODES_FILE));
    others = out.take();
    last = others.back().packet;
    others.pop_back();
    return parse_reply_control(last).value_or(ReplyControl{-999, {}, {}});
  }
  ReplyControl edit(const EditNodes& edit) { return ask(Control::EDIT_NODES_FILE, edit.encode()); }
  // A change that the disk has taken when it is answered.
  ReplyControl write(const EditNodes& edit) {
    from_client(control(Control::EDIT_NODES_FILE, CTDB_CURRENT_NODE, edit.encode()));
    EXPECT_TRUE(out.take().empty()) << "it is not on the disk";
    router.on_nodes_file_edited("");
    return answer();
  }
  std::vector<Sent> others;
  const NodeList three = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
};

TEST_F(Reload, ANewNodeGetsALinkAndRecoverydTheList) {
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}).status, 0);
  ASSERT_EQ(others.size(), 1u);
  EXPECT_EQ(others[0].where, Sent::Where::kRecoveryd);
  EXPECT_EQ(others[0].lane, Lane::kControl);
  ASSERT_TRUE(others[0].is(Operation::NODE_LIST));
  const auto told = NodeListMessage::decode(own_payload(others[0].packet));
  EXPECT_EQ(told->nodes, (NodeList{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"}));
  EXPECT_FALSE(told->asks);
  EXPECT_EQ(out.peers, (std::vector<NodeList>{{"10.0.0.1", "", "10.0.0.3", "10.0.0.4"}}));
  EXPECT_EQ(out.lines, (std::vector<std::string>{"the nodes file was read again: 4 nodes; added 3"}));
  const Bytes map = to_bytes(ask(Control::GET_NODEMAP).data);
  EXPECT_EQ(load<uint32_t>(map.data() + 4 + 3 * 36 + 4), CTDB_NODE_DISCONNECTED | CTDB_NODE_UNHEALTHY);
  link_up(3);
  EXPECT_TRUE(out.take().back().is(Operation::LINK_STATE));
}

TEST_F(Reload, ANumberBeyondTheLastLeavesDeletedOnesBetween) {
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2", "10.0.0.3", "", "", "10.0.0.6"}).status, 0);
  const Bytes map = to_bytes(ask(Control::GET_NODEMAP).data);
  ASSERT_EQ(load<uint32_t>(map.data()), 6u);
  EXPECT_EQ(load<uint32_t>(map.data() + 4 + 4 * 36 + 4), CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED);
}

TEST_F(Reload, RecoverydThatConnectsIsToldTheListBeforeAnythingElse) {
  router.on_daemon(Server::recoveryd, false, 2, now);
  out.take();
  router.on_daemon(Server::recoveryd, true, 3, now);
  EXPECT_TRUE(out.take().front().is(Operation::NODE_LIST));
}

TEST_F(Reload, ARemovedNodeKeepsItsLinkWhileItVotes) {
  stop_node_2();
  out.take();
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2", ""}).status, 0);
  EXPECT_TRUE(out.peers.empty()) << "it votes";
  EXPECT_EQ(out.lines.back(), "the nodes file was read again: 2 nodes; removed 2");
  const Bytes map = to_bytes(ask(Control::GET_NODEMAP).data);
  EXPECT_EQ(load<uint32_t>(map.data() + 4 + 2 * 36 + 4), CTDB_NODE_DELETED | CTDB_NODE_DISCONNECTED);
  Bytes beat;
  build_own(beat, {0, 0, static_cast<uint32_t>(Operation::HEARTBEAT_REPLY), 0, 0, 0},
            HeartbeatReply{}.encode());
  EXPECT_TRUE(from_link(2, beat));
  EXPECT_TRUE(out.take().back().is(Operation::HEARTBEAT_REPLY)) << "its voice is heard";
  ClusterState decided = state();
  decided.node_flags[2] = CTDB_NODE_DELETED;
  decided.members = decided.voters = {0, 1};
  cluster_state(decided);
  EXPECT_EQ(out.peers, (std::vector<NodeList>{{"10.0.0.1", "", "", ""}}));
}

// Recoveryd knows before this router does that node 2 votes no more, and hears of no link to it from then on.
TEST_F(Reload, ALinkToANodeThatIsPutInAgainIsToldAgain) {
  stop_node_2();
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2", ""}).status, 0);
  link_down(2);
  link_up(2, 6);
  out.take();
  EXPECT_EQ(reload(three).status, 0);
  ASSERT_EQ(others.size(), 2u);
  EXPECT_TRUE(others[0].is(Operation::NODE_LIST));
  ASSERT_TRUE(others[1].is(Operation::LINK_STATE));
  const auto told = LinkState::decode(own_payload(others[1].packet));
  EXPECT_EQ(told->pnn, 2u);
  EXPECT_TRUE(told->up);
  EXPECT_EQ(told->session, 6u);
  EXPECT_TRUE(out.peers.empty()) << "the link stays";
}

TEST_F(Reload, AnActiveNodeIsNotRemoved) {
  const ReplyControl answer = reload({"10.0.0.1", "10.0.0.2"});
  EXPECT_EQ(answer.status, -1);
  EXPECT_EQ(answer.error, "node 2 is not in the nodes file any more but active: stop it first");
  EXPECT_TRUE(others.empty());
  EXPECT_TRUE(out.peers.empty());
  link_down(2);
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2"}).status, -1) << "a moment ago it was a member";
}

TEST_F(Reload, ThisNodeAndAddressesStayAsTheyAre) {
  EXPECT_EQ(reload({"10.0.0.1", "", "10.0.0.3"}).error,
            "node 1, this one, is not in the nodes file any more: stop its daemons");
  EXPECT_EQ(
      reload({"10.0.0.1", "10.0.0.2", "10.0.0.9"}).error,
      "the address of node 2 changes from 10.0.0.3 to 10.0.0.9: remove the node, reload, and add it again");
  out.file_fault = "nodes:3: 'x' is not an IP address (write one address a line)";
  EXPECT_EQ(reload(three).error, out.file_fault);
  EXPECT_EQ(out.lines.back(), "the nodes file is not taken over: " + out.file_fault);
}

TEST_F(Reload, AWitnessIsShownAsOneAndAsStoppedWhateverIsSaidOfIt) {
  NodeList list = three;
  list.push_back({"10.0.0.4", true});
  EXPECT_EQ(reload(list).status, 0);
  EXPECT_EQ(NodeListMessage::decode(own_payload(others[0].packet))->nodes, list);
  const auto flags = [this](Control control) {
    const Bytes map = to_bytes(ask(control).data);
    return load<uint32_t>(map.data() + 4 + 3 * 36 + 4);
  };
  EXPECT_EQ(flags(Control::GET_NODES_FILE), CTDB_NODE_WITNESS);
  EXPECT_EQ(flags(Control::GET_NODEMAP),
            CTDB_NODE_WITNESS | CTDB_NODE_STOPPED | CTDB_NODE_DISCONNECTED | CTDB_NODE_UNHEALTHY);
  link_up(3);
  out.take();
  EXPECT_EQ(flags(Control::GET_NODEMAP), CTDB_NODE_WITNESS | CTDB_NODE_STOPPED);
}

TEST_F(Reload, NobodyBecomesAWitnessWhileItIsThere) {
  NodeList list = three;
  list[2].witness = true;
  EXPECT_EQ(reload(list).error, "node 2 becomes a witness: remove the node, reload, and add it again");
}

TEST_F(Reload, MoreNewNodesThanVotersAreWarnedOf) {
  const auto warned = [this] {
    return std::any_of(out.lines.begin(), out.lines.end(),
                       [](const std::string& line) { return line.find("4 of 7 nodes are new") == 0; });
  };
  EXPECT_EQ(reload({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}).status, 0);
  EXPECT_FALSE(warned());
  EXPECT_EQ(
      reload({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"}).status, 0);
  EXPECT_TRUE(warned());
}

TEST_F(Reload, NothingNewIsNothingToDo) {
  EXPECT_EQ(reload(three).status, 0);
  EXPECT_TRUE(out.peers.empty());
}

TEST_F(Reload, EditsAreCheckedBeforeTheFileIsTouched) {
  const uint64_t digest = node_list_digest(three);
  EXPECT_EQ(edit({false, true, 3, "10.0.0.4", false, digest}).status, 0);
  EXPECT_EQ(write({true, true, 3, "10.0.0.4", false, digest}).status, 0);
  ASSERT_EQ(out.edits.size(), 2u);
  EXPECT_FALSE(out.edits[0].write);
  EXPECT_TRUE(out.edits[1].write);
  out.edits.clear();
  EXPECT_EQ(edit({true, true, 3, "10.0.0.4", false, digest + 1}).error,
            "it works with another list of nodes: reload its nodes file");
  EXPECT_EQ(edit({true, false, 2, "", false, digest}).error, "node 2 is active: stop it first");
  ClusterState leaderless = state();
  leaderless.leader = CTDB_UNKNOWN_PNN;
  cluster_state(leaderless);
  EXPECT_EQ(edit({true, true, 3, "10.0.0.4", false, digest}).error,
            "it knows no leader: who votes cannot change without a quorum");
  ClusterState two = state();
  two.voters = {0, 1};
  cluster_state(two);
  EXPECT_EQ(edit({true, true, 3, "10.0.0.4", false, digest}).error,
            "node 2 is new and has no vote yet: start it first, or remove it");
  EXPECT_TRUE(out.edits.empty());
  cluster_state(state());
  stop_node_2();
  out.edit_fault = "the disk is full";
  EXPECT_EQ(edit({true, false, 2, "", false, digest}).error, "the disk is full");
  EXPECT_EQ(ask(Control::EDIT_NODES_FILE, Bytes(7)).status, -1);
}

TEST_F(Reload, AnEditIsAnsweredWhenTheDiskHasIt) {
  const uint64_t digest = node_list_digest(three);
  const Bytes write_it = EditNodes{true, true, 3, "10.0.0.4", false, digest}.encode();
  from_client(control(Control::EDIT_NODES_FILE, CTDB_CURRENT_NODE, write_it));
  EXPECT_TRUE(out.take().empty());
  from_client(control(Control::EDIT_NODES_FILE, CTDB_CURRENT_NODE, write_it), kOther);
  const Sent refused = only();
  EXPECT_EQ(refused.to, kOther);
  EXPECT_EQ(parse_reply_control(refused.packet)->error, "its nodes file is being changed: try again");
  router.on_nodes_file_edited("the disk is full");
  const Sent told = only();
  EXPECT_EQ(told.to, kClient);
  EXPECT_EQ(read_header(told.packet).reqid, 42u);
  EXPECT_EQ(parse_reply_control(told.packet)->status, -1);
  EXPECT_EQ(parse_reply_control(told.packet)->error, "the disk is full");
  EXPECT_EQ(write({true, true, 3, "10.0.0.4", false, digest}).status, 0) << "and it may be tried again";
  EXPECT_EQ(out.edits.size(), 2u);
}

TEST_F(Reload, WhoAskedForAnEditMayBeGoneWhenItIsDone) {
  const uint64_t digest = node_list_digest(three);
  const Bytes write_it = EditNodes{true, true, 3, "10.0.0.4", false, digest}.encode();
  from_client(control(Control::EDIT_NODES_FILE, CTDB_CURRENT_NODE, write_it));
  router.on_client_gone(kClient, now);
  out.take();
  router.on_nodes_file_edited("");
  EXPECT_TRUE(out.take().empty());
  from_link(0, control(Control::EDIT_NODES_FILE, kSelf, write_it));
  EXPECT_TRUE(out.take().empty());
  link_down(0);
  link_up(0, 6);
  out.take();
  router.on_nodes_file_edited("");
  EXPECT_TRUE(out.take().empty()) << "another router there may have asked something else with that number";
  from_link(0, control(Control::EDIT_NODES_FILE, kSelf, write_it));
  router.on_nodes_file_edited("");
  EXPECT_EQ(only().where, Sent::Where::kLink);
}

}  // namespace
}  // namespace ctdb::test
