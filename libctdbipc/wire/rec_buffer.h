// SPDX-License-Identifier: LGPL-3.0-or-later
// Marshalled records (rec_buffer, wire-protocol §7.2) as transactions carry them: key, record header and data.
#ifndef LIBCTDBIPC_WIRE_REC_BUFFER_H_
#define LIBCTDBIPC_WIRE_REC_BUFFER_H_

#include <optional>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/layout.h"

namespace ctdb {

// Views are loans of the buffer.
struct BufferedRecord {
  ByteView key;
  ByteView header;  // CTDB_RECORD_HEADER_SIZE bytes
  ByteView data;    // empty: the record is deleted
};
struct RecBuffer {
  uint32_t db_id = 0;
  std::vector<BufferedRecord> records;
};
// std::nullopt: counts or lengths lie, a header is missing, a key is too long, or there are bytes left over.
std::optional<RecBuffer> parse_rec_buffer(ByteView bytes);

// Of a buffer with one record of which key and value have so many bytes together.
size_t rec_buffer_bytes(size_t key_and_value);

// An empty buffer of a database; records are added behind.
Bytes begin_rec_buffer(uint32_t db_id);
// `value` begins with the record header.
void add_to_rec_buffer(Bytes& buffer, ByteView key, ByteView value);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_REC_BUFFER_H_
