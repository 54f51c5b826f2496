// SPDX-License-Identifier: LGPL-3.0-or-later
// A small seeded generator (xoshiro256**, public domain algorithm by Blackman and Vigna). Cores receive one
// by reference: same seed, same run.
#ifndef LIBCTDBIPC_BASE_RANDOM_H_
#define LIBCTDBIPC_BASE_RANDOM_H_

#include <bit>
#include <cstdint>

namespace ctdb {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = split_mix(seed);
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  // Uniform enough in [0, bound); bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // True once in `n` times.
  bool one_in(uint64_t n) { return below(n) == 0; }

  static uint64_t mix(uint64_t value) {
    uint64_t seed = value;
    return split_mix(seed);
  }

 private:
  static uint64_t split_mix(uint64_t& seed) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  uint64_t state_[4];
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_RANDOM_H_
