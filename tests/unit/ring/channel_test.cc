// SPDX-License-Identifier: GPL-3.0-or-later
// Channels with both ends in one thread: frames, door-bells, large packets, and peers that break the rules.
#include "libctdbipc/ring/channel.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include "libctdbipc/base/random.h"
#include "libctdbipc/ring/spsc_ring.h"
#include "tests/unit/ring/channel_fixture.h"

namespace ctdb {
namespace {

constexpr size_t kRing = 4096;

TEST(Channel, CarriesFramesBothWays) {
  ChannelEnds ends(kRing);
  ASSERT_EQ(ends.client->push({1, 2}, text_packet("question")), PushResult::kOk);
  ASSERT_EQ(ends.server->push({3, 4}, text_packet("answer")), PushResult::kOk);
  const std::optional<Channel::Frame> question = ends.server->pop();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->info.endpoint, 1u);
  EXPECT_EQ(question->info.flags, 2u);
  EXPECT_EQ(as_text(question->packet), "question");
  EXPECT_EQ(popped(*ends.client), "answer");
  EXPECT_EQ(popped(*ends.client), "(nothing)");
  EXPECT_EQ(ends.client->frames_in(), 1u);
  EXPECT_EQ(ends.client->frames_out(), 1u);
}

TEST(Channel, AFrameMayBeChangedInPlace) {
  ChannelEnds ends(kRing);
  ASSERT_EQ(ends.client->push({}, text_packet("abc")), PushResult::kOk);
  std::optional<Channel::Frame> frame = ends.server->pop();
  ASSERT_TRUE(frame);
  frame->packet[0] = 'x';
  EXPECT_EQ(as_text(frame->packet), "xbc");
}

TEST(Channel, BellRingsOnlyForTheArmed) {
  ChannelEnds ends(kRing);
  ASSERT_EQ(ends.client->push({}, text_packet("a")), PushResult::kOk);
  ends.client->flush();
  EXPECT_EQ(rings(*ends.server), 0u);  // awake: no bell
  EXPECT_FALSE(ends.server->arm());    // there is work: do not sleep
  EXPECT_EQ(popped(*ends.server), "a");
  ends.server->flush();
  EXPECT_TRUE(ends.server->arm());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(ends.client->push({}, text_packet("b")), PushResult::kOk);
  EXPECT_EQ(rings(*ends.server), 0u);
  ends.client->flush();
  EXPECT_EQ(rings(*ends.server), 1u);  // one for the batch
  ASSERT_EQ(ends.client->push({}, text_packet("c")), PushResult::kOk);
  ends.client->flush();
  EXPECT_EQ(rings(*ends.server), 0u);  // once per arming
  EXPECT_EQ(ends.client->bells_rung(), 1u);
}

TEST(Channel, NoBellAfterDisarming) {
  ChannelEnds ends(kRing);
  EXPECT_TRUE(ends.server->arm());
  ends.server->disarm();
  ASSERT_EQ(ends.client->push({}, text_packet("a")), PushResult::kOk);
  ends.client->flush();
  EXPECT_EQ(rings(*ends.server), 0u);
}

TEST(Channel, FlushWithoutFramesRingsNothing) {
  ChannelEnds ends(kRing);
  EXPECT_TRUE(ends.server->arm());
  ends.client->flush();
  EXPECT_EQ(rings(*ends.server), 0u);
}

TEST(Channel, ArmFlushesWhatWasForgotten) {
  ChannelEnds ends(kRing);
  EXPECT_TRUE(ends.server->arm());
  ASSERT_EQ(ends.client->push({}, text_packet("a")), PushResult::kOk);
  EXPECT_TRUE(ends.client->arm());
  EXPECT_EQ(rings(*ends.server), 1u);
}

TEST(Channel, AFullRingIsReportedAndItsProducerIsWoken) {
  ChannelEnds ends(kRing);
  while (ends.client->push({}, Bytes(500, 1)) == PushResult::kOk) {
  }
  EXPECT_EQ(ends.client->push({}, Bytes(500, 1)), PushResult::kFull);
  EXPECT_TRUE(ends.client->refused());
  EXPECT_TRUE(ends.client->arm());
  ASSERT_TRUE(ends.server->pop());
  EXPECT_EQ(rings(*ends.client), 0u);  // the space is given back by flush()
  ends.server->flush();
  EXPECT_EQ(rings(*ends.client), 1u);
  EXPECT_FALSE(ends.client->arm());  // there is room: try again, do not sleep
  EXPECT_EQ(ends.client->push({}, Bytes(500, 1)), PushResult::kOk);
  EXPECT_FALSE(ends.client->refused());
  ASSERT_TRUE(ends.server->pop());
  ends.server->flush();
  EXPECT_LE(rings(*ends.client), 1u);  // the wish of the second arm() may still have stood
  EXPECT_TRUE(ends.client->arm());
  ASSERT_TRUE(ends.server->pop());
  ends.server->flush();
  EXPECT_EQ(rings(*ends.client), 0u);  // the wish was granted once
}

TEST(Channel, RefusesEmptyAndOversizedPackets) {
  ChannelEnds ends(kRing);
  EXPECT_EQ(ends.client->push({}, {}), PushResult::kTooBig);
  EXPECT_EQ(ends.client->push({}, Bytes(kPacketBytesMax + 1)), PushResult::kTooBig);
  EXPECT_FALSE(ends.client->dead());
}

TEST(Channel, SpaceIsWhatFits) {
  ChannelEnds ends(kRing);
  const size_t space = ends.client->space();
  EXPECT_EQ(space, kRing / 2 - 16);
  EXPECT_EQ(ends.client->push({}, Bytes(space, 1)), PushResult::kOk);
  EXPECT_EQ(ends.client->push({}, Bytes(ends.client->space(), 1)), PushResult::kOk);
  EXPECT_EQ(ends.client->space(), 0u);
}

TEST(Channel, WhoDoesNotReadIsWokenForSpaceOnly) {
  ChannelEnds ends(kRing);
  while (ends.client->push({}, Bytes(500, 1)) == PushResult::kOk) {
  }
  EXPECT_TRUE(ends.client->arm_for_space());
  ASSERT_EQ(ends.server->push({}, text_packet("a")), PushResult::kOk);
  ends.server->flush();
  EXPECT_EQ(rings(*ends.client), 0u);
  ASSERT_TRUE(ends.server->pop());
  ends.server->flush();
  EXPECT_EQ(rings(*ends.client), 1u);
}

// ---- packets that are larger than the ring ----

Bytes pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return bytes;
}

