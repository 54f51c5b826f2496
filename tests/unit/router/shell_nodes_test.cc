// SPDX-License-Identifier: GPL-3.0-or-later
// Changes of the nodes file, on a disk that takes its time: a pipe in place of the new file is one that waits until the test reads it.
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/router/shell_fixture.h"

namespace ctdb::test {
namespace {

class ShellNodes : public ShellTest {
 protected:
  ShellNodes() : recoveryd(daemon(DaemonRole::kRecoveryd)), client(classic()) {
    std::ofstream(context.config.nodes_file) << "127.0.0.1\n127.0.0.2\n";
    ClusterState state;
    state.generation = 77;
    state.recovery_mode = CTDB_RECOVERY_NORMAL;
    state.leader = 0;
    state.node_flags = {0, 0};
    state.members = {0};
    state.voters = {0, 1};
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(Operation::CLUSTER_STATE), 0, 0, 0}, state.encode());
    recoveryd.send(packet);
    EXPECT_TRUE(eventually([&] { return ask(client, edit(false)) == 0; }));
  }
  Bytes edit(bool write, uint32_t reqid = 42) const {
    EditNodes change{write, true, 2, "127.0.0.3", false, node_list_digest({"127.0.0.1", "127.0.0.2"})};
    Bytes packet = control(Control::EDIT_NODES_FILE, change.encode());
    set_reqid(packet, reqid);
    return packet;
  }
  std::string file() const {
    std::ifstream in(context.config.nodes_file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  ChannelPeer recoveryd;
  PacketSocket client;
};

TEST_F(ShellNodes, AChangeIsInTheFileWhenItIsAnswered) {
  EXPECT_EQ(ask(client, edit(true)), 0);
  EXPECT_EQ(file(), "127.0.0.1\n127.0.0.2\n127.0.0.3\n");
}

TEST_F(ShellNodes, NobodyWaitsForTheDiskButWhoAskedForTheChange) {
  const std::string fresh = context.config.nodes_file + ".new";
  ASSERT_EQ(mkfifo(fresh.c_str(), 0600), 0);
  client.send(edit(true, 1));
  client.send(edit(true, 2));
  client.send(control(Control::PING));
  const std::optional<Bytes> second = client.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(read_header(*second).reqid, 2u);
  EXPECT_EQ(parse_reply_control(*second)->error, "its nodes file is being changed: try again");
  EXPECT_EQ(status_of(client.receive()), 1) << "PING";
  const UniqueFd disk(open(fresh.c_str(), O_RDONLY | O_CLOEXEC));
  const std::optional<Bytes> first = client.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(read_header(*first).reqid, 1u);
  EXPECT_EQ(status_of(first), -1) << "a pipe cannot be synced";
  EXPECT_EQ(file(), "127.0.0.1\n127.0.0.2\n");
  unlink(fresh.c_str());
  EXPECT_EQ(ask(client, edit(true)), 0);
}

}  // namespace
}  // namespace ctdb::test
