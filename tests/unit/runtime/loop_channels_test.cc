// SPDX-License-Identifier: GPL-3.0-or-later
#include "libctdbipc/runtime/loop_channels.h"

#include <functional>

#include "libctdbipc/base/random.h"
#include "tests/unit/runtime/loop_channels_fixture.h"

namespace ctdb {
namespace {

using Texts = std::vector<std::string>;

// ---- who is looked at ----

TEST_F(LoopChannelsTest, OnlyTheBusyOnesAreLookedAt) {
  for (int i = 0; i < 200; ++i) add();
  Served& busy = add();
  cool_down();
  std::vector<size_t> drains;
  for (const auto& served : served_) drains.push_back(served->drains);
  for (int i = 0; i < 50; ++i) {
    busy.client_sends("a");
    wake();
    turn_until_asleep();
  }
  EXPECT_EQ(busy.got.size(), 50u);
  for (size_t i = 0; i < 200; ++i) ASSERT_EQ(served_[i]->drains, drains[i]) << i;
}

TEST_F(LoopChannelsTest, WhatIsThereBeforeTheChannelIsAddedIsDrained) {
  auto early = std::make_unique<Served>();
  early->client_sends("early");
  ASSERT_EQ(early->here().push({}, as_bytes("answer")), PushResult::kOk);
  ASSERT_TRUE(early->client().arm() || early->client_reads() == 1);
  Served& served = *early;
  channels_.add(
      &served.here(), [&served](size_t budget) { return served.drain(budget); }, 77);
  served_.push_back(std::move(early));
  turn_until_asleep();
  EXPECT_EQ(served.got, Texts{"early"});
}

TEST_F(LoopChannelsTest, WhatWasPushedBeforeTheChannelIsAddedRingsTheBell) {
  auto early = std::make_unique<Served>();
  ASSERT_TRUE(early->client().arm());
  ASSERT_EQ(early->here().push({}, as_bytes("answer")), PushResult::kOk);
  Served& served = *early;
  channels_.add(
      &served.here(), [&served](size_t budget) { return served.drain(budget); }, 77);
  served_.push_back(std::move(early));
  busy_turn();
  EXPECT_EQ(rings(served.client()), 1u);
}

TEST_F(LoopChannelsTest, AFrameBetweenTheLastLookAndTheSleepIsSeen) {
  Served& served = add();
  cool_down();
  served.client_sends("a");
  wake();
  busy_turn();
  served.client_sends("b");
  EXPECT_EQ(rings(served.here()), 0u) << "the bell of somebody who is awake";
  EXPECT_FALSE(channels_.arm());
  turn_until_asleep();
  EXPECT_EQ(served.got, (Texts{"a", "b"}));
}

TEST_F(LoopChannelsTest, AFrameAfterArmingRingsThoughTheDaemonHasNotSleptYet) {
  Served& served = add();
  cool_down();
  served.client_sends("a");
  wake();
  busy_turn();
  ASSERT_TRUE(channels_.arm());
  served.client_sends("b");
  busy_turn();  // other work came first
  EXPECT_EQ(take_bells(), 1u);
  turn_until_asleep();
  EXPECT_EQ(served.got, (Texts{"a", "b"}));
}

TEST_F(LoopChannelsTest, WhoHadTrafficLatelyNeedNotRingADaemonThatIsAwake) {
  Served& served = add();
  Served& waker = add();
  turn_until_asleep();
  waker.client_sends("w");
  wake();
  served.client_sends("a");
  EXPECT_EQ(rings(served.here()), 0u);
  turn_until_asleep();
  EXPECT_EQ(served.got, Texts{"a"});
  for (int i = 0; i < 20; ++i) {
    waker.client_sends("w");
    wake();
    turn_until_asleep();
  }
  waker.client_sends("w");
  wake();
  served.client_sends("b");
  EXPECT_EQ(take_bells(), 1u);
  turn_until_asleep();
  EXPECT_EQ(served.got, (Texts{"a", "b"}));
}

TEST_F(LoopChannelsTest, WhatIsSentToAQuietClientRingsItsBellAtTheEndOfTheTurn) {
  Served& served = add();
  cool_down();
  ASSERT_TRUE(served.client().arm());
  served.send("news");
  EXPECT_EQ(rings(served.client()), 0u);
  const size_t drains = served.drains;
  busy_turn();
  EXPECT_EQ(rings(served.client()), 1u);
  EXPECT_EQ(served.drains, drains);
  ASSERT_EQ(popped(served.client()), "news");
  ASSERT_TRUE(served.client().arm());
  served.send("more");  // it is told the next time, too
  busy_turn();
  EXPECT_EQ(rings(served.client()), 1u);
}

TEST_F(LoopChannelsTest, FramesThatAreReadOutsideOfATurnGiveTheirRoomBack) {
  Served& served = add();
  cool_down();
  size_t sent = 0;
  while (served.client().push({}, as_bytes(numbered(sent))) == PushResult::kOk) ++sent;
  ASSERT_TRUE(served.client().arm());  // waits for space
  while (served.here().pop()) --sent;
  EXPECT_EQ(sent, 0u);
  busy_turn();
  EXPECT_EQ(rings(served.client()), 1u);
  EXPECT_EQ(served.client().push({}, as_bytes(numbered(0))), PushResult::kOk);
}

// ---- room in the ring of a client ----

TEST_F(LoopChannelsTest, AQuietChannelWaitsForRoomAndGetsIt) {
  Served& served = add();
  cool_down();
  const size_t sent = overfill(served);
  turn_until_asleep();
  size_t read = served.client_reads();
  EXPECT_EQ(take_bells(), 1u);
  turn_until_asleep();
  read += served.client_reads();
  EXPECT_EQ(read, sent);
}

TEST_F(LoopChannelsTest, RoomThatIsMadeBeforeTheWishIsSeen) {
  Served& served = add();
  cool_down();
  const size_t sent = overfill(served);
  busy_turn();
  size_t read = served.client_reads();  // nobody has asked for a bell
  EXPECT_EQ(rings(served.here()), 0u);
  turn_until_asleep();
  read += served.client_reads();
  EXPECT_EQ(read, sent);
}

// The channel waits for room, is not armed because the daemon has other work, and is then paused, which needs no look at its frames. If
// nothing makes the loop arm it, it is never told of the room.
TEST_F(LoopChannelsTest, WhoWaitsForRoomAndIsPausedInABusyTurnStillGetsIt) {
  Served& served = add();
  cool_down();
  const size_t sent = overfill(served);
  busy_turn();
  pause(served);
  busy_turn();
  turn_until_asleep();
  size_t read = served.client_reads();
  EXPECT_EQ(take_bells(), 1u);
  turn_until_asleep();
  read += served.client_reads();
  EXPECT_EQ(read, sent);
}

TEST_F(LoopChannelsTest, WhoIsPausedInTheTurnInWhichThereIsNoRoom) {
  for (const bool pause_first : {true, false}) {
    Served& served = add();
    cool_down();
    if (pause_first) pause(served);
    const size_t sent = overfill(served);
    if (!pause_first) pause(served);
    turn_until_asleep();
    size_t read = served.client_reads();
    EXPECT_EQ(take_bells(), 1u);
    turn_until_asleep();
    read += served.client_reads();
    EXPECT_EQ(read, sent) << pause_first;
  }
}

TEST_F(LoopChannelsTest, WhoIsPausedAfterTheBellOfTheRoomBeforeTheLookAtIt) {
  Served& served = add();
  cool_down();
  const size_t sent = overfill(served);
  turn_until_asleep();
  size_t read = served.client_reads();
  EXPECT_EQ(take_bells(), 1u);
  pause(served);
  turn_until_asleep();
  read += served.client_reads();
  EXPECT_EQ(read, sent);
}

// The client reads a piece, which rings the bell of who has more to write, and so on.
void send_large(const std::function<void()>& turn, const std::function<size_t()>& take_bells,
                Served& served) {
  const std::string large(40000, 'L');
  served.send(large);
  turn();
  std::string got = popped(served.client());
  served.client().flush();
  for (int bells = 0; got != large; ++bells) {
    ASSERT_LT(bells, 100);
    ASSERT_EQ(take_bells(), 1u) << "nobody tells the daemon that there is room";
    turn();
    got = popped(served.client());
    served.client().flush();
  }
}

TEST_F(LoopChannelsTest, TheRestOfALargePacketLeavesWhilePaused) {
  Served& served = add();
  cool_down();
  pause(served);
  send_large([this] { turn_until_asleep(); }, [this] { return take_bells(); }, served);
}

TEST_F(LoopChannelsTest, TheRestOfALargePacketLeavesInBusyTurns) {
  Served& served = add();
  cool_down();
  send_large([this] { busy_turn(); }, [this] { return take_bells(); }, served);
}

// ---- pause and resume ----

TEST_F(LoopChannelsTest, FramesOfAPausedChannelWakeNobody) {
  Served& served = add();
  cool_down();
  pause(served);
  turn_until_asleep();
  const size_t drains = served.drains;
  served.client_sends("a");
  EXPECT_EQ(take_bells(), 0u);
  channels_.awake();
  turn_until_asleep();
  EXPECT_EQ(served.drains, drains);
  resume(served);
  turn_until_asleep();
  EXPECT_EQ(served.got, Texts{"a"});
}

TEST_F(LoopChannelsTest, AResumedChannelIsDrainedAndArmedAgain) {
  Served& served = add();
  cool_down();
  pause(served);
  resume(served);
  turn_until_asleep();
  served.client_sends("a");
  EXPECT_EQ(take_bells(), 1u);
  turn_until_asleep();
  EXPECT_EQ(served.got, Texts{"a"});
}

TEST_F(LoopChannelsTest, ADrainThatPausesItselfLeavesTheRestInTheRing) {
  Served& served = add();
  Served& other = add();
  cool_down();
  for (const char* text : {"a", "b"}) served.client_sends(text);
  other.client_sends("o");
  take_bells();
  channels_.remove(&served.here());
  channels_.add(
      &served.here(),
      [&](size_t) {
        if (!served.paused) pause(served);
        return size_t{0};
      },
      served.generation);
  turn_until_asleep();
  EXPECT_EQ(other.got, Texts{"o"});
  EXPECT_EQ(popped(served.here()), "a");
}

// ---- those that go ----

TEST_F(LoopChannelsTest, AChannelThatGoesWhileItHasWorkTakesItAlong) {
  Served& served = add();
  Served& other = add();
  turn_until_asleep();
  served.client_sends("a");
  other.client_sends("o");
  overfill(served);
  wake();
  channels_.remove(&served.here());
  const size_t drains = served.drains;
  turn_until_asleep();
  EXPECT_EQ(served.drains, drains);
  EXPECT_EQ(other.got, Texts{"o"});
  served.send("to nobody's loop");
  EXPECT_FALSE(channels_.remove(&served.here()));
}

TEST_F(LoopChannelsTest, WhatWasPushedRingsBeforeTheChannelGoes) {
  Served& served = add();
  cool_down();
  ASSERT_TRUE(served.client().arm());
  served.send("last words");
  channels_.remove(&served.here());
  EXPECT_EQ(rings(served.client()), 1u);
}

// Its place is taken within the same walk by another, which has frames.
TEST_F(LoopChannelsTest, ADrainMayGoAndAnotherTakeItsPlace) {
  Served& first = add();
  cool_down();
  Served* second = nullptr;
  channels_.remove(&first.here());
  auto held = std::make_shared<int>(7);
  int drains = 0;
  channels_.add(
      &first.here(),
      [&, held](size_t) {
        ++drains;
        channels_.remove(&first.here());
        second = &add();
        second->client_sends("a");
        return static_cast<size_t>(*held) - 6;  // what the callback holds is alive
      },
      1000);
  held.reset();
  turn_until_asleep();
  EXPECT_EQ(drains, 1);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->got, Texts{"a"});
}

TEST_F(LoopChannelsTest, AnOldBellDoesNotReachTheNextOwnerOfItsNumber) {
  Served& served = add();
  cool_down();
  const size_t drains = served.drains;
  EXPECT_TRUE(channels_.rang(served.here().bell_fd(), served.generation + 1));
  turn_until_asleep();
  EXPECT_EQ(served.drains, drains);
  EXPECT_FALSE(channels_.rang(-1, served.generation));
}

// ---- order and fairness ----

TEST_F(LoopChannelsTest, WhoWasAddedFirstIsDrainedFirstWhoeverRangFirst) {
  Served& gone = add();
  Served& between = add();
  Served& later_gone = add();
  cool_down();
  channels_.remove(&later_gone.here());
  channels_.remove(&gone.here());
  Texts order;
  Served lanes[2];
  const char* names[2] = {"control", "data"};
  for (int i = 0; i < 2; ++i) {
    channels_.add(
        &lanes[i].here(),
        [&, i](size_t budget) {
          const size_t done = lanes[i].drain(budget);
          if (done > 0) order.push_back(names[i]);
          return done;
        },
        static_cast<uint32_t>(100 + i));
  }
  cool_down();
  for (int round = 0; round < 2; ++round) {
    for (int i : {1, 0}) {
      lanes[i].client_sends("a");
      channels_.rang(lanes[i].here().bell_fd(), static_cast<uint32_t>(100 + i));
    }
    busy_turn();
  }
  EXPECT_EQ(order, (Texts{"control", "data", "control", "data"}));
  EXPECT_TRUE(between.got.empty());
  for (Served& lane : lanes) channels_.remove(&lane.here());
}

TEST_F(LoopChannelsTest, ABusyChannelStarvesNobody) {
  Served& greedy = add();
  Served& modest = add();
  cool_down();
  for (size_t i = 0; i < 10; ++i) {
    while (greedy.client().push({}, as_bytes("more")) == PushResult::kOk) continue;
    greedy.client().flush();
    modest.client_sends(std::to_string(i));
    take_bells();
    EXPECT_GT(channels_.drain(8), 8u);
    channels_.flush();
    EXPECT_FALSE(channels_.arm());
    EXPECT_EQ(greedy.got.size(), 8 * (i + 1));
    EXPECT_EQ(modest.got.size(), i + 1) << "in the same turn";
  }
}

// ---- at random ----

// Clients and the daemon send, read, pause and sleep as they like, and whoever sleeps is woken by his bell only. In the end all have read
// everything, in order: no wake-up was lost.
class LoopChannelsChaosTest : public LoopChannelsTest {
 protected:
  struct Client {
    Served* served = nullptr;
    bool asleep = false;
    size_t sent = 0;  // to the daemon
    std::deque<std::string> waiting;
    size_t told = 0;  // by the daemon
    Texts heard;
  };

