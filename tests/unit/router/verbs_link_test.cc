// SPDX-License-Identifier: GPL-3.0-or-later
// A link's state machine, both ends of it.
#include <algorithm>

#include "libctdbipc/base/limits.h"
#include "tests/unit/router/verbs_link_ends.h"

namespace ctdb::test {
namespace {

class VerbsLinkTest : public testing::Test, public Ends {};

TEST_F(VerbsLinkTest, RisesAndCarriesPackets) {
  rise();
  for (int i = 0; i < 100; ++i) {
    a.send(128);
    b.send(20000);
  }
  settle();
  EXPECT_EQ(a.got, first(100));
  EXPECT_EQ(b.got, first(100));
  EXPECT_TRUE(a.tcp[1].empty());
}

TEST_F(VerbsLinkTest, SmallPacketsShareAChunk) {
  rise();
  a.chunks.clear();
  for (int i = 0; i < 10; ++i) a.send(64);
  a.link.flush(now);
  EXPECT_EQ(a.chunks.size(), 1u);
}

// For all chunks to wake the receiver would take its time; for none at the end it would sleep on.
TEST_F(VerbsLinkTest, AStreamOfChunksWakesTheReceiverNowAndThenAndAtItsEnd) {
  rise();
  for (const size_t bytes : {size_t{100}, size_t{100000}, size_t{1000000}}) {
    SCOPED_TRACE(bytes);
    a.wakes.clear();
    a.send(bytes);
    a.link.flush(now);  // the last one stops where the other side has no more buffers
    ASSERT_FALSE(a.wakes.empty());
    EXPECT_TRUE(a.wakes.back());
    EXPECT_LE(std::count(a.wakes.begin(), a.wakes.end(), true),
              static_cast<ptrdiff_t>(a.wakes.size() / 8 + 2));
    settle();
  }
  EXPECT_EQ(b.got, first(3));
}

TEST_F(VerbsLinkTest, WhatComesBeforeTheSwitchWaits) {
  link_up();
  b.link.tick(now);
  move_tcp(b, a, 0);  // offer
  move_tcp(a, b, 0);  // accept
  ASSERT_TRUE(b.link.on_verbs());
  b.send(10);
  b.link.flush(now);
  while (!b.chunks.empty()) move_chunk(b, a);
  EXPECT_TRUE(a.got.empty()) << "older packets may still be on their way by TCP";
  move_tcp(b, a, 1);
  EXPECT_EQ(a.got, first(1));
}

TEST_F(VerbsLinkTest, NeverSendsMoreThanThereAreBuffersFor) {
  rise();
  a.chunks.clear();
  for (int i = 0; i < 100; ++i) a.send(kChunkBytes);
  for (int i = 0; i < 5; ++i) a.link.flush(now);
  EXPECT_LE(a.chunks.size(), kChunkWindow - 2) << "two are for credits";
  EXPECT_GE(a.chunks.size(), kChunkWindow - 6);
}

TEST_F(VerbsLinkTest, BothSidesWithFullWindowsGoOn) {
  rise();
  for (int i = 0; i < 200; ++i) {
    a.send(kChunkBytes);
    b.send(kChunkBytes);
  }
  a.link.flush(now);
  b.link.flush(now);
  for (int i = 0; i < 1000; ++i) turn();
  EXPECT_EQ(a.got, first(200));
  EXPECT_EQ(b.got, first(200));
}

TEST_F(VerbsLinkTest, AFailureLosesDoublesAndReordersNothing) {
  rise();
  for (int i = 0; i < 50; ++i) a.send(300);
  a.link.flush(now);
  move_chunk(a, b);  // this much has arrived
  a.chunks.clear();  // and this is lost
  for (int i = 0; i < 50; ++i) a.send(300);
  a.link.on_failed("the wire is cut", now);
  EXPECT_FALSE(a.link.on_verbs());
  for (int i = 0; i < 50; ++i) a.send(300);
  EXPECT_TRUE(a.tcp[1].empty()) << "until the other side has said what it has";
  settle();
  EXPECT_EQ(b.got, first(150));
  EXPECT_NE(why(b).find("the wire is cut"), std::string::npos);
  now += kSecond;
  settle();
  EXPECT_TRUE(a.link.on_verbs() && b.link.on_verbs()) << "it rises again";
  for (int i = 0; i < 50; ++i) a.send(300);
  settle();
  EXPECT_EQ(b.got, first(200));
  LinkReport report;
  a.link.describe(report, now);
  EXPECT_EQ(report.falls, 1u);
  EXPECT_EQ(report.attempts, 2u);
}

TEST(VerbsLinkAtRandom, AnyOrderOfFaultsLosesNothing) {
  int rises = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Ends ends;
    ends.link_up();
    ends.connects_are_slow = true;
    for (int i = 0; i < 2000; ++i) ends.step_at_random(random);
    ends.connects_are_slow = false;
    ends.now += kSecond;
    for (int i = 0; i < 3000 && (ends.a.got.size() < ends.b.sent || ends.b.got.size() < ends.a.sent); ++i) {
      ends.now += kMillisecond;
      ends.turn();
    }
    ASSERT_EQ(ends.a.got, Ends::first(ends.b.sent)) << ends.why(ends.a);
    ASSERT_EQ(ends.b.got, Ends::first(ends.a.sent)) << ends.why(ends.b);
    ASSERT_EQ(ends.a.why_cut + ends.b.why_cut, "");
    rises += ends.a.rises;
  }
  EXPECT_GT(rises, 300) << "else it says nothing";
}

TEST_F(VerbsLinkTest, HeartbeatsMeasureAndFindAWireThatTakesNothing) {
  rise();
  for (int i = 0; i < 5; ++i) {
    now += 200 * kMillisecond;
    settle();
  }
  LinkReport report;
  a.link.describe(report, now);
  uint64_t trips = 0;
  for (const uint64_t count : report.round_trips) trips += count;
  EXPECT_GE(trips, 3u);
  const TimeNs cut = now;
  while (a.link.on_verbs() && now < cut + 10 * kSecond) {  // nothing moves
    now += 10 * kMillisecond;
    a.link.tick(now);
    a.link.flush(now);
  }
  EXPECT_LE(now - cut, kSecond);
  expect_fallen("heart-beat");
}

TEST_F(VerbsLinkTest, ADeviceThatNeverSaysWhatHasLeftIsFoundUnderLoadToo) {
  rise();
  const TimeNs lost = now;
  while (a.link.on_verbs() && now < lost + 10 * kSecond) {
    now += 10 * kMillisecond;
    a.send(kChunkBytes);
    for (Side* side : {&a, &b}) {
      side->link.tick(now);
      side->link.flush(now);
    }
    for (; !a.chunks.empty(); a.chunks.pop_front()) b.link.on_chunk(a.chunks.front(), now);
    while (!b.chunks.empty()) move_chunk(b, a);
  }
  EXPECT_LE(now - lost, 2 * kSecond);
  expect_fallen("do not leave the device");
  settle();
  EXPECT_EQ(b.got, first(a.sent)) << "the rest goes by TCP";
}

TEST_F(VerbsLinkTest, ARefusedOfferSaysWhyOnBothSides) {
  a.why_no_pair = "there is no device";
  link_up();
  settle();
  EXPECT_EQ(why(a), "there is no device");
  EXPECT_NE(why(b).find("there is no device"), std::string::npos);
  EXPECT_FALSE(b.have_pair);
  EXPECT_EQ(a.why_cut + b.why_cut, "");
}

TEST_F(VerbsLinkTest, WhoCannotOfferSaysWhyOnBothSides) {
  b.why_no_pair = "there is no device";
  link_up();
  settle();
  EXPECT_EQ(why(b), "there is no device");
  EXPECT_NE(why(a).find("there is no device"), std::string::npos);
}

TEST_F(VerbsLinkTest, AConnectThatFailsFallsBackAndIsTriedAgain) {
  b.why_not_connected = "no route";
  link_up();
  settle();
  EXPECT_FALSE(a.link.on_verbs());
  EXPECT_NE(why(a).find("no route"), std::string::npos);
  b.why_not_connected.clear();
  a.send(10);
  now += 10 * kSecond;
  settle();
  EXPECT_TRUE(a.link.on_verbs() && b.link.on_verbs());
  EXPECT_EQ(b.got, first(1));
}

TEST_F(VerbsLinkTest, WhileAQueuePairIsBeingConnectedTcpCarriesOn) {
  connects_are_slow = true;
  link_up();
  settle();
  EXPECT_FALSE(a.link.on_verbs() || b.link.on_verbs());
  EXPECT_EQ(why(a), "its queue pair is being connected");
  b.send(10);
  settle();
  EXPECT_EQ(a.got, first(1));
  a.finish_connect(now);
  settle();
  EXPECT_EQ(why(b), "its queue pair is being connected");
  EXPECT_FALSE(a.link.on_verbs() || b.link.on_verbs());
  b.finish_connect(now);
  settle();
  EXPECT_TRUE(a.link.on_verbs() && b.link.on_verbs());
}

TEST_F(VerbsLinkTest, AFailureWhileAQueuePairIsBeingConnectedIsTriedAgain) {
  for (const auto& [slow, fails] : {std::pair(&a, &a), {&a, &b}, {&b, &a}, {&b, &b}}) {
    SCOPED_TRACE(slow == &a ? "the one that accepts" : "the one that offers");
    connects_are_slow = true;
    link_up();
    settle();
    if (slow == &b) a.finish_connect(now), settle();
    ASSERT_TRUE(slow->connecting);
    fails->link.on_failed("the port is down", now);
    settle();
    EXPECT_FALSE(slow->have_pair);
    slow->send(10);
    settle();
    EXPECT_EQ((slow == &a ? b : a).got, first(slow->sent)) << "by TCP";
    connects_are_slow = false;
    now += 10 * kSecond;
    settle();
    EXPECT_TRUE(a.link.on_verbs() && b.link.on_verbs()) << why(a) << why(b);
    EXPECT_EQ(a.why_cut + b.why_cut, "");
    a.link.on_down(now);
    b.link.on_down(now);
  }
}

TEST_F(VerbsLinkTest, ImpossibleQueuePairsAreRefusedWithAReason) {
  const std::vector<std::pair<const char*, std::function<void(QueuePair&)>>> kinds = {
      {"queue pair number", [](QueuePair& pair) { pair.number = 0; }},
      {"queue pair number", [](QueuePair& pair) { pair.number = 1u << 24; }},
      {"sequence number", [](QueuePair& pair) { pair.first_psn = 1u << 24; }},
      {"LID", [](QueuePair& pair) { pair.lid = 0xc000; }},
      {"MTU", [](QueuePair& pair) { pair.mtu = 0; }},
      {"MTU", [](QueuePair& pair) { pair.mtu = 6; }},
      {"receive buffers", [](QueuePair& pair) { pair.window = 0; }},
      {"receive buffers", [](QueuePair& pair) { pair.window = 1u << 30; }},
      {"size", [](QueuePair& pair) { pair.chunk_bytes = 16; }},
      {"size", [](QueuePair& pair) { pair.chunk_bytes = 1u << 31; }},
      {"address", [](QueuePair& pair) { pair.gid = {}; }},
  };
  for (Side* side : {&a, &b}) {
    for (const auto& [reason, change] : kinds) {
      SCOPED_TRACE(reason);
      a.link.on_down(now);
      b.link.on_down(now);
      for (Side* each : {&a, &b}) each->tcp[0].clear(), each->tcp[1].clear(), each->change_pair = nullptr;
      side->change_pair = change;
      link_up();
      settle();
      EXPECT_FALSE(a.link.on_verbs() || b.link.on_verbs());
      EXPECT_NE(why(side == &a ? b : a).find(reason), std::string::npos) << why(side == &a ? b : a);
      EXPECT_EQ(a.why_cut + b.why_cut, "") << "TCP is not concerned";
    }
  }
}

TEST_F(VerbsLinkTest, GarbageInAReceiveBufferFallsBack) {
  rise();
  forge([](Bytes& chunk) { chunk[0] ^= 1; });
  expect_fallen("garbage");
}
TEST_F(VerbsLinkTest, AShortChunkFallsBack) {
  rise();
  forge([](Bytes& chunk) { chunk.resize(7); });
  expect_fallen("garbage");
}
TEST_F(VerbsLinkTest, AnUnknownKindFallsBack) {
  rise();
  forge([](Bytes& chunk) { chunk[4] = 99; });
  expect_fallen("garbage");
}
TEST_F(VerbsLinkTest, AChunkOutOfOrderFallsBack) {
  rise();
  forge([](Bytes& chunk) { store(chunk.data() + 8, uint64_t{1000}); });
  expect_fallen("out of order");
}
TEST_F(VerbsLinkTest, AnImpossibleCreditFallsBack) {
  rise();
  forge([](Bytes& chunk) { store(chunk.data() + 16, ~uint64_t{0}); });
  expect_fallen("credit");
}
TEST_F(VerbsLinkTest, ACreditThatIsTakenBackFallsBack) {
  rise();
  forge([](Bytes& chunk) { store(chunk.data() + 16, uint64_t{0}); });
  expect_fallen("credit");
}
TEST_F(VerbsLinkTest, AnImpossibleCountOfPacketsFallsBack) {
  rise();
  forge([](Bytes& chunk) { store(chunk.data() + 24, uint64_t{1}); });
  expect_fallen("count");
}

// It would have us keep all that we ever sent.
TEST_F(VerbsLinkTest, CreditsWithoutACountOfPacketsFallBack) {
  rise();
  for (int i = 0; i < 30 && a.link.on_verbs(); ++i) {
    a.send(1u << 20);
    for (int turns = 0; turns < 100 && a.link.on_verbs(); ++turns) {
      a.link.flush(now);
      while (!a.chunks.empty()) move_chunk(a, b);
      b.link.flush(now);
      for (Bytes& chunk : b.chunks) store(chunk.data() + 24, uint64_t{0});
      while (!b.chunks.empty()) move_chunk(b, a);
    }
  }
  expect_fallen("does not say it has");
}

TEST_F(VerbsLinkTest, APacketAsLargeAsTheyComeIsNoReasonToFall) {
  rise();
  a.send(kPacketBytesMax - 1024);
  for (int i = 0; i < 1000; ++i) turn();
  EXPECT_EQ(b.got, first(1));
  EXPECT_TRUE(a.link.on_verbs());
}

TEST_F(VerbsLinkTest, APacketThatIsNoneEndsTheLinkAsOnTcp) {
  rise();
  forge([](Bytes& chunk) { store(chunk.data() + kChunkHeaderBytes, uint32_t{1}); });
  EXPECT_NE(a.why_cut, "");
}

TEST_F(VerbsLinkTest, ToldThingsThatAreImpossibleEndTheLink) {
  const Bytes nothing;
  const Bytes offer = QueuePair{1, 0x11, 1, 0, 3, 32, 4096, {1}}.encode();
  const auto told = [&](Operation operation, const Bytes& payload) {
    return b.link.on_told(operation, payload, now);
  };
  link_up();
  EXPECT_FALSE(told(Operation::VERBS_OFFER, offer)) << "it makes the offers itself";
  EXPECT_FALSE(told(Operation::VERBS_ACCEPT, offer)) << "it has made none";
  for (const Operation operation :
       {Operation::VERBS_OFFER, Operation::VERBS_ACCEPT, Operation::VERBS_SWITCH, Operation::VERBS_DOWN})
    EXPECT_FALSE(told(operation, nothing));
  EXPECT_FALSE(told(Operation::VERBS_SWITCH, VerbsSwitch{7}.encode()));
  EXPECT_FALSE(told(Operation::VERBS_DOWN, VerbsDown{7, 0, ""}.encode()));
  EXPECT_FALSE(
      a.link.on_told(Operation::VERBS_OFFER, QueuePair{0, 0x11, 1, 0, 3, 32, 4096, {1}}.encode(), now));
  settle();
  EXPECT_FALSE(told(Operation::VERBS_SWITCH, VerbsSwitch{1}.encode())) << "twice";
  EXPECT_FALSE(told(Operation::VERBS_DOWN, VerbsDown{1, 99, ""}.encode())) << "more packets than were sent";
}

TEST_F(VerbsLinkTest, ADeviceThatTakesNoMoreFallsBack) {
  rise();
  a.refuse_posts = true;
  a.send(10);
  a.link.flush(now);
  expect_fallen("takes no more");
  settle();
  EXPECT_EQ(b.got, first(1));
}

TEST_F(VerbsLinkTest, RecordStreamsWaitForVerbsAndReturnWhenTheyStayAway) {
  link_up();
  EXPECT_FALSE(b.link.stream_allowed(now)) << "verbs may come soon";
  EXPECT_TRUE(a.link.stream_allowed(now)) << "the side that dials decides";
  settle();
  EXPECT_FALSE(b.link.stream_allowed(now + 1000 * kSecond));
  a.why_no_pair = "the port is down";
  b.link.on_failed("the port is down", now);
  settle();
  EXPECT_FALSE(b.link.stream_allowed(now)) << "it may be back at once";
  now += 6 * kSecond;
  settle();
  EXPECT_TRUE(b.link.stream_allowed(now));
}

// A path on which queue pairs connect, and then nothing arrives.
TEST_F(VerbsLinkTest, APathThatCarriesNothingIsTriedLessOftenAndGetsNoStream) {
  link_up();
  TimeNs last_pause = 0;
  for (int rise = 1; rise <= 12; ++rise) {
    const TimeNs fell = now;
    while (!b.link.on_verbs() && now < fell + 100 * kSecond) {
      now = std::max(now, b.link.next_deadline());
      EXPECT_FALSE(b.link.stream_allowed(now)) << rise;
      for (int i = 0; i < 5; ++i) {
        for (Side* side : {&a, &b}) {
          side->link.tick(now);
          for (const size_t lane : {0u, 1u}) move_tcp(*side, side == &a ? b : a, lane);
        }
        EXPECT_FALSE(b.link.stream_allowed(now)) << rise;
      }
    }
    ASSERT_TRUE(a.link.on_verbs() && b.link.on_verbs());
    last_pause = now - fell;
    now += 600 * kMillisecond;
    b.link.on_failed("retries exceeded", now);
    a.chunks.clear();
    b.chunks.clear();
    for (int i = 0; i < 3; ++i) {
      for (const size_t lane : {0u, 1u}) move_tcp(a, b, lane), move_tcp(b, a, lane);
    }
    EXPECT_FALSE(b.link.stream_allowed(now)) << rise;
  }
  EXPECT_EQ(last_pause, 60 * kSecond);
}

TEST_F(VerbsLinkTest, AStreamThatIsThereStaysWhileAnOfferIsRefused) {
  a.why_no_pair = "there is no device";
  link_up();
  settle();
  ASSERT_TRUE(b.link.stream_allowed(now));
  now = b.link.next_deadline();
  b.link.tick(now);
  ASSERT_EQ(b.tcp[0].size(), 1u);
  EXPECT_TRUE(b.link.stream_allowed(now));
}

TEST_F(VerbsLinkTest, ALackThatPassesIsRetriedSoon) {
  b.why_no_pair = "in a moment";
  b.why_no_pair_code = ErrorCode::kTimeout;
  link_up();
  settle();
  EXPECT_EQ(b.link.next_deadline(), now + 100 * kMillisecond);
  b.why_no_pair_code = ErrorCode::kNotFound;
  now += 100 * kMillisecond;
  settle();
  EXPECT_EQ(b.link.next_deadline(), now + 60 * kSecond);
}

TEST_F(VerbsLinkTest, WhoNeverSaysHowFarItGotIsCut) {
  rise();
  a.send(10);
  const TimeNs fell = now;
  a.link.on_failed("the wire is cut", now);
  while (a.why_cut.empty() && a.link.next_deadline() != kNever && now < fell + 100 * kSecond) {
    now = a.link.next_deadline();
    a.link.tick(now);
  }
  EXPECT_NE(a.why_cut.find("how far it got"), std::string::npos);
  EXPECT_EQ(now, fell + 5 * kSecond);
  EXPECT_EQ(a.link.next_deadline(), kNever) << "once";
}

TEST_F(VerbsLinkTest, WithoutRecordsOverVerbsStreamsAreAllowedAlways) {
  Side c{1, false};
  c.link.on_up(true, true, now);
  EXPECT_TRUE(c.link.stream_allowed(now));
}

TEST_F(VerbsLinkTest, AnOldVersionIsNotAsked) {
  b.link.on_up(true, false, now);
  EXPECT_EQ(b.link.next_deadline(), kNever);
  EXPECT_TRUE(b.link.stream_allowed(now));
  EXPECT_NE(why(b).find("version"), std::string::npos);
}

}  // namespace
}  // namespace ctdb::test
