// SPDX-License-Identifier: GPL-3.0-or-later
// ctdb_after(): time in a program's event loop.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <vector>

#include "libctdbipc/client/timers.h"
#include "libctdbipc/include/ctdb_local.h"
#include "tests/unit/client/client_test.h"

namespace ctdb::test {
namespace {

using Clock = std::chrono::steady_clock;

class TimerTest : public ClientTest {
 protected:
  // A callback that notes its number.
  struct Note {
    TimerTest* test;
    int number;
  };
  static void note(ctdb_client* /*client*/, void* private_data) {
    const auto* const given = static_cast<Note*>(private_data);
    given->test->ran.push_back(given->number);
  }
  uint32_t after(int delay_ms, int number) {
    notes.push_back(std::make_unique<Note>(Note{this, number}));
    uint32_t id = 0;
    EXPECT_EQ(ctdb_after(client, delay_ms, note, notes.back().get(), &id), 0) << ctdb_error_text(client);
    return id;
  }
  bool loop_until_ran(size_t count) {
    return loop_until([&] { return ran.size() >= count; });
  }

  std::vector<int> ran;
  std::vector<std::unique_ptr<Note>> notes;
};

TEST(TimersTest, TheyAreTakenInTheOrderOfTheirTimesAndNotBefore) {
  Timers timers;
  timers.add(30, 3);
  timers.add(10, 1);
  timers.add(20, 2);
  EXPECT_EQ(timers.next(), 10);
  EXPECT_EQ(timers.take(9), std::nullopt);
  EXPECT_EQ(timers.take(25), 1u);
  EXPECT_EQ(timers.take(25), 2u);
  EXPECT_EQ(timers.take(25), std::nullopt);
  timers.remove(30, 3);
  EXPECT_EQ(timers.next(), std::nullopt);
}

TEST_F(TimerTest, ItRunsWhenItsTimeHasPassed) {
  start();
  const Clock::time_point began = Clock::now();
  after(30, 1);
  ASSERT_TRUE(loop_until_ran(1));
  EXPECT_GE(Clock::now() - began, std::chrono::milliseconds(30));
  EXPECT_FALSE(fd_ready());
}

TEST_F(TimerTest, WaitRunsItToo) {
  start();
  const uint32_t late = after(kPatience, 2);
  EXPECT_EQ(ctdb_wait(client, 0), 0);
  after(10, 1);
  EXPECT_EQ(ctdb_wait(client, kPatience), 1);
  EXPECT_EQ(ran, std::vector<int>{1});
  EXPECT_EQ(ctdb_cancel(client, late), 0);
}

TEST_F(TimerTest, OneThatIsCancelledDoesNotRun) {
  start();
  const uint32_t first = after(0, 1);
  after(10, 2);
  EXPECT_EQ(ctdb_cancel(client, first), 0);
  EXPECT_EQ(ctdb_cancel(client, first), CTDB_ERR_NOT_FOUND);
  ASSERT_TRUE(loop_until_ran(1));
  EXPECT_EQ(ran, std::vector<int>{2});
}

TEST_F(TimerTest, ABudgetLeavesTheDescriptorReady) {
  start();
  for (int number = 0; number < 3; ++number) after(0, number);
  EXPECT_EQ(ctdb_service(client, 2), 2);
  EXPECT_TRUE(fd_ready());
  EXPECT_EQ(ctdb_service(client, 2), 1);
  EXPECT_FALSE(fd_ready());
}

// One that is set anew for at once does not keep service() from returning.
TEST_F(TimerTest, OneThatIsSetByACallbackWaitsForTheNextTurn) {
  start();
  struct Again {
    int count = 0;
    static void run(ctdb_client* client, void* self) {
      ++static_cast<Again*>(self)->count;
      EXPECT_EQ(ctdb_after(client, 0, run, self, nullptr), 0);
    }
  } again;
  ASSERT_EQ(ctdb_after(client, 0, Again::run, &again, nullptr), 0);
  EXPECT_EQ(ctdb_service(client, 0), 1);
  EXPECT_TRUE(fd_ready(kPatience));
  EXPECT_EQ(ctdb_service(client, 0), 1);
  EXPECT_EQ(again.count, 2);
}

// It is due while a call blocks: the call sleeps on, and the descriptor is ready afterwards.
TEST_F(TimerTest, ABlockingCallLeavesItForService) {
  start([](FakeDaemons&, Peer peer, ByteView packet) {
    const auto control = peer == Peer::kRouter ? parse_req_control(packet) : std::nullopt;
    return control && control->opcode == static_cast<uint32_t>(Control::PING);  // never answered
  });
  after(10, 1);
  const uint64_t sleeps = stats().sleeps;
  EXPECT_EQ(ctdb_ping(client, CTDB_PNN_CURRENT, 100), CTDB_ERR_TIMEOUT);
  EXPECT_LE(stats().sleeps - sleeps, 5u) << "it slept, and did not look again and again";
  EXPECT_TRUE(ran.empty());
  EXPECT_TRUE(fd_ready());
  EXPECT_EQ(ctdb_service(client, 0), 1);
  EXPECT_EQ(ran, std::vector<int>{1});
}

TEST_F(TimerTest, ItEndsARequestThatIsNotAnswered) {
  start([](FakeDaemons&, Peer peer, ByteView) { return peer == Peer::kRouter; });
  struct Request {
    uint32_t id = 0;
    bool over = false;
    static void answered(ctdb_client*, const ctdb_reply*, void*) { FAIL(); }
    static void time_is_up(ctdb_client* client, void* self) {
      auto* const request = static_cast<Request*>(self);
      request->over = ctdb_cancel(client, request->id) == 0;
    }
  } request;
  ctdb_control_request ping{};
  ping.node = CTDB_PNN_CURRENT;
  ASSERT_EQ(ctdb_control_send(client, &ping, Request::answered, &request, &request.id), 0);
  ASSERT_EQ(ctdb_after(client, 10, Request::time_is_up, &request, nullptr), 0);
  EXPECT_TRUE(loop_until([&] { return request.over; }));
}

TEST_F(TimerTest, ItOutlivesTheConnection) {
  start({}, [](FakeDaemons& daemons, char) { daemons.hang_up(); });
  after(50, 1);
  node->command('h');
  ASSERT_TRUE(loop_until([&] { return ctdb_service(client, 0) == CTDB_ERR_DISCONNECTED; }));
  ASSERT_TRUE(loop_until_ran(1));
  EXPECT_FALSE(fd_ready());
}

TEST_F(TimerTest, ACallbackMayDisconnect) {
  start();
  ASSERT_EQ(ctdb_after(
                client, 0, [](ctdb_client* given, void*) { ctdb_disconnect(given); }, nullptr, nullptr),
            0);
  after(0, 1);
  EXPECT_EQ(ctdb_service(client, 0), 1);
  client = nullptr;
  EXPECT_TRUE(ran.empty());
}

TEST_F(TimerTest, AChildHasNone) {
  start();
  after(0, 1);
  const pid_t child = fork();
  if (child == 0)
    _exit(ctdb_service(client, 0) == CTDB_ERR_FORKED &&
                  ctdb_after(client, 0, note, nullptr, nullptr) == CTDB_ERR_FORKED
              ? 0
              : 1);
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ctdb_service(client, 0), 1);
}

TEST_F(TimerTest, WhatMakesNoSense) {
  start();
  EXPECT_EQ(ctdb_after(client, -1, note, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_after(client, 0, nullptr, nullptr, nullptr), CTDB_ERR_INVALID);
  EXPECT_EQ(ctdb_after(nullptr, 0, note, nullptr, nullptr), CTDB_ERR_INVALID);
  for (uint32_t number = 0; number < CTDB_REQUESTS_MAX; ++number) after(kPatience, 0);
  EXPECT_EQ(ctdb_after(client, 0, note, nullptr, nullptr), CTDB_ERR_FULL);
}

TEST_F(TimerTest, WithoutDaemons) {
  char name[] = "/tmp/ctdb-timer-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  ASSERT_EQ(ctdb_connect_local(name, &client), 0);
  after(10, 1);
  EXPECT_TRUE(loop_until_ran(1));
  after(10, 2);
  EXPECT_EQ(ctdb_wait(client, kPatience), 1);
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace ctdb::test
