// SPDX-License-Identifier: GPL-3.0-or-later
// A whole router in this process, its loop in a thread of its own; the test is its clients, its daemons and its peer.
#ifndef CTDB_TESTS_UNIT_ROUTER_SHELL_FIXTURE_H_
#define CTDB_TESTS_UNIT_ROUTER_SHELL_FIXTURE_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "ctdb-router/shell/shell.h"
#include "libctdbipc/base/limits.h"
#include "libctdbipc/runtime/setup_socket.h"
#include "libctdbipc/wire/frame_reader.h"
#include "tests/unit/router/numbers.h"
#include "tests/unit/router/tcp_cluster.h"

namespace ctdb::test {

constexpr int kPatienceMs = 60000;

// A blocking end of a stream of packets: a classic client, or another node.
class PacketSocket {
 public:
  explicit PacketSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  static PacketSocket to_path(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return PacketSocket(std::move(fd));
  }

  // false: the other side is gone.
  bool send(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (done < 0) return false;
      bytes = bytes.subspan(static_cast<size_t>(done));
    }
    return true;
  }
  // How much went before the other side stopped reading.
  size_t send_some(ByteView bytes) {
    const ssize_t done = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return done < 0 ? 0 : static_cast<size_t>(done);
  }
  // The next packet; nullopt: the connection ended.
  std::optional<Bytes> receive() {
    while (packets_.empty()) {
      pollfd waiting{fd_.get(), POLLIN, 0};
      if (poll(&waiting, 1, kPatienceMs) <= 0) ADD_FAILURE() << "nothing came";
      const MutableBytes room = reader_.room();
      const ssize_t got = recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT);
      if (got <= 0) return std::nullopt;
      reader_.received(static_cast<size_t>(got));
      MutableBytes packet;
      while (reader_.next(packet) == FrameReader::Next::kPacket) packets_.push_back(to_bytes(packet));
    }
    Bytes first = std::move(packets_.front());
    packets_.pop_front();
    return first;
  }
  bool ended() { return !receive().has_value(); }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  FrameReader reader_{FrameReader::Policy::kClient, kPacketBytesMax};
  std::deque<Bytes> packets_;
};

// A process with channels: native client, store or recoveryd.
class ChannelPeer {
 public:
  ChannelPeer(const std::string& path, DaemonRole role) {
    Result<SetupConnection> connected = connect_setup(path, role, kPatienceMs);
    EXPECT_TRUE(connected) << connected.error().text();
    setup = std::move(connected->socket);
    reply = std::move(connected->reply);
    for (ChannelFds& fds : reply.channels) channels.push_back(open(std::move(fds), ChannelSide::kClient));
  }
  // A store that says that it keeps clients.
  static ChannelPeer keeping_store(const std::string& path, bool channels_too = false,
                                   bool halves_too = false) {
    ChannelPeer store;
    UniqueFd socket = std::move(*connect_unix(path));
    SetupMessage request;
    request.role = DaemonRole::kStore;
    request.generation = kKeepsClients;
    if (channels_too) request.endpoint = kKeepsChannels;
    if (halves_too) request.gid = kKeepsHalves;
    EXPECT_TRUE(send_setup(socket.get(), request));
    store.setup = std::move(socket);
    std::optional<SetupMessage> reply = store.receive_message();
    EXPECT_TRUE(reply);
    store.reply = std::move(*reply);
    store.channels.push_back(open(std::move(store.reply.channels[0]), ChannelSide::kClient));
    return store;
  }
  static std::unique_ptr<Channel> open(ChannelFds fds, ChannelSide side) {
    Result<std::unique_ptr<Channel>> channel = Channel::open(std::move(fds), side);
    EXPECT_TRUE(channel);
    return std::move(*channel);
  }
  void send(ByteView packet, uint32_t endpoint = 0) { send(*channels[0], packet, endpoint); }
  static void send(Channel& channel, ByteView packet, uint32_t endpoint = 0) {
    while (channel.push({endpoint, 0}, packet) == PushResult::kFull) {
      channel.flush();
      usleep(100);
    }
    channel.flush();
  }
  std::optional<Channel::Frame> receive() { return receive(*channels[0]); }
  static std::optional<Channel::Frame> receive(Channel& channel) {
    for (int waited = 0; waited < kPatienceMs * 5; ++waited) {
      if (std::optional<Channel::Frame> frame = channel.pop()) {
        channel.flush();
        return frame;
      }
      usleep(200);
    }
    ADD_FAILURE() << "nothing came";
    return std::nullopt;
  }
  // The next message on the set-up connection; nullopt: it ended.
  std::optional<SetupMessage> receive_message() {
    pollfd waiting{setup.get(), POLLIN, 0};
    if (poll(&waiting, 1, kPatienceMs) <= 0) ADD_FAILURE() << "nothing came";
    Result<std::optional<SetupMessage>> message = receive_setup(setup.get());
    if (!message) return std::nullopt;
    return std::move(*message);
  }

