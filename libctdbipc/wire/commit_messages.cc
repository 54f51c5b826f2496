// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/commit_messages.h"

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_codec.h"

namespace ctdb {
namespace {

constexpr size_t kEntryBytes = 12 + 1 + 4 + 8 + 4;  // beside its payload
constexpr size_t kDigestBytes = 28;

CommitKind take_kind(Reader& r) {
  const uint8_t kind = r.u8();
  if (kind >= kCommitKinds) r.fail();
  return static_cast<CommitKind>(kind);
}

void put_error(Writer& w, const std::string& text) {
  w.counted_bytes(as_bytes(text));
}
std::string take_error(Reader& r) {
  return std::string(as_text(r.counted_bytes()));
}

}  // namespace

Bytes CommitSubmit::encode() const {
  Bytes out;
  out.reserve(14 + payload.size());
  Writer w(out);
  w.u64(id);
  w.u8(static_cast<uint8_t>(kind));
  w.u8(again ? 1 : 0);
  w.counted_bytes(payload);
  return out;
}
std::optional<CommitSubmit> CommitSubmit::decode(ByteView payload) {
  Reader r(payload);
  CommitSubmit m;
  m.id = r.u64();
  m.kind = take_kind(r);
  m.again = r.u8() != 0;
  m.payload = r.counted_bytes();
  return checked(r, m);
}

Bytes CommitResult::encode() const {
  Bytes out;
  Writer w(out);
  w.u64(id);
  w.i32(status);
  put_error(w, error);
  return out;
}
std::optional<CommitResult> CommitResult::decode(ByteView payload) {
  Reader r(payload);
  CommitResult m;
  m.id = r.u64();
  m.status = r.i32();
  m.error = take_error(r);
  return checked(r, m);
}

Bytes CommitAppend::encode() const {
  size_t bytes = 29;
  for (const CommitEntry& entry : entries) bytes += kEntryBytes + entry.payload.size();
  Bytes out;
  out.reserve(bytes);
  Writer w(out);
  put_position(w, previous);
  put_position(w, committed);
  w.u8(restart ? 1 : 0);
  w.u32(static_cast<uint32_t>(entries.size()));
  for (const CommitEntry& entry : entries) {
    put_position(w, entry.position);
    w.u8(static_cast<uint8_t>(entry.kind));
    w.u32(entry.origin);
    w.u64(entry.id);
    w.counted_bytes(entry.payload);
  }
  return out;
}
std::optional<CommitAppend> CommitAppend::decode(ByteView payload) {
  Reader r(payload);
  CommitAppend m;
  m.previous = take_position(r);
  m.committed = take_position(r);
  m.restart = r.u8() != 0;
  const uint32_t count = r.u32();
  if (count > r.left() / kEntryBytes) return std::nullopt;
  LogPosition before = m.previous;
  for (uint32_t i = 0; i < count; ++i) {
    CommitEntry entry;
    entry.position = take_position(r);
    entry.kind = take_kind(r);
    entry.origin = r.u32();
    entry.id = r.u64();
    entry.payload = r.counted_bytes();
    if (entry.position <= before) r.fail();
    before = entry.position;
    m.entries.push_back(entry);
  }
  return checked(r, std::move(m));
}

Bytes CommitAppended::encode() const {
  Bytes out;
  Writer w(out);
  put_position(w, end);
  w.u8(ok ? 1 : 0);
  put_error(w, error);
  return out;
}
std::optional<CommitAppended> CommitAppended::decode(ByteView payload) {
  Reader r(payload);
  CommitAppended m;
  m.end = take_position(r);
  m.ok = r.u8() != 0;
  m.error = take_error(r);
  return checked(r, m);
}

Bytes CommitApply::encode() const {
  Bytes out;
  Writer w(out);
  put_position(w, committed);
  w.u8(tell_digests ? 1 : 0);
  w.u8(complete ? 1 : 0);
  return out;
}
std::optional<CommitApply> CommitApply::decode(ByteView payload) {
  Reader r(payload);
  CommitApply m;
  m.committed = take_position(r);
  m.tell_digests = r.u8() != 0;
  m.complete = r.u8() != 0;
  return checked(r, m);
}

Bytes CommitApplied::encode() const {
  Bytes out;
  Writer w(out);
  put_position(w, applied);
  w.u8(with_digests ? 1 : 0);
  w.u32(static_cast<uint32_t>(digests.size()));
  for (const DatabaseDigest& digest : digests) {
    w.u32(digest.db_id);
    w.u64(digest.digest);
    w.u64(digest.records);
    w.u64(digest.sequence);
  }
  w.u32(taken_db_id);
  return out;
}
std::optional<CommitApplied> CommitApplied::decode(ByteView payload) {
  Reader r(payload);
  CommitApplied m;
  m.applied = take_position(r);
  m.with_digests = r.u8() != 0;
  const uint32_t count = r.u32();
  if (count > kDatabasesMax || count > r.left() / kDigestBytes) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    DatabaseDigest digest;
    digest.db_id = r.u32();
    digest.digest = r.u64();
    digest.records = r.u64();
    digest.sequence = r.u64();
    m.digests.push_back(digest);
  }
  m.taken_db_id = r.u32();
  return checked(r, m);
}

Bytes DatabaseWanted::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(db_id);
  w.u32(node);
  return out;
}
std::optional<DatabaseWanted> DatabaseWanted::decode(ByteView payload) {
  Reader r(payload);
  DatabaseWanted m;
  m.db_id = r.u32();
  m.node = r.u32();
  return checked(r, m);
}

Bytes DatabaseContent::encode() const {
  Bytes out;
  out.reserve(13 + records.size());
  Writer w(out);
  w.u32(db_id);
  w.u32(part);
  w.u8(last ? 1 : 0);
  w.counted_bytes(records);
  return out;
}
std::optional<DatabaseContent> DatabaseContent::decode(ByteView payload) {
  Reader r(payload);
  DatabaseContent m;
  m.db_id = r.u32();
  m.part = r.u32();
  m.last = r.u8() != 0;
  m.records = r.counted_bytes();
  return checked(r, m);
}

}  // namespace ctdb
