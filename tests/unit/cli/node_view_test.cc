// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-cli/node_view.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

DaemonView daemon(const char* name, Liveness liveness, uint32_t pid = 100, std::string status = "") {
  DaemonView view;
  view.name = name;
  view.liveness = liveness;
  if (liveness != Liveness::kAbsent) {
    view.counters.emplace();
    view.counters->pid = pid;
    view.counters->status = std::move(status);
  }
  return view;
}

NodeView healthy() {
  NodeView node;
  for (const char* name : kDaemons) node.daemons.push_back(daemon(name, Liveness::kAlive));
  node.cluster = ClusterView{7, 2, 3, CTDB_RUNSTATE_RUNNING, false};
  node.nodes = 3;
  return node;
}

using Lines = std::vector<std::string>;

TEST(NodeView, NothingIsWrongWithAHealthyNode) {
  EXPECT_EQ(healthy().why_not_healthy(), Lines{});
  EXPECT_EQ(healthy().why_not_ready(), Lines{});
  EXPECT_EQ(healthy().why_no_leader(), Lines{});
}

TEST(NodeView, NamesEachDaemonThatDoesNotRun) {
  NodeView node = healthy();
  node.daemons[0] = daemon("ctdb-router", Liveness::kStopped, 17);
  node.daemons[1] = daemon("ctdb-store", Liveness::kDead, 18);
  node.daemons[2] = daemon("ctdb-recoveryd", Liveness::kAbsent);
  node.cluster.reset();
  EXPECT_EQ(node.why_not_healthy(), (Lines{"ctdb-router is stopped (pid 17)", "ctdb-store is dead (pid 18)",
                                           "ctdb-recoveryd has not been started"}));
  EXPECT_EQ(node.why_no_leader(), Lines{"ctdb-recoveryd has not been started"});
}

TEST(NodeView, SaysWhatIsMissingInTheClusterWithRecoverydsOwnWords) {
  NodeView node = healthy();
  node.daemons[2] = daemon("ctdb-recoveryd", Liveness::kAlive, 19, "waiting for votes");
  node.cluster->leader = CTDB_UNKNOWN_PNN;
  EXPECT_EQ(node.why_not_healthy(), Lines{"no leader is known (waiting for votes)"});
  EXPECT_EQ(node.why_no_leader(), Lines{"no leader is known (waiting for votes)"});
  node.cluster->leader = 2;
  node.cluster->generation = CTDB_INVALID_GENERATION;
  EXPECT_EQ(node.why_not_ready(), Lines{"no generation is open (waiting for votes)"});
  EXPECT_EQ(node.why_no_leader(), Lines{});
}

TEST(NodeView, IsNotReadyInARecoveryOrBeforeRunning) {
  NodeView node = healthy();
  node.cluster->recovering = true;
  EXPECT_EQ(node.why_not_ready(), Lines{"this node is not a member, or a recovery runs"});
  node.cluster->recovering = false;
  node.cluster->runstate = CTDB_RUNSTATE_STARTUP;
  EXPECT_EQ(node.why_not_ready(), Lines{"run state is STARTUP"});
}

TEST(NodeView, IsReadyButNotHealthyWhileANodeIsMissing) {
  NodeView node = healthy();
  node.cluster->members = 2;
  EXPECT_EQ(node.why_not_ready(), Lines{});
  EXPECT_EQ(node.why_not_healthy(), Lines{"only 2 of 3 nodes take part"});
  node.nodes.reset();  // --socket: not known how many there should be
  EXPECT_EQ(node.why_not_healthy(), Lines{});
}

