// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/event_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "libctdbipc/base/unique_fd.h"
#include "libctdbipc/ring/channel.h"
#include "tests/unit/runtime/loop_fixture.h"

namespace ctdb {
namespace {

struct SocketPair {
  SocketPair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  UniqueFd a, b;
};

void put(int fd) {
  ASSERT_EQ(write(fd, "x", 1), 1);
}
// ---- descriptors ----

TEST_F(LoopTest, TellsWhatHappenedOnADescriptor) {
  SocketPair pair;
  put(pair.b.get());
  uint32_t seen = 0;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t events) {
    seen = events;
    loop_->stop();
  }));
  run();
  EXPECT_EQ(seen, static_cast<uint32_t>(EPOLLIN));
}

TEST_F(LoopTest, ReportsTheEndOfAPeer) {
  SocketPair pair;
  pair.b.reset();
  uint32_t seen = 0;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t events) {
    seen = events;
    loop_->stop();
  }));
  run();
  EXPECT_NE(seen & EPOLLHUP, 0u);
}

TEST_F(LoopTest, RewatchChangesTheEvents) {
  SocketPair pair;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t events) {
    EXPECT_EQ(events, static_cast<uint32_t>(EPOLLOUT));
    loop_->stop();
  }));
  ASSERT_TRUE(loop_->rewatch(pair.a.get(), EPOLLOUT));
  run();
}

TEST_F(LoopTest, RefusesWhatCannotBeWatched) {
  EXPECT_FALSE(loop_->watch(-1, EPOLLIN, [](uint32_t) {}));
  EXPECT_FALSE(loop_->rewatch(12345, EPOLLIN));
  SocketPair pair;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [](uint32_t) {}));
  EXPECT_FALSE(loop_->watch(pair.a.get(), EPOLLIN, [](uint32_t) {}));  // twice
  loop_->unwatch(pair.a.get());
  loop_->unwatch(pair.a.get());
  EXPECT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [](uint32_t) {}));
}

TEST_F(LoopTest, ACallbackMayUnwatchItself) {
  SocketPair pair;
  put(pair.b.get());
  int calls = 0;
  auto witness = std::make_shared<int>(7);
  const int fd = pair.a.get();
  ASSERT_TRUE(loop_->watch(fd, EPOLLIN, [&, fd, witness](uint32_t) {
    loop_->unwatch(fd);
    ++calls;
    EXPECT_EQ(*witness, 7);  // the callback and what it holds are alive
  }));
  witness.reset();
  stop_after(20 * kMillisecond);
  run();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, ACallbackMayUnwatchTheOtherWhoseEventIsDueToo) {
  SocketPair first;
  SocketPair second;
  put(first.b.get());
  put(second.b.get());
  int calls = 0;
  const auto watch_one = [&](int own, int other) {
    ASSERT_TRUE(loop_->watch(own, EPOLLIN, [&, own, other](uint32_t) {
      ++calls;
      loop_->unwatch(own);
      loop_->unwatch(other);
    }));
  };
  watch_one(first.a.get(), second.a.get());
  watch_one(second.a.get(), first.a.get());
  stop_after(20 * kMillisecond);
  run();
  EXPECT_EQ(calls, 1);
}

// Both descriptors have an event. The first callback closes the other one and opens a new one that gets the same
// number: the old event must not reach the new owner.
TEST_F(LoopTest, AnEventDoesNotReachTheNextOwnerOfTheNumber) {
  SocketPair first;
  SocketPair second;
  put(first.b.get());
  put(second.b.get());
  SocketPair fresh;
  int stale = 0;
  bool swapped = false;
  const auto swap_out = [&](UniqueFd& own, UniqueFd& other) {
    loop_->unwatch(own.get());
    if (swapped) return;
    swapped = true;
    const int number = other.get();
    loop_->unwatch(number);
    ASSERT_EQ(dup3(fresh.a.get(), number, O_CLOEXEC), number);  // closes the old one
    ASSERT_TRUE(loop_->watch(number, EPOLLIN, [&](uint32_t) { ++stale; }));
  };
  ASSERT_TRUE(loop_->watch(first.a.get(), EPOLLIN, [&](uint32_t) { swap_out(first.a, second.a); }));
  ASSERT_TRUE(loop_->watch(second.a.get(), EPOLLIN, [&](uint32_t) { swap_out(second.a, first.a); }));
  stop_after(20 * kMillisecond);
  run();
  EXPECT_TRUE(swapped);
  EXPECT_EQ(stale, 0);
}

