// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbipc/wire/rec_buffer.h"

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {
namespace {

constexpr size_t kHeadBytes = 8;
constexpr size_t kElementBytes = 16;  // beside key and value
constexpr size_t kCountAt = 4;

}  // namespace

std::optional<RecBuffer> parse_rec_buffer(ByteView bytes) {
  Reader r(bytes);
  RecBuffer buffer;
  buffer.db_id = r.u32();
  const uint32_t count = r.u32();
  if (count > r.left() / (kElementBytes + CTDB_RECORD_HEADER_SIZE)) return std::nullopt;
  buffer.records.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t length = r.u32();
    r.skip(4);  // reqid
    const uint64_t key_size = r.u32();
    const uint64_t value_size = r.u32();
    if (length != kElementBytes + key_size + value_size || key_size > kKeyBytesMax) return std::nullopt;
    BufferedRecord record;
    record.key = r.bytes(key_size);
    const ByteView value = r.bytes(value_size);
    if (!r.ok() || value.size() < CTDB_RECORD_HEADER_SIZE) return std::nullopt;
    record.header = value.first(CTDB_RECORD_HEADER_SIZE);
    record.data = value.subspan(CTDB_RECORD_HEADER_SIZE);
    buffer.records.push_back(record);
  }
  if (!r.done()) return std::nullopt;
  return buffer;
}

size_t rec_buffer_bytes(size_t key_and_value) {
  return kHeadBytes + kElementBytes + key_and_value;
}

Bytes begin_rec_buffer(uint32_t db_id) {
  Bytes buffer;
  Writer w(buffer);
  w.u32(db_id);
  w.u32(0);
  return buffer;
}

void add_to_rec_buffer(Bytes& buffer, ByteView key, ByteView value) {
  store(buffer.data() + kCountAt, load<uint32_t>(buffer.data() + kCountAt) + 1);
  Writer w(buffer);
  w.u32(static_cast<uint32_t>(kElementBytes + key.size() + value.size()));
  w.u32(0);
  w.u32(static_cast<uint32_t>(key.size()));
  w.u32(static_cast<uint32_t>(value.size()));
  w.bytes(key);
  w.bytes(value);
}

}  // namespace ctdb
