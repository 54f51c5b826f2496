// SPDX-License-Identifier: GPL-3.0-or-later
// The TCP transport against a peer that does not play by the rules: raw sockets in place of another node.
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "ctdb-router/transport/tcp/handshake.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/process_name.h"
#include "libctdbipc/wire/frame_reader.h"
#include "tests/unit/router/tcp_cluster.h"

namespace ctdb::test {
namespace {

class RawPeer {
 public:
  explicit RawPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  void send(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (done < 0 && errno == EAGAIN) return;
      if (done < 0) return;  // cut; the test looks at that
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
  }
  // How much the socket took.
  size_t send_some(ByteView bytes) {
    const ssize_t done = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return done < 0 ? 0 : static_cast<size_t>(done);
  }
  // Takes what came; true while the connection stands.
  bool read() {
    while (true) {
      const MutableBytes room = reader_.room();
      const ssize_t got = recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return open_;
      if (got <= 0) return open_ = false;
      reader_.received(static_cast<size_t>(got));
      MutableBytes packet;
      while (reader_.next(packet) == FrameReader::Next::kPacket) packets.push_back(to_bytes(packet));
    }
  }
  bool closed() { return !read(); }
  bool has(Operation operation) {
    read();
    return find(operation) != nullptr;
  }
  const Bytes* find(Operation operation) const {
    for (const Bytes& packet : packets) {
      if (read_header(packet).operation == static_cast<uint32_t>(operation)) return &packet;
    }
    return nullptr;
  }
  std::string refusal() const {
    const Bytes* packet = find(Operation::HELLO_REFUSED);
    return packet == nullptr ? "" : HelloRefused::decode(own_payload(*packet))->reason;
  }

  std::vector<Bytes> packets;

 private:
  UniqueFd socket_;
  FrameReader reader_{FrameReader::Policy::kLink, kPacketBytesMax};
  bool open_ = true;
};

// Node 0 is real; the test is node 1 or 2 by hand.
class TcpPeer : public testing::Test {
 protected:
  explicit TcpPeer(const ClusterKey& key = {}) : port(free_port()) {
    node = std::make_unique<TransportNode>(
        0, 50, [this, key](uint32_t pnn, uint64_t boot, EventLoop& loop, auto& events) {
          return make_tcp_transport(tcp_options(pnn, boot, port, key), loop, events);
        });
  }
  RawPeer dial(const std::string& from = "127.0.0.2") {
    Result<UniqueFd> socket = tcp_connect(make_address(from, 0), make_address("127.0.0.1", port));
    EXPECT_TRUE(socket);
    pollfd writable{socket->get(), POLLOUT, 0};
    EXPECT_EQ(poll(&writable, 1, 60000), 1);
    return RawPeer(std::move(*socket));
  }
  RawPeer dial_and_hello(uint64_t boot_id = 9, uint64_t session = 1) {
    RawPeer peer = dial();
    peer.send(hello(boot_id, session));
    EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
    return peer;
  }
  static Bytes own(Operation operation, const Bytes& payload, uint32_t source = 1, uint32_t destination = 0) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), destination, source, 0}, payload);
    return packet;
  }
  static Bytes hello(uint64_t boot_id = 9, uint64_t session = 1, uint32_t source = 1,
                     uint32_t destination = 0, const std::string& cluster = "test", uint32_t version = 1) {
    return own(Operation::HELLO, Hello{version, version, 0, boot_id, session, cluster}.encode(), source,
               destination);
  }
  bool until(const std::function<bool()>& condition) { return turn_until({node.get()}, condition); }
  // Sends `bytes` on a new connection; returns the reason of the refusal, after the connection was closed.
  std::string refusal_of(const Bytes& bytes, const std::string& from = "127.0.0.2") {
    RawPeer peer = dial(from);
    peer.send(bytes);
    EXPECT_TRUE(until([&] { return peer.closed(); }));
    EXPECT_EQ(node->ups(), 0u);
    return peer.refusal();
  }

  const uint16_t port;
  std::unique_ptr<TransportNode> node;
};

TEST(TcpListen, APortThatIsTakenNamesWhoHasIt) {
  for (const char* holder : {"127.0.0.1", "0.0.0.0", "::"}) {
    SCOPED_TRACE(holder);
    const uint16_t port = free_port();
    const Result<UniqueFd> first = tcp_listen(make_address(holder, port));
    ASSERT_TRUE(first) << first.error().text();
    const Result<UniqueFd> second = tcp_listen(make_address("127.0.0.1", port));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kRefused);
    const std::string said =
        "port " + std::to_string(port) + " of 127.0.0.1 is taken by " + process_text(getpid());
    EXPECT_NE(second.error().text().find(said), std::string::npos) << second.error().text();
  }
}

