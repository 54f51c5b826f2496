// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-store as a program, against a router that the test plays.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "libctdbipc/ring/counters.h"
#include "tests/unit/store/fake_router.h"
#include "tests/unit/store/tdb_client.h"
#include "tests/unit/store/temporary_directory.h"

namespace ctdb {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kGeneration = 257;
constexpr uint32_t kClient = 41, kOther = 42;
constexpr int kVolatileFlags = 0x1c41;

std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  std::vector<pid_t> pids;
  for (pid_t pid; in >> pid;) pids.push_back(pid);
  return pids;
}

class StoreProgram : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(base() + "/nodes") << "127.0.0.1\n";
    std::ofstream(base() + "/ctdb.conf") << "[logging]\nlocation = file:" << base() << "/log\n";
    router_ = std::make_unique<FakeRouter>(base() + "/setup.socket");
  }
  void TearDown() override {
    kill_store();
    if (HasFailure()) std::cerr << std::ifstream(base() + "/log").rdbuf();
  }
  const std::string& base() const { return directory_.path(); }

  void start() {
    const std::string program = (fs::read_symlink("/proc/self/exe").parent_path() / "ctdb-store").string();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(program.c_str(), program.c_str(), "--base", base().c_str(), nullptr);
    _exit(127);
  }
  // Exit status as waitpid gives it.
  int end_with(int signal_number) {
    kill(pid_, signal_number);
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }
  void kill_store() {
    if (pid_ > 0) end_with(SIGKILL);
  }
  // A store that serves database "test.tdb" in an open generation.
  void start_open() {
    start();
    ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION));
    ASSERT_TRUE(router_->open_generation(kGeneration, CTDB_INVALID_GENERATION));
    attach();
  }
  void attach() {
    const auto reply = router_->control(kClient, Control::DB_ATTACH, as_bytes(std::string("test.tdb\0", 9)));
    ASSERT_TRUE(reply.has_value());
    ASSERT_EQ(reply->status, 0) << reply->error;
    ASSERT_EQ(reply->data.size(), sizeof db_);
    db_ = load<uint32_t>(reply->data.data());
  }
  std::string database_path() const { return base() + "/volatile/test.tdb.0"; }
  uint64_t counter(Counter which) {
    const Result<CountersSnapshot> snapshot = read_counters(base() + "/ctdb-store.counters");
    return snapshot ? snapshot->value(which) : 0;
  }
  std::string status() {
    const Result<CountersSnapshot> snapshot = read_counters(base() + "/ctdb-store.counters");
    return snapshot ? snapshot->status : "";
  }
  bool serves(Channel& client, const std::string& key, uint32_t reqid) {
    send_call(client, db_, key, reqid);
    const Bytes reply = receive_packet(client);
    if (reply.empty()) return false;
    const Header header = read_header(reply);
    return header.operation == static_cast<uint32_t>(Operation::REPLY_CALL) && header.reqid == reqid;
  }

  TemporaryDirectory directory_;
  std::unique_ptr<FakeRouter> router_;
  pid_t pid_ = 0;
  uint32_t db_ = 0;
};

TEST_F(StoreProgram, SaysWhatItHasAndMakesItsDirectories) {
  start();
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION));
  const auto hello = StoreHello::decode(router_->receive_own(Operation::STORE_HELLO));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->open_generation, CTDB_INVALID_GENERATION);
  EXPECT_EQ(hello->databases, 0u);
  for (const char* name : {"/volatile", "/persistent"}) {
    struct stat info;
    ASSERT_EQ(stat((base() + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0700u) << name;
  }
}

// What it would cut off its log of commits may just be written.
TEST_F(StoreProgram, ASecondOneInTheSameDirectoryDoesNotStart) {
  start_open();
  const pid_t first = std::exchange(pid_, 0);
  start();
  int status = -1;
  waitpid(pid_, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  pid_ = first;
  const Result<CountersSnapshot> shown = read_counters(base() + "/ctdb-store.counters");
  EXPECT_TRUE(shown && shown->pid == static_cast<uint32_t>(first)) << "people see the one that runs";
  kill_store();
  start();
  EXPECT_TRUE(router_->accept_store(kGeneration)) << "the next one does";
}

TEST_F(StoreProgram, WaitsForARouterThatComesLater) {
  router_.reset();
  fs::remove(base() + "/setup.socket");
  start();
  ASSERT_TRUE(wait_until([this] { return status() == "no router yet"; }));
  router_ = std::make_unique<FakeRouter>(base() + "/setup.socket");
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION));
  EXPECT_FALSE(router_->receive_own(Operation::STORE_HELLO).empty());
}

