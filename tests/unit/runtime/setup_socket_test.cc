// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/setup_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libctdbipc/base/process_name.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  UniqueFd a, b;
};

size_t open_descriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count += entry.exists() ? 1 : 1;
  return count;
}

SetupMessage with_channels(size_t count) {
  SetupMessage message;
  message.kind = SetupKind::kReply;
  message.endpoint = 5;
  message.pnn = 2;
  message.generation = 77;
  for (size_t i = 0; i < count; ++i) message.channels.push_back(std::move(create_channel(4096)->client));
  return message;
}

// The fixed part of a set-up message, to be spoilt by a test.
Bytes raw_message(uint32_t kind, uint32_t channels) {
  Bytes out;
  Writer w(out);
  w.u32(0x50555343);
  w.u32(kind);
  w.u32(0);
  for (int i = 0; i < 6; ++i) w.u32(0);
  w.u32(channels);
  w.u32(0);
  return out;
}

void send_raw(int socket, ByteView bytes, size_t descriptors) {
  std::vector<UniqueFd> owners;
  std::vector<int> fds;
  for (size_t i = 0; i < descriptors; ++i) {
    owners.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    fds.push_back(owners.back().get());
  }
  Bytes body = to_bytes(bytes);
  iovec part{body.data(), body.size()};
  std::vector<uint8_t> control(CMSG_SPACE(sizeof(int) * std::max<size_t>(descriptors, 1)));
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptors > 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds.data(), descriptors * sizeof(int));
  }
  ASSERT_GE(sendmsg(socket, &header, MSG_NOSIGNAL), 0);
}

TEST(SetupMessages, ArriveWithTheirChannels) {
  Pair pair;
  for (size_t channels = 0; channels <= 2; ++channels) {
    ASSERT_TRUE(send_setup(pair.a.get(), with_channels(channels)));
    Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
    ASSERT_TRUE(got && *got);
    EXPECT_EQ((*got)->kind, SetupKind::kReply);
    EXPECT_EQ((*got)->endpoint, 5u);
    EXPECT_EQ((*got)->pnn, 2u);
    EXPECT_EQ((*got)->generation, 77u);
    ASSERT_EQ((*got)->channels.size(), channels);
    for (ChannelFds& fds : (*got)->channels) {
      EXPECT_NE(fcntl(fds.segment.get(), F_GETFD) & FD_CLOEXEC, 0);
      EXPECT_TRUE(Channel::open(std::move(fds), ChannelSide::kClient));
    }
  }
}

TEST(SetupMessages, CredentialsAndTextArrive) {
  Pair pair;
  SetupMessage message;
  message.kind = SetupKind::kClientAttached;
  message.pid = 1;
  message.uid = 2;
  message.gid = 3;
  message.text = std::string(600, 'x');  // cut to what fits
  ASSERT_TRUE(send_setup(pair.a.get(), message));
  const Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
  ASSERT_TRUE(got && *got);
  EXPECT_EQ((*got)->pid, 1u);
  EXPECT_EQ((*got)->uid, 2u);
  EXPECT_EQ((*got)->gid, 3u);
  EXPECT_EQ((*got)->text, std::string(512, 'x'));
}

TEST(SetupMessages, SomeCarryADescriptorAndMustAndOthersMustNot) {
  for (const SetupKind kind : {SetupKind::kRecordStream, SetupKind::kConnectionStates,
                               SetupKind::kClientConnection, SetupKind::kRenewSession}) {
    for (const bool with : {true, false}) {
      Pair pair;
      SetupMessage message;
      message.kind = kind;
      if (with) message.descriptor.reset(dup(pair.a.get()));
      ASSERT_TRUE(send_setup(pair.a.get(), message));
      const Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
      ASSERT_EQ(got.has_value(), with == (kind != SetupKind::kRenewSession)) << static_cast<int>(kind);
      EXPECT_TRUE(!got || (*got)->descriptor.valid() == with);
    }
  }
}

TEST(SetupMessages, NothingThereIsNoError) {
  Pair pair;
  const Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
  ASSERT_TRUE(got);
  EXPECT_FALSE(*got);
}