TEST_F(TcpPeer, HelloIsAnsweredWithHello) {
  RawPeer peer = dial_and_hello();
  EXPECT_EQ(node->ups(), 1u);
  const Bytes* answer = peer.find(Operation::HELLO);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(read_header(*answer).srcnode, 0u);
  EXPECT_EQ(read_header(*answer).destnode, 1u);
  const std::optional<Hello> theirs = Hello::decode(own_payload(*answer));
  EXPECT_EQ(theirs->cluster_name, "test");
  EXPECT_EQ(theirs->boot_id, 50u);
  EXPECT_NE(theirs->session, 0u);
}

TEST_F(TcpPeer, EachReasonOfRefusalIsTold) {
  const auto expect_reason = [](const std::string& reason, const char* part) {
    EXPECT_NE(reason.find(part), std::string::npos) << reason;
  };
  expect_reason(refusal_of(hello(9, 1, 1, 0, "other")), "cluster name");
  expect_reason(refusal_of(hello(9, 1, 1, 0, "test", 77)), "no common version");
  expect_reason(refusal_of(hello(9, 1, 2)), "its address is that of node 1");
  expect_reason(refusal_of(hello(9, 1, 1, 2)), "it wants node 2");
  expect_reason(refusal_of(own(Operation::HELLO, Bytes(8))), "malformed");
  expect_reason(refusal_of(own(Operation::LINK_PING, LinkPing{}.encode())), "not a HELLO");
  expect_reason(refusal_of({}, "127.0.0.99"), "not in the nodes file");
  expect_reason(refusal_of({}, "127.0.0.1"), "itself");
  node->transport->set_quiet(true);
  expect_reason(refusal_of({}), "quiet");
  EXPECT_EQ(node->transport->figures().refused, 9u);
}

TEST_F(TcpPeer, MoreThanAHelloBeforeHelloIsCut) {
  Bytes large = own(Operation::HELLO, Bytes(2000));
  EXPECT_EQ(refusal_of(large), "");
  Bytes endless(100000, 0);
  store(endless.data(), static_cast<uint32_t>(endless.size()));
  EXPECT_EQ(refusal_of(endless), "");
}

TEST_F(TcpPeer, ImpossibleLengthsAreCutBeforeMemoryIsTaken) {
  for (const uint32_t length : {0xffffffffu, static_cast<uint32_t>(kPacketBytesMax + 8), 0u, 24u, 52u}) {
    RawPeer peer = dial_and_hello(length + 1);
    const size_t downs = node->downs();
    Bytes head(8);
    store(head.data(), length);
    store(head.data() + 4, CTDB_MAGIC);
    peer.send(head);
    EXPECT_TRUE(until([&] { return peer.closed() && node->downs() == downs + 1; })) << length;
  }
}

TEST_F(TcpPeer, WrongMagicIsCut) {
  RawPeer peer = dial_and_hello();
  Bytes packet = link_message(1, 0, 1, 10);
  packet[4] ^= 1;
  peer.send(packet);
  EXPECT_TRUE(until([&] { return peer.closed() && node->downs() == 1; }));
  EXPECT_EQ(node->packets(), 0u);
}

TEST_F(TcpPeer, PacketsRightBehindHelloArrive) {
  RawPeer peer = dial();
  Bytes stream = hello();
  for (uint32_t i = 1; i <= 50; ++i) {
    const Bytes packet = link_message(1, 0, i, 500);
    stream.insert(stream.end(), packet.begin(), packet.end());
  }
  peer.send(stream);
  EXPECT_TRUE(until([&] { return node->packets() == 50; }));
  EXPECT_TRUE(std::is_sorted(node->events.begin(), node->events.end(),
                             [](const LinkEvent& a, const LinkEvent& b) { return a.kind < b.kind; }));
}

TEST_F(TcpPeer, AHelloInSmallPiecesIsTaken) {
  RawPeer peer = dial();
  for (const uint8_t byte : hello()) {
    peer.send({&byte, 1});
    node->turn();
  }
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
}