TEST_F(StoreProgram, DoesNotServeTheRouterOfAnotherNode) {
  start();
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION, 3));
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION, 0));
  EXPECT_FALSE(router_->receive_own(Operation::STORE_HELLO).empty());
}

TEST_F(StoreProgram, EndsInGoodOrderAndTakesItsWorkersAlong) {
  start_open();
  const std::vector<pid_t> children = children_of(pid_);
  ASSERT_EQ(children.size(), 4u);  // the lock workers' spawner, the keeper, the commit workers
  std::vector<pid_t> workers;
  ASSERT_TRUE(wait_until([&] { return (workers = children_of(children[0])).size() == 4; }));
  EXPECT_EQ(end_with(SIGTERM), 0);
  for (const pid_t worker : workers) {
    EXPECT_TRUE(wait_until([&] { return kill(worker, 0) != 0; })) << worker;
  }
}

// Header of a record: rsn (8 bytes), dmaster (4).
std::string dmaster_in(const std::string& answer) {
  return answer.size() < 6 + 24 ? answer : answer.substr(6 + 16, 8);
}

TEST_F(StoreProgram, PastItsLeaseItTakesTheRecordsAway) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000");
  EXPECT_FALSE(router_->page().records_taken());
  router_->set_lease(0);
  EXPECT_TRUE(wait_until([this] { return router_->page().records_taken(); }));
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "ffffffff");
  (void)router_->receive_own(Operation::STORE_SUSPENDED);
}

TEST_F(StoreProgram, TheKeeperActsForAStoreThatIsStopped) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_EQ(process.ask("lock key"), "ok");
  kill(pid_, SIGSTOP);
  router_->set_lease(0);
  EXPECT_TRUE(wait_until([this] { return router_->page().fence_unfinished(); }));
  TdbClient other(database_path(), kVolatileFlags);
  EXPECT_TRUE(wait_until([&] {
    return other.ask("trylock another") == "failed" || (other.ask("unlock another"), false);
  })) << "newcomers wait although only one chain is held";
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000") << "who holds the chain finishes";
  EXPECT_FALSE(router_->page().records_taken());
  EXPECT_EQ(process.ask("unlock key"), "ok");
  EXPECT_TRUE(wait_until([this] { return router_->page().records_taken(); }));
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "ffffffff");
  kill(pid_, SIGCONT);
  // It has noticed before it touched anything, and serves again when it is told to.
  router_->set_lease(kNever / 2);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  EXPECT_TRUE(serves(*client, "key", 2));
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000");
}

// A client keeps a chain all the while: only the records of that chain wait for it.
TEST_F(StoreProgram, TheKeeperLeavesAFileWhenTheNodeServesAnew) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  ASSERT_TRUE(serves(*client, "another", 2));
  TdbClient process(database_path(), kVolatileFlags);
  ASSERT_EQ(process.ask("lock key"), "ok");
  kill(pid_, SIGSTOP);
  router_->set_lease(0);
  ASSERT_TRUE(wait_until([this] { return router_->page().fence_unfinished(); }));
  TdbClient other(database_path(), kVolatileFlags);
  ASSERT_TRUE(wait_until(
      [&] { return other.ask("trylock another") == "failed" || (other.ask("unlock another"), false); }));
  other.start("lock another");  // and waits behind the keeper
  kill(pid_, SIGCONT);
  router_->set_lease(kNever / 2);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  EXPECT_EQ(other.answer(), "ok");
  EXPECT_EQ(dmaster_in(other.ask("fetch another")), "00000000");
  EXPECT_EQ(other.ask("unlock another"), "ok");
  EXPECT_TRUE(wait_until([this] { return !router_->page().fence_unfinished(); }));
  EXPECT_TRUE(serves(*client, "another", 3));
  EXPECT_EQ(process.ask("unlock key"), "ok");
  EXPECT_TRUE(serves(*client, "key", 4));
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000");
}

