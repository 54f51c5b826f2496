// SPDX-License-Identifier: GPL-3.0-or-later
// daemon_main as a process: arguments, configuration errors, exit statuses, readiness, signals.
#include "libctdbipc/runtime/daemon.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "libctdbipc/base/release.h"
#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/runtime/setup_socket.h"

namespace ctdb {
namespace {

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    char name[] = "/tmp/ctdb-daemon-XXXXXX";
    base_ = mkdtemp(name);
    write("ctdb.conf",
          "[cluster]\n  node address = 127.0.0.1\n  quorum = none\n[logging]\n  log level = NOTICE\n");
    write("nodes", "127.0.0.1\n127.0.0.2\n");
  }
  ~DaemonTest() override { std::filesystem::remove_all(base_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(base_ + "/" + name) << text; }

  // Starts the daemon with its output in files.
  pid_t start(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    const pid_t child = fork();
    if (child != 0) return child;
    const int out = open((base_ + "/stdout").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    const int err = open((base_ + "/stderr").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    dup2(out, 1);
    dup2(err, 2);
    arguments.insert(arguments.begin(), TEST_DAEMON);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    for (std::string& variable : environment) putenv(variable.data());
    execv(TEST_DAEMON, argv.data());
    _exit(127);
  }
  int run(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    const pid_t child = start(std::move(arguments), std::move(environment));
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }
  std::string output(const std::string& name) {
    std::ifstream file(base_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string base_;
};

TEST_F(DaemonTest, HelpAndVersion) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_NE(output("stdout").find("--base"), std::string::npos);
  EXPECT_NE(output("stdout").find("--check"), std::string::npos);
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_EQ(output("stdout").rfind(std::string("test-daemon ") + kRelease, 0), 0u);
}

TEST_F(DaemonTest, UnknownArgumentsAreRefused) {
  EXPECT_EQ(run({"--nonsense"}), 2);
  EXPECT_EQ(output("stderr"),
            "test-daemon: The following argument was not expected: --nonsense\n"
            "test-daemon --help shows what is possible\n");
}

TEST_F(DaemonTest, CheckOfAGoodConfigurationStartsNothing) {
  EXPECT_EQ(run({"--base", base_, "--check"}), 0);
  EXPECT_EQ(output("stderr"), "");
  EXPECT_FALSE(std::filesystem::exists(base_ + "/test-daemon.counters"));
}

TEST_F(DaemonTest, WrongConfigurationIsExplainedAndNothingStarts) {
  write("ctdb.conf", "[cluster]\nnode adress = 127.0.0.1\n\nquorum = sometimes\nnonsense\n");
  for (const bool check : {true, false}) {
    std::vector<std::string> arguments = {"--base", base_};
    if (check) arguments.push_back("--check");
    EXPECT_EQ(run(arguments), 78);
    const std::string text = output("stderr");
    EXPECT_NE(
        text.find(base_ + "/ctdb.conf:2: option 'node adress' in [cluster] is unknown (did you mean 'node "
                          "address' in [cluster]?)\n"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("ctdb.conf:4: 'sometimes' is not a quorum rule (write majority, lock or none)\n"),
              std::string::npos);
    EXPECT_NE(text.find("ctdb.conf:5: line is neither [section] nor key = value (correct or remove it)\n"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(base_ + "/test-daemon.counters"));
  }
}

TEST_F(DaemonTest, MissingNodesFileIsExplained) {
  std::filesystem::remove(base_ + "/nodes");
  EXPECT_EQ(run({"--base", base_}), 78);
  EXPECT_NE(output("stderr").find(base_ + "/nodes: No such file or directory (write the nodes file"),
            std::string::npos)
      << output("stderr");
}

TEST_F(DaemonTest, AFolderIsNoNodesFile) {
  std::filesystem::remove(base_ + "/nodes");
  std::filesystem::create_directory(base_ + "/nodes");
  EXPECT_EQ(run({"--base", base_}), 78);
  EXPECT_NE(output("stderr").find(base_ + "/nodes: Is a directory"), std::string::npos) << output("stderr");
}

TEST_F(DaemonTest, AShellThatRefusesEndsTheProcess) {
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=refuse"}), 1);
  EXPECT_NE(output("stderr").find("test-daemon: not today"), std::string::npos);
}

TEST_F(DaemonTest, WhatOnlyAnAdministratorCanChangeIsTakenForConfiguration) {
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=taken"}), 78);
}

TEST_F(DaemonTest, SaysWhetherAProgramListens) {
  const std::string path = base_ + "/socket";
  EXPECT_EQ(run({"--not-taken", path}), 0);
  const Result<UniqueFd> listener = listen_unix(path, SOCK_STREAM, 0700, 1);
  ASSERT_TRUE(listener);
  EXPECT_EQ(run({"--not-taken", path}), 78);
  EXPECT_NE(output("stderr").find(path + " is taken by unit_daemon (process"), std::string::npos)
      << output("stderr");
}

TEST_F(DaemonTest, EndsWithTheLoop) {
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=end"}), 0);
  EXPECT_NE(output("stderr").find("test-daemon started, node 0"), std::string::npos);
  EXPECT_NE(output("stderr").find("test-daemon stopped"), std::string::npos);
  const Result<CountersSnapshot> counters = read_counters(base_ + "/test-daemon.counters");
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->status, "started");
  EXPECT_EQ(output("test-daemon.settings"), std::string("release of test-daemon = ") + kRelease + "\n")
      << "for whoever compares nodes";
}

// A second one that is started by hand, say.
TEST_F(DaemonTest, OneThatIsRefusedDoesNotHideTheOneThatRuns) {
  const pid_t running = start({"--base", base_});
  const auto shown = [this] {
    const Result<CountersSnapshot> counters = read_counters(base_ + "/test-daemon.counters");
    return counters ? static_cast<pid_t>(counters->pid) : 0;
  };
  while (shown() != running) usleep(1000);  // between two looks
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=taken"}), 78);
  EXPECT_EQ(shown(), running);
  EXPECT_FALSE(std::filesystem::exists(base_ + "/test-daemon.ended"));
  kill(running, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(running, &status, 0), running);
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=taken"}), 78);
  EXPECT_TRUE(std::filesystem::exists(base_ + "/test-daemon.ended"));
  for (const auto& entry : std::filesystem::directory_iterator(base_))
    EXPECT_FALSE(entry.path().string().ends_with(".new")) << entry.path();
}

// What the daemon tells systemd arrives at a socket of ours.
class ServiceTest : public DaemonTest {
 protected:
  ServiceTest() {
    const std::string path = base_ + "/notify";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void start_managed(std::vector<std::string> environment = {}, std::vector<std::string> more = {}) {
    environment.push_back("NOTIFY_SOCKET=" + base_ + "/notify");
    more.insert(more.end(), {"--base", base_});
    child_ = start(more, environment);
  }
  std::string told() {
    char text[1024] = {};
    EXPECT_GT(recv(socket_.get(), text, sizeof text - 1, 0), 0);
    return text;
  }
  // Reads until a message holds `wanted`; a hang is ended by the test's time limit.
  void wait_for(const std::string& wanted) {
    while (told().find(wanted) == std::string::npos) {
    }
  }
  int end(int signal) {
    EXPECT_EQ(kill(child_, signal), 0);
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  const UniqueFd socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  pid_t child_ = 0;
};

TEST_F(ServiceTest, SaysReadyAndEndsOnSigterm) {
  start_managed();
  EXPECT_EQ(told(), "STATUS=started");
  EXPECT_EQ(told(), "READY=1");
  EXPECT_EQ(end(SIGTERM), 0);
  EXPECT_EQ(told(), "STOPPING=1");
}

TEST_F(ServiceTest, TheLoopFeedsTheWatchdog) {
  start_managed({"WATCHDOG_USEC=40000"});
  for (int i = 0; i < 3; ++i) wait_for("WATCHDOG=1");
  EXPECT_EQ(end(SIGTERM), 0);
}

TEST_F(ServiceTest, WhatEndsItIsTold) {
  start_managed({"TEST_DAEMON_MODE=refuse"});
  EXPECT_EQ(told(), "STATUS=not started: not today");
  int status = 0;
  EXPECT_EQ(waitpid(child_, &status, 0), child_);
  write("ctdb.conf", "[cluster]\nport = 70000\n");
  start_managed();
  const std::string text = told();
  EXPECT_EQ(text.rfind("STATUS=wrong configuration: " + base_ + "/ctdb.conf:2: ", 0), 0u) << text;
  EXPECT_EQ(waitpid(child_, &status, 0), child_);
  EXPECT_EQ(WEXITSTATUS(status), 78);
}

TEST_F(ServiceTest, ReloadUsesWhatItCanAndNamesTheRest) {
  start_managed();
  wait_for("READY=1");
  write("ctdb.conf",
        "[cluster]\nnode address = 127.0.0.1\nport = 4000\nquorum = none\n[logging]\nlog level = DEBUG\n");
  EXPECT_EQ(kill(child_, SIGHUP), 0);
  wait_for("RELOADING=1");
  EXPECT_EQ(told(), "STATUS=started; needs a restart to use the new port");
  wait_for("READY=1");
  EXPECT_NE(output("stderr").find("log level set to DEBUG"), std::string::npos);
  EXPECT_EQ(end(SIGTERM), 0);
}

TEST_F(ServiceTest, ReloadOfAWrongConfigurationChangesNothing) {
  start_managed();
  wait_for("READY=1");
  write("ctdb.conf", "[cluster]\nport = 70000\n");
  EXPECT_EQ(kill(child_, SIGHUP), 0);
  wait_for("started; reload refused, the old configuration stays: " + base_ + "/ctdb.conf:2: ");
  wait_for("READY=1");
  EXPECT_EQ(end(SIGTERM), 0);
}

TEST_F(ServiceTest, WaitsForAnAddressThatIsNotThereYet) {
  write("ctdb.conf", "[cluster]\nquorum = none\n");
  write("nodes", "192.0.2.1\n");
  start_managed({}, {"--wait-for-address"});
  const std::string text = told();
  EXPECT_EQ(text.rfind("STATUS=waiting: " + base_ + "/nodes: no address of this file", 0), 0u) << text;
  write("nodes", "127.0.0.1\n");  // it is read again
  wait_for("READY=1");
  EXPECT_EQ(end(SIGTERM), 0);
}

TEST_F(ServiceTest, WithoutTheOptionAMissingAddressIsAMistake) {
  write("ctdb.conf", "[cluster]\nquorum = none\n");
  write("nodes", "192.0.2.1\n");
  EXPECT_EQ(run({"--base", base_}), 78);
}

TEST_F(ServiceTest, TheRouterSaysWhichAddressIsOurs) {
  write("ctdb.conf", "[cluster]\nquorum = none\n");
  write("nodes", "192.0.2.1\n192.0.2.2\n");
  write("ctdb-router.address", "192.0.2.2\n");
  EXPECT_EQ(run({"--base", base_}, {"TEST_DAEMON_MODE=end"}), 0);
  EXPECT_NE(output("stderr").find("test-daemon started, node 1"), std::string::npos) << output("stderr");
}

TEST_F(DaemonTest, AMissingRunDirectoryIsExplained) {
  write("ctdb.conf", "[cluster]\nnode address = 127.0.0.1\n[ipc]\nrun directory = " + base_ + "/missing\n");
  EXPECT_EQ(run({"--base", base_}), 1);
  EXPECT_NE(output("stderr").find(base_ + "/missing/test-daemon.counters: No such file"), std::string::npos)
      << output("stderr");
}

}  // namespace
}  // namespace ctdb
