// SPDX-License-Identifier: GPL-3.0-or-later
// status, stats and wait on segments that the test writes itself.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ctdb-cli/command.h"
#include "libctdbipc/ring/counters.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb::cli {
namespace {

class StatusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ctdb-cli-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    invocation.place.run_directory = name;
  }
  void TearDown() override { std::filesystem::remove_all(invocation.place.run_directory); }

  std::string run(Handler handler, Format format, Exit expected) {
    const Outcome outcome = handler(invocation);
    EXPECT_EQ(outcome.exit, expected) << outcome.error;
    return render(format, invocation.command, outcome.report);
  }

  Invocation invocation{"status", {}, {}, {}, 50};
};

TEST_F(StatusTest, SaysThatNothingRuns) {
  EXPECT_EQ(
      run(status, Format::kTable, Exit::kNoDaemon),
      R"(NOT HEALTHY: ctdb-router has not been started; ctdb-store has not been started; ctdb-recoveryd has not been started
no leader, no generation, members unknown

DAEMON          STATE   PID  UPTIME S  STATUS
ctdb-router     absent  -    -
ctdb-store      absent  -    -
ctdb-recoveryd  absent  -    -
)");
}

TEST_F(StatusTest, JsonTellsTheNodeAndItsDaemons) {
  Config config;
  config.pnn = 1;
  config.node_address = "127.0.0.2";
  config.nodes = {{0, "127.0.0.1"}, {1, "127.0.0.2"}, {2, "", true}};
  invocation.place.config = config;
  EXPECT_EQ(run(status, Format::kJson, Exit::kNoDaemon), R"({
  "schema": 1,
  "command": "status",
  "healthy": false,
  "reason": "ctdb-router has not been started; ctdb-store has not been started; ctdb-recoveryd has not been started",
  "leader": null,
  "generation": null,
  "members": null,
  "nodes": 2,
  "witnesses": 0,
  "failures_survived": null,
  "may_restart": true,
  "no_restart_reason": "",
  "runstate": null,
  "recovering": null,
  "members_lost": null,
  "records_fallen_back": null,
  "records_left_behind": null,
  "node": 1,
  "address": "127.0.0.2",
  "witness": false,
  "cluster": "ctdb",
  "daemons": [
    {
      "daemon": "ctdb-router",
      "state": "absent",
      "pid": null,
      "uptime_s": null,
      "status": ""
    },
    {
      "daemon": "ctdb-store",
      "state": "absent",
      "pid": null,
      "uptime_s": null,
      "status": ""
    },
    {
      "daemon": "ctdb-recoveryd",
      "state": "absent",
      "pid": null,
      "uptime_s": null,
      "status": ""
    }
  ]
}
)");
}

TEST_F(StatusTest, TellsWhatHasBeenLostSinceTheStoreWasStarted) {
  auto store = Counters::create(invocation.place.counters_path("ctdb-store"));
  ASSERT_TRUE(store);
  (*store)->set(Counter::store_members_lost, 1);
  (*store)->set(Counter::store_records_left_behind, 12);
  const auto says = [&](const std::string& what) {
    const Outcome outcome = status(invocation);
    return (render(Format::kTable, "status", outcome.report) +
            render(Format::kJson, "status", outcome.report))
               .find(what) != std::string::npos;
  };
  EXPECT_TRUE(says("\"members_lost\": null"))
      << "this process is no ctdb-store: what a dead one has counted is history";
  EXPECT_FALSE(says("since ctdb-store was started"));
  char name[16] = {};
  ASSERT_EQ(prctl(PR_GET_NAME, name), 0);
  ASSERT_EQ(prctl(PR_SET_NAME, "ctdb-store"), 0);
  EXPECT_TRUE(
      says("since ctdb-store was started here (its log has the names): 1 member has left or lost its files, "
           "12 records "
           "that this node had last were discarded by it\n"));
  EXPECT_TRUE(says("\"members_lost\": 1,\n  \"records_fallen_back\": 0,\n  \"records_left_behind\": 12,\n"));
  prctl(PR_SET_NAME, name);
}

