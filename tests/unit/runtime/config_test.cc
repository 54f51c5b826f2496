// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb.conf, and both files together: every form that is accepted, and for everything else file, line, text and remedy.
#include "libctdbipc/runtime/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "libctdbipc/runtime/config_text.h"

namespace ctdb {
namespace {

struct Parsed {
  bool good = false;
  Config config;
  std::vector<ConfigProblem> problems;
  std::string text() const {
    std::string all;
    for (const ConfigProblem& problem : problems) all += problem.format() + "\n";
    return all;
  }
};

Parsed config_of(const std::string& text) {
  Parsed parsed;
  Result<Config> config = parse_config("/b", "c", text, parsed.problems);
  parsed.good = config.has_value();
  if (config) parsed.config = *config;
  return parsed;
}

TEST(Config, EmptyMeansDefaultsBelowTheBase) {
  const Parsed parsed = config_of("");
  ASSERT_TRUE(parsed.good) << parsed.text();
  EXPECT_EQ(parsed.config.nodes_file, "/b/nodes");
  EXPECT_EQ(parsed.config.volatile_directory, "/b/volatile");
  EXPECT_EQ(parsed.config.persistent_directory, "/b/persistent");
  EXPECT_EQ(parsed.config.state_directory, "/b/state");
  EXPECT_EQ(parsed.config.run_directory, "/b");
  EXPECT_EQ(parsed.config.socket_path, "/b/ctdbd.socket");
  EXPECT_EQ(parsed.config.setup_socket_path, "/b/setup.socket");
  EXPECT_EQ(parsed.config.counters_path("x"), "/b/x.counters");
  EXPECT_EQ(parsed.config.cluster_name, "ctdb");
  EXPECT_EQ(parsed.config.quorum, Quorum::kMajority);
  EXPECT_EQ(parsed.config.port, 4379);
  EXPECT_TRUE(parsed.config.leader_capability);
  EXPECT_TRUE(parsed.config.tdb_mutexes);
}

TEST(Config, EveryOptionIsRead) {
  const Parsed parsed = config_of(
      "[cluster]\ncluster name = one\nnode address = 10.0.0.1\nnodes list = /n\ncluster lock = /l\n"
      "leader capability = false\nquorum = none\nport = 4380\nspin = adaptive\ntransport = tcp\n"
      "[database]\nvolatile database directory = /v\npersistent database directory = /p\n"
      "state database directory = /s\ntdb mutexes = no\nvacuum interval = 7\ncopies = smbXsrv_*=2\t*.tdb=3\n"
      "record limit = a.tdb=8K b=5000 1M\nfunctions = /lib/a.so /lib/b.so\n"
      "[legacy]\nlmaster capability = 0\nstart as stopped = yes\nstart as disabled = TRUE\n"
      "[logging]\nlocation = file:/var/log/x\nlog level = DEBUG\n"
      "[ipc]\nrun directory = /r\nsocket = /r/c\nsetup socket = /r/s\n"
      "[verbs]\nmode = off\ndevice = mlx5_0\nport = 2\ngid index = 3\nrecords = no\n");
  ASSERT_TRUE(parsed.good) << parsed.text();
  EXPECT_EQ(parsed.text(), "");
  const Config& c = parsed.config;
  EXPECT_EQ(c.copies, (std::vector<CopiesRule>{{"smbXsrv_*", 2}, {"*.tdb", 3}}));
  EXPECT_EQ(c.record_limits, (std::vector<RecordLimitRule>{{"a.tdb", 8192}, {"b", 5000}, {"*", 1u << 20}}));
  EXPECT_EQ(c.functions, (std::vector<std::string>{"/lib/a.so", "/lib/b.so"}));
  EXPECT_EQ(c.vacuum_interval, 7u);
  EXPECT_EQ(c.cluster_name, "one");
  EXPECT_EQ(c.node_address, "10.0.0.1");
  EXPECT_EQ(c.nodes_file, "/n");
  EXPECT_EQ(c.cluster_lock, "/l");
  EXPECT_FALSE(c.leader_capability);
  EXPECT_EQ(c.quorum, Quorum::kNone);
  EXPECT_EQ(c.spin, SpinMode::kAdaptive);
  EXPECT_EQ(c.port, 4380);
  EXPECT_EQ(c.volatile_directory, "/v");
  EXPECT_EQ(c.persistent_directory, "/p");
  EXPECT_EQ(c.state_directory, "/s");
  EXPECT_FALSE(c.tdb_mutexes);
  EXPECT_FALSE(c.lmaster_capability);
  EXPECT_TRUE(c.start_as_stopped);
  EXPECT_TRUE(c.start_as_disabled);
  EXPECT_EQ(c.log_location, "file:/var/log/x");
  EXPECT_EQ(c.log_level, "DEBUG");
  EXPECT_EQ(c.run_directory, "/r");
  EXPECT_EQ(c.socket_path, "/r/c");
  EXPECT_EQ(c.setup_socket_path, "/r/s");
  EXPECT_EQ(c.verbs, (VerbsConfig{false, "mlx5_0", 2, 3, false}));
}

TEST(Config, CommentsBlanksIndentationAndCarriageReturns) {
  const Parsed parsed = config_of(
      "# a comment\n\n; another\n[cluster]\r\n\tcluster name = two words\r\n    quorum=none\n"
      "\t# indented comment\n\tport = 1\n  [logging]\n\tlog level = INFO");
  ASSERT_TRUE(parsed.good) << parsed.text();
  EXPECT_EQ(parsed.config.cluster_name, "two words");
  EXPECT_EQ(parsed.config.quorum, Quorum::kNone);
  EXPECT_EQ(parsed.config.port, 1);
  EXPECT_EQ(parsed.config.log_level, "INFO");
}

TEST(Config, OldNameOfTheLock) {
  EXPECT_EQ(config_of("[cluster]\nrecovery lock = /x\n").config.cluster_lock, "/x");
}

TEST(Config, AQuorumByLockNeedsALockAndAPlaceForItsRegister) {
  const Parsed file = config_of("[cluster]\nquorum = lock\ncluster lock = /shared/lock\n");
  ASSERT_TRUE(file.good) << file.text();
  EXPECT_EQ(file.config.quorum, Quorum::kLock);
  EXPECT_EQ(file.config.lock_register, "/shared/lock.register");
  const Parsed command =
      config_of("[cluster]\nquorum = lock\ncluster lock = !/helper a b\nlock register = /shared/register\n");
  ASSERT_TRUE(command.good) << command.text();
  EXPECT_EQ(command.config.lock_register, "/shared/register");
  const std::pair<const char*, const char*> wrong[] = {
      {"spin = sometimes\n", "write never, adaptive or always"},
      {"quorum = lock\n", "without a cluster lock"},
      {"quorum = lock\ncluster lock = !\n", "without a cluster lock"},
      {"quorum = lock\ncluster lock = !/helper\n", "needs a place for its register"},
      {"quorum = lock\ncluster lock = lock\n", "no absolute path"},
      {"quorum = lock\ncluster lock = !helper\nlock register = /r\n", "no absolute path"}};
  for (const auto& [text, problem] : wrong) {
    const Parsed parsed = config_of(std::string("[cluster]\n") + text);
    EXPECT_FALSE(parsed.good) << text;
    EXPECT_NE(parsed.text().find(problem), std::string::npos) << parsed.text();
  }
}

// It travels in each HELLO.
TEST(Config, AClusterNameHasALimit) {
  const std::string longest(512, 'n');
  EXPECT_EQ(config_of("[cluster]\ncluster name = " + longest + "\n").config.cluster_name, longest);
  EXPECT_EQ(config_of("[cluster]\ncluster name = " + longest + "n\n").text(),
            "c:2: a cluster name of 513 bytes (write one of at most 512)\n");
}

TEST(Config, SocketsHaveRoomAndAPathEach) {
  EXPECT_EQ(config_of("[ipc]\nsocket = /s\nsetup socket = /s\n").text(),
            "c: 'socket' and 'setup socket' are one path, /s (give each its own in [ipc])\n");
  const std::string longest = "/" + std::string(106, 's');
  EXPECT_TRUE(config_of("[ipc]\nsocket = " + longest + "\n").good);
  EXPECT_EQ(config_of("[ipc]\nsetup socket = " + longest + "s\n").text(),
            "c: " + longest +
                "s is longer than 107 bytes, and no socket's path may be (choose a shorter directory)\n");
  const std::string directory = "/" + std::string(90, 'd');
  const Parsed parsed =
      config_of("[ipc]\nrun directory = " + directory + "\nsocket = /s\nsetup socket = /t\n");
  EXPECT_FALSE(parsed.good);
  EXPECT_NE(parsed.text().find(directory + "/ctdb-router.capture is longer"), std::string::npos)
      << parsed.text();
}

TEST(Config, LongValuesAreNotCut) {
  const std::string path = "/" + std::string(3000, 'x');
  EXPECT_EQ(config_of("[database]\nvolatile database directory = " + path + "\n").config.volatile_directory,
            path);
}

struct Wrong {
  const char* text;
  const char* problem;
};

TEST(Config, EachProblemNamesFileLineAndRemedy) {
  const Wrong cases[] = {
      {"[cluster]\nnode address = nowhere\n", "c:2: 'nowhere' is not an IP address (write it in digits)\n"},
      {"[cluster]\nquorum = 3\n", "c:2: '3' is not a quorum rule (write majority, lock or none)\n"},
      {"[cluster]\nport = 0\n", "c:2: '0' is not a port (write a number from 1 to 65535)\n"},
      {"[cluster]\nport = 65536\n", "c:2: '65536' is not a port (write a number from 1 to 65535)\n"},
      {"[cluster]\nport = 12x\n", "c:2: '12x' is not a port (write a number from 1 to 65535)\n"},
      {"[verbs]\nmode = on\n", "c:2: 'on' is not a mode of verbs (write auto or off)\n"},
      {"[verbs]\nport = 0\n", "c:2: '0' is not such a number (write one from 1 to 255)\n"},
      {"[verbs]\ngid index = 256\n", "c:2: '256' is not such a number (write one from 0 to 255)\n"},
      {"[verbs]\nrecords = maybe\n", "c:2: 'maybe' is not a boolean (write true or false)\n"},
      {"[logging]\nflight recorder = 1048577\n",
       "c:2: '1048577' is no number of packets (write one up to 1048576, or 0 for no flight recorder)\n"},
      {"[database]\ncopies = a.tdb=2 b.tdb\n",
       "c:2: 'b.tdb' says of no database how many copies it has (write NAME=NUMBER, 1 to 8)\n"},
      {"[database]\nvacuum interval = -1\n",
       "c:2: '-1' is not such a time (write seconds, 1 to 86400, or 0 for never)\n"},
      {"[database]\ncopies = a=9\n",
       "c:2: 'a=9' says of no database how many copies it has (write NAME=NUMBER, 1 to 8)\n"},
      {"[database]\ncopies = =2\n",
       "c:2: '=2' says of no database how many copies it has (write NAME=NUMBER, 1 to 8)\n"},
      {"[database]\nrecord limit = 4095\n",
       "c:2: '4095' is no record limit (write SIZE or NAME=SIZE, a size being bytes, K or M, from 4K to "
       "15M)\n"},
      {"[database]\nrecord limit = 1M a.tdb=16M\n",
       "c:2: 'a.tdb=16M' is no record limit (write SIZE or NAME=SIZE, a size being bytes, K or M, from 4K to "
       "15M)\n"},
      {"[database]\nrecord limit = =1M\n",
       "c:2: '=1M' is no record limit (write SIZE or NAME=SIZE, a size being bytes, K or M, from 4K to "
       "15M)\n"},
      {"[database]\nrecord limit = M\n",
       "c:2: 'M' is no record limit (write SIZE or NAME=SIZE, a size being bytes, K or M, from 4K to 15M)\n"},
      {"[database]\nfunctions = /lib/a.so b.so\n", "c:2: 'b.so' is no absolute path (begin it with /)\n"},
      {"[database]\nfunctions = /a.so /a.so\n", "c:2: '/a.so' is named twice (remove one of the two)\n"},
      {"[ipc]\nrun directory = run\nsocket = s\nsetup socket = ./s\n",
       "c:2: 'run' is no absolute path (begin it with /)\nc:3: 's' is no absolute path (begin it with /)\n"
       "c:4: './s' is no absolute path (begin it with /)\n"},
      {"[cluster]\nnodes list = nodes\nkey file = k\nlock register = r\n",
       "c:2: 'nodes' is no absolute path (begin it with /)\nc:3: 'k' is no absolute path (begin it with /)\n"
       "c:4: 'r' is no absolute path (begin it with /)\n"},
      {"[database]\nstate database directory = state\n",
       "c:2: 'state' is no absolute path (begin it with /)\n"},
      {"[cluster]\ntransport = ib\n", "c:2: transport 'ib' is not supported (write tcp)\n"},
      {"[cluster]\nnodes list = !cmd\n", "c:2: a command as nodes list is not supported (name a file)\n"},
      {"[cluster]\nleader capability = maybe\n", "c:2: 'maybe' is not a boolean (write true or false)\n"},
      {"[logging]\n\nlog level = LOUD\n",
       "c:3: 'LOUD' is not a log level (write ERROR, WARNING, NOTICE, INFO or DEBUG)\n"},
      {"[logging]\nlocation = there\n",
       "c:2: 'there' is not a log location (write stderr, syslog, journal or file:/PATH)\n"},
      {"[logging]\nlocation = syslogger\n",
       "c:2: 'syslogger' is not a log location (write stderr, syslog, journal or file:/PATH)\n"},
      {"[cluster]\nquorum =\n", "c:2: 'quorum' has no value (write one or remove the line)\n"},
      {"[cluster]\nquorum = none\nquorum = none\n",
       "c:3: 'quorum' is set again (first in line 2) (keep one of the two)\n"},
      {"[cluster]\nquorom = none\n",
       "c:2: option 'quorom' in [cluster] is unknown (did you mean 'quorum' in [cluster]?)\n"},
      {"[xyzzy]\nplugh = 1\n", "c:2: option 'plugh' in [xyzzy] is unknown (remove the line)\n"},
      {"quorum = none\n", "c:1: option 'quorum' stands in no section (write [cluster] above it)\n"},
      {"prt = 1\n", "c:1: option 'prt' stands in no section (remove the line)\n"},
      {"[cluster]\nfoo = bar\n", "c:2: option 'foo' in [cluster] is unknown (remove the line)\n"},
      {"[database]\nquorum = none\n",
       "c:2: option 'quorum' in [database] is unknown (did you mean 'quorum' in [cluster]?)\n"},
      {"[cluster]\nport = 4379 # as ever\n",
       "c:2: '4379 # as ever' is not a port (write a number from 1 to 65535, and comments on lines of their "
       "own)\n"},
      {"[cluster\nquorum = none\n",
       "c:1: line is neither [section] nor key = value (correct or remove it)\n"
       "c:2: option 'quorum' stands in no section (write [cluster] above it)\n"},
      {"[cluster]\nnonsense\n", "c:2: line is neither [section] nor key = value (correct or remove it)\n"},
  };
  for (const Wrong& wrong : cases) {
    const Parsed parsed = config_of(wrong.text);
    EXPECT_FALSE(parsed.good) << wrong.text;
    EXPECT_EQ(parsed.text(), wrong.problem) << wrong.text;
  }
}

TEST(Config, AllProblemsAreNamedNotOnlyTheFirst) {
  EXPECT_EQ(config_of("nonsense\n[cluster]\nrubbish\nport = x\n").problems.size(), 3u);
}

TEST(Config, ManyProblemsAreCutOff) {
  std::string text = "[cluster]\n";
  for (int i = 0; i < 50000; ++i) text += "option" + std::to_string(i) + " = 1\n";
  const Parsed parsed = config_of(text);
  EXPECT_FALSE(parsed.good);
  EXPECT_EQ(parsed.problems.size(), 101u);
  EXPECT_EQ(parsed.problems.back().text, "too many problems, the rest is not checked");
}

TEST(Config, OptionsThatMeanNothingHereAreWarnings) {
  const Parsed parsed = config_of(
      "[cluster]\nleader timeout = 5\n[event]\ndebug script = x\n[failover]\ndisabled = true\n"
      "[legacy]\nrealtime scheduling = false\nscript log level = ERROR\n[database]\nlock debug script = y\n");
  EXPECT_TRUE(parsed.good);
  EXPECT_EQ(parsed.problems.size(), 6u);
  EXPECT_EQ(parsed.problems[0].format(),
            "c:2: warning: option 'leader timeout' in [cluster] has no meaning here and is ignored (it may "
            "be removed)");
}

TEST(Config, RefusesWhatIsNoTextFile) {
  EXPECT_EQ(config_of(std::string("[cluster]\nport\0 = 1\n", 20)).text(),
            "c:2: line has a NUL byte (save the file as plain UTF-8 text)\n");
  EXPECT_EQ(config_of("\n" + std::string(5000, 'x')).text(),
            "c:2: line is longer than 4096 bytes (shorten it)\n");
  EXPECT_EQ(config_of(std::string((1u << 20) + 1, '\n')).text(),
            "c: file is larger than 1 MiB (this does not look like a configuration file)\n");
}

TEST(Config, AddressesBecomeCanonical) {
  EXPECT_EQ(config_of("[cluster]\nnode address = fd00:0:0::1\n").config.node_address, "fd00::1");
}

// ---- both files together ----

class LoadConfig : public testing::Test {
 protected:
  LoadConfig() {
    char name[] = "/tmp/ctdb-config-XXXXXX";
    base_ = mkdtemp(name);
  }
  ~LoadConfig() override { std::filesystem::remove_all(base_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(base_ + "/" + name) << text; }
  Result<Config> load() {
    problems_.clear();
    Result<Config> config = load_config(base_, problems_);
    text_.clear();
    for (const ConfigProblem& problem : problems_) text_ += problem.format() + "\n";
    return config;
  }
  std::string base_;
  std::string text_;
  std::vector<ConfigProblem> problems_;
};

TEST_F(LoadConfig, AFileTakesTheMemoryItNeedsAndNoMoreThanTheLimit) {
  write("small", "[cluster]\n");
  write("large", std::string(2 * kConfigFileBytesMax, '#'));
  const Result<std::string> small = read_config_file(base_ + "/small");
  ASSERT_TRUE(small);
  EXPECT_EQ(*small, "[cluster]\n");
  EXPECT_LT(small->capacity(), kConfigFileBytesMax / 16) << "a daemon keeps what it has once used";
  EXPECT_EQ(read_config_file(base_ + "/large")->size(), kConfigFileBytesMax + 1);
}

TEST_F(LoadConfig, FindsTheOwnNodeByConfiguredAddress) {
  write("nodes", "127.0.0.1\n#gone\n127.0.0.3\n");
  write("ctdb.conf", "[cluster]\nnode address = 127.0.0.3\n");
  const Result<Config> config = load();
  ASSERT_TRUE(config) << text_;
  EXPECT_EQ(config->pnn, 2u);
  EXPECT_EQ(config->nodes.size(), 3u);
}

TEST_F(LoadConfig, FindsTheOwnNodeByALocalAddress) {
  write("nodes", "240.0.0.1\n127.0.0.1\n");
  const Result<Config> config = load();  // no ctdb.conf: all defaults
  ASSERT_TRUE(config) << text_;
  EXPECT_EQ(config->pnn, 1u);
  EXPECT_EQ(config->node_address, "127.0.0.1");
}

TEST_F(LoadConfig, ADirectoryIsTheSameHoweverItIsNamed) {
  write("nodes", "127.0.0.1\n");
  const std::string whole = base_;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(whole);
  for (const std::string& named :
       std::vector<std::string>{".", whole + "/", whole + "/.", "./.", "/" + whole}) {
    base_ = named;
    const Result<Config> config = load();
    ASSERT_TRUE(config) << text_;
    EXPECT_EQ(config->setup_socket_path, whole + "/setup.socket") << named;
    EXPECT_EQ(config->nodes_file, whole + "/nodes") << named;
  }
  std::filesystem::current_path(before);
  base_ = whole;
}

TEST_F(LoadConfig, AnAddressThatIsInNoLineIsRefused) {
  write("nodes", "127.0.0.1\n");
  write("ctdb.conf", "[cluster]\nnode address = 127.0.0.9\n");
  EXPECT_FALSE(load());
  EXPECT_EQ(text_, base_ + "/ctdb.conf: node address 127.0.0.9 is not in " + base_ +
                       "/nodes (add it there, on the same line on every node)\n");
}

TEST_F(LoadConfig, NoLocalAddressIsRefused) {
  write("nodes", "240.0.0.1\n240.0.0.2\n");
  EXPECT_FALSE(load());
  EXPECT_EQ(text_,
            base_ +
                "/nodes: no address of this file is an address of this machine (add this node's address, "
                "or bring its interface up)\n");
}

TEST_F(LoadConfig, ProblemsOfBothFilesAreNamed) {
  write("nodes", "127.0.0.1\nbad\n");
  write("ctdb.conf", "[cluster]\nport = x\n");
  EXPECT_FALSE(load());
  EXPECT_EQ(problems_.size(), 2u) << text_;
}

// At each start the store would remove the persistent ones.
TEST_F(LoadConfig, VolatileAndPersistentDatabasesMayNotShareADirectory) {
  write("nodes", "127.0.0.1\n");
  const auto directories = [this](const std::string& of_volatile, const std::string& of_persistent) {
    write("ctdb.conf", "[database]\nvolatile database directory = " + of_volatile +
                           "\npersistent database directory = " + of_persistent + "\n");
    return load().has_value();
  };
  std::filesystem::create_directory(base_ + "/one");
  std::filesystem::create_directory_symlink(base_ + "/one", base_ + "/link");
  EXPECT_FALSE(directories(base_ + "/one", base_ + "/one"));
  EXPECT_EQ(text_,
            base_ + "/ctdb.conf: persistent databases would be lost: " + base_ +
                "/one is where volatile ones are (give them directories of their own in [database])\n");
  EXPECT_FALSE(directories(base_ + "/one", base_ + "/link"));
  EXPECT_FALSE(directories(base_ + "/new", base_ + "/./new/"));
  EXPECT_FALSE(directories(base_ + "/one", base_ + "/one/replicated"));
  EXPECT_TRUE(directories(base_ + "/one", base_ + "/two")) << text_;
  EXPECT_TRUE(directories(base_ + "/one", base_ + "/one/persistent")) << text_;
  // What a unit hides from recoveryd.
  std::filesystem::permissions(base_ + "/one", std::filesystem::perms::none);
  EXPECT_TRUE(directories(base_ + "/one", base_ + "/link")) << text_;
  EXPECT_FALSE(directories(base_ + "/one", base_ + "/one"));
}

TEST_F(LoadConfig, AnotherNodesFileMayBeNamed) {
  write("others", "127.0.0.1\n");
  write("ctdb.conf", "[cluster]\nnodes list = " + base_ + "/others\n");
  EXPECT_TRUE(load()) << text_;
  write("ctdb.conf", "[cluster]\nnodes list = " + base_ + "/others\nport = x\n");
  EXPECT_FALSE(load());
  EXPECT_EQ(problems_.size(), 1u) << text_;  // nothing about a file that nobody named
}

TEST_F(LoadConfig, AFileThatEverybodyMayChangeIsRefused) {
  write("nodes", "127.0.0.1\n");
  write("ctdb.conf", "");
  for (const char* name : {"/nodes", "/ctdb.conf"}) {
    std::filesystem::permissions(base_ + name, std::filesystem::perms(0646));
    EXPECT_FALSE(load()) << name;
    EXPECT_EQ(text_, base_ + name + ": everybody may change it (chmod o-w " + base_ + name + ")\n");
    std::filesystem::permissions(base_ + name, std::filesystem::perms(0664));
    EXPECT_TRUE(load()) << text_;
  }
}

TEST(ChangedOptions, NamesEveryOneThatNeedsARestart) {
  const std::pair<const char*, const char*> changes[] = {
      {"cluster name", "[cluster]\ncluster name = other\n"},
      {"node address", "[cluster]\nnode address = 10.0.0.1\n"},
      {"nodes list", "[cluster]\nnodes list = /other\n"},
      {"cluster lock", "[cluster]\ncluster lock = /other\n"},
      {"leader capability", "[cluster]\nleader capability = false\n"},
      {"quorum", "[cluster]\nquorum = none\n"},
      {"lock register", "[cluster]\nlock register = /other\n"},
      {"port", "[cluster]\nport = 4380\n"},
      {"spin", "[cluster]\nspin = adaptive\n"},
      {"key file", "[cluster]\nkey file = /other\n"},
      {"volatile database directory", "[database]\nvolatile database directory = /other\n"},
      {"persistent database directory", "[database]\npersistent database directory = /other\n"},
      {"state database directory", "[database]\nstate database directory = /other\n"},
      {"copies", "[database]\ncopies = x.tdb=2\n"},
      {"tdb mutexes", "[database]\ntdb mutexes = false\n"},
      {"lmaster capability", "[legacy]\nlmaster capability = false\n"},
      {"start as stopped", "[legacy]\nstart as stopped = true\n"},
      {"start as disabled", "[legacy]\nstart as disabled = true\n"},
      {"[verbs]", "[verbs]\nmode = off\n"},
      {"location", "[logging]\nlocation = syslog\n"},
      {"flight recorder", "[logging]\nflight recorder = 17\n"},
      {"run directory", "[ipc]\nrun directory = /other\n"},
      {"socket", "[ipc]\nsocket = /other\n"},
      {"setup socket", "[ipc]\nsetup socket = /other\n"},
  };
  const Config before = config_of("").config;
  for (const auto& [name, text] : changes) {
    const Parsed now = config_of(text);
    EXPECT_TRUE(now.good) << now.text();
    const std::vector<std::string> found = changed_options(before, now.config);
    EXPECT_NE(std::ranges::find(found, name), found.end()) << name;
  }
}

TEST_F(LoadConfig, AKeyFileIsCheckedWhereThereIsOne) {
  write("nodes", "127.0.0.1\n");
  ASSERT_TRUE(load()) << text_;
  EXPECT_EQ(load()->key_file, "");
  write("cluster.key", std::string(32, 'k'));
  std::filesystem::permissions(base_ + "/cluster.key", std::filesystem::perms(0640));
  ASSERT_TRUE(load()) << text_;
  EXPECT_EQ(load()->key_file, base_ + "/cluster.key");
  for (const unsigned mode : {0644u, 0660u, 0641u, 0642u}) {
    std::filesystem::permissions(base_ + "/cluster.key", std::filesystem::perms(mode));
    EXPECT_FALSE(load()) << mode;
    EXPECT_NE(text_.find("others may read the key file"), std::string::npos) << text_;
  }
  std::filesystem::permissions(base_ + "/cluster.key", std::filesystem::perms(0600));
  write("cluster.key", "short");
  EXPECT_FALSE(load());
  EXPECT_NE(text_.find(base_ + "/cluster.key: the key file has 5 bytes (put 32 to 4096"), std::string::npos)
      << text_;
  write("ctdb.conf", "[cluster]\nkey file = " + base_ + "/none\n");
  EXPECT_FALSE(load());
  EXPECT_NE(text_.find("/none: the key file cannot be used: No such file"), std::string::npos) << text_;
}

TEST_F(LoadConfig, AFileThatCannotBeReadIsNamed) {
  std::filesystem::create_directory(base_ + "/nodes");
  EXPECT_FALSE(load());
  EXPECT_NE(text_.find(base_ + "/nodes"), std::string::npos);
}

}  // namespace
}  // namespace ctdb
