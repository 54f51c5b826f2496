// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/own_messages.h"

#include <algorithm>
#include <functional>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

template <size_t N>
void take_array(Reader& reader, std::array<uint8_t, N>& out) {
  const ByteView bytes = reader.bytes(N);
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

// No doubles.
bool ascending(const std::vector<uint32_t>& pnns) {
  return std::adjacent_find(pnns.begin(), pnns.end(), std::greater_equal<>()) == pnns.end();
}

}  // namespace

Bytes Hello::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(version_min);
  w.u32(version_max);
  w.u64(features);
  w.u64(boot_id);
  w.u64(session);
  put_text(w, cluster_name);
  w.bytes(nonce);
  w.bytes(proof);
  return out;
}
std::optional<Hello> Hello::decode(ByteView payload) {
  Reader r(payload);
  Hello m;
  m.version_min = r.u32();
  m.version_max = r.u32();
  m.features = r.u64();
  m.boot_id = r.u64();
  m.session = r.u64();
  m.cluster_name = take_text(r);
  take_array(r, m.nonce);
  take_array(r, m.proof);
  if (m.version_min > m.version_max) r.fail();
  return checked(r, m);
}

Bytes HelloProof::encode() const {
  return Bytes(proof.begin(), proof.end());
}
std::optional<HelloProof> HelloProof::decode(ByteView payload) {
  Reader r(payload);
  HelloProof m;
  take_array(r, m.proof);
  return checked(r, m);
}

Bytes HelloRefused::encode() const {
  Bytes out;
  Writer w(out);
  put_text(w, reason);
  return out;
}
std::optional<HelloRefused> HelloRefused::decode(ByteView payload) {
  Reader r(payload);
  HelloRefused m{take_text(r)};
  return checked(r, m);
}

Bytes RecoveryBegin::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(term);
  w.u32(generation);
  w.u32(base_generation);
  put_pnns(w, members);
  put_pnns(w, voters);
  put_pnns(w, base_members);
  return out;
}
std::optional<RecoveryBegin> RecoveryBegin::decode(ByteView payload) {
  Reader r(payload);
  RecoveryBegin m;
  m.term = r.u64();
  m.generation = r.u32();
  m.base_generation = r.u32();
  m.members = take_pnns(r);
  m.voters = take_pnns(r);
  m.base_members = take_pnns(r);
  const bool in_order = ascending(m.members) && ascending(m.voters) && ascending(m.base_members);
  if (m.members.empty() || !in_order) r.fail();
  return checked(r, m);
}

const char* recovery_step_name(RecoveryStep step) {
  switch (step) {
    case RecoveryStep::kDiscarded:
      return "discard";
    case RecoveryStep::kClaimed:
      return "claim";
    case RecoveryStep::kAllClaimed:
      return "await claims";
    case RecoveryStep::kDecided:
      return "decide";
    case RecoveryStep::kTidied:
      return "tidy";
    case RecoveryStep::kPrepared:
      return "await decisions";
    case RecoveryStep::kCount:
      break;
  }
  return "?";
}

namespace {

void put_statistics(Writer& w, const RecoveryStatistics& statistics) {
  w.u64(statistics.records_sent);
  w.u64(statistics.records_decided);
  w.u64(statistics.records_assigned);
  w.u64(statistics.bytes_sent);
  for (uint64_t ns : statistics.step_ns) w.u64(ns);
  w.u32(static_cast<uint32_t>(statistics.databases.size()));
  for (const RecoveredDatabase& db : statistics.databases) {
    w.u32(db.db_id);
    for (uint64_t number : {db.claimed, db.decided, db.assigned, db.from_ns, db.to_ns}) w.u64(number);
  }
}
RecoveryStatistics take_statistics(Reader& r) {
  RecoveryStatistics statistics;
  statistics.records_sent = r.u64();
  statistics.records_decided = r.u64();
  statistics.records_assigned = r.u64();
  statistics.bytes_sent = r.u64();
  for (uint64_t& ns : statistics.step_ns) ns = r.u64();
  const uint32_t count = r.u32();
  if (count > kDatabasesMax || !plausible(r, count, 44)) {
    r.fail();
    return statistics;
  }
  for (uint32_t i = 0; i < count; ++i) {
    RecoveredDatabase db;
    db.db_id = r.u32();
    for (uint64_t* number : {&db.claimed, &db.decided, &db.assigned, &db.from_ns, &db.to_ns})
      *number = r.u64();
    statistics.databases.push_back(db);
  }
  return statistics;
}

// One session a member.
void put_note(Writer& w, const OpenNote& note) {
  w.u32(note.leader);
  w.u64(note.store_instance);
  put_pnns(w, note.members);
  for (uint64_t session : note.sessions) w.u64(session);
}
OpenNote take_note(Reader& r) {
  OpenNote note;
  note.leader = r.u32();
  note.store_instance = r.u64();
  note.members = take_pnns(r);
  if (!ascending(note.members)) r.fail();
  for (size_t i = 0; i < note.members.size() && r.ok(); ++i) note.sessions.push_back(r.u64());
  return note;
}

}  // namespace