// ---- timers ----

TEST_F(LoopTest, TimersFireInOrderOfTheirDeadlines) {
  std::vector<int> order;
  const TimeNs now = loop_->now();
  loop_->at(now + 3 * kMillisecond, [&] {
    order.push_back(3);
    loop_->stop();
  });
  loop_->at(now + 1 * kMillisecond, [&] { order.push_back(1); });
  loop_->at(now + 2 * kMillisecond, [&] { order.push_back(2); });
  loop_->at(now + 1 * kMillisecond,
            [&] { order.push_back(11); });  // the same deadline: first come, first served
  run();
  EXPECT_EQ(order, (std::vector<int>{1, 11, 2, 3}));
}

TEST_F(LoopTest, NeverFiresEarly) {
  TimeNs fired_at = 0;
  const TimeNs deadline = loop_->now() + 5 * kMillisecond;
  loop_->at(deadline, [&] {
    fired_at = loop_->now();
    loop_->stop();
  });
  run();
  EXPECT_GE(fired_at, deadline);
}

TEST_F(LoopTest, CancelledTimersDoNotFire) {
  bool fired = false;
  const EventLoop::TimerId id = loop_->at(loop_->now(), [&] { fired = true; });
  loop_->cancel(id);
  loop_->cancel(id);
  loop_->cancel(0);
  loop_->cancel(99999);
  stop_after(5 * kMillisecond);
  run();
  EXPECT_FALSE(fired);
}

TEST_F(LoopTest, ATimerMayCancelAnotherThatIsDue) {
  bool fired = false;
  EventLoop::TimerId second = 0;
  const TimeNs now = loop_->now();
  loop_->at(now, [&] { loop_->cancel(second); });
  second = loop_->at(now + 1, [&] { fired = true; });
  stop_after(5 * kMillisecond);
  run();
  EXPECT_FALSE(fired);
}

TEST_F(LoopTest, ATimerThatAlwaysWantsNowDoesNotStarveTheOthers) {
  SocketPair pair;
  put(pair.b.get());
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds < 1000000) loop_->at(loop_->now(), again);
  };
  again();
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t) { loop_->stop(); }));
  run();
  EXPECT_LT(rounds, 100);
}

TEST_F(LoopTest, TimeIsReadWhenTheLoopStarts) {
  timespec pause{0, 20 * 1000 * 1000};
  const TimeNs before = loop_->now();
  nanosleep(&pause, nullptr);
  TimeNs seen = 0;
  loop_->at(before, [&] {
    seen = loop_->now();
    loop_->stop();
  });
  run();
  EXPECT_GE(seen, before + 20 * kMillisecond);
}

// ---- idleness ----

TEST_F(LoopTest, AnIdleLoopSleeps) {
  SocketPair pair;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [](uint32_t) {}));
  stop_after(300 * kMillisecond);
  run();
  EXPECT_LT(turns_, 20u);
}

TEST_F(LoopTest, IdleWorkIsDoneUntilThereIsNoMore) {
  int slices = 100;
  bool timer_ran_meanwhile = false;
  loop_->at(loop_->now(), [&] { timer_ran_meanwhile = slices > 0; });
  loop_->add_idle_hook([&] { return slices > 0 && --slices > 0; });
  run_until([&] { return slices == 0; }, 100 * kMillisecond);
  EXPECT_TRUE(timer_ran_meanwhile);
  EXPECT_LT(turns_, 200u);
}

TEST_F(LoopTest, DescriptorsAreServedWhileThereIsIdleWork) {
  SocketPair pair;
  put(pair.b.get());
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t) { loop_->stop(); }));
  loop_->add_idle_hook([] { return true; });
  run();
}

TEST_F(LoopTest, AHookMayAddAHook) {
  int calls = 0;
  bool added = false;
  loop_->add_flush_hook([&] {
    if (added) return;
    added = true;
    for (int i = 0; i < 100; ++i) loop_->add_flush_hook([&] { ++calls; });
  });
  stop_after(kMillisecond);
  run();
  EXPECT_GE(calls, 100);
}

// ---- signals ----