TEST_F(StoreProgram, TheKeeperOutlivesItsStore) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  const pid_t keeper = children_of(pid_)[1];
  TdbClient process(database_path(), kVolatileFlags);
  kill_store();
  EXPECT_EQ(kill(keeper, 0), 0);
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000");
  router_->set_lease(0);
  EXPECT_TRUE(wait_until([this] { return router_->page().records_taken(); }));
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "ffffffff");
}

// The next store cannot empty the file in place and cuts it; nobody would ever wake who waits for a lock in it.
TEST_F(StoreProgram, TheKeeperDoesNotWaitForAFileThatWasCut) {
  start_open();
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_EQ(process.ask("lock key"), "ok");
  kill(process.pid(), SIGSTOP);
  kill_store();
  router_->set_lease(0);
  ASSERT_TRUE(wait_until([this] { return router_->page().fence_unfinished(); }));
  router_->set_lease(kNever / 2);
  start();
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION));
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, CTDB_INVALID_GENERATION));
  attach();
  EXPECT_TRUE(wait_until([this] { return !router_->page().fence_unfinished(); }));
  process.kill_it();
}

TEST_F(StoreProgram, ServesNativeClientsOnTheirOwnChannels) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(serves(*client, "key", 1));
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_TRUE(process.opened());
  EXPECT_NE(process.ask("fetch key"), "none");
  EXPECT_TRUE(wait_until([this] { return counter(Counter::store_calls) == 1; }));
  EXPECT_TRUE(wait_until([this] { return status().starts_with("open"); })) << status();
}

TEST_F(StoreProgram, ACallWaitsForAChainThatAClientHolds) {
  start_open();
  const auto client = router_->attach_client(kClient);
  TdbClient holder(database_path(), kVolatileFlags);
  ASSERT_EQ(holder.ask("lock key"), "ok");
  send_call(*client, db_, "key", 5);
  ASSERT_TRUE(wait_until([this] { return counter(Counter::store_lock_waiters) == 1; }));
  EXPECT_TRUE(serves(*client, "another key", 6));
  ASSERT_EQ(holder.ask("unlock key"), "ok");
  const Bytes reply = receive_packet(*client);
  ASSERT_FALSE(reply.empty());
  EXPECT_EQ(read_header(reply).reqid, 5u);
  EXPECT_TRUE(wait_until([this] { return counter(Counter::store_lock_waiters) == 0; }));
  EXPECT_EQ(holder.ask("trylock key"), "ok");
}

// All workers, their spawner too, while one of them waits for a client's lock.
TEST_F(StoreProgram, KilledLockWorkersAreReplacedAndTheCallIsAnswered) {
  start_open();
  const auto client = router_->attach_client(kClient);
  TdbClient holder(database_path(), kVolatileFlags);
  ASSERT_EQ(holder.ask("lock key"), "ok");
  send_call(*client, db_, "key", 5);
  ASSERT_TRUE(wait_until([this] { return counter(Counter::store_lock_waiters) == 1; }));
  for (const pid_t spawner : children_of(pid_)) kill(spawner, SIGKILL);
  ASSERT_EQ(holder.ask("unlock key"), "ok");
  const Bytes reply = receive_packet(*client);
  ASSERT_FALSE(reply.empty());
  EXPECT_EQ(read_header(reply).reqid, 5u);
}