TEST(NodeView, SaysWhyNodesRefuseEachOther) {
  const std::string refused = "no link to 1 (it does not know this cluster's key (…))";
  NodeView node = healthy();
  node.daemons[0] = daemon("ctdb-router", Liveness::kAlive, 17,
                           "links to 2, " + refused + "; ctdb-store connected; ctdb-recoveryd connected");
  EXPECT_EQ(node.why_not_healthy(), Lines{});
  node.cluster->members = 2;
  EXPECT_EQ(node.why_not_healthy(), (Lines{"only 2 of 3 nodes take part", refused}));
  node.cluster->leader = CTDB_UNKNOWN_PNN;
  EXPECT_EQ(node.why_not_ready(), (Lines{"no leader is known", refused}));
  EXPECT_EQ(node.why_no_leader(), (Lines{"no leader is known", refused}));
  node.daemons[0].counters->status = "no link to 1; ctdb-store connected; ctdb-recoveryd connected";
  EXPECT_EQ(node.why_no_leader(), Lines{"no leader is known"});
}

TEST(NodeView, IsNotHealthyWhileAVotingNodeIsOutOfReach) {
  NodeView node = healthy();
  node.cluster->members = node.nodes.emplace(2);
  node.witnesses = 1;
  node.cluster->voters = node.cluster->voters_reachable = 3;
  node.cluster->votes_needed = 2;
  EXPECT_EQ(node.why_not_healthy(), Lines{});
  EXPECT_EQ(node.failures_survived(), 1u);
  node.cluster->voters_reachable = 2;
  EXPECT_EQ(node.why_not_healthy(), Lines{"only 2 of 3 voting nodes are reachable"});
  EXPECT_EQ(node.why_not_ready(), Lines{});
  EXPECT_EQ(node.failures_survived(), 0u);
}

TEST(NodeView, SurvivesAsManyFailuresAsVotersAndMembersAllow) {
  const auto survived = [](uint64_t members, uint64_t voters, uint64_t reachable, uint64_t needed) {
    NodeView node = healthy();
    node.cluster->members = members;
    node.cluster->voters = voters;
    node.cluster->voters_reachable = reachable;
    node.cluster->votes_needed = needed;
    return node.failures_survived();
  };
  EXPECT_EQ(survived(5, 5, 5, 3), 2u);
  EXPECT_EQ(survived(5, 5, 4, 3), 1u);
  EXPECT_EQ(survived(3, 3, 3, 1), 2u) << "by cluster lock";
  EXPECT_EQ(survived(1, 3, 3, 2), 0u) << "nobody would serve";
  EXPECT_EQ(survived(2, 3, 1, 2), std::nullopt);
  EXPECT_EQ(survived(0, 3, 3, 2), std::nullopt);
  EXPECT_EQ(survived(3, 0, 0, 0), std::nullopt) << "an older recoveryd says nothing of it";
}

TEST(NodeView, MayBeRestartedWhenTheOthersGoOn) {
  NodeView node = healthy();
  node.cluster->members = node.cluster->voters = node.cluster->voters_reachable = 3;
  node.cluster->votes_needed = 2;
  EXPECT_EQ(node.why_no_restart(), "");
  node.cluster->voters_reachable = node.cluster->members = 2;
  EXPECT_EQ(node.why_no_restart(), "the others would not go on without it");
  node.cluster->voters = 0;
  EXPECT_EQ(node.why_no_restart(), "it is not known whether the others would go on");
  node.cluster->recovering = true;
  EXPECT_EQ(node.why_no_restart(), "a recovery runs, or this node is on its way in or out");
  node.cluster->leader = CTDB_UNKNOWN_PNN;
  EXPECT_EQ(node.why_no_restart(), "") << "it serves nobody";
}

TEST(NodeView, AWitnessNeedsNoStoreAndNoGeneration) {
  NodeView node = healthy();
  node.is_witness = true;
  node.daemons[1] = daemon("ctdb-store", Liveness::kAbsent);
  node.cluster->generation = CTDB_INVALID_GENERATION;
  node.cluster->recovering = true;
  EXPECT_EQ(node.why_not_healthy(), Lines{});
  node.daemons[0] = daemon("ctdb-router", Liveness::kDead, 18);
  EXPECT_EQ(node.why_not_healthy(), Lines{"ctdb-router is dead (pid 18)"});
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ctdb-cli-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    place.run_directory = name;
  }
  void TearDown() override { std::filesystem::remove_all(place.run_directory); }
  NodePlace place;
};

