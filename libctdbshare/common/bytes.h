// SPDX-License-Identifier: LGPL-3.0-or-later
// Numbers of records and messages as bytes: little endian, without gaps.
#ifndef LIBCTDBSHARE_COMMON_BYTES_H_
#define LIBCTDBSHARE_COMMON_BYTES_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "libctdbshare/common/server_id.h"

namespace ctdb_share {

class Out {
 public:
  explicit Out(size_t size) { bytes_.reserve(size); }
  template <std::unsigned_integral T>
  void put(T value) {
    for (size_t shift = 0; shift < 8 * sizeof value; shift += 8)
      bytes_.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> shift));
  }
  void put(const ServerId& server) {
    put(server.pnn);
    put(static_cast<uint32_t>(server.pid));
    put(server.unique);
  }
  void put(std::span<const uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  void put_text(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

// Whoever reads has compared the size, or left(), before.
class In {
 public:
  explicit In(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  template <std::unsigned_integral T>
  T get() {
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= uint64_t{bytes_[at_++]} << (8 * i);
    return static_cast<T>(value);
  }
  ServerId get_server() {
    ServerId server;
    server.pnn = get<uint32_t>();
    server.pid = static_cast<int32_t>(get<uint32_t>());
    server.unique = get<uint64_t>();
    return server;
  }

  std::span<const uint8_t> take(size_t size) {
    const auto taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_COMMON_BYTES_H_
