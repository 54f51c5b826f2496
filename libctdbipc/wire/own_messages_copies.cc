// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages about copies of records, and about forgetting deleted ones.
#include "libctdbipc/wire/own_codec.h"
#include "libctdbipc/wire/own_messages.h"

namespace ctdb {

Bytes RecordCopy::encode() const {
  Bytes out;
  out.reserve(24 + key.size() + data.size());
  Writer w(out);
  w.u32(db_id);
  w.u64(rsn);
  w.u32(flags);
  w.counted_bytes(key);
  w.counted_bytes(data);
  return out;
}
std::optional<RecordCopy> RecordCopy::decode(ByteView payload) {
  Reader r(payload);
  RecordCopy m;
  m.db_id = r.u32();
  m.rsn = r.u64();
  m.flags = r.u32();
  m.key = r.counted_bytes();
  m.data = r.counted_bytes();
  return checked(r, m);
}

Bytes RecordCopied::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(db_id);
  w.counted_bytes(key);
  return out;
}
std::optional<RecordCopied> RecordCopied::decode(ByteView payload) {
  Reader r(payload);
  RecordCopied m;
  m.db_id = r.u32();
  m.key = r.counted_bytes();
  return checked(r, m);
}

Bytes RecordForget::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(db_id);
  w.u32(static_cast<uint32_t>(step));
  w.u32(static_cast<uint32_t>(records.size()));
  for (const ForgetRecord& record : records) {
    w.u64(record.rsn);
    w.counted_bytes(record.key);
  }
  return out;
}
std::optional<RecordForget> RecordForget::decode(ByteView payload) {
  constexpr size_t kRecordBytes = 12;  // beside the key
  Reader r(payload);
  RecordForget m;
  m.db_id = r.u32();
  m.step = static_cast<ForgetStep>(r.u32());
  const uint32_t count = r.u32();
  if (!r.ok() || (m.step != ForgetStep::kEmpty && m.step != ForgetStep::kRemove)) return std::nullopt;
  if (count > r.left() / kRecordBytes) return std::nullopt;
  m.records.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t rsn = r.u64();
    m.records.push_back({rsn, r.counted_bytes()});
  }
  return checked(r, std::move(m));
}

Bytes RecordForgotten::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(db_id);
  w.u32(static_cast<uint32_t>(step));
  w.counted_bytes(results);
  return out;
}
std::optional<RecordForgotten> RecordForgotten::decode(ByteView payload) {
  Reader r(payload);
  RecordForgotten m;
  m.db_id = r.u32();
  m.step = static_cast<ForgetStep>(r.u32());
  m.results = to_bytes(r.counted_bytes());
  return checked(r, std::move(m));
}

}  // namespace ctdb
