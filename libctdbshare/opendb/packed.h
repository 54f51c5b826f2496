// SPDX-License-Identifier: LGPL-3.0-or-later
// An array of T, each of T::kBytes bytes, that stays bytes until one is looked at: T has pack(Out&) and a static unpack(In&).
#ifndef LIBCTDBSHARE_OPENDB_PACKED_H_
#define LIBCTDBSHARE_OPENDB_PACKED_H_

#include <algorithm>
#include <span>
#include <vector>

#include "libctdbshare/common/bytes.h"

namespace ctdb_share::open_files {

template <typename T>
class Packed {
 public:
  Packed() = default;
  explicit Packed(std::span<const uint8_t> bytes) : bytes_(bytes.begin(), bytes.end()) {}

  size_t size() const { return bytes_.size() / T::kBytes; }
  bool empty() const { return bytes_.empty(); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  T operator[](size_t at) const {
    In in(bytes().subspan(at * T::kBytes, T::kBytes));
    return T::unpack(in);
  }
  void push_back(const T& value) {
    bytes_.resize(bytes_.size() + T::kBytes);
    put(size() - 1, value);
  }
  void put(size_t at, const T& value) {
    Out out(T::kBytes);
    value.pack(out);
    std::ranges::copy(out.take(), position(at));
  }
  void erase(size_t at) { bytes_.erase(position(at), position(at + 1)); }
  // Returns how many went.
  template <typename F>
  size_t erase_if(F&& is_it) {
    size_t left = 0;
    const size_t before = size();
    for (size_t at = 0; at < before; ++at) {
      if (is_it((*this)[at])) continue;
      if (left != at) std::copy(position(at), position(at + 1), position(left));
      ++left;
    }
    bytes_.resize(left * T::kBytes);
    return before - left;
  }
  bool operator==(const Packed&) const = default;

 private:
  std::vector<uint8_t>::iterator position(size_t at) {
    return bytes_.begin() + static_cast<ptrdiff_t>(at * T::kBytes);
  }
  std::vector<uint8_t> bytes_;
};

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_PACKED_H_
