// SPDX-License-Identifier: GPL-3.0-or-later
// Which keys there have been, by 64-bit fingerprints: 16 bytes a key at most. Two keys with one fingerprint are taken for one,
// which among a million keys happens once in thirty million times.
#ifndef CTDB_STORE_CORE_KEY_SET_H_
#define CTDB_STORE_CORE_KEY_SET_H_

#include <cstdint>
#include <vector>

#include "libctdbipc/base/hash.h"

namespace ctdb {

class KeySet {
 public:
  static uint64_t print_of(ByteView key) {
    const uint64_t print = fingerprint(key);
    return print == 0 ? 1 : print;  // 0 is a free place
  }
  bool contains(uint64_t print) const { return !places_.empty() && places_[place_of(print)] == print; }
  // It must not be there yet.
  void add(uint64_t print) {
    if (2 * (size_ + 1) > places_.size()) grow();
    places_[place_of(print)] = print;
    ++size_;
  }
  size_t size() const { return size_; }

 private:
  // Where it is, or belongs.
  size_t place_of(uint64_t print) const {
    const size_t mask = places_.size() - 1;
    size_t at = (print * 0x9E3779B97F4A7C15u) >> 20 & mask;
    while (places_[at] != 0 && places_[at] != print) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<uint64_t> old(places_.empty() ? 64 : 2 * places_.size());
    old.swap(places_);
    for (const uint64_t print : old) {
      if (print != 0) places_[place_of(print)] = print;
    }
  }

  std::vector<uint64_t> places_;  // a power of two, at most half of them used
  size_t size_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_KEY_SET_H_
