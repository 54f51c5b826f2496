// SPDX-License-Identifier: GPL-3.0-or-later
// The router's side of a set-up connection when the kernel takes no more descriptors.
#include "ctdb-router/shell/setup_peer.h"

#include <linux/capability.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

using Pair = std::array<UniqueFd, 2>;

Pair make_pair() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// While it lives, this thread's user has as many descriptors under way as it may have, and no right to more.
class TooManyUnderWay {
 public:
  TooManyUnderWay() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit_), 0);
    const rlimit low{kDescriptors / 2, limit_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(syscall(SYS_capget, &head_, rights_), 0);
    __user_cap_data_struct fewer[2] = {rights_[0], rights_[1]};
    fewer[0].effective &= ~((1u << CAP_SYS_RESOURCE) | (1u << CAP_SYS_ADMIN));
    EXPECT_EQ(syscall(SYS_capset, &head_, fewer), 0);
    send_away();
  }
  ~TooManyUnderWay() {
    syscall(SYS_capset, &head_, rights_);
    setrlimit(RLIMIT_NOFILE, &limit_);
  }

 private:
  static constexpr size_t kDescriptors = 128;

  void send_away() {
    std::array<int, kDescriptors> fds;
    fds.fill(pair_[0].get());
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
    char byte = 0;
    iovec part{&byte, 1};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fds);
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof fds);
    EXPECT_EQ(sendmsg(pair_[0].get(), &header, 0), 1);
  }

  rlimit limit_{};
  __user_cap_header_struct head_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights_[2] = {};
  Pair pair_ = make_pair();
};

class SetupPeerTest : public LoopTest {
 protected:
  SetupPeerTest() : ends_(make_pair()) {
    const int small = 1;  // as small as there are
    setsockopt(ends_[0].get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    peer_ = std::move(*SetupPeer::create(*loop_, std::move(ends_[0])));
    peer_->set_handlers([](SetupMessage) {}, [] { ADD_FAILURE() << "it ended"; });
  }
  static SetupMessage with_descriptor() {
    SetupMessage message;
    message.kind = SetupKind::kClientNotes;
    message.descriptor.reset(eventfd(0, EFD_CLOEXEC));
    return message;
  }
  // Kinds of what has come.
  std::vector<SetupKind> take() {
    std::vector<SetupKind> kinds;
    for (;;) {
      const auto message = receive_setup(ends_[1].get());
      EXPECT_TRUE(message) << message.error().text();
      if (!message || !*message) return kinds;
      kinds.push_back((*message)->kind);
    }
  }

  Pair ends_;
  std::unique_ptr<SetupPeer> peer_;
};

TEST_F(SetupPeerTest, WaitsForOthersToTakeTheirDescriptorsWithoutSpinning) {
  constexpr size_t kMessages = 50;
  auto crowd = std::make_unique<TooManyUnderWay>();
  for (size_t i = 0; i < kMessages; ++i) {
    SetupMessage message;
    message.kind = SetupKind::kRefused;
    message.text = std::string(500, 'x');
    peer_->send(std::move(message));
  }
  peer_->send(with_descriptor());
  size_t came = 0;
  run_until([&] { return (came += take().size()) == kMessages; });
  stop_after(20 * kMillisecond);
  run();
  const uint64_t before = turns_;
  stop_after(200 * kMillisecond);
  run();
  EXPECT_LT(turns_ - before, 100u);
  EXPECT_TRUE(take().empty());
  crowd.reset();
  run_until([&] { return take() == std::vector<SetupKind>{SetupKind::kClientNotes}; });
}

TEST_F(SetupPeerTest, NothingIsTriedAgainForOneThatIsNoMore) {
  const TooManyUnderWay crowd;
  for (int i = 0; i < 3; ++i) {
    peer_->send(with_descriptor());
    EXPECT_TRUE(peer_->unsend(SetupKind::kClientNotes, 0));
  }
  peer_.reset();
  stop_after(50 * kMillisecond);
  run();
}

}  // namespace
}  // namespace ctdb
