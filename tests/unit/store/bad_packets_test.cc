// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever arrives, from whomever: nothing breaks, what is dropped is counted, and others go on.
#include <gtest/gtest.h>

#include "libctdbipc/base/random.h"
#include "tests/unit/store/store_world.h"

namespace ctdb::test {
namespace {

constexpr uint32_t kGeneration = 10;

class BadPackets : public ::testing::Test {
 protected:
  BadPackets() : w(3) {
    w.recover(kGeneration, CTDB_INVALID_GENERATION, {0, 1, 2});
    w.attach(0);
  }
  Header from(uint32_t node) { return {0, kGeneration, 0, 0, node, 4711}; }
  uint64_t refused() { return w.store(0).counts().refused_packets; }
  // One well-formed packet of every kind that a store takes.
  std::vector<Bytes> samples(uint32_t generation) {
    std::vector<Bytes> out;
    const auto add = [&](const auto& body, uint32_t node) {
      Bytes packet;
      Header header = from(node);
      header.generation = generation;
      build(packet, header, body);
      out.push_back(packet);
    };
    const std::string key = w.key_of(0);
    const ByteView k = as_bytes(key);
    const ByteView d = as_bytes("some data");
    add(ReqCall{1, kDbId, CTDB_FUNC_NULL, 0, k, d}, 1);
    add(ReplyCall{0, d}, 1);
    add(ReqDmaster{kDbId, 7, 2, 0x10000, k, d}, 1);
    add(ReplyDmaster{kDbId, 7, 0x10000, k, d}, 1);
    add(ReplyErrorPacket{-1, "node is disconnected"}, 1);
    for (uint32_t opcode = 0; opcode < 163; ++opcode) {
      add(ReqControl{opcode, 1, 0, 0, as_bytes("0123456789abcdef0123456789abcdef")}, 1);
    }
    const auto own = [&](Operation operation, const Bytes& payload, uint32_t node) {
      Bytes packet;
      Header header = from(node);
      header.operation = static_cast<uint32_t>(operation);
      header.generation = generation;
      build_own(packet, header, payload);
      out.push_back(packet);
    };
    RecoveryBegin begin;
    begin.generation = generation + 1;
    begin.base_generation = generation;
    begin.members = {0, 1, 2};
    own(Operation::STORE_RECOVER, begin.encode(), 0);
    own(Operation::STORE_OPEN, StoreOpen{1, generation + 1}.encode(), 0);
    own(Operation::STORE_SUSPEND, StoreSuspend{false, "test"}.encode(), 0);
    own(Operation::CLIENT_GONE, ClientGone{5}.encode(), 0);
    own(Operation::STORE_QUERY, {}, 0);
    RecordDatabases databases{generation, {{"test.tdb", 0}, {"more.tdb", 2}}, {}, true};
    own(Operation::RECORD_DATABASES, databases.encode(), 1);
    RecordClaims claims{generation, kDbId, {{to_bytes(k), 5, 1, 0, 9}, {to_bytes(d), 6, 2, 0, 0}}};
    own(Operation::RECORD_CLAIMS, claims.encode(), 1);
    RecordAssign assign{generation, kDbId, {{to_bytes(k), 5, 1}}};
    own(Operation::RECORD_ASSIGN, assign.encode(), 1);
    RecordEnd end;
    end.generation = generation;
    own(Operation::RECORD_CLAIMS_END, end.encode(), 1);
    own(Operation::RECORD_ASSIGN_END, end.encode(), 1);
    return out;
  }
  static void fix_length(Bytes& packet) { store(packet.data(), static_cast<uint32_t>(packet.size())); }

