// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb-recoveryd as a program, the only node of its cluster, against a router and a store that the test plays.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "ctdb-recoveryd/core/durable_state.h"
#include "ctdb-recoveryd/state_file.h"
#include "libctdbipc/ring/channel.h"
#include "libctdbipc/ring/counters.h"
#include "libctdbipc/ring/node_page.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {
namespace {

namespace fs = std::filesystem;

bool wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 60000; ++i) {
    if (condition()) return true;
    usleep(500);
  }
  return false;
}

// The router's end: both channels, and the store's answers given by hand.
class FakeRouter {
 public:
  explicit FakeRouter(const std::string& path) {
    Result<UniqueFd> listener = listen_unix(path, SOCK_SEQPACKET, 0700, 8);
    if (listener) listener_ = std::move(*listener);
    // The store that is played here is always in time.
    Result<std::unique_ptr<NodePage>> page =
        NodePage::open(path.substr(0, path.rfind('/')) + "/ctdb-node.page");
    if (page) page_ = std::move(*page);
    page_->beat(kNever / 2);
  }
  NodePage& page() { return *page_; }
  bool accept(uint32_t pnn = 0) {
    const bool connected = wait_until([this] {
      connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      return connection_.valid();
    });
    std::optional<SetupMessage> request;
    const bool asked = connected && wait_until([&] {
                         Result<std::optional<SetupMessage>> message = receive_setup(connection_.get());
                         if (message && *message) request = std::move(**message);
                         return request.has_value();
                       });
    if (!asked || request->role != DaemonRole::kRecoveryd) return false;
    SetupMessage reply;
    reply.kind = SetupKind::kReply;
    reply.pnn = pnn;
    for (std::unique_ptr<Channel>* end : {&data_, &control_}) {
      Result<ChannelPair> pair = create_channel(kDaemonRingBytes);
      if (!pair) return false;
      *end = std::move(*Channel::open(std::move(pair->server), ChannelSide::kServer));
      reply.channels.push_back(std::move(pair->client));
    }
    return send_setup(connection_.get(), reply).has_value();
  }
  void hang_up() { connection_.reset(); }

  void send_own(Operation operation, const Bytes& payload) {
    build_own(packet_, {0, 0, static_cast<uint32_t>(operation), 0, 0, 0}, payload);
    control_->push({0, 0}, packet_);
    control_->flush();
  }
  // Waits for that operation and skips others; empty: it did not come.
  Bytes receive_own(Operation wanted) {
    Bytes payload;
    wait_until([&] {
      while (const std::optional<Channel::Frame> frame = control_->pop()) {
        if (read_header(frame->packet).operation != static_cast<uint32_t>(wanted)) continue;
        payload = to_bytes(own_payload(frame->packet));
        payload.push_back(0);  // there was one, even if its payload is empty
        return true;
      }
      return false;
    });
    return payload;
  }
  bool wait_for_state(const std::function<bool(const ClusterState&)>& good) {
    for (int i = 0; i < 100; ++i) {
      const std::optional<ClusterState> state = ClusterState::decode(receive_own(Operation::CLUSTER_STATE));
      if (!state) return false;
      if (good(*state)) return true;
    }
    return false;
  }
  // The store of the node shows itself and recovers; returns what it was asked to recover.
  std::optional<StoreRecover> recover(const StoreHello& hello) {
    send_own(Operation::DAEMON_STATE, DaemonState{DaemonRole::kStore, true, 1}.encode());
    if (receive_own(Operation::STORE_QUERY).empty()) return std::nullopt;
    send_own(Operation::STORE_HELLO, hello.encode());
    const std::optional<StoreRecover> order = StoreRecover::decode(receive_own(Operation::STORE_RECOVER));
    if (order) recovered(*order);
    return order;
  }
  void recovered(const StoreRecover& order) {
    send_own(Operation::STORE_RECOVERED, StoreRecovered{order.generation, true, {}, ""}.encode());
  }
  // Does what the store is told until that generation or a later one is open: a recoveryd that does not get to run for as long as a
  // lease lasts begins anew.
  std::optional<uint32_t> open(uint32_t generation) {
    std::optional<StoreOpen> opened;
    wait_until([&] {
      while (const std::optional<Channel::Frame> frame = control_->pop()) {
        const uint32_t operation = read_header(frame->packet).operation;
        const Bytes payload = to_bytes(own_payload(frame->packet));
        if (operation == static_cast<uint32_t>(Operation::STORE_RECOVER)) {
          if (const std::optional<StoreRecover> order = StoreRecover::decode(payload)) {
            generation = order->generation;
            recovered(*order);
          }
        } else if (operation == static_cast<uint32_t>(Operation::STORE_OPEN)) {
          opened = StoreOpen::decode(payload);
          if (opened && opened->generation == generation) return true;
        }
      }
      return false;
    });
    return opened ? std::optional(opened->generation) : std::nullopt;
  }
  std::optional<ReplyControl> control(uint32_t endpoint, Control opcode) {
    build(packet_, {0, 0, 0, 0, 0, 9}, ReqControl{static_cast<uint32_t>(opcode), 0, endpoint, 0, {}});
    data_->push({endpoint, 0}, packet_);
    data_->flush();
    const bool answered = wait_until([&] {
      const std::optional<Channel::Frame> frame = data_->pop();
      if (!frame || frame->info.endpoint != endpoint) return false;
      reply_ = to_bytes(frame->packet);
      return true;
    });
    return answered ? parse_reply_control(reply_) : std::nullopt;
  }
  // Breaks the rules of the ring: a frame that is no packet of the protocol.
  void send_rubbish() {
    control_->push({0, 0}, Bytes(64, 0xee));
    control_->flush();
  }

