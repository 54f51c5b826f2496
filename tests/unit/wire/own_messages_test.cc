// SPDX-License-Identifier: GPL-3.0-or-later
// Every payload of our own: what was encoded comes back, what is truncated or contradictory does not.
#include "libctdbipc/wire/own_messages.h"

#include <gtest/gtest.h>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/base/random.h"
#include "libctdbipc/wire/reader.h"
#include "tests/golden/own_samples.h"

namespace ctdb {
namespace {

template <typename Message>
class OwnMessage : public testing::Test {};
using Messages =
    testing::Types<Hello, HelloRefused, HelloProof, QueuePair, VerbsSwitch, VerbsDown, LinkReports, LinkPing,
                   LinkState, DaemonState, ClusterState, ClientGone, MessageFailed, TunablesMessage,
                   VoteRequest, VoteReply, Heartbeat, HeartbeatReply, NodeListMessage, EditNodes,
                   RecoveryBegin, StoreRecovered, RecoveryCommit, StoreOpen, StoreSuspend, StoreQuery,
                   StoreHello, LockWaits, RecoveryRecord, RecordDatabases, RecordClaims, RecordEnd,
                   RecordAssign, RecordCopy, RecordCopied, CommitSubmit, CommitResult, CommitAppend,
                   CommitAppended, CommitApply, CommitApplied, DatabaseWanted, DatabaseContent>;
TYPED_TEST_SUITE(OwnMessage, Messages);

TYPED_TEST(OwnMessage, ComesBackAsItWas) {
  const Bytes bytes = sample<TypeParam>().encode();
  const auto decoded = TypeParam::decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encode(), bytes);
}

TYPED_TEST(OwnMessage, ComesBackFromAPaddedPacket) {
  const Bytes bytes = sample<TypeParam>().encode();
  Bytes packet;
  build_own(packet, Header{}, bytes);
  const auto decoded = TypeParam::decode(own_payload(packet));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encode(), bytes);
}

TYPED_TEST(OwnMessage, FieldsOfALaterReleaseArePassedOver) {
  const Bytes bytes = sample<TypeParam>().encode();
  Bytes longer = bytes;
  longer.resize(longer.size() + 100, 0xA5);
  const auto decoded = TypeParam::decode(longer);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->encode(), bytes);
}

// How an older release says it, which lacks the last fields.
size_t older_size(const auto& message) {
  return message.encode().size();
}
size_t older_size(const StoreOpen& open) {
  return open.encode().size() - 1;
}
size_t older_size(RecordDatabases databases) {
  databases.knows_detached = false;
  return databases.encode().size();
}

TYPED_TEST(OwnMessage, EveryTruncationIsRefused) {
  const Bytes bytes = sample<TypeParam>().encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == older_size(sample<TypeParam>())) continue;
    const Bytes cut(bytes.begin(),
                    bytes.begin() + static_cast<ptrdiff_t>(size));  // its own memory: ASan sees the end
    EXPECT_FALSE(TypeParam::decode(cut)) << size;
  }
}

// With the zeros that pad a packet, or without.
TYPED_TEST(OwnMessage, WithoutTheLastFieldsItIsOfAnOlderRelease) {
  Bytes bytes = sample<TypeParam>().encode();
  bytes.resize(older_size(sample<TypeParam>()));
  for (size_t padding = 0; padding < 8; ++padding, bytes.push_back(0))
    EXPECT_TRUE(TypeParam::decode(bytes)) << padding;
}

TYPED_TEST(OwnMessage, EverySingleByteChangeIsDecodedOrRefusedButNeverMore) {
  const Bytes bytes = sample<TypeParam>().encode();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = bytes;
      changed[at] = static_cast<uint8_t>(value);
      const auto decoded = TypeParam::decode(changed);
      if (decoded) {
        EXPECT_LE(decoded->encode().size(), bytes.size());
      }
    }
  }
}

TYPED_TEST(OwnMessage, GarbageIsDecodedOrRefused) {
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes(random.below(200));
    for (uint8_t& byte : bytes) byte = random.one_in(3) ? static_cast<uint8_t>(random.next()) : 0;
    (void)TypeParam::decode(bytes);
  }
}