  World w;
};

TEST_F(BadPackets, WhatALaterReleaseSaysIsCountedAndOthersGoOn) {
  Bytes packet;
  Header header = from(1);
  header.operation = 0x1FFF;
  build_own(packet, header, Bytes(64));
  const uint64_t before = refused();
  w.store(0).on_router_packet(0, packet, w.now());
  EXPECT_EQ(refused(), before + 1);
  EXPECT_TRUE(w.store(0).phase() == StorePhase::kOpen);
}

TEST_F(BadPackets, ShorterThanAHeaderAndWrongHeadersAreCounted) {
  const uint64_t before = refused();
  Bytes packet(10, 0xff);
  w.deliver(0, packet);
  w.node(0).store->on_client_packet(5, packet, w.now());
  Bytes call;
  build(call, from(1), ReqCall{1, kDbId, CTDB_FUNC_NULL, 0, as_bytes("k"), {}});
  for (size_t field : {0u, 4u, 8u}) {
    Bytes bad = call;
    bad[field] ^= 0x40;
    w.deliver(0, bad);
  }
  EXPECT_EQ(refused(), before + 5);
}

TEST_F(BadPackets, ACallThatContradictsItselfIsAnsweredToItsClient) {
  Bytes call;
  build(call, {0, 0, 0, 0, 0, 9}, ReqCall{1, kDbId, CTDB_FUNC_NULL, 0, as_bytes("k"), {}});
  store(call.data() + 48, uint32_t{0xfffffff0});
  w.store(0).on_client_packet(5, call, w.now());
  w.collect();
  EXPECT_EQ(w.answer(0, 5, 9)->status, -1);
  Bytes reply;
  build(reply, {0, 0, 0, 0, 0, 9}, ReplyCall{0, {}});
  const uint64_t before = refused();
  w.store(0).on_client_packet(5, reply, w.now());
  w.deliver(0, reply, 5);
  EXPECT_EQ(refused(), before + 2);
}

TEST_F(BadPackets, OrdersAreTakenFromThisNodeOnly) {
  const uint64_t before = refused();
  for (Operation operation : {Operation::STORE_RECOVER, Operation::STORE_OPEN, Operation::STORE_SUSPEND,
                              Operation::CLIENT_GONE, Operation::STORE_QUERY}) {
    Bytes packet;
    build_own(packet, {0, 0, static_cast<uint32_t>(operation), 0, 1, 0}, StoreSuspend{true, ""}.encode());
    w.deliver(0, packet);
  }
  EXPECT_EQ(refused(), before + 5);
  EXPECT_EQ(w.store(0).phase(), StorePhase::kOpen);
}

TEST_F(BadPackets, RecordPacketsThatBreakARuleChangeNothing) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.write(0, key, "mine"));
  const uint64_t before = refused();
  const uint64_t lmaster_before = w.store(1).counts().refused_packets;
  Bytes packet;
  // A record we own cannot arrive.
  build(packet, from(1), ReplyDmaster{kDbId, 99, 0, as_bytes(key), as_bytes("forged")});
  w.deliver(0, packet);
  // It comes from its lmaster or not at all.
  const std::string other = w.key_of(1, "other");
  build(packet, from(2), ReplyDmaster{kDbId, 99, 0, as_bytes(other), as_bytes("forged")});
  w.deliver(0, packet);
  // We are not lmaster of this key.
  build(packet, from(2), ReqDmaster{kDbId, 99, 2, 0, as_bytes(key), as_bytes("forged")});
  w.deliver(0, packet);
  // Node 2 does not own it: the lmaster knows better.
  Header header = from(2);
  build(packet, header, ReqDmaster{kDbId, 99, 2, 0, as_bytes(key), as_bytes("forged")});
  w.deliver(1, packet);
  // The new owner is no member, the sender is none.
  build(packet, from(0), ReqDmaster{kDbId, 99, 8, 0, as_bytes(key), as_bytes("forged")});
  w.deliver(1, packet);
  build(packet, from(8), ReqCall{0, kDbId, CTDB_FUNC_NULL, 0, as_bytes(key), {}});
  w.deliver(0, packet);
  // Databases nobody has.
  build(packet, from(1), ReplyDmaster{1, 99, 0, as_bytes(key), {}});
  w.deliver(0, packet);
  build(packet, from(1), ReqDmaster{1, 99, 2, 0, as_bytes(key), {}});
  w.deliver(0, packet);
  w.run();
  EXPECT_EQ(refused(), before + 6);
  EXPECT_EQ(w.store(1).counts().refused_packets, lmaster_before + 2);
  EXPECT_EQ(w.owners(key), std::vector<uint32_t>{0});
  EXPECT_EQ(w.data(0, key), "mine");
  EXPECT_EQ(w.sight(1, key).dmaster, 0u);
}

// How often the node asked its recoveryd for a recovery since the last time this was asked.
size_t calls_for_recovery(World& w, uint32_t pnn) {
  std::vector<Sent>& sent = w.node(pnn).to_recoveryd;
  return std::erase_if(sent, [](const Sent& one) {
    const auto control = parse_req_control(one.packet);
    return one.operation() == Operation::REQ_CONTROL && control &&
           (control->flags & CTDB_CONTROL_NOREPLY) != 0 &&
           control->opcode == static_cast<uint32_t>(Control::SET_RECMODE) &&
           load<uint32_t>(control->data.data()) == CTDB_RECOVERY_ACTIVE;
  });
}