TEST_F(TcpPeer, PingsAreAnsweredInsideTheTransport) {
  RawPeer peer = dial_and_hello();
  peer.send(own(Operation::LINK_PING, LinkPing{123456}.encode()));
  EXPECT_TRUE(until([&] { return peer.has(Operation::LINK_PONG); }));
  EXPECT_EQ(LinkPing::decode(own_payload(*peer.find(Operation::LINK_PONG)))->sent_ns, 123456u);
  EXPECT_EQ(node->packets(), 0u);
}

TEST_F(TcpPeer, WhoAsksForEverAndReadsNothingGetsNoMoreAnswers) {
  constexpr size_t kAskedBytes = 32u << 20;
  RawPeer peer = dial_and_hello();
  const Bytes ping = own(Operation::LINK_PING, LinkPing{1}.encode());
  Bytes pings;
  while (pings.size() < 64u << 10) pings.insert(pings.end(), ping.begin(), ping.end());
  size_t asked = 0;
  EXPECT_TRUE(until([&] {
    asked += peer.send_some(ByteView(pings).subspan(asked % pings.size()));
    return asked > kAskedBytes;
  }));
  EXPECT_EQ(node->downs(), 0u);
  // And what it has asked itself meanwhile, every half second.
  EXPECT_LT(node->transport->queued_bytes(), kLinkQueueHighWaterBytes + 1000 * ping.size());
}

TEST_F(TcpPeer, ANodeThatOnlyListensSaysThatItIsThere) {
  RawPeer peer = dial_and_hello();
  EXPECT_TRUE(until([&] {
    peer.send(link_message(1, 0, 1, 10));  // so it has nothing to ask
    return peer.has(Operation::LINK_PING);
  }));
  EXPECT_EQ(node->downs(), 0u);
}

TEST_F(TcpPeer, LinkPacketsWithAForgedSourceAreCut) {
  RawPeer peer = dial_and_hello();
  peer.send(own(Operation::LINK_PING, LinkPing{}.encode(), 2));
  EXPECT_TRUE(until([&] { return peer.closed() && node->downs() == 1; }));
}

TEST_F(TcpPeer, ASecondHelloIsCut) {
  RawPeer peer = dial_and_hello();
  peer.send(hello(9, 2));
  EXPECT_TRUE(until([&] { return peer.closed() && node->downs() == 1; }));
}

TEST_F(TcpPeer, ANewerConnectionReplacesTheOldOne) {
  RawPeer first = dial_and_hello(9, 1);
  RawPeer second = dial_and_hello(9, 2);
  EXPECT_TRUE(until([&] { return first.closed(); }));
  RawPeer rebooted = dial_and_hello(10, 1);
  EXPECT_TRUE(until([&] { return second.closed(); }));
  EXPECT_EQ(node->ups(), 3u);
  EXPECT_EQ(node->downs(), 2u);
  EXPECT_NE(node->events[0].session, node->events[2].session);
}

TEST_F(TcpPeer, AnOlderConnectionThatComesLateDoesNot) {
  RawPeer second = dial_and_hello(9, 2);
  RawPeer first = dial();
  first.send(hello(9, 1));
  EXPECT_TRUE(until([&] { return first.closed(); }));
  EXPECT_NE(first.refusal().find("newer"), std::string::npos);
  EXPECT_EQ(node->ups(), 1u);
  EXPECT_EQ(node->downs(), 0u);
  EXPECT_FALSE(second.closed());
}

TEST_F(TcpPeer, SilentConnectionsAreBounded) {
  std::vector<RawPeer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(dial());
  EXPECT_TRUE(until([&] {
    return std::count_if(peers.begin(), peers.end(), [](RawPeer& peer) { return peer.closed(); }) >= 16;
  }));
  EXPECT_FALSE(peers.back().closed());
}

// A local process that takes the address of a node that is down, but has no key.
class KeyedTcpPeer : public TcpPeer {
 protected:
  KeyedTcpPeer() : TcpPeer(test_key()) {}
  Bytes keyed_hello(Handshake& handshake, uint64_t session = 1) {
    return own(Operation::HELLO, handshake.say(1, 0, Hello{1, 1, 0, 9, session, "test"}).encode());
  }
  Bytes last_word(const Proof& proof) { return own(Operation::HELLO_PROOF, HelloProof{proof}.encode()); }
  // Up to the answer to HELLO.
  RawPeer half_way(Handshake& handshake, uint64_t session = 1) {
    RawPeer peer = dial();
    peer.send(keyed_hello(handshake, session));
    EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
    EXPECT_TRUE(handshake.hear(0, 1, *Hello::decode(own_payload(*peer.find(Operation::HELLO)))));
    return peer;
  }
};