TEST(OwnMessages, FieldsArriveInTheirPlace) {
  const auto state = ClusterState::decode(sample<ClusterState>().encode());
  ASSERT_TRUE(state);
  EXPECT_EQ(state->generation, 77u);
  EXPECT_EQ(state->runstate, CTDB_RUNSTATE_RUNNING);
  EXPECT_EQ(state->leader, 2u);
  EXPECT_EQ(state->term, 5u);
  EXPECT_EQ(state->node_flags, (std::vector<uint32_t>{0, 2, 0x20}));
  EXPECT_EQ(state->members, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(state->reason, "waiting for quorum");
  const auto reply = HeartbeatReply::decode(sample<HeartbeatReply>().encode());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->flags, 4u);
  EXPECT_EQ(reply->capabilities, 3u);
  EXPECT_EQ(reply->store_instance, 2u);
  EXPECT_EQ(reply->open_generation, 77u);
  EXPECT_EQ(reply->prepared_generation, 78u);
  EXPECT_EQ(reply->sessions, (std::vector<uint64_t>{5, 6, 7}));
  EXPECT_TRUE(reply->wants_recovery);
  EXPECT_EQ(reply->decided_generation, 76u);
  EXPECT_TRUE(reply->serving);
  EXPECT_TRUE(reply->open);
  const auto claims = RecordClaims::decode(sample<RecordClaims>().encode());
  ASSERT_TRUE(claims);
  ASSERT_EQ(claims->claims.size(), 3u);
  EXPECT_EQ(claims->claims[0].key, (Bytes{1, 2, 3}));
  EXPECT_EQ(claims->claims[0].rsn, 10u);
  EXPECT_EQ(claims->claims[0].flags, 0x10000u);
  EXPECT_EQ(claims->claims[0].data_size, 100u);
}

TEST(OwnMessages, ContradictionsAreRefused) {
  Hello hello = sample<Hello>();
  hello.version_min = hello.version_max + 1;
  EXPECT_FALSE(Hello::decode(hello.encode()));
  RecoveryBegin begin = sample<RecoveryBegin>();
  begin.members = {};
  EXPECT_FALSE(RecoveryBegin::decode(begin.encode()));
  begin.members = {1, 1};
  EXPECT_FALSE(RecoveryBegin::decode(begin.encode()));
  begin.members = {2, 1};
  EXPECT_FALSE(RecoveryBegin::decode(begin.encode()));
  begin = sample<RecoveryBegin>();
  begin.base_members = {2, 1};
  EXPECT_FALSE(RecoveryBegin::decode(begin.encode()));
  Bytes daemon = sample<DaemonState>().encode();
  daemon[0] = 3;
  EXPECT_FALSE(DaemonState::decode(daemon));
}

// A count promises elements; memory is taken for those that can follow, not for those that are promised.
TEST(OwnMessages, CountsAreNotBelieved) {
  Bytes bytes;
  Writer w(bytes);
  w.u32(79);
  w.u32(1);
  w.u32(0xFFFFFFFF);
  w.zeros(64);
  EXPECT_FALSE(RecordClaims::decode(bytes));
  EXPECT_FALSE(RecordAssign::decode(bytes));
  EXPECT_FALSE(RecordDatabases::decode(bytes));
  EXPECT_FALSE(RecoveryBegin::decode(bytes));
}

TEST(OwnMessages, MoreNodesOrDatabasesThanThereMayBeAreRefused) {
  ClusterState state;
  state.node_flags.assign(kNodesMax, 0);
  EXPECT_TRUE(ClusterState::decode(state.encode()));
  state.node_flags.push_back(0);
  EXPECT_FALSE(ClusterState::decode(state.encode()));
  RecordDatabases databases;
  databases.databases.assign(kDatabasesMax, DatabaseEntry{"x", 0});
  EXPECT_TRUE(RecordDatabases::decode(databases.encode()));
  databases.databases.push_back({"y", 0});
  EXPECT_FALSE(RecordDatabases::decode(databases.encode()));
}

}  // namespace
}  // namespace ctdb