  void send(Client& client) { client.waiting.push_back(numbered(client.sent++)); }

  // false: nobody wakes it. Whoever is awake looks at his ring before he sleeps.
  bool step(Client& client, bool may_sleep) {
    Channel& channel = client.served->client();
    if (client.asleep && rings(channel) == 0) return false;
    client.asleep = false;
    channel.disarm();
    while (!client.waiting.empty() && channel.push({}, as_bytes(client.waiting.front())) == PushResult::kOk)
      client.waiting.pop_front();
    while (const std::optional<Channel::Frame> frame = channel.pop())
      client.heard.emplace_back(as_text(frame->packet));
    channel.flush();
    client.asleep = may_sleep && channel.arm();
    return true;
  }

  bool daemon_step(Random* random, bool may_sleep) {
    if (asleep_ && take_bells() == 0) return false;
    if (asleep_) channels_.awake();
    asleep_ = false;
    busy_turn();
    if (random == nullptr || random->one_in(3)) take_bells();
    asleep_ = may_sleep && channels_.arm();
    return true;
  }

  // A timer of its own.
  void wake_daemon() {
    if (asleep_) channels_.awake();
    asleep_ = false;
  }

  void something(Random& random, std::vector<Client>& clients) {
    Client& client = clients[random.below(clients.size())];
    const bool wakes =
        random.one_in(8);  // who sleeps does nothing, but for something of his own now and then
    switch (random.below(8)) {
      case 0:
      case 1:
        if (client.asleep && !wakes) return;
        client.asleep = false;
        for (uint64_t i = random.below(20); i > 0; --i) send(client);
        break;
      case 2:
      case 3:
        if (asleep_ && !wakes) return;
        wake_daemon();
        for (uint64_t i = random.below(20); i > 0; --i) client.served->send(numbered(client.told++));
        break;
      case 4:
        if (asleep_ && !wakes) return;
        wake_daemon();
        client.served->paused ? resume(*client.served) : pause(*client.served);
        break;
      case 5:
      case 6:
        step(client, random.one_in(2));
        break;
      default:
        daemon_step(&random, random.one_in(2));
    }
  }

