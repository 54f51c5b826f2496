// SPDX-License-Identifier: LGPL-3.0-or-later
// What the decoders of our own messages share.
#ifndef LIBCTDBIPC_WIRE_OWN_CODEC_H_
#define LIBCTDBIPC_WIRE_OWN_CODEC_H_

#include <optional>
#include <string>
#include <vector>

#include "libctdbipc/base/limits.h"
#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

// What was read, if all of it was there.
template <typename T>
std::optional<T> checked(const Reader& reader, T value) {
  if (!reader.ok()) return std::nullopt;
  return value;
}

// A count read from the wire is believed only if that many elements of at least `element` bytes can follow.
inline bool plausible(const Reader& reader, uint64_t count, size_t element) {
  return count <= reader.left() / element;
}

inline void put_text(Writer& writer, const std::string& text) {
  writer.counted_bytes(as_bytes(text));
}
inline std::string take_text(Reader& reader) {
  return std::string(as_text(reader.counted_bytes()));
}

inline void put_pnns(Writer& writer, const std::vector<uint32_t>& pnns) {
  writer.u32(static_cast<uint32_t>(pnns.size()));
  for (uint32_t pnn : pnns) writer.u32(pnn);
}
inline std::vector<uint32_t> take_pnns(Reader& reader) {
  const uint32_t count = reader.u32();
  std::vector<uint32_t> pnns;
  if (count > kNodesMax || !plausible(reader, count, 4)) {
    reader.fail();
    return pnns;
  }
  pnns.reserve(count);
  for (uint32_t i = 0; i < count; ++i) pnns.push_back(reader.u32());
  return pnns;
}

inline void put_position(Writer& w, const LogPosition& position) {
  w.u32(position.generation);
  w.u64(position.number);
}
inline LogPosition take_position(Reader& r) {
  LogPosition position;
  position.generation = r.u32();
  position.number = r.u64();
  return position;
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_OWN_CODEC_H_