  UniqueFd setup;
  SetupMessage reply;
  std::vector<std::unique_ptr<Channel>> channels;

 private:
  ChannelPeer() = default;
};

class ShellTest : public testing::Test {
 protected:
  // Node 0 is the router; node 1 exists in the nodes file only, unless a test plays it.
  ShellTest() : port(free_port()), stop_bell(eventfd(0, EFD_CLOEXEC)) {
    char name[] = "/tmp/ctdb-router-test-XXXXXX";
    directory = mkdtemp(name);
    context.name = "ctdb-router";
    Config& config = context.config;
    config.run_directory = directory;
    config.socket_path = directory + "/ctdbd.socket";
    config.setup_socket_path = directory + "/setup.socket";
    config.cluster_name = "test";
    config.nodes_file = directory + "/nodes";
    config.port = port;
    config.nodes = {{0, "127.0.0.1", false}, {1, "127.0.0.2", false}};
    context.loop = std::move(*EventLoop::create());
    context.service = std::make_unique<Service>(*context.loop);
    context.counters = std::move(*Counters::create(config.counters_path(context.name)));
    context.node_page = std::move(*NodePage::open(config.node_page_path()));
    context.shell = std::move(*RouterShell::create(context, 0xb007));
    EXPECT_TRUE(context.loop->watch(stop_bell.get(), EPOLLIN, [this](uint32_t) { context.loop->stop(); }));
    thread = std::thread([this] {
      thread_id = static_cast<pid_t>(syscall(SYS_gettid));
      EXPECT_TRUE(context.loop->run());
    });
  }
  ~ShellTest() override {
    const uint64_t one = 1;
    EXPECT_EQ(write(stop_bell.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread.join();
    context.shell.reset();
    std::filesystem::remove_all(directory);
  }

  PacketSocket classic() { return PacketSocket::to_path(context.config.socket_path); }
  ChannelPeer native() { return ChannelPeer(context.config.setup_socket_path, DaemonRole::kClient); }
  ChannelPeer daemon(DaemonRole role) { return ChannelPeer(context.config.setup_socket_path, role); }
  CountersSnapshot counters() { return *read_counters(context.config.counters_path(context.name)); }

  static Bytes control(Control opcode, ByteView data = {}, uint64_t srvid = 0) {
    Bytes packet;
    build(packet, {0, 0, 0, CTDB_CURRENT_NODE, 0, 42},
          ReqControl{static_cast<uint32_t>(opcode), srvid, 0, 0, data});
    return packet;
  }
  static Bytes message(uint64_t srvid, uint32_t destnode, size_t size = 5) {
    Bytes packet;
    build(packet, {0, 0, 0, destnode, 0, 0}, ReqMessage{srvid, Bytes(size, 'x')});
    return packet;
  }
  static int32_t status_of(const std::optional<Bytes>& packet) {
    const std::optional<ReplyControl> reply = packet ? parse_reply_control(*packet) : std::nullopt;
    return reply ? reply->status : -999;
  }
  static int32_t ask(PacketSocket& client, const Bytes& packet) {
    client.send(packet);
    return status_of(client.receive());
  }
  static int32_t ask(ChannelPeer& client, const Bytes& packet) {
    client.send(packet);
    const std::optional<Channel::Frame> frame = client.receive();
    return frame ? status_of(to_bytes(frame->packet)) : -999;
  }
  // Waits for what another thread does.
  static bool eventually(const std::function<bool()>& condition) {
    for (int waited = 0; waited < kPatienceMs && !condition(); ++waited) usleep(1000);
    return condition();
  }

  const uint16_t port;
  UniqueFd stop_bell;
  std::string directory;
  DaemonContext context;
  std::thread thread;
  std::atomic<pid_t> thread_id{0};
};

}  // namespace ctdb::test

#endif  // CTDB_TESTS_UNIT_ROUTER_SHELL_FIXTURE_H_