TEST_F(Folder, WithoutSegmentsAllDaemonsAreAbsent) {
  const NodeView node = look_at_node(place);
  for (const DaemonView& daemon : node.daemons) EXPECT_EQ(daemon.liveness, Liveness::kAbsent) << daemon.name;
  EXPECT_FALSE(node.any_alive());
  EXPECT_FALSE(node.cluster.has_value());
}

TEST_F(Folder, ASegmentLeftByAnotherProgramMeansDead) {
  // The process behind the pid is this test, not a ctdb-recoveryd.
  auto counters = Counters::create(place.counters_path("ctdb-recoveryd"));
  ASSERT_TRUE(counters);
  (*counters)->set(Counter::recoveryd_leader, 1);
  const NodeView node = look_at_node(place);
  EXPECT_EQ(node.daemons[2].liveness, Liveness::kDead);
  EXPECT_EQ(node.daemons[2].counters->pid, static_cast<uint32_t>(getpid()));
  EXPECT_FALSE(node.cluster.has_value());
}

TEST_F(Folder, AFileThatIsNoSegmentIsReported) {
  FILE* file = fopen(place.counters_path("ctdb-store").c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs("not counters", file);
  fclose(file);
  const NodeView node = look_at_node(place);
  EXPECT_EQ(node.daemons[1].liveness, Liveness::kUnknown);
  EXPECT_NE(node.daemons[1].problem.find("is not a counters file"), std::string::npos);
}

// A child with the daemon's name, in whatever state the test puts it.
class NamedChild {
 public:
  explicit NamedChild(const char* name) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_NAME, name);
      (void)!write(ready[1], "", 1);
      for (;;) pause();
    }
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~NamedChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }
  void stop() {
    kill(pid_, SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);
  }
  void die() {
    kill(pid_, SIGKILL);
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);  // stays a zombie
  }

 private:
  pid_t pid_;
};

TEST(ProcessLiveness, TellsAliveStoppedAndDead) {
  NamedChild child("ctdb-recoveryd");
  EXPECT_EQ(process_liveness(child.pid(), "ctdb-recoveryd"), Liveness::kAlive);
  EXPECT_EQ(process_liveness(child.pid(), "ctdb-router"), Liveness::kDead);
  child.stop();
  EXPECT_EQ(process_liveness(child.pid(), "ctdb-recoveryd"), Liveness::kStopped);
  child.die();
  EXPECT_EQ(process_liveness(child.pid(), "ctdb-recoveryd"), Liveness::kDead);
}

TEST(ProcessLiveness, IsNotFooledByParenthesesInANameNorByTheKernelsCut) {
  NamedChild odd("ctdb) R (");
  EXPECT_EQ(process_liveness(odd.pid(), "ctdb) R ("), Liveness::kAlive);
  EXPECT_EQ(process_liveness(odd.pid(), "ctdb"), Liveness::kDead);
  NamedChild cut("ctdb-a-very-long-name");
  EXPECT_EQ(process_liveness(cut.pid(), "ctdb-a-very-long-name"), Liveness::kAlive);
}

TEST(ProcessUptime, IsCountedByAClockThatNobodySets) {
  const std::optional<int64_t> own = process_uptime_s(static_cast<uint32_t>(getpid()));
  const std::optional<int64_t> first = process_uptime_s(1);
  ASSERT_TRUE(own && first);
  EXPECT_GE(*own, 0);
  EXPECT_GE(*first, *own);
  EXPECT_FALSE(process_uptime_s(0));
}

TEST(ProcessLiveness, ANumberNobodyHasIsDead) {
  EXPECT_EQ(process_liveness(0, "ctdb-store"), Liveness::kDead);
}

}  // namespace
}  // namespace ctdb::cli