TEST_F(BadPackets, ABrokenRuleInAnOpenGenerationAsksForARecovery) {
  const std::string key = w.key_of(1);
  Bytes packet;
  build(packet, from(2), ReplyDmaster{kDbId, 99, 0, as_bytes(key), as_bytes("forged")});
  w.deliver(0, packet);
  w.run();
  EXPECT_EQ(calls_for_recovery(w, 0), 1u);
  for (int i = 0; i < 100; ++i) w.deliver(0, packet);
  w.pass(500 * kMillisecond);
  EXPECT_EQ(calls_for_recovery(w, 0), 0u) << "not in a storm";
  w.pass(3 * kSecond);
  EXPECT_EQ(calls_for_recovery(w, 0), 3u) << "but until there is one";
  w.recover(kGeneration + 1, kGeneration, {0, 1, 2});
  w.pass(10 * kSecond);
  EXPECT_EQ(calls_for_recovery(w, 0), 0u);
}

TEST_F(BadPackets, ACallThatALostRecordKeepsWaitingIsServedAfterTheRecovery) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.write(0, key, "mine"));
  w.pass(kMillisecond);
  w.on_link = [&](uint32_t, uint32_t to, ByteView packet) {
    if (read_header(packet).operation != static_cast<uint32_t>(Operation::REPLY_DMASTER)) return true;
    Bytes broken = to_bytes(packet);
    store(broken.data() + 48, 0xfffffff0u);  // the length of the key
    w.deliver(to, broken);
    return false;
  };
  w.call(2, 5, 2, key, CTDB_FUNC_FETCH);
  w.pass(kMillisecond);
  w.on_link = [](auto, auto, auto) { return true; };
  EXPECT_FALSE(w.answered(2, 5, 2));
  EXPECT_EQ(calls_for_recovery(w, 2), 1u);
  w.recover(kGeneration + 1, kGeneration, {0, 1, 2});
  w.pass(kMillisecond);
  const auto answer = w.answer(2, 5, 2);
  ASSERT_TRUE(answer);
  EXPECT_EQ(as_text(answer->data), "mine");
}

TEST_F(BadPackets, ABrokenPacketOfARecoveryIsNoReasonToAskForOne) {
  w.begin(kGeneration + 1, kGeneration, {0, 1, 2});
  Bytes packet;
  Header header = from(1);
  header.generation = kGeneration + 1;
  header.operation = static_cast<uint32_t>(Operation::RECORD_CLAIMS);
  build_own(packet, header, Bytes(3));
  w.deliver(0, packet);
  w.pass(5 * kSecond);
  EXPECT_EQ(calls_for_recovery(w, 0), 0u);
}

TEST_F(BadPackets, CallsThatWaitAreBoundedInBytes) {
  const Bytes large(1u << 20, 'x');
  const auto call = [&](uint32_t reqid, uint32_t db_id) {
    Bytes packet;
    build(packet, {0, 0, 0, 0, 0, reqid}, ReqCall{1, db_id, CTDB_FUNC_NULL, 0, as_bytes("k"), large});
    w.store(0).on_client_packet(5, packet, w.now());
    w.collect();
  };
  w.begin(kGeneration + 1, kGeneration, {0, 1, 2});
  for (uint32_t reqid = 1; reqid <= 65; ++reqid) call(reqid, kDbId);
  EXPECT_FALSE(w.answer(0, 5, 64));
  EXPECT_EQ(w.answer(0, 5, 65)->status, -1);
  for (uint32_t reqid = 101; reqid <= 165; ++reqid) call(reqid, 0x1234);  // may come with the recovery
  EXPECT_EQ(w.answer(0, 5, 165)->status, -1);
  w.run();
  w.open(kGeneration + 1, {0, 1, 2});
  w.pass(kMillisecond);
  EXPECT_TRUE(w.answered(0, 5, 64));
  w.pass(kSecond);
  EXPECT_TRUE(w.answered(0, 5, 101));
  call(200, kDbId);
  w.pass(kMillisecond);
  EXPECT_EQ(w.answer(0, 5, 200)->status, 0) << "what was answered does not count any more";
}

