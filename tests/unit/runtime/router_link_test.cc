// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/router_link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

class RouterLinkTest : public LoopTest {
 protected:
  RouterLinkTest() {
    char name[] = "/tmp/ctdb-router-link-XXXXXX";
    folder_ = mkdtemp(name);
    listener_ = std::move(*listen_unix(folder_ + "/s", SOCK_SEQPACKET, 0700, 1));
    link_ = std::make_unique<RouterLink>(*loop_, folder_ + "/s", DaemonRole::kStore, 1,
                                         RouterLink::Handlers{[](SetupMessage&) { return Result<void>(); },
                                                              [](SetupMessage&) {}, [this] { ++downs_; }});
  }
  void SetUp() override { link_->start(); }
  ~RouterLinkTest() override {
    link_.reset();
    std::filesystem::remove_all(folder_);
  }
  // The router's side takes the connection and answers.
  void come_up() {
    run_until([this] {
      router_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      return router_.valid();
    });
    EXPECT_TRUE(receive_setup(router_.get())->has_value());
    SetupMessage reply;
    reply.kind = SetupKind::kReply;
    reply.pnn = 1;
    EXPECT_TRUE(send_setup(router_.get(), reply));
    run_until([this] { return link_->up(); });
  }
  void tell(uint32_t number) {
    SetupMessage message;
    message.kind = SetupKind::kRenewSession;
    message.endpoint = number;
    link_->send(std::move(message));
  }
  // Numbers of what has come; nothing more once the other side has ended.
  void take() {
    for (;;) {
      Result<std::optional<SetupMessage>> message = receive_setup(router_.get());
      if (!message || !*message) return;
      came_.push_back((*message)->endpoint);
    }
  }

  std::string folder_;
  UniqueFd listener_, router_;
  std::unique_ptr<RouterLink> link_;
  std::vector<uint32_t> came_;
  int downs_ = 0;
};

TEST_F(RouterLinkTest, WhatARouterDoesNotTakeNowIsNotLost) {
  constexpr uint32_t kMessages = 2000;
  come_up();
  std::vector<uint32_t> all;
  for (uint32_t number = 0; number < kMessages; ++number) {
    tell(number);
    all.push_back(number);
  }
  EXPECT_FALSE(link_->offer({})) << "others wait";
  run_until([this] {
    take();
    return came_.size() >= kMessages;
  });
  EXPECT_EQ(came_, all);
  const uint64_t before = turns_;
  stop_after(100 * kMillisecond);
  run();
  EXPECT_LT(turns_ - before, 10u) << "it sleeps";
}

TEST_F(RouterLinkTest, WhatWaitedForARouterIsNotForTheNext) {
  come_up();
  for (uint32_t number = 0; number < 2000; ++number) tell(number);
  router_.reset();
  run_until([this] { return downs_ == 1; });
  come_up();
  tell(7);
  run_until([this] {
    take();
    return !came_.empty();
  });
  EXPECT_EQ(came_, std::vector<uint32_t>{7});
}

}  // namespace
}  // namespace ctdb
