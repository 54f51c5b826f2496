// SPDX-License-Identifier: GPL-3.0-or-later
// Keeper wires between two real transports: what proves that a node is gone, and what does not.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "ctdb-router/transport/tcp/keeper_wires.h"
#include "tests/unit/router/tcp_cluster.h"
#include "tests/unit/router/transport_world.h"

namespace ctdb::test {
namespace {

// A node whose "keeper" is the test.
class WireNode : public TransportNode {
 public:
  using TransportNode::TransportNode;
  void on_keeper_wire(uint32_t pnn, uint32_t number, UniqueFd wire) override {
    held = std::move(wire);
    numbers.push_back(number);
    if (answers) transport->keeper_holds(pnn, number);
  }
  void on_gone(uint32_t pnn) override { gone.push_back(pnn); }

  UniqueFd held;
  std::vector<uint32_t> numbers;
  std::vector<uint32_t> gone;
  bool answers = true;
};

class KeeperWire : public testing::Test {
 protected:
  KeeperWire() : port_(free_port()), a(start(0)), b(start(1)) {
    a->transport->want_record_streams(true);
    b->transport->want_record_streams(true);
  }
  std::unique_ptr<WireNode> start(uint32_t pnn) {
    return std::make_unique<WireNode>(pnn, ++boots_,
                                      [this](uint32_t n, uint64_t boot, EventLoop& loop, auto& events) {
                                        return make_tcp_transport(tcp_options(n, boot, port_), loop, events);
                                      });
  }
  bool until(const std::function<bool()>& condition) { return turn_until({a.get(), b.get()}, condition); }
  void joined() {
    ASSERT_TRUE(until([&] { return a->held.valid() && b->held.valid(); }));
    turn_for({a.get(), b.get()}, 50 * kMillisecond);  // what each says to the other about its keeper
  }

  const uint16_t port_;
  uint64_t boots_ = 60;
  std::unique_ptr<WireNode> a, b;
};

TEST_F(KeeperWire, ANodeIsGoneWhenRouterAndKeeperAre) {
  joined();
  b->held.reset();
  b.reset();
  EXPECT_TRUE(turn_until({a.get()}, [&] { return !a->gone.empty(); }));
  EXPECT_EQ(a->gone, std::vector<uint32_t>{1});
  EXPECT_EQ(a->downs(), 1u);
}

TEST_F(KeeperWire, InWhateverOrder) {
  joined();
  UniqueFd keeper = std::move(a->held);
  a.reset();
  EXPECT_TRUE(turn_until({b.get()}, [&] { return b->downs() == 1; }));
  turn_for({b.get()}, 50 * kMillisecond);
  EXPECT_TRUE(b->gone.empty()) << "its keeper lives";
  keeper.reset();
  EXPECT_TRUE(turn_until({b.get()}, [&] { return !b->gone.empty(); }));
}

TEST_F(KeeperWire, ADeadKeeperAloneProvesNothing) {
  joined();
  b->held.reset();
  turn_for({a.get(), b.get()}, 50 * kMillisecond);
  EXPECT_TRUE(a->gone.empty());
  b->transport->give_keeper_wires();
  EXPECT_TRUE(b->held.valid()) << "the next one gets a copy";
  EXPECT_EQ(b->numbers[0], b->numbers[1]);
}

TEST_F(KeeperWire, AResetProvesNothing) {
  joined();
  const linger abort{1, 0};
  ASSERT_EQ(setsockopt(b->held.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort), 0);
  b->held.reset();
  b.reset();
  EXPECT_TRUE(turn_until({a.get()}, [&] { return a->downs() == 1; }));
  turn_for({a.get()}, 50 * kMillisecond);
  EXPECT_TRUE(a->gone.empty());
}

TEST_F(KeeperWire, BeforeTheKeeperHoldsItItProvesNothing) {
  b->answers = false;
  ASSERT_TRUE(until([&] { return b->held.valid(); }));
  turn_for({a.get(), b.get()}, 50 * kMillisecond);
  b->held.reset();
  b.reset();
  EXPECT_TRUE(turn_until({a.get()}, [&] { return a->downs() == 1; }));
  turn_for({a.get()}, 50 * kMillisecond);
  EXPECT_TRUE(a->gone.empty());
}

// Both ends of a TCP connection.
std::pair<UniqueFd, UniqueFd> connected() {
  Result<UniqueFd> listener = tcp_listen(make_address("127.0.0.1", 0));
  EXPECT_TRUE(listener);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(listener->get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  UniqueFd near(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(near.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  UniqueFd far;
  while (!far.valid()) far.reset(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(near), std::move(far)};
}

// The link has come up anew on this side, while the other may still be without one.
TEST(KeeperWiresOfALivingRouter, EndWithAReset) {
  for (const bool keeper_lives_longer : {false, true}) {
    const std::unique_ptr<EventLoop> loop = *EventLoop::create();
    KeeperWires wires(*loop, [](uint32_t, bool) {});
    auto [near, far] = connected();
    UniqueFd keeper(fcntl(near.get(), F_DUPFD_CLOEXEC, 0));
    wires.add(1, std::move(near), {});
    if (!keeper_lives_longer) keeper.reset();
    wires.drop(1);
    keeper.reset();
    uint8_t byte = 0;
    EXPECT_EQ(recv(far.get(), &byte, 1, 0), -1) << "not in order";
    EXPECT_EQ(errno, ECONNRESET);
  }
}

TEST_F(KeeperWire, ANewLinkBringsANewWire) {
  joined();
  UniqueFd keeper = std::move(b->held);
  b.reset();
  b = start(1);
  b->transport->want_record_streams(true);
  ASSERT_TRUE(until([&] { return a->numbers.size() == 2 && b->held.valid(); }));
  keeper.reset();  // of the old one
  turn_for({a.get(), b.get()}, 50 * kMillisecond);
  EXPECT_TRUE(a->gone.empty());
}

}  // namespace
}  // namespace ctdb::test