 private:
  UniqueFd listener_, connection_;
  std::unique_ptr<NodePage> page_;
  std::unique_ptr<Channel> data_, control_;
  Bytes packet_, reply_;
};

class RecoverydProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/ctdb-recoveryd-XXXXXX";
    base_ = mkdtemp(pattern);
    std::ofstream(base_ + "/nodes") << "127.0.0.1\n";
    std::ofstream(base_ + "/ctdb.conf") << "[logging]\nlocation = file:" << base_ << "/log\n";
    router_ = std::make_unique<FakeRouter>(base_ + "/setup.socket");
  }
  void TearDown() override {
    if (pid_ > 0) end_with(SIGKILL);
    if (HasFailure()) std::cerr << std::ifstream(base_ + "/log").rdbuf();
    fs::remove_all(base_);
  }
  void start() {
    const std::string program =
        (fs::read_symlink("/proc/self/exe").parent_path() / "ctdb-recoveryd").string();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen((base_ + "/errors").c_str(), "a", stderr) == nullptr) _exit(126);
    execl(program.c_str(), program.c_str(), "--base", base_.c_str(), nullptr);
    _exit(127);
  }
  int end_with(int signal_number) {
    kill(pid_, signal_number);
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }
  // Returns the generation that was opened.
  uint32_t open(const StoreHello& hello, uint32_t expected_base) {
    const std::optional<StoreRecover> order = router_->recover(hello);
    EXPECT_TRUE(order.has_value());
    if (!order) return CTDB_INVALID_GENERATION;
    EXPECT_EQ(order->base_generation, expected_base);
    const std::optional<uint32_t> opened = router_->open(order->generation);
    EXPECT_TRUE(opened && *opened >= order->generation);
    if (!opened) return CTDB_INVALID_GENERATION;
    EXPECT_TRUE(router_->wait_for_state([&](const ClusterState& s) {
      return s.recovery_mode == CTDB_RECOVERY_NORMAL && s.generation == *opened && s.leader == 0;
    }));
    return *opened;
  }
  std::string status() const {
    const Result<CountersSnapshot> snapshot = read_counters(base_ + "/ctdb-recoveryd.counters");
    return snapshot ? snapshot->status : "";
  }

  std::string base_;
  std::unique_ptr<FakeRouter> router_;
  pid_t pid_ = 0;
};

