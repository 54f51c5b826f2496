// SPDX-License-Identifier: GPL-3.0-or-later
// Packets of a recovery that come too early, too often, or from another world.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/store/stores_fixture.h"

namespace ctdb::test {
namespace {

class RecoveryPackets : public StoresTest {
 protected:
  RecoveryPackets() { start(); }
};

TEST_F(RecoveryPackets, AnEndThatIsSaidTwiceIsRefusedAndDoesNoHarm) {
  take(0, w.key_of(1), "x");
  w.begin(11, 10, {0, 1, 2});
  uint64_t twice = 0;
  w.on_link = [&](uint32_t from, uint32_t to, ByteView packet) {
    const auto operation = static_cast<Operation>(read_header(packet).operation);
    if (operation != Operation::RECORD_CLAIMS_END && operation != Operation::RECORD_ASSIGN_END) return true;
    // Once as it is, then as if it had lost everything.
    RecordEnd end = *RecordEnd::decode(own_payload(packet));
    w.link(from, to).push_back(to_bytes(packet));
    end.empty_handed = true;
    end.batches += 7;
    Bytes other;
    build_own(other, read_header(packet), end.encode());
    w.link(from, to).push_back(other);
    ++twice;
    return false;
  };
  const auto refused = [&] {
    return w.store(0).counts().refused_packets + w.store(1).counts().refused_packets +
           w.store(2).counts().refused_packets;
  };
  const uint64_t before = refused();
  w.run();
  EXPECT_EQ(twice, 12u);
  EXPECT_EQ(refused(), before + twice);
  const std::vector<std::string>& logs = w.node(2).logs;
  EXPECT_EQ(std::ranges::count(logs, "refused RECORD_CLAIMS_END from node 1: it has ended already"), 1);
  for (uint32_t pnn : w.everybody()) EXPECT_TRUE(w.recovered(pnn, 11)) << pnn;
  w.open(11, {0, 1, 2});
  w.run();
  EXPECT_EQ(w.store(0).counts().records_fallen_back + w.store(1).counts().records_fallen_back, 0u);
  EXPECT_EQ(fetch(2, w.key_of(1)), "x");
}

// Nobody sends that to a node which has not prepared itself for the generation.
TEST_F(RecoveryPackets, KeepsNoCallsOfAGenerationToCome) {
  const uint64_t stale = w.store(0).counts().stale_packets;
  Bytes packet;
  build(packet, {0, 11, 0, 0, 1, 4711}, ReqCall{0, kDbId, CTDB_FUNC_NULL, 0, as_bytes("key"), {}});
  w.deliver(0, packet);
  EXPECT_EQ(w.store(0).counts().packets_parked, 0u);
  EXPECT_EQ(w.store(0).counts().stale_packets, stale + 1);
}

// A node that sends nonsense: others' next attempt goes on beside it, and its own as soon as it makes sense again.
TEST_F(RecoveryPackets, PacketsOfFarGenerationsKeepNobodyFromTheNext) {
  const std::string key = w.key_of(1);
  take(0, key, "x");
  const auto flood = [&](uint32_t generation, uint32_t from, int count) {
    RecordClaims claims{generation, kDbId, {{Bytes(1000, 'k'), 5, from, 0, 9}}};
    claims.claims.resize(1000, claims.claims[0]);
    Bytes packet;
    build_own(packet, {0, generation, static_cast<uint32_t>(Operation::RECORD_CLAIMS), 1, from, 0},
              claims.encode());
    for (int i = 0; i < count; ++i) w.deliver(1, packet);
  };
  const uint64_t refused = w.store(1).counts().refused_packets;
  flood(0xFFFFFF00, 2, 10);
  EXPECT_EQ(w.store(1).counts().packets_parked, 0u) << "no node can be so far ahead of one that takes part";
  EXPECT_EQ(w.store(1).counts().refused_packets, refused + 10);
  flood(200, 2, 300);
  EXPECT_LE(w.store(1).counts().packets_parked, 33u) << "of one node";
  w.recover(11, 10, {0, 1, 2});
  EXPECT_EQ(w.store(1).counts().packets_parked, 0u) << "node 2 is done with generation 11";
  flood(200, 2, 300);
  // Packets of the next attempt come before the order to begin it.
  RecoveryBegin message;
  message.term = message.generation = 12;
  message.base_generation = 11;
  message.members = message.voters = {0, 1, 2};
  for (uint32_t pnn : {0u, 2u, 1u}) {
    w.order(pnn, Operation::STORE_RECOVER, message.encode());
    w.run();
  }
  EXPECT_TRUE(w.recovered(1, 12));
}

// Nobody would repeat it.
TEST_F(RecoveryPackets, ACallThatFindsNoRoomBeforeTheGenerationOpensLeadsToAnother) {
  w.begin(11, 10, {0, 1, 2});
  w.run();
  const std::string much(15u << 20, 'x');
  Bytes packet;
  build(packet, {0, 11, 0, 1, 0, 4711}, ReplyErrorPacket{-1, much});
  for (int i = 0; i < 20; ++i) w.deliver(1, packet);
  EXPECT_LE(w.store(1).counts().packets_parked, 17u);
  w.open(11, {0, 1, 2});
  const bool asked = std::ranges::any_of(
      w.node(1).to_recoveryd, [](const Sent& sent) { return sent.operation() == Operation::REQ_CONTROL; });
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace ctdb::test