Bytes StoreRecovered::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u32(ok ? 1 : 0);
  put_statistics(w, statistics);
  put_text(w, error);
  put_pnns(w, about);
  w.u32(all_claimed ? 1 : 0);
  return out;
}
std::optional<StoreRecovered> StoreRecovered::decode(ByteView payload) {
  Reader r(payload);
  StoreRecovered m;
  m.generation = r.u32();
  m.ok = r.u32() != 0;
  m.statistics = take_statistics(r);
  m.error = take_text(r);
  m.about = take_pnns(r);
  m.all_claimed = r.u32() != 0;
  if (!ascending(m.about)) r.fail();
  return checked(r, m);
}

Bytes RecoveryCommit::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(term);
  w.u32(generation);
  return out;
}
std::optional<RecoveryCommit> RecoveryCommit::decode(ByteView payload) {
  Reader r(payload);
  RecoveryCommit m;
  m.term = r.u64();
  m.generation = r.u32();
  return checked(r, m);
}

Bytes StoreOpen::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(term);
  w.u32(generation);
  put_note(w, note);
  w.u8(everybody ? 1 : 0);
  return out;
}
std::optional<StoreOpen> StoreOpen::decode(ByteView payload) {
  Reader r(payload);
  StoreOpen m;
  m.term = r.u64();
  m.generation = r.u32();
  m.note = take_note(r);
  m.everybody = r.left() > 0 && r.u8() != 0;
  return checked(r, std::move(m));
}

Bytes StoreSuspend::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(discard ? 1 : 0);
  put_text(w, reason);
  return out;
}
std::optional<StoreSuspend> StoreSuspend::decode(ByteView payload) {
  Reader r(payload);
  StoreSuspend m;
  m.discard = r.u32() != 0;
  m.reason = take_text(r);
  return checked(r, m);
}

Bytes StoreQuery::encode() const {
  Bytes out;
  Writer(out).u64(number);
  return out;
}
std::optional<StoreQuery> StoreQuery::decode(ByteView payload) {
  Reader r(payload);
  StoreQuery m;
  m.number = r.u64();
  return checked(r, m);
}

Bytes StoreHello::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(open_generation);
  w.u32(prepared_generation);
  w.u32(databases);
  w.u64(asked);
  put_note(w, note);
  return out;
}
std::optional<StoreHello> StoreHello::decode(ByteView payload) {
  Reader r(payload);
  StoreHello m;
  m.open_generation = r.u32();
  m.prepared_generation = r.u32();
  m.databases = r.u32();
  m.asked = r.u64();
  m.note = take_note(r);
  return checked(r, std::move(m));
}

Bytes RecoveryRecord::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u32(base_generation);
  w.u32(leader);
  w.u32(given_up);
  w.i64(began_wall_ns);
  w.u64(decided_ns);
  w.u64(opened_ns);
  put_text(w, reason);
  w.u32(static_cast<uint32_t>(members.size()));
  for (const RecoveryMember& member : members) {
    w.u32(member.pnn);
    w.u64(member.reported_ns);
    put_statistics(w, member.statistics);
  }
  put_pnns(w, left);
  return out;
}
std::optional<RecoveryRecord> RecoveryRecord::decode(ByteView payload) {
  Reader r(payload);
  RecoveryRecord m;
  m.generation = r.u32();
  m.base_generation = r.u32();
  m.leader = r.u32();
  m.given_up = r.u32();
  m.began_wall_ns = r.i64();
  m.decided_ns = r.u64();
  m.opened_ns = r.u64();
  m.reason = take_text(r);
  const uint32_t count = r.u32();
  if (count > kNodesMax || !plausible(r, count, 96)) return std::nullopt;
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    RecoveryMember member;
    member.pnn = r.u32();
    member.reported_ns = r.u64();
    member.statistics = take_statistics(r);
    m.members.push_back(std::move(member));
  }
  m.left = take_pnns(r);
  if (!ascending(m.left)) r.fail();
  return checked(r, std::move(m));
}

Bytes LockWaits::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(static_cast<uint32_t>(waits.size()));
  for (const LockWait& wait : waits) {
    w.u32(wait.db_id);
    w.u32(wait.holder_pid);
    w.u32(wait.records);
    w.u64(wait.waited_ns);
    w.counted_bytes(wait.key);
    put_text(w, wait.holder);
  }
  return out;
}
std::optional<LockWaits> LockWaits::decode(ByteView payload) {
  Reader r(payload);
  LockWaits m;
  const uint32_t count = r.u32();
  if (!plausible(r, count, 28)) return std::nullopt;
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    LockWait wait;
    wait.db_id = r.u32();
    wait.holder_pid = r.u32();
    wait.records = r.u32();
    wait.waited_ns = r.u64();
    wait.key = to_bytes(r.counted_bytes());
    wait.holder = take_text(r);
    m.waits.push_back(std::move(wait));
  }
  return checked(r, std::move(m));
}