TEST_F(StoreProgram, AClientThatSendsGarbageLosesItsChannelAndNobodyElse) {
  start_open();
  const auto bad = router_->attach_client(kClient);
  const auto good = router_->attach_client(kOther);
  ASSERT_TRUE(serves(*bad, "key", 1));
  ASSERT_EQ(bad->push({}, as_bytes("this is not a packet, it only has the length of one")), PushResult::kOk);
  bad->flush();
  EXPECT_TRUE(wait_until([this] { return counter(Counter::store_clients_cut) == 1; }));
  EXPECT_TRUE(serves(*good, "key", 2));
}

TEST_F(StoreProgram, ServesConnectionsThatAreHandedOverAndLeavesThemClean) {
  start_open();
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  const UniqueFd client(fds[0]);
  const ConnectionSlot* slot = router_->hand_over(kClient, UniqueFd(fds[1]));
  ASSERT_NE(slot, nullptr);
  EXPECT_TRUE(wait_until([this] { return status().find("1 connections of classic") != std::string::npos; }));
  Bytes packet;
  build(packet, {0, 0, 0, 0, 0, 8},
        ReqCall{CTDB_CALL_IMMEDIATE_MIGRATION, db_, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  ASSERT_EQ(write(client.get(), packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
  Bytes reply(1000);
  ssize_t got = 0;
  ASSERT_TRUE(wait_until([&] { return (got = read(client.get(), reply.data(), reply.size())) > 0; }));
  reply.resize(static_cast<size_t>(got));
  ASSERT_EQ(check_header(reply), HeaderFault::kNone);
  EXPECT_EQ(read_header(reply).reqid, 8u);
  // A call that waits for a lock when the store is told to end: the router gets it back.
  TdbClient holder(database_path(), kVolatileFlags);
  ASSERT_EQ(holder.ask("lock other"), "ok");
  build(packet, {0, 0, 0, 0, 0, 9},
        ReqCall{CTDB_CALL_IMMEDIATE_MIGRATION, db_, CTDB_FUNC_NULL, 0, as_bytes("other"), {}});
  ASSERT_EQ(write(client.get(), packet.data(), packet.size()), static_cast<ssize_t>(packet.size()));
  ASSERT_TRUE(wait_until([this] { return counter(Counter::store_lock_waiters) == 1; }));
  EXPECT_EQ(end_with(SIGTERM), 0);
  EXPECT_EQ(slot->state.load(), ConnectionState::kOneCall);
  EXPECT_EQ(Bytes(slot->call.begin(), slot->call.begin() + slot->call_bytes.load()), packet);
}

TEST_F(StoreProgram, ADetachedClientIsForgotten) {
  start_open();
  const auto client = router_->attach_client(kClient);
  const auto other = router_->attach_client(kOther);
  ASSERT_TRUE(serves(*client, "key", 1));
  router_->detach_client(kClient);
  EXPECT_TRUE(wait_until([this] { return status().find("1 native") != std::string::npos; })) << status();
  EXPECT_TRUE(serves(*other, "key", 2));
}

TEST_F(StoreProgram, ConnectsAgainWhenTheRouterIsGoneAndGivesItsRecordsAway) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  TdbClient process(database_path(), kVolatileFlags);
  const std::string owned = process.ask("fetch key");
  router_->hang_up();
  // Nobody tells this node any more that it may keep records: their headers must not name it.
  EXPECT_TRUE(wait_until([&] { return process.ask("fetch key") != owned; }));
  ASSERT_TRUE(router_->accept_store(CTDB_INVALID_GENERATION));
  const auto hello = StoreHello::decode(router_->receive_own(Operation::STORE_HELLO));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->databases, 1u);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  const auto again = router_->attach_client(kClient);
  EXPECT_TRUE(serves(*again, "key", 2));
}

TEST_F(StoreProgram, AKilledStoreTakesUpItsRecordsBesideALivingRouter) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  TdbClient process(database_path(), kVolatileFlags);
  const std::string owned = process.ask("fetch key");
  kill_store();
  EXPECT_EQ(process.ask("fetch key"), owned);
  router_->hang_up();
  start();
  ASSERT_TRUE(router_->accept_store(kGeneration));
  const auto hello = StoreHello::decode(router_->receive_own(Operation::STORE_HELLO));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->open_generation, kGeneration);
  EXPECT_EQ(hello->databases, 1u);
  EXPECT_EQ(process.ask("fetch key"), owned);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  const auto again = router_->attach_client(kClient);
  EXPECT_TRUE(serves(*again, "key", 2));
}