TEST_F(StatusTest, StatsShowsTheRowsOfEachDaemonThatRan) {
  auto router = Counters::create(invocation.place.counters_path("ctdb-router"));
  ASSERT_TRUE(router);
  (*router)->set(Counter::router_clients, 4);
  (*router)->set(Counter::store_calls, 9);  // not its row: not shown
  (*router)->error("disk on fire", 1700000000000000000);
  invocation.command = "stats";
  setenv("TZ", "UTC", 1);
  const std::string text = run(stats, Format::kTable, Exit::kOk);
  EXPECT_NE(text.find("router_clients                 4  clients connected now, both kinds\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("store_calls"), std::string::npos);
  EXPECT_NE(text.find(R"(DAEMON       COUNT  FIRST                LAST                 ERROR
ctdb-router      1  2023-11-14 22:13:20  2023-11-14 22:13:20  disk on fire
)"),
            std::string::npos)
      << text;
  const std::string json = run(stats, Format::kJson, Exit::kOk);
  EXPECT_NE(json.find("\"router_clients\": 4,\n"), std::string::npos) << json;
}

TEST_F(StatusTest, MetricsDoNotMissTheStoreOfAWitness) {
  invocation.command = "metrics";
  Config config;
  config.nodes = {{0, "127.0.0.1", false, true}};
  invocation.place.config = config;
  const std::string text = run(metrics, Format::kTable, Exit::kOk);
  EXPECT_NE(text.find("ctdb_daemon_alive{daemon=\"ctdb-router\"} 0\n"), std::string::npos);
  EXPECT_EQ(text.find("ctdb-store"), std::string::npos) << text;
}

TEST_F(StatusTest, MetricsAreOpenMetricsTextOfTheDaemonsThatAreAlive) {
  invocation.command = "metrics";
  EXPECT_EQ(run(metrics, Format::kTable, Exit::kOk), R"(# HELP ctdb_healthy 1 as in 'ctdb-cli status'
ctdb_healthy 0
# HELP ctdb_ready 1 when this node serves records, whatever the others do
ctdb_ready 0
# HELP ctdb_daemon_alive 1 when the daemon's process is there and not stopped
ctdb_daemon_alive{daemon="ctdb-router"} 0
ctdb_daemon_alive{daemon="ctdb-store"} 0
ctdb_daemon_alive{daemon="ctdb-recoveryd"} 0
# HELP ctdb_daemon_errors errors the daemon has met since it was started, of all kinds
# EOF
)");
  auto router = Counters::create(invocation.place.counters_path("ctdb-router"));
  ASSERT_TRUE(router);
  (*router)->set(Counter::router_clients, 4);
  (*router)->error("disk on fire", 1700000000000000000);
  (*router)->error("disk on fire", 1700000000000000000);
  EXPECT_EQ(run(metrics, Format::kTable, Exit::kOk).find("ctdb_router_clients"), std::string::npos)
      << "what a dead daemon counted is no number of now";
  char name[16];
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, "ctdb-router");  // this process, that is
  const std::string text = run(metrics, Format::kTable, Exit::kOk);
  prctl(PR_SET_NAME, name);
  for (const char* line :
       {"ctdb_daemon_alive{daemon=\"ctdb-router\"} 1\n", "ctdb_daemon_errors{daemon=\"ctdb-router\"} 2\n",
        "# HELP ctdb_router_clients clients connected now, both kinds\nctdb_router_clients 4\n"})
    EXPECT_NE(text.find(line), std::string::npos) << text;
  EXPECT_EQ(text.find("ctdb_store_calls"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

// As between the installation of a release and the restart of its daemons.
TEST_F(StatusTest, ADaemonOfAnOlderReleaseIsSeenToBeAlive) {
  const std::string path = invocation.place.counters_path("ctdb-recoveryd");
  auto recoveryd = Counters::create(path);
  ASSERT_TRUE(recoveryd);
  constexpr size_t kRowAt = 32 + 1024 + sizeof(uint64_t) * static_cast<size_t>(Counter::recoveryd_voters);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const size_t rows = static_cast<size_t>(Counter::recoveryd_voters);
  const size_t gone = sizeof(uint64_t) * (static_cast<size_t>(Counter::count) - rows);
  bytes.erase(kRowAt, gone);
  bytes.replace(12, 1, 1, static_cast<char>(rows));
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, "ctdb-recoveryd");
  EXPECT_NE(run(status, Format::kTable, Exit::kNotHealthy).find("ctdb-recoveryd  alive"), std::string::npos);
  const std::string text = run(metrics, Format::kTable, Exit::kOk);
  prctl(PR_SET_NAME, name);
  EXPECT_NE(text.find("\nctdb_recoveryd_members 0\n"), std::string::npos);
  EXPECT_EQ(text.find("ctdb_recoveryd_voters"), std::string::npos) << "it counts nothing of that kind";
}

// In a HELP line they would have to be escaped.
TEST_F(StatusTest, NoCounterIsDescribedWithBackslashesQuotesOrSeveralLines) {
  for (size_t i = 0; i < static_cast<size_t>(Counter::count); ++i) {
    const std::string help = counter_help(static_cast<Counter>(i));
    EXPECT_EQ(help.find_first_of("\\\"\n"), std::string::npos) << help;
  }
}

TEST_F(StatusTest, StatsWithoutAnySegmentHasNobodyToShow) {
  const Outcome outcome = stats(invocation);
  EXPECT_EQ(outcome.exit, Exit::kNoDaemon);
  EXPECT_EQ(outcome.error, "no daemon has ever run in " + invocation.place.run_directory);
}

TEST_F(StatusTest, WaitGivesUpAfterItsTimeAndSaysWhatIsMissing) {
  invocation.arguments["for"] = "leader";
  const Outcome outcome = wait(invocation);
  EXPECT_EQ(outcome.exit, Exit::kNotHealthy);
  EXPECT_EQ(outcome.error, "not leader: ctdb-recoveryd has not been started");
}

TEST_F(StatusTest, WaitRefusesAConditionItDoesNotKnow) {
  invocation.arguments["for"] = "luck";
  EXPECT_EQ(wait(invocation).exit, Exit::kUsage);
}

}  // namespace
}  // namespace ctdb::cli