TEST_F(KeyedTcpPeer, ALinkStandsAfterTheLastWordOnly) {
  Handshake handshake(test_key());
  RawPeer peer = half_way(handshake);
  EXPECT_EQ(node->ups(), 0u);
  peer.send(last_word(handshake.last_word()));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
}

TEST_F(KeyedTcpPeer, APoserIsRefusedAndNamed) {
  EXPECT_NE(refusal_of(hello()).find("it has no cluster key"), std::string::npos);
  Handshake wrong(test_key("what somebody guessed, of the right length"));
  EXPECT_NE(refusal_of(keyed_hello(wrong)).find("does not know this cluster's key"), std::string::npos);
  EXPECT_EQ(node->transport->figures().refused, 2u);
}

TEST_F(KeyedTcpPeer, WhyTwoNodesRefuseEachOtherIsKnownUntilTheyDoNot) {
  Handshake wrong(test_key("what somebody guessed, of the right length"));
  EXPECT_EQ(node->transport->refusal(1), "");
  refusal_of(keyed_hello(wrong));
  EXPECT_NE(node->transport->refusal(1).find("same [cluster] key file"), std::string::npos);
  Handshake right(test_key());
  RawPeer peer = half_way(right);
  peer.send(last_word(right.last_word()));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
  EXPECT_EQ(node->transport->refusal(1), "");
}

TEST_F(KeyedTcpPeer, ARecordedHelloMakesNoLink) {
  Handshake honest(test_key());
  const Bytes recorded = keyed_hello(honest);
  for (const Bytes& next : {last_word(Proof{}), own(Operation::LINK_PING, LinkPing{}.encode()), recorded,
                            link_message(1, 0, 1, 100)}) {
    RawPeer peer = dial();
    peer.send(recorded);
    EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
    peer.send(next);
    EXPECT_TRUE(until([&] { return peer.closed(); }));
    EXPECT_NE(peer.refusal().find("has not proved"), std::string::npos);
  }
  EXPECT_EQ(node->ups(), 0u);
}

TEST_F(KeyedTcpPeer, APoserDoesNotEndTheLinkThatIsUp) {
  Handshake honest(test_key());
  RawPeer peer = half_way(honest);
  peer.send(last_word(honest.last_word()));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
  Handshake recorded(test_key());
  RawPeer poser = dial();
  poser.send(keyed_hello(recorded, 2));
  EXPECT_TRUE(until([&] { return poser.has(Operation::HELLO); }));
  poser.send(last_word(Proof{}));
  EXPECT_TRUE(until([&] { return poser.closed(); }));
  EXPECT_EQ(node->downs(), 0u);
  EXPECT_FALSE(peer.closed());
}

TEST_F(KeyedTcpPeer, ConnectionsBesideALinkNeedItsKey) {
  node->transport->want_record_streams(true);
  Handshake honest(test_key());
  RawPeer peer = half_way(honest);
  peer.send(last_word(honest.last_word()));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
  for (const uint64_t use : {kHelloRecordStream, kHelloKeeperWire}) {
    const Hello said{1, 1, use, 9, 1, "test"};
    RawPeer without = dial();
    without.send(own(Operation::HELLO, said.encode()));
    EXPECT_TRUE(until([&] { return without.closed(); }));
    EXPECT_NE(without.refusal().find("it has no cluster key"), std::string::npos);
    RawPeer outside = dial();
    outside.send(own(Operation::HELLO, Handshake(test_key()).say(1, 0, said).encode()));
    EXPECT_TRUE(until([&] { return outside.closed(); }));
    EXPECT_NE(outside.refusal().find("does not know"), std::string::npos);
  }
  RawPeer stream = dial();
  Handshake beside(honest.key_for_sides());
  stream.send(
      own(Operation::HELLO, beside.say(1, 0, Hello{1, 1, kHelloRecordStream, 9, 1, "test"}).encode()));
  EXPECT_TRUE(until([&] { return stream.has(Operation::HELLO); }));
}