TEST_F(StoreProgram, WithoutAGenerationToGoOnFromFilesAreEmptied) {
  start_open();
  const auto client = router_->attach_client(kClient);
  ASSERT_TRUE(serves(*client, "key", 1));
  kill_store();
  router_->hang_up();
  start_open();
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_EQ(process.ask("fetch key"), "none");
}

TEST_F(StoreProgram, ADamagedFileIsPutAsideAndTheStoreStarts) {
  start_open();
  kill_store();
  router_->hang_up();
  std::ofstream(database_path(), std::ios::trunc) << "no tdb file";
  start();
  ASSERT_TRUE(router_->accept_store(kGeneration));
  const auto hello = StoreHello::decode(router_->receive_own(Operation::STORE_HELLO));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->databases, 0u);
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(base() + "/volatile")) {
    kept = kept || entry.path().filename().string().find(".corrupted.") != std::string::npos;
  }
  EXPECT_TRUE(kept);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  attach();
}

// Reading a process's first bytes is what the kernel answers with EIO: a disk that fails for a while.
TEST_F(StoreProgram, AFileThatItCannotHaveNowIsWaitedFor) {
  start_open();
  {
    const auto client = router_->attach_client(kClient);
    ASSERT_TRUE(serves(*client, "key", 1));
  }
  kill_store();
  router_->hang_up();
  const std::string good = base() + "/good";
  fs::rename(database_path(), good);
  fs::create_symlink("/proc/self/mem", database_path());
  start();
  ASSERT_TRUE(router_->accept_store(kGeneration));
  EXPECT_TRUE(wait_until([this] { return counter(Counter::store_file_errors) == 1; }));
  router_->send_own(Operation::STORE_QUERY, StoreQuery{1}.encode());
  fs::rename(good, database_path());
  const auto hello = StoreHello::decode(router_->receive_own(Operation::STORE_HELLO));
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->asked, 0u) << "it did not answer before";
  EXPECT_EQ(hello->databases, 1u);
  ASSERT_TRUE(router_->open_generation(kGeneration + 1, kGeneration));
  attach();
  TdbClient process(database_path(), kVolatileFlags);
  EXPECT_EQ(dmaster_in(process.ask("fetch key")), "00000000");
}

// A process that has nothing to do does not wake up.
TEST_F(StoreProgram, SleepsWhileNothingHappensButForItsBeat) {
  start_open();
  uint64_t before = 0;
  ASSERT_TRUE(wait_until([&] {
    const uint64_t now = counter(Counter::store_recoveries);
    const bool same = now == before && now > 0;
    before = now;
    if (!same) usleep(300000);
    return same;
  }));
  const auto switches = [this] {
    std::ifstream in("/proc/" + std::to_string(pid_) + "/status");
    std::string word;
    long count = 0;
    while (in >> word) {
      if (word == "voluntary_ctxt_switches:") in >> count;
    }
    return count;
  };
  // In one second of these: on a machine that is busy this process sleeps for longer, and the store waits for its memory.
  std::vector<long> seconds;
  while (seconds.size() < 20 && (seconds.empty() || seconds.back() > 4)) {
    const long before_it = switches();
    usleep(1000000);  // that nothing happens can only be seen by waiting
    seconds.push_back(switches() - before_it);
  }
  EXPECT_LE(seconds.back(), 4) << "in the last of " << seconds.size() << " seconds";
}

}  // namespace
}  // namespace ctdb