TEST_F(BadPackets, ClaimsAndAssignmentsThatBreakARuleChangeNothing) {
  const std::string key = w.key_of(1);
  w.call(0, 5, 1, key);
  w.pass(kMillisecond);
  ASSERT_TRUE(w.write(0, key, "mine"));
  RecoveryBegin begin;
  begin.generation = 11;
  begin.base_generation = 10;
  begin.members = {0, 1, 2};
  w.order(0, Operation::STORE_RECOVER, begin.encode());
  const uint64_t before = refused();
  const auto say = [&](uint32_t node, Operation operation, const Bytes& payload) {
    Bytes packet;
    build_own(packet, {0, 11, static_cast<uint32_t>(operation), 0, node, 0}, payload);
    w.deliver(0, packet);
  };
  say(2, Operation::RECORD_ASSIGN, RecordAssign{11, kDbId, {{to_bytes(as_bytes(key)), 5, 2}}}.encode());
  say(1, Operation::RECORD_ASSIGN, RecordAssign{11, kDbId, {{to_bytes(as_bytes(key)), 5, 77}}}.encode());
  say(1, Operation::RECORD_ASSIGN, RecordAssign{11, kDbId, {{to_bytes(as_bytes("nothing")), 5, 0}}}.encode());
  say(1, Operation::RECORD_ASSIGN, RecordAssign{11, 1, {}}.encode());
  say(1, Operation::RECORD_CLAIMS, RecordClaims{11, kDbId, {{to_bytes(as_bytes(key)), 5, 1, 0, 0}}}.encode());
  say(1, Operation::RECORD_CLAIMS, Bytes(3));
  say(9, Operation::RECORD_CLAIMS_END, RecordEnd{}.encode());
  EXPECT_EQ(refused(), before + 7);
  EXPECT_EQ(w.header(0, key)->dmaster, 0u);
}

TEST_F(BadPackets, EveryCorruptedByteAndEveryTruncationIsSurvived) {
  for (const StorePhase phase : {StorePhase::kOpen, StorePhase::kRecovering}) {
    uint64_t seed = 1;
    for (const Bytes& sample : samples(kGeneration)) {
      Random random(seed++);
      // A fresh world now and then: some of these packets are orders and obeyed.
      World world(3);
      world.recover(kGeneration - 1, CTDB_INVALID_GENERATION, {0, 1, 2});
      world.attach(0);
      if (phase == StorePhase::kOpen) {
        world.recover(kGeneration, kGeneration - 1, {0, 1, 2});
      } else {
        world.begin(kGeneration, kGeneration - 1, {0});
      }
      for (size_t at = 12; at < sample.size(); ++at) {
        Bytes bad = sample;
        bad[at] ^= static_cast<uint8_t>(1u << random.below(8));
        if (random.one_in(3)) bad[at] = 0xff;
        world.deliver(0, bad, random.one_in(4) ? 5 : 0);
      }
      for (size_t size = 32; size < sample.size(); size += 4) {
        Bytes bad(sample.begin(), sample.begin() + static_cast<long>(size));
        fix_length(bad);
        world.deliver(0, bad, random.one_in(4) ? 5 : 0);
      }
      world.pass(10 * kMillisecond);
    }
  }
}

TEST_F(BadPackets, RandomPacketsAreSurvived) {
  Random random(99);
  for (int i = 0; i < 20000; ++i) {
    Bytes packet(32 + random.below(120));
    for (uint8_t& byte : packet) byte = random.one_in(2) ? 0 : static_cast<uint8_t>(random.next());
    fix_length(packet);
    store(packet.data() + CTDB_OFF_MAGIC, uint32_t{CTDB_MAGIC});
    store(packet.data() + CTDB_OFF_VERSION, uint32_t{CTDB_PROTOCOL_VERSION});
    store(packet.data() + CTDB_OFF_GENERATION, kGeneration);
    const uint32_t operations[] = {0, 1, 2, 3, 4, 7, 0x1033, 0x1034, 0x1040, 0x1041, 0x1043};
    store(packet.data() + CTDB_OFF_OPERATION, operations[random.below(11)]);
    store(packet.data() + CTDB_OFF_SRCNODE, static_cast<uint32_t>(random.below(4)));
    if (packet.size() > 40 && random.one_in(2)) store(packet.data() + 36, kDbId);
    w.deliver(0, packet, random.one_in(3) ? 5 : 0);
    if (i % 100 == 0) w.pass(kMillisecond);
  }
}

}  // namespace
}  // namespace ctdb::test