// Lets both sides work until the server has a packet, as two event loops would.
std::optional<Channel::Frame> pump(ChannelEnds& ends, int turns = 100000) {
  for (int i = 0; i < turns; ++i) {
    std::optional<Channel::Frame> frame = ends.server->pop();
    if (frame) return frame;
    ends.server->flush();
    ends.client->flush();
  }
  return std::nullopt;
}

TEST(ChannelLarge, APacketLargerThanTheRingArrivesWhole) {
  for (const size_t size : {size_t{2033}, size_t{4096}, size_t{100000}, kPacketBytesMax}) {
    ChannelEnds ends(kRing);
    ASSERT_EQ(ends.client->push({9, 8}, pattern(size)), PushResult::kOk) << size;
    const std::optional<Channel::Frame> frame = pump(ends);
    ASSERT_TRUE(frame) << size;
    EXPECT_EQ(frame->info.endpoint, 9u);
    EXPECT_EQ(frame->info.flags, 8u);
    EXPECT_EQ(to_bytes(frame->packet), pattern(size));
    EXPECT_EQ(ends.server->frames_in(), 1u);
  }
}

TEST(ChannelLarge, OrderIsKept) {
  ChannelEnds ends(kRing);
  ASSERT_EQ(ends.client->push({}, text_packet("before")), PushResult::kOk);
  ASSERT_EQ(ends.client->push({}, pattern(50000)), PushResult::kOk);
  EXPECT_EQ(ends.client->push({}, text_packet("after")), PushResult::kFull);
  EXPECT_EQ(ends.client->space(), 0u);
  EXPECT_EQ(popped(*ends.server), "before");
  const std::optional<Channel::Frame> frame = pump(ends);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->packet.size(), 50000u);
  ends.server->flush();
  EXPECT_EQ(ends.client->push({}, text_packet("after")), PushResult::kOk);
  EXPECT_EQ(popped(*ends.server), "after");
}

// The sender sleeps while the ring is full; the reader must wake it for each piece.
TEST(ChannelLarge, BothSidesWakeEachOther) {
  ChannelEnds ends(kRing);
  ASSERT_TRUE(ends.server->arm());
  ASSERT_EQ(ends.client->push({}, pattern(50000)), PushResult::kOk);
  ASSERT_TRUE(ends.client->arm());  // flushes, then would sleep
  bool server_awake = rings(*ends.server) > 0;
  bool client_awake = false;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(server_awake || client_awake) << "both sleep, turn " << i;
    if (server_awake) {
      const std::optional<Channel::Frame> frame = ends.server->pop();
      if (frame) {
        EXPECT_EQ(to_bytes(frame->packet), pattern(50000));
        return;
      }
      server_awake = !ends.server->arm();
    }
    if (client_awake) client_awake = !ends.client->arm();
    server_awake = server_awake || rings(*ends.server) > 0;
    client_awake = client_awake || rings(*ends.client) > 0;
  }
  FAIL() << "never arrived";
}