// The real node is number 1 and dials us.
class TcpDialler : public testing::Test {
 protected:
  explicit TcpDialler(const ClusterKey& key = {}) : port(free_port()) {
    Result<UniqueFd> listening = tcp_listen(make_address("127.0.0.1", port));
    EXPECT_TRUE(listening);
    listener = std::move(*listening);
    node = std::make_unique<TransportNode>(
        1, 50, [this, key](uint32_t pnn, uint64_t boot, EventLoop& loop, auto& events) {
          return make_tcp_transport(tcp_options(pnn, boot, port, key), loop, events);
        });
  }
  bool until(const std::function<bool()>& condition) { return turn_until({node.get()}, condition); }
  RawPeer accept_one() {
    UniqueFd socket;
    EXPECT_TRUE(until([&] {
      socket.reset(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      return socket.valid();
    }));
    return RawPeer(std::move(socket));
  }
  static Bytes answer(uint64_t session) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(Operation::HELLO), 1, 0, 0},
              Hello{1, 1, 0, 77, session, "test"}.encode());
    return packet;
  }

  const uint16_t port;
  UniqueFd listener;
  std::unique_ptr<TransportNode> node;
};

TEST_F(TcpDialler, SaysHelloFirstAndComesUpWithTheAnswer) {
  RawPeer peer = accept_one();
  EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
  const Bytes* first = peer.find(Operation::HELLO);
  EXPECT_EQ(read_header(*first).srcnode, 1u);
  EXPECT_EQ(read_header(*first).destnode, 0u);
  EXPECT_EQ(node->ups(), 0u);
  peer.send(answer(1));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
}

TEST_F(TcpDialler, TriesAgainWithAnotherSessionAfterEveryKindOfFailure) {
  uint64_t last_session = 0;
  for (int round = 0; round < 4; ++round) {
    RawPeer peer = accept_one();
    EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
    const uint64_t session = Hello::decode(own_payload(*peer.find(Operation::HELLO)))->session;
    EXPECT_GT(session, last_session);
    last_session = session;
    Bytes refused;
    build_own(refused, {0, 0, static_cast<uint32_t>(Operation::HELLO_REFUSED), 1, 0, 0},
              HelloRefused{"no"}.encode());
    if (round == 1) peer.send(refused);
    if (round == 2) peer.send(link_message(0, 1, 1, 1));
    if (round == 3) peer.send(Bytes(64, 0xee));
    EXPECT_TRUE(round == 0 || until([&] { return peer.closed(); }));
  }
  RawPeer peer = accept_one();
  peer.send(answer(1));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
  EXPECT_EQ(node->downs(), 0u);
}

// As in the simulator's network (tests/sim/network.h, 5).
TEST_F(TcpDialler, ANodeThatIsTakenOutBeforeItAnswersGetsNoLink) {
  RawPeer peer = accept_one();
  EXPECT_TRUE(until([&] { return peer.has(Operation::HELLO); }));
  peer.send(answer(1));
  node->transport->set_peers({"", "127.0.0.2", "127.0.0.3"});
  EXPECT_TRUE(until([&] { return peer.closed(); }));
  EXPECT_EQ(node->ups(), 0u);
  node->transport->set_peers({"127.0.0.1", "127.0.0.2", "127.0.0.3"});
  RawPeer again = accept_one();
  again.send(answer(2));
  EXPECT_TRUE(until([&] { return node->ups() == 1; }));
}

class KeyedTcpDialler : public TcpDialler {
 protected:
  KeyedTcpDialler() : TcpDialler(test_key()) {}
};

TEST_F(KeyedTcpDialler, AListenerAtTheAddressOfANodeThatIsDownGetsNoLink) {
  RawPeer poser = accept_one();
  EXPECT_TRUE(until([&] { return poser.has(Operation::HELLO); }));
  poser.send(answer(1));
  EXPECT_TRUE(until([&] { return poser.closed(); }));
  EXPECT_EQ(node->ups(), 0u);
  RawPeer honest = accept_one();
  EXPECT_TRUE(until([&] { return honest.has(Operation::HELLO); }));
  Handshake handshake(test_key());
  EXPECT_TRUE(handshake.hear(1, 0, *Hello::decode(own_payload(*honest.find(Operation::HELLO)))));
  Bytes packet;
  build_own(packet, {0, 0, static_cast<uint32_t>(Operation::HELLO), 1, 0, 0},
            handshake.say(0, 1, Hello{1, 1, 0, 77, 1, "test"}).encode());
  honest.send(packet);
  EXPECT_TRUE(until([&] { return node->ups() == 1 && honest.has(Operation::HELLO_PROOF); }));
}

}  // namespace
}  // namespace ctdb::test