TEST(SetupMessages, TheEndOfThePeerIsToldApart) {
  Pair pair;
  pair.a.reset();
  const Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::kDisconnected);
  const Result<void> sent = send_setup(pair.b.get(), SetupMessage{});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ErrorCode::kDisconnected);
}

TEST(SetupMessages, APeerThatDoesNotReadIsToldByErrno) {
  Pair pair;
  Result<void> sent;
  for (int i = 0; i < 100000 && sent; ++i) sent = send_setup(pair.a.get(), SetupMessage{});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().saved_errno, EAGAIN);
}

TEST(SetupMessages, MalformedOnesAreRefusedAndTheirDescriptorsClosed) {
  struct Case {
    const char* what;
    Bytes bytes;
    size_t descriptors;
  };
  Bytes wrong_magic = raw_message(1, 0);
  wrong_magic[0] ^= 1;
  Bytes wrong_role = raw_message(1, 0);
  wrong_role[8] = 3;
  Bytes long_text = raw_message(1, 0);
  long_text[40] = 1;
  Bytes too_long = raw_message(1, 0);
  too_long.resize(5000);
  const Case cases[] = {
      {"magic", wrong_magic, 0},
      {"role", wrong_role, 0},
      {"kind 0", raw_message(0, 0), 0},
      {"kind 7", raw_message(7, 0), 0},
      {"text beyond the end", long_text, 0},
      {"longer than a message may be", too_long, 0},
      {"no descriptors for a channel", raw_message(2, 1), 0},
      {"too few descriptors", raw_message(2, 1), 2},
      {"too many descriptors", raw_message(2, 1), 5},
      {"descriptors without a channel", raw_message(2, 0), 3},
      {"three channels", raw_message(2, 3), 9},
      {"a number of channels that overflows", raw_message(2, 0x55555556), 2},
      {"as many descriptors as one message holds", raw_message(2, 1), 250},
  };
  const size_t before = open_descriptors();
  for (const Case& c : cases) {
    Pair pair;
    send_raw(pair.a.get(), c.bytes, c.descriptors);
    const Result<std::optional<SetupMessage>> got = receive_setup(pair.b.get());
    ASSERT_FALSE(got) << c.what;
    EXPECT_EQ(got.error().code, ErrorCode::kInvalid) << c.what;
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(SetupMessages, FieldsOfALaterReleaseArePassedOver) {
  Pair pair;
  Bytes longer = raw_message(2, 0);
  store(longer.data() + 12, uint32_t{5});
  longer.resize(longer.size() + 100, 0xA5);
  ASSERT_EQ(send(pair.a.get(), longer.data(), longer.size(), 0), static_cast<ssize_t>(longer.size()));
  const Result<std::optional<SetupMessage>> message = receive_setup(pair.b.get());
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->endpoint, 5u);
}

TEST(SetupMessages, EveryTruncationIsRefused) {
  const Bytes whole = raw_message(1, 0);
  for (size_t size = 1; size < whole.size(); ++size) {
    Pair pair;
    send_raw(pair.a.get(), ByteView(whole).first(size), 0);
    EXPECT_FALSE(receive_setup(pair.b.get())) << size;
  }
}

TEST(SetupMessages, GarbageIsRefused) {
  Random random(4);
  const size_t before = open_descriptors();
  for (int i = 0; i < 500; ++i) {
    Pair pair;
    Bytes bytes =
        raw_message(static_cast<uint32_t>(1 + random.below(6)), static_cast<uint32_t>(random.below(3)));
    bytes[random.below(bytes.size())] = static_cast<uint8_t>(random.next());
    send_raw(pair.a.get(), bytes, random.below(8));
    (void)receive_setup(pair.b.get());
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(SetupMessages, PeerCredentialsAreThoseOfTheKernel) {
  Pair pair;
  const Result<PeerCredentials> credentials = peer_credentials(pair.a.get());
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->pid, getpid());
  EXPECT_EQ(credentials->uid, getuid());
  EXPECT_FALSE(peer_credentials(-1));
}

// ---- connecting and listening ----

class SetupSocket : public testing::Test {
 protected:
  SetupSocket() {
    char name[] = "/tmp/ctdb-setup-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/s";
  }
  ~SetupSocket() override {
    if (router_.joinable()) router_.join();
    std::filesystem::remove_all(directory_);
  }
  UniqueFd listen_here(int backlog = 10) {
    Result<UniqueFd> fd = listen_unix(path_, SOCK_SEQPACKET, 0700, backlog);
    EXPECT_TRUE(fd);
    return std::move(*fd);
  }
  std::vector<UniqueFd> fill_backlog() {
    std::vector<UniqueFd> waiting;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    for (int i = 0; i < 10; ++i) {
      waiting.emplace_back(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)connect(waiting.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    return waiting;
  }
  // A router that answers one request with `reply` (or closes the connection when there is none).
  void serve_once(int listener, std::optional<SetupMessage> reply) {
    router_ = std::thread([this, listener, reply = std::move(reply)] {
      fcntl(listener, F_SETFL, 0);
      const UniqueFd client(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      char byte;
      (void)!recv(client.get(), &byte, 1, MSG_PEEK);
      const Result<std::optional<SetupMessage>> request = receive_setup(client.get());
      EXPECT_TRUE(request && *request && (*request)->kind == SetupKind::kRequest);
      if (request && *request) role_ = (*request)->role;
      if (reply) {
        EXPECT_TRUE(send_setup(client.get(), *reply));
      }
    });
  }
  std::string directory_;
  std::string path_;
  std::thread router_;
  std::atomic<DaemonRole> role_{DaemonRole::kClient};
};

TEST_F(SetupSocket, ConnectingBringsTheReply) {
  const UniqueFd listener = listen_here();
  serve_once(listener.get(), with_channels(2));
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kRecoveryd, 60000);
  ASSERT_TRUE(connection) << connection.error().text();
  router_.join();
  EXPECT_EQ(role_.load(), DaemonRole::kRecoveryd);
  EXPECT_EQ(connection->reply.channels.size(), 2u);
  EXPECT_EQ(connection->reply.endpoint, 5u);
}

TEST_F(SetupSocket, ARefusalCarriesItsReason) {
  const UniqueFd listener = listen_here();
  SetupMessage refused;
  refused.kind = SetupKind::kRefused;
  refused.text = "a store is connected already";
  serve_once(listener.get(), std::move(refused));
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 60000);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kRefused);
  EXPECT_EQ(connection.error().text(), path_ + ": refused: a store is connected already");
}

TEST_F(SetupSocket, AnythingElseThanAReplyIsRefused) {
  const UniqueFd listener = listen_here();
  SetupMessage odd;
  odd.kind = SetupKind::kClientDetached;
  serve_once(listener.get(), std::move(odd));
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 60000);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kInvalid);
}