TEST_F(RecoverydProgram, OpensAGenerationAndShowsIt) {
  start();
  ASSERT_TRUE(router_->accept());
  const uint32_t generation = open({}, CTDB_INVALID_GENERATION);
  const std::string wanted = "RUNNING, leader 0, generation " + std::to_string(generation);
  EXPECT_TRUE(wait_until([&] { return status() == wanted; })) << status();
  const std::optional<ReplyControl> reply = router_->control(7, Control::GET_CAPABILITIES);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 0);
  EXPECT_EQ(reply->data.size(), 4u);
  EXPECT_EQ(end_with(SIGTERM), 0);
}

TEST_F(RecoverydProgram, KilledItGoesOnWhereItWas) {
  start();
  ASSERT_TRUE(router_->accept());
  const uint32_t generation = open({}, CTDB_INVALID_GENERATION);
  end_with(SIGKILL);
  start();
  ASSERT_TRUE(router_->accept());
  EXPECT_GT(open({generation, generation, 0}, generation), generation);
}

TEST_F(RecoverydProgram, LooksForTheRouterAgain) {
  start();
  ASSERT_TRUE(router_->accept());
  const uint32_t generation = open({}, CTDB_INVALID_GENERATION);
  router_->hang_up();
  ASSERT_TRUE(router_->accept());
  EXPECT_GT(open({generation, generation, 0}, generation), generation);
}

TEST_F(RecoverydProgram, StartsBeforeTheRouter) {
  router_.reset();
  start();
  usleep(100000);
  router_ = std::make_unique<FakeRouter>(base_ + "/setup.socket");
  ASSERT_TRUE(router_->accept());
  open({}, CTDB_INVALID_GENERATION);
}

TEST_F(RecoverydProgram, DoesNotWorkForTheRouterOfAnotherNode) {
  start();
  ASSERT_TRUE(router_->accept(5));
  ASSERT_TRUE(router_->accept()) << "it tries again";
  open({}, CTDB_INVALID_GENERATION);
}

TEST_F(RecoverydProgram, CountsRubbishAndGoesOn) {
  start();
  ASSERT_TRUE(router_->accept());
  router_->send_rubbish();
  open({}, CTDB_INVALID_GENERATION);
  EXPECT_TRUE(wait_until([this] {
    const Result<CountersSnapshot> snapshot = read_counters(base_ + "/ctdb-recoveryd.counters");
    return snapshot && snapshot->value(Counter::recoveryd_refused) == 1;
  }));
}

TEST_F(RecoverydProgram, OfTwoTheSecondDoesNotWait) {
  start();
  ASSERT_TRUE(router_->accept());
  open({}, CTDB_INVALID_GENERATION);
  const pid_t first = std::exchange(pid_, 0);
  start();
  int status = 0;
  EXPECT_TRUE(wait_until([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  pid_ = first;
  std::string reason;
  std::getline(std::ifstream(base_ + "/errors"), reason);
  const std::string wanted =
      "another process keeps its state in " + base_ + "/state/recoveryd.state: stop it first";
  EXPECT_NE(reason.find(wanted), std::string::npos) << reason;
}

TEST_F(RecoverydProgram, KeepsADamagedStateFileAside) {
  fs::create_directories(base_ + "/state");
  std::ofstream(base_ + "/state/recoveryd.state") << "rubbish";
  start();
  ASSERT_TRUE(router_->accept());
  open({}, CTDB_INVALID_GENERATION);
  EXPECT_TRUE(fs::exists(base_ + "/state/recoveryd.state.damaged"));
  end_with(SIGKILL);
  Result<StateFile> file = StateFile::open(base_ + "/state", "recoveryd.state");
  ASSERT_TRUE(file);
  EXPECT_EQ(DurableState::decode(file->contents())->voted_for, 0u);
}

}  // namespace
}  // namespace ctdb