  // Everybody sleeps when he can, until nobody is woken any more.
  void settle(std::vector<Client>& clients) {
    bool anybody = true;
    for (int rounds = 0; anybody; ++rounds) {
      ASSERT_LT(rounds, 100000) << "it spins";
      anybody = daemon_step(nullptr, true);
      for (Client& client : clients) anybody = step(client, true) || anybody;
    }
  }

  static bool is_all(const Texts& texts, size_t count) {
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts[i] != numbered(i)) return false;
    }
    return texts.size() == count;
  }

  bool asleep_ = false;
};

TEST_F(LoopChannelsChaosTest, LosesNoWakeUpAndKeepsTheOrder) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<Client> clients;
    for (uint64_t i = 1 + random.below(5); i > 0; --i) clients.emplace_back().served = &add();
    for (int part = 0; part < 4; ++part) {
      for (uint64_t i = random.below(300); i > 0; --i) something(random, clients);
      settle(clients);
    }
    wake_daemon();
    for (Client& client : clients) resume(*client.served);
    settle(clients);
    for (Client& client : clients) {
      ASSERT_TRUE(is_all(client.heard, client.told)) << client.heard.size() << " of " << client.told;
      ASSERT_TRUE(is_all(client.served->got, client.sent))
          << client.served->got.size() << " of " << client.sent;
      channels_.remove(&client.served->here());
    }
    served_.clear();
  }
}

}  // namespace
}  // namespace ctdb
