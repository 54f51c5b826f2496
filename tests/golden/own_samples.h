// SPDX-License-Identifier: GPL-3.0-or-later
// One sample of every payload of our own, each field with a value that is not its default: for unit tests, golden
// packets and the first corpus of the fuzzers.
#ifndef TESTS_GOLDEN_OWN_SAMPLES_H_
#define TESTS_GOLDEN_OWN_SAMPLES_H_

#include "libctdbipc/wire/commit_messages.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/verbs_messages.h"

namespace ctdb {

// sample<Hello>() and so on; the argument only picks the overload.
inline Hello sample(Hello*) {
  return {1, 3, 0x8000000000000001ull, 42, 7, "cluster", {1, 2, 3}, {4, 5, 6}};
}
inline HelloProof sample(HelloProof*) {
  return {{7, 8, 9}};
}
inline HelloRefused sample(HelloRefused*) {
  return {"wrong cluster name"};
}
inline LinkPing sample(LinkPing*) {
  return {0x1122334455667788ull};
}
inline QueuePair sample(QueuePair*) {
  return {3, 0x123456, 0x654321, 7, 5, 32, 4096, {0xfe, 0x80, 1}};
}
inline VerbsSwitch sample(VerbsSwitch*) {
  return {3};
}
inline VerbsDown sample(VerbsDown*) {
  return {3, 1000, "the port is down"};
}
inline LinkReports sample(LinkReports*) {
  return {{{1, LinkKind::kVerbs, 5, "", 30, 1, 2, 3, 4, 5, 6, {7, 8}},
           {2, LinkKind::kTcp, 5, "no device", 0, 1, 0, 3, 4, 0, 0, {}}}};
}
inline LinkState sample(LinkState*) {
  return {3, false, 9, true};
}
inline DaemonState sample(DaemonState*) {
  return {DaemonRole::kRecoveryd, true, 4};
}
inline ClusterState sample(ClusterState*) {
  return {
      77,       CTDB_RECOVERY_NORMAL, CTDB_RUNSTATE_RUNNING, 2, 5, {0, 2, 0x20}, {0, 1}, "waiting for quorum",
      {0, 1, 2}};
}
inline TunablesMessage sample(TunablesMessage*) {
  TunablesMessage tunables;
  for (uint32_t i = 0; i < kTunables; ++i) tunables.values.push_back(1000 + i);
  return tunables;
}
inline MessageFailed sample(MessageFailed*) {
  return {MessageFault::kLinkLost, 2, 0x1122334455667788ull};
}
inline ClientGone sample(ClientGone*) {
  return {123};
}
inline VoteRequest sample(VoteRequest*) {
  return {8, 77, true, 0x1122334455667788ull};
}
inline VoteReply sample(VoteReply*) {
  return {8, true, true, 4, 700000000};
}
inline Heartbeat sample(Heartbeat*) {
  return {8,
          1000,
          999,
          3000000,
          false,
          sample(static_cast<ClusterState*>(nullptr)),
          {{2, 20000000000, 7000000000, 0, "its store failed"}, {4, 10000000000, 0, 60000000000, ""}}};
}
inline HeartbeatReply sample(HeartbeatReply*) {
  HeartbeatReply reply{8, 1000, 4, 3, true, 2, 77, 78, {0, 1, 2}, {5, 6, 7}, true};
  reply.decided_generation = 76;
  reply.serving = true;
  reply.stopped = true;
  reply.open = true;
  return reply;
}
inline NodeListMessage sample(NodeListMessage*) {
  return {true, true, 77, "majority", {"10.0.0.1", "", {"fd00::3", true}}};
}
inline EditNodes sample(EditNodes*) {
  return {true, true, 3, "10.0.0.4", true, 0x1122334455667788ull};
}
inline RecoveryBegin sample(RecoveryBegin*) {
  return {8, 79, 77, {0, 2, 5}, {0, 1, 2, 5}, {0, 1, 2}};
}
inline StoreRecovered sample(StoreRecovered*) {
  return {
      79,     false, {1, 2, 3, 4, {10, 20, 30, 40, 50, 60}, {{0x7a19d84d, 5, 6, 7, 11, 45}}}, "disk is full",
      {2, 5}, true};
}
inline RecoveryCommit sample(RecoveryCommit*) {
  return {8, 79};
}
inline OpenNote sample(OpenNote*) {
  return {2, 3, {0, 2, 5}, {0, 61, 62}};
}
inline StoreOpen sample(StoreOpen*) {
  return {8, 79, sample(static_cast<OpenNote*>(nullptr)), true};
}
inline StoreQuery sample(StoreQuery*) {
  return {9};
}
inline StoreSuspend sample(StoreSuspend*) {
  return {true, "stopped"};
}
inline StoreHello sample(StoreHello*) {
  return {77, 78, 12, 9, sample(static_cast<OpenNote*>(nullptr))};
}
inline RecoveryRecord sample(RecoveryRecord*) {
  return {79,
          77,
          2,
          1700000000000000000,
          "node 1 left",
          3,
          65000,
          70000,
          {{0, 61000, sample(static_cast<StoreRecovered*>(nullptr)).statistics}, {2, 60000, {}}},
          {1}};
}
inline LockWaits sample(LockWaits*) {
  return {{{0x7a19d84d, {1, 2, 3}, 4711, "smbd", 3000000000, 2}, {1, {}, 0, "", 0, 1}}};
}
inline RecordDatabases sample(RecordDatabases*) {
  return {79,
          {{"locking.tdb", 0}, {"repl.tdb", CTDB_DB_REPLICATED}},
          {78, 11},
          true,
          true,
          77,
          {{"old.tdb", 75}}};
}
inline RecordClaims sample(RecordClaims*) {
  return {79, 0x7a19d84d, {{{1, 2, 3}, 10, 1, 0x10000, 100}, {{}, 0, 0, 0, 0}, {Bytes(40, 9), 1, 2, 3, 4}}};
}
inline RecordEnd sample(RecordEnd*) {
  return {79, 5, true, true};
}
inline RecordAssign sample(RecordAssign*) {
  return {79, 0x7a19d84d, {{{1, 2, 3}, 10, 1, false, true}, {{}, 0, 0, true, false}}};
}
// Theirs are loans.
inline constexpr uint8_t kSampleKey[] = {1, 2, 3};
inline constexpr uint8_t kSampleData[] = {9, 8, 7, 6};
inline RecordCopy sample(RecordCopy*) {
  return {0x7a19d84d, 10, CTDB_RECORD_MIGRATED_WITH_DATA, kSampleKey, kSampleData};
}
inline RecordCopied sample(RecordCopied*) {
  return {0x7a19d84d, kSampleKey};
}
inline RecordForget sample(RecordForget*) {
  return {0x7a19d84d, ForgetStep::kRemove, {{10, kSampleKey}, {1, {}}}};
}
inline RecordForgotten sample(RecordForgotten*) {
  return {0x7a19d84d, ForgetStep::kEmpty, {2, 1, 0}};
}

inline CommitSubmit sample(CommitSubmit*) {
  return {0x1122334455667788ull, CommitKind::kRecords, true, kSampleData};
}
inline CommitResult sample(CommitResult*) {
  return {0x1122334455667788ull, -1, "node 2: no space left on device"};
}
inline CommitAppend sample(CommitAppend*) {
  return {{78, 11},
          {78, 10},
          true,
          {{{79, 12}, CommitKind::kWipe, 2, 5, kSampleData}, {{79, 13}, CommitKind::kRecords, 1, 6, {}}}};
}
inline CommitAppended sample(CommitAppended*) {
  return {{79, 13}, false, "disk is full"};
}
inline CommitApply sample(CommitApply*) {
  return {{79, 13}, true, true};
}
inline CommitApplied sample(CommitApplied*) {
  return {{79, 13}, true, {{0x7132c184, 0x1122334455667788ull, 5, 6}}, 7};
}
inline DatabaseWanted sample(DatabaseWanted*) {
  return {0x7132c184, 2};
}
inline DatabaseContent sample(DatabaseContent*) {
  return {0x7132c184, 3, true, kSampleData};
}

template <typename Message>
Message sample() {
  return sample(static_cast<Message*>(nullptr));
}

}  // namespace ctdb

#endif  // TESTS_GOLDEN_OWN_SAMPLES_H_