TEST(ChannelLarge, APacketWithoutEndKillsItsChannel) {
  ChannelEnds ends(kRing);
  RingProducer producer(ends.segment->control(1), ends.segment->data(1));
  size_t sent = 0;
  while (!ends.server->dead() && sent <= 2 * kPacketBytesMax) {
    while (producer.push(0, 0, Bytes(1000, 1), kMoreFollows) == RingProducer::Outcome::kOk) sent += 1000;
    EXPECT_FALSE(ends.server->pop());
    ends.server->flush();
  }
  EXPECT_TRUE(ends.server->dead());
  EXPECT_LE(sent, kPacketBytesMax + 3 * kRing);
  EXPECT_STREQ(ends.server->fault(), "a packet is longer than any may be");
  EXPECT_FALSE(ends.server->pop());
}

// ---- a peer that does not keep the rules: this channel dies, the process does not ----

TEST(ChannelScribbled, EachKindOfScribblingKillsTheChannel) {
  const std::pair<const char*, void (*)(ChannelEnds&)> kinds[] = {
      {"tail", [](ChannelEnds& e) { e.segment->control(1)->tail = 12345; }},
      {"length", [](ChannelEnds& e) { store(e.segment->data(1).data(), 0x00FFFFFFu); }},
      {"check", [](ChannelEnds& e) { store(e.segment->data(1).data() + 12, 0u); }},
      {"zero", [](ChannelEnds& e) { std::memset(e.segment->data(1).data(), 0, kRing); }},
  };
  for (const auto& [what, scribble] : kinds) {
    ChannelEnds ends(kRing);
    ASSERT_EQ(ends.client->push({}, text_packet("a")), PushResult::kOk);
    scribble(ends);
    EXPECT_FALSE(ends.server->pop()) << what;
    EXPECT_TRUE(ends.server->dead()) << what;
    EXPECT_STRNE(ends.server->fault(), "") << what;
    EXPECT_FALSE(ends.server->arm()) << what;  // nobody sleeps over it
    ends.server->flush();
  }
}

TEST(ChannelScribbled, ImpossibleHeadKillsTheSender) {
  ChannelEnds ends(kRing);
  while (ends.server->push({}, Bytes(500, 1)) == PushResult::kOk) {
  }
  ends.segment->control(0)->head = kRing * 4;
  EXPECT_EQ(ends.server->push({}, Bytes(500, 1)), PushResult::kDead);
  EXPECT_TRUE(ends.server->dead());
  EXPECT_STRNE(ends.server->fault(), "");
  EXPECT_EQ(ends.server->push({}, pattern(10000)), PushResult::kDead);
}

TEST(ChannelScribbled, APunchedHoleIsNoFrame) {
  ChannelEnds ends(kRing);
  for (int i = 0; i < 8; ++i) ASSERT_EQ(ends.client->push({}, Bytes(400, 1)), PushResult::kOk);
  ASSERT_TRUE(ends.server->pop());
  ASSERT_EQ(fallocate(ends.memfd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(kRingDataOffset + kRing), static_cast<off_t>(kRing)),
            0);
  EXPECT_FALSE(ends.server->pop());
  EXPECT_TRUE(ends.server->dead());
}

TEST(ChannelScribbled, AHoleOverTheControlBlocksKillsOrIsNotNoticed) {
  ChannelEnds ends(kRing);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(ends.client->push({}, Bytes(400, 1)), PushResult::kOk);
  ASSERT_TRUE(ends.server->pop());
  ASSERT_EQ(fallocate(ends.memfd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(kRingControlOffset), 4096),
            0);
  while (ends.server->pop()) {
  }
  EXPECT_TRUE(ends.server->dead());  // the tail went back to 0
}

TEST(ChannelScribbled, RandomBytesInTheSegmentHurtNobody) {
  Random random(21);
  for (int round = 0; round < 2000; ++round) {
    ChannelEnds ends(kRing);
    for (int turn = 0; turn < 20; ++turn) {
      (void)ends.client->push({}, Bytes(1 + random.below(3000), 1));
      (void)ends.server->push({}, Bytes(1 + random.below(3000), 1));
      if (random.one_in(4)) {
        uint8_t* at = ends.segment->data(random.below(2)).data() + random.below(kRing / 8) * 8;
        store(at, random.one_in(2) ? uint64_t{0} : random.next());
      }
      if (random.one_in(8)) {
        RingControl* control = ends.segment->control(random.below(2));
        (random.one_in(2) ? control->head : control->tail) = random.below(1 << 14);
      }
      while (ends.server->pop()) {
      }
      while (ends.client->pop()) {
      }
      ends.server->flush();
      ends.client->flush();
    }
  }
}

TEST(Channel, OpensOnlyGoodSegments) {
  ChannelFds fds;
  fds.segment.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  const auto channel = Channel::open(std::move(fds), ChannelSide::kServer);
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace ctdb