namespace {

bool take_detached(Reader& r, RecordDatabases& m) {
  m.open_generation = r.u32();
  const uint32_t count = r.u32();
  if (count > kDatabasesMax || !plausible(r, count, 8)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    DetachedEntry entry;
    entry.generation = r.u32();
    entry.name = take_text(r);
    m.detached.push_back(std::move(entry));
  }
  return true;
}

}  // namespace

Bytes RecordDatabases::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u32(static_cast<uint32_t>(databases.size()));
  for (const DatabaseEntry& entry : databases) {
    w.u8(entry.flags);
    w.u8(entry.copies);
    put_text(w, entry.name);
  }
  put_position(w, log_end);
  w.u8(log_trusted ? 1 : 0);
  if (!knows_detached) return out;  // as an older release says it
  w.u8(1);
  w.u32(open_generation);
  w.u32(static_cast<uint32_t>(detached.size()));
  for (const DetachedEntry& entry : detached) {
    w.u32(entry.generation);
    put_text(w, entry.name);
  }
  return out;
}
std::optional<RecordDatabases> RecordDatabases::decode(ByteView payload) {
  Reader r(payload);
  RecordDatabases m;
  m.generation = r.u32();
  const uint32_t count = r.u32();
  if (count > kDatabasesMax || !plausible(r, count, 6)) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    DatabaseEntry entry;
    entry.flags = r.u8();
    entry.copies = r.u8();
    entry.name = take_text(r);
    m.databases.push_back(std::move(entry));
  }
  m.log_end = take_position(r);
  m.log_trusted = r.u8() != 0;
  m.knows_detached = r.left() > 0 && r.u8() != 0;
  if (m.knows_detached && !take_detached(r, m)) return std::nullopt;
  return checked(r, m);
}

Bytes RecordClaims::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u32(db_id);
  w.u32(static_cast<uint32_t>(claims.size()));
  for (const RecordClaim& claim : claims) {
    w.u64(claim.rsn);
    w.u32(claim.dmaster);
    w.u32(claim.flags);
    w.u32(claim.data_size);
    w.counted_bytes(claim.key);
  }
  return out;
}
std::optional<RecordClaims> RecordClaims::decode(ByteView payload) {
  Reader r(payload);
  RecordClaims m;
  m.generation = r.u32();
  m.db_id = r.u32();
  const uint32_t count = r.u32();
  if (!plausible(r, count, 24)) return std::nullopt;
  m.claims.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    RecordClaim claim;
    claim.rsn = r.u64();
    claim.dmaster = r.u32();
    claim.flags = r.u32();
    claim.data_size = r.u32();
    claim.key = to_bytes(r.counted_bytes());
    m.claims.push_back(std::move(claim));
  }
  return checked(r, std::move(m));
}

namespace {

// Notes of an end.
constexpr uint32_t kEmptyHanded = 1, kForgetful = 2;

}  // namespace

Bytes RecordEnd::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u64(batches);
  w.u32((empty_handed ? kEmptyHanded : 0) | (forgetful ? kForgetful : 0));
  return out;
}
std::optional<RecordEnd> RecordEnd::decode(ByteView payload) {
  Reader r(payload);
  RecordEnd m;
  m.generation = r.u32();
  m.batches = r.u64();
  const uint32_t notes = r.u32();
  m.empty_handed = (notes & kEmptyHanded) != 0;
  m.forgetful = (notes & kForgetful) != 0;
  return checked(r, m);
}

namespace {

// Notes of an assignment.
constexpr uint32_t kOlder = 1, kDelegated = 2;

}  // namespace

Bytes RecordAssign::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(generation);
  w.u32(db_id);
  w.u32(static_cast<uint32_t>(assignments.size()));
  for (const RecordAssignment& assignment : assignments) {
    w.u64(assignment.rsn);
    w.u32(assignment.dmaster);
    w.u32((assignment.older ? kOlder : 0) | (assignment.delegated ? kDelegated : 0));
    w.counted_bytes(assignment.key);
  }
  return out;
}
std::optional<RecordAssign> RecordAssign::decode(ByteView payload) {
  Reader r(payload);
  RecordAssign m;
  m.generation = r.u32();
  m.db_id = r.u32();
  const uint32_t count = r.u32();
  if (!plausible(r, count, 20)) return std::nullopt;
  m.assignments.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    RecordAssignment assignment;
    assignment.rsn = r.u64();
    assignment.dmaster = r.u32();
    const uint32_t notes = r.u32();
    assignment.older = (notes & kOlder) != 0;
    assignment.delegated = (notes & kDelegated) != 0;
    assignment.key = to_bytes(r.counted_bytes());
    m.assignments.push_back(std::move(assignment));
  }
  return checked(r, std::move(m));
}

}  // namespace ctdb