TEST_F(SetupSocket, ARouterThatHangsUpIsDisconnected) {
  const UniqueFd listener = listen_here();
  serve_once(listener.get(), std::nullopt);
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 60000);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kDisconnected);
}

TEST_F(SetupSocket, ARouterThatDoesNotAnswerIsATimeout) {
  const UniqueFd listener = listen_here();
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 20);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTimeout);
}

TEST_F(SetupSocket, AFullBacklogIsATimeoutToo) {
  const UniqueFd listener = listen_here(0);
  const std::vector<UniqueFd> waiting = fill_backlog();
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 50);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::kTimeout) << connection.error().text();
  // And a second router must not take the socket away from the busy one.
  const Result<UniqueFd> second = listen_unix(path_, SOCK_SEQPACKET, 0700, 10);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kRefused);
}

// Disturbed by signals all the time. Who still waits after twenty seconds is told that nobody listens any more.
Result<SetupConnection> connect_to_the_busy(const std::string& path, UniqueFd& listener, int timeout_ms) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction old {};
  EXPECT_EQ(sigaction(SIGUSR1, &action, &old), 0);
  std::atomic<bool> done{false};
  const pthread_t self = pthread_self();
  std::thread pest([&] {
    for (int i = 0; i < 10000 && !done; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // between two signals, far below the limit
      pthread_kill(self, SIGUSR1);
    }
    listener.reset();
  });
  Result<SetupConnection> connection = connect_setup(path, DaemonRole::kClient, timeout_ms);
  done = true;
  pest.join();
  sigaction(SIGUSR1, &old, nullptr);
  return connection;
}

