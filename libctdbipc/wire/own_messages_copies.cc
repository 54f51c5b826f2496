// SPDX-License-Identifier: LGPL-3.0-or-later
// Messages about copies of records.
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

}  // namespace ctdb
