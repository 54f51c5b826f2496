// SPDX-License-Identifier: LGPL-3.0-or-later
// What the decoders of our own messages share.
#ifndef LIBCTDBIPC_WIRE_OWN_CODEC_H_
#define LIBCTDBIPC_WIRE_OWN_CODEC_H_

#include <optional>

#include "libctdbipc/wire/own_messages.h"
#include "libctdbipc/wire/reader.h"

namespace ctdb {

// What was read, if all of it was there.
template <typename T>
std::optional<T> checked(const Reader& reader, T value) {
  if (!reader.ok()) return std::nullopt;
  return value;
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