TEST_F(SetupSocket, AFullBacklogIsWaitedForAsLongAsItMay) {
  for (const int timeout_ms : {0, 50}) {
    UniqueFd listener = listen_here(0);
    const std::vector<UniqueFd> waiting = fill_backlog();
    const Result<SetupConnection> connection = connect_to_the_busy(path_, listener, timeout_ms);
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().code, ErrorCode::kTimeout) << timeout_ms << connection.error().text();
  }
}

TEST_F(SetupSocket, WithoutALimitTheRouterIsWaitedFor) {
  const UniqueFd listener = listen_here();
  std::thread late([&] {
    std::this_thread::sleep_for(
        std::chrono::milliseconds(20));  // the client has to wait for it, most of the time
    serve_once(listener.get(), with_channels(2));
  });
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kClient, -1);
  late.join();
  EXPECT_TRUE(connection) << connection.error().text();
}

TEST_F(SetupSocket, SignalsDoNotDisturbTheWait) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction old {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);  // no SA_RESTART: poll() returns EINTR
  const UniqueFd listener = listen_here();
  std::atomic<bool> stop{false};
  const pthread_t self = pthread_self();
  std::thread pest([&] {
    const timespec pause{0, 2 * 1000 * 1000};
    for (int i = 0; i < 20; ++i) {
      nanosleep(&pause, nullptr);
      pthread_kill(self, SIGUSR1);
    }
    serve_once(listener.get(), with_channels(1));
    while (!stop) {
      nanosleep(&pause, nullptr);
      pthread_kill(self, SIGUSR1);
    }
  });
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 60000);
  stop = true;
  pest.join();
  sigaction(SIGUSR1, &old, nullptr);
  EXPECT_TRUE(connection) << connection.error().text();
}

TEST_F(SetupSocket, NobodyThereIsASystemError) {
  const Result<SetupConnection> connection = connect_setup(path_, DaemonRole::kStore, 1000);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().saved_errno, ENOENT);
}

TEST_F(SetupSocket, HasTheModeThatWasAsked) {
  const UniqueFd listener = listen_here();
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(SetupSocket, ADeadSocketFileIsReplacedALivingOneIsNot) {
  UniqueFd first = listen_here();
  const Result<UniqueFd> second = listen_unix(path_, SOCK_SEQPACKET, 0700, 10);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kRefused);
  const std::string holder = path_ + " is taken by " + process_text(getpid());
  EXPECT_NE(second.error().text().find(holder), std::string::npos) << second.error().text();
  const Result<UniqueFd> other_type = listen_unix(path_, SOCK_STREAM, 0700, 10);
  ASSERT_FALSE(other_type);
  EXPECT_EQ(other_type.error().code, ErrorCode::kRefused);
  EXPECT_EQ(other_type.error().text(), second.error().text());
  EXPECT_FALSE(unix_path_free(path_));
  first.reset();
  EXPECT_TRUE(unix_path_free(path_));
  EXPECT_TRUE(listen_unix(path_, SOCK_SEQPACKET, 0700, 10));
}

TEST_F(SetupSocket, AFileThatIsNoSocketIsKept) {
  std::ofstream(path_) << "precious";
  const Result<UniqueFd> listener = listen_unix(path_, SOCK_SEQPACKET, 0700, 10);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::kRefused);
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(SetupSocket, PathsThatAreTooLongAreExplained) {
  const std::string path = "/tmp/" + std::string(120, 'x');
  const Result<UniqueFd> listener = listen_unix(path, SOCK_SEQPACKET, 0700, 10);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, ErrorCode::kInvalid);
  EXPECT_NE(listener.error().text().find("longer than 107 bytes"), std::string::npos);
  EXPECT_FALSE(connect_setup(path, DaemonRole::kStore, 10));
  EXPECT_FALSE(listen_unix(directory_ + "/missing/s", SOCK_SEQPACKET, 0700, 10));
}

}  // namespace
}  // namespace ctdb