TEST_F(LoopTest, SigtermEndsTheLoop) {
  loop_->at(loop_->now(), [] { kill(getpid(), SIGTERM); });
  run();
}

TEST_F(LoopTest, SigintCallsTheTerminateHookWhichMayReplaceItself) {
  int calls = 0;
  loop_->on_terminate([&] {
    ++calls;
    loop_->on_terminate([&] {
      ++calls;
      loop_->stop();
    });
    kill(getpid(), SIGTERM);
  });
  loop_->at(loop_->now(), [] { kill(getpid(), SIGINT); });
  run();
  EXPECT_EQ(calls, 2);
}

TEST_F(LoopTest, SighupCallsTheReloadHook) {
  bool reloaded = false;
  loop_->on_reload([&] {
    reloaded = true;
    loop_->stop();
  });
  loop_->at(loop_->now(), [] { kill(getpid(), SIGHUP); });
  run();
  EXPECT_TRUE(reloaded);
}

TEST_F(LoopTest, AWriteToADeadPeerIsNoSignal) {
  SocketPair pair;
  pair.b.reset();
  EXPECT_LT(write(pair.a.get(), "x", 1), 0);
  EXPECT_EQ(errno, EPIPE);
}

// ---- channels ----

struct Ends {
  explicit Ends(size_t ring_bytes = 4096) {
    Result<ChannelPair> pair = create_channel(ring_bytes);
    EXPECT_TRUE(pair);
    server = std::move(*Channel::open(std::move(pair->server), ChannelSide::kServer));
    client = std::move(*Channel::open(std::move(pair->client), ChannelSide::kClient));
  }
  std::unique_ptr<Channel> server, client;
};

size_t pop_all(Channel& channel, size_t budget) {
  size_t done = 0;
  while (done < budget && channel.pop()) ++done;
  return done;
}

TEST_F(LoopTest, FramesThatAreThereAlreadyAreDrained) {
  Ends ends;
  ASSERT_EQ(ends.client->push({}, as_bytes("a")), PushResult::kOk);
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    const size_t done = pop_all(*ends.server, budget);
    if (done > 0) loop_->stop();
    return done;
  }));
  run();
  loop_->remove_channel(ends.server.get());
}

// The sender is a thread that pushes now and then; the loop sleeps in between. A lost wake-up would end at the
// deadline.
TEST_F(LoopTest, SleepsAndWakesForEachBurst) {
  Ends ends;
  constexpr size_t kFrames = 3000;
  size_t got = 0;
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    const size_t done = pop_all(*ends.server, budget);
    got += done;
    if (got == kFrames) loop_->stop();
    return done;
  }));
  std::thread sender([&] {
    for (size_t i = 0; i < kFrames; ++i) {
      while (ends.client->push({}, as_bytes("frame")) != PushResult::kOk) std::this_thread::yield();
      ends.client->flush();
      if (i % 100 == 0) {
        timespec pause{0, 1000 * 1000};
        nanosleep(&pause, nullptr);
      }
    }
  });
  run();
  sender.join();
  EXPECT_EQ(got, kFrames);
  loop_->remove_channel(ends.server.get());
}

TEST_F(LoopTest, AnIdleChannelLetsTheLoopSleep) {
  Ends ends;
  ASSERT_TRUE(
      loop_->add_channel(ends.server.get(), [&](size_t budget) { return pop_all(*ends.server, budget); }));
  stop_after(300 * kMillisecond);
  run();
  EXPECT_LT(turns_, 20u);
  loop_->remove_channel(ends.server.get());
}

TEST_F(LoopTest, TheLoopFlushesWhatCallbacksPushed) {
  Ends ends;
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    size_t done = 0;
    for (; done < budget && ends.server->pop(); ++done) {
      EXPECT_EQ(ends.server->push({}, as_bytes("echo")), PushResult::kOk);
    }
    return done;
  }));
  ASSERT_TRUE(loop_->add_channel(ends.client.get(), [&](size_t budget) {
    const size_t done = pop_all(*ends.client, budget);
    if (done > 0) loop_->stop();
    return done;
  }));
  loop_->at(loop_->now() + 5 * kMillisecond,
            [&] { EXPECT_EQ(ends.client->push({}, as_bytes("question")), PushResult::kOk); });
  run();
  loop_->remove_channel(ends.server.get());
  loop_->remove_channel(ends.client.get());
}

