// SPDX-License-Identifier: LGPL-3.0-or-later
// Unaligned little-endian loads and stores, and the two span types every layer passes around.
#ifndef LIBCTDBIPC_BASE_BYTES_H_
#define LIBCTDBIPC_BASE_BYTES_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ctdb {

using ByteView = std::span<const uint8_t>;  // a loan for reading
using MutableBytes = std::span<uint8_t>;    // a loan for changing in place
using Bytes = std::vector<uint8_t>;         // owned

static_assert(std::endian::native == std::endian::little,
              "the CTDB protocol is host-endian; only little-endian hosts are supported");

// Reads a T at `at`, which need not be aligned. The caller has checked the bounds.
template <typename T>
inline T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <typename T>
inline void store(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_BYTES_H_
