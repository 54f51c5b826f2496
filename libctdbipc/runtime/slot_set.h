// SPDX-License-Identifier: LGPL-3.0-or-later
// A set of small numbers that is walked in their order, at the cost of what is in it. It may change while it is walked: what is put in
// behind the present number is met, what is put in before it is left for the next walk.
#ifndef LIBCTDBIPC_RUNTIME_SLOT_SET_H_
#define LIBCTDBIPC_RUNTIME_SLOT_SET_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctdb {

class SlotSet {
 public:
  static constexpr size_t kNone = ~size_t{0};

  void insert(size_t slot) {
    const size_t word = slot / kBits;
    if (word >= words_.size()) {
      words_.resize(word + 1);
      summary_.resize(word / kBits + 1);
    }
    words_[word] |= bit(slot);
    summary_[word / kBits] |= bit(word);
  }

  void erase(size_t slot) {
    const size_t word = slot / kBits;
    if (word >= words_.size()) return;
    words_[word] &= ~bit(slot);
    if (words_[word] == 0) summary_[word / kBits] &= ~bit(word);
  }

  bool contains(size_t slot) const {
    return slot / kBits < words_.size() && (words_[slot / kBits] & bit(slot)) != 0;
  }

  // The first one that is not less than `from`, or kNone.
  size_t next(size_t from) const {
    const size_t word = from / kBits;
    if (const size_t here = next_in(words_, word, from); here != kNone) return here;
    for (size_t at = word + 1; at < words_.size(); at = (at / kBits + 1) * kBits) {
      if (const size_t full = next_in(summary_, at / kBits, at); full != kNone)
        return next_in(words_, full, full * kBits);
    }
    return kNone;
  }

 private:
  static constexpr size_t kBits = 64;
  static uint64_t bit(size_t number) { return uint64_t{1} << (number % kBits); }
  // Within one word.
  static size_t next_in(const std::vector<uint64_t>& words, size_t word, size_t from) {
    const uint64_t left = word < words.size() ? words[word] & ~(bit(from) - 1) : 0;
    return left == 0 ? kNone : word * kBits + static_cast<size_t>(std::countr_zero(left));
  }

  std::vector<uint64_t> words_;
  std::vector<uint64_t> summary_;  // which words are not 0
};

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_SLOT_SET_H_