TEST_F(LoopTest, ADrainMayRemoveItsOwnAndOtherChannels) {
  Ends first;
  Ends second;
  ASSERT_EQ(first.client->push({}, as_bytes("a")), PushResult::kOk);
  ASSERT_EQ(second.client->push({}, as_bytes("a")), PushResult::kOk);
  int drains = 0;
  const auto drain = [&](size_t) {
    if (++drains > 1) return size_t{0};
    loop_->remove_channel(first.server.get());
    loop_->remove_channel(second.server.get());
    first.server.reset();
    second.server.reset();
    return size_t{1};
  };
  ASSERT_TRUE(loop_->add_channel(first.server.get(), drain));
  ASSERT_TRUE(loop_->add_channel(second.server.get(), drain));
  stop_after(10 * kMillisecond);
  run();
  EXPECT_EQ(drains, 1);
}

TEST_F(LoopTest, ADrainMayAddChannels) {
  Ends first;
  Ends second;
  ASSERT_EQ(first.client->push({}, as_bytes("a")), PushResult::kOk);
  ASSERT_EQ(second.client->push({}, as_bytes("a")), PushResult::kOk);
  bool added = false;
  ASSERT_TRUE(loop_->add_channel(first.server.get(), [&](size_t budget) {
    if (!added) {
      added = true;
      EXPECT_TRUE(loop_->add_channel(second.server.get(), [&](size_t more) {
        loop_->stop();
        return pop_all(*second.server, more);
      }));
    }
    return pop_all(*first.server, budget);
  }));
  run();
  loop_->remove_channel(first.server.get());
  loop_->remove_channel(second.server.get());
  loop_->remove_channel(second.server.get());
}

TEST_F(LoopTest, WorkOfOneTurnIsBounded) {
  Ends ends(1 << 20);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(ends.client->push({}, as_bytes("a")), PushResult::kOk);
  size_t largest = 0;
  size_t got = 0;
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    largest = std::max(largest, budget);
    const size_t done = pop_all(*ends.server, budget);
    got += done;
    if (got == 2000) loop_->stop();
    return done;
  }));
  run();
  EXPECT_LE(largest, 256u);
  EXPECT_EQ(got, 2000u);
  loop_->remove_channel(ends.server.get());
}

TEST_F(LoopTest, DescriptorsAndTimeGoOnWhileAChannelIsAlwaysBusy) {
  Ends ends;
  SocketPair pair;
  put(pair.b.get());
  TimeNs first_seen = 0;
  bool time_moved = false;
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    if (first_seen == 0) first_seen = loop_->now();
    if (loop_->now() > first_seen) time_moved = true;
    const size_t done = pop_all(*ends.server, budget);
    EXPECT_EQ(ends.client->push({}, as_bytes("never ends")), PushResult::kOk);
    return done;
  }));
  int served = 0;
  ASSERT_TRUE(loop_->watch(pair.a.get(), EPOLLIN, [&](uint32_t) {
    if (++served == 100) loop_->stop();
  }));
  run();
  EXPECT_TRUE(time_moved);
  loop_->remove_channel(ends.server.get());
}

TEST_F(LoopTest, FramesOfAPausedChannelAreNoWork) {
  Ends ends;
  size_t got = 0;
  ASSERT_TRUE(loop_->add_channel(ends.server.get(), [&](size_t budget) {
    const size_t done = pop_all(*ends.server, budget);
    got += done;
    return done;
  }));
  loop_->pause_channel(ends.server.get());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(ends.client->push({}, as_bytes("a")), PushResult::kOk);
  ends.client->flush();
  size_t got_while_paused = 99;
  uint64_t turns_while_paused = 0;
  loop_->at(loop_->now() + 200 * kMillisecond, [&] {
    got_while_paused = got;
    turns_while_paused = turns_;
    loop_->resume_channel(ends.server.get());
    loop_->resume_channel(ends.server.get());
    stop_after(20 * kMillisecond);
  });
  run();
  EXPECT_EQ(got_while_paused, 0u);
  EXPECT_LT(turns_while_paused, 20u);
  EXPECT_EQ(got, 5u);
  loop_->remove_channel(ends.server.get());
}

}  // namespace
}  // namespace ctdb
