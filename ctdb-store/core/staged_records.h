// SPDX-License-Identifier: GPL-3.0-or-later
// The records of a restore (rewrite.h): taken as they come, then read into a table by key, and given back in the end, both in slices,
// because a million of them takes a second altogether.
//
// Invariants:
//  1. Keys and values are loans of the buffers, which live as long as the table.
//  2. After the first read() nothing more is taken.
#ifndef CTDB_STORE_CORE_STAGED_RECORDS_H_
#define CTDB_STORE_CORE_STAGED_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/wire/rec_buffer.h"

namespace ctdb {

class StagedRecords {
 public:
  // A buffer that is well formed, of so many records.
  void take(ByteView buffer, size_t records);
  size_t bytes() const { return bytes_; }
  // How many came.
  size_t records() const { return records_; }
  bool empty() const { return buffers_.empty(); }

  // ---- when all have come ----
  // Some `records_max` more. true: all have been read.
  bool read(size_t records_max);
  // One of each key, in the order in which the keys came; the last value counts.
  size_t size() const { return entries_.size(); }
  ByteView key(size_t i) const { return {entries_[i].key, entries_[i].key_size}; }
  // It begins with the record header.
  ByteView value(size_t i) const { return {entries_[i].value, entries_[i].value_size}; }
  // Where the key is; size(): nowhere.
  size_t find(ByteView key) const;
  // Of the largest key and its value together.
  size_t largest() const { return largest_; }

  // A piece. true: that was all.
  bool give_back();

 private:
  struct Entry {
    const uint8_t* key = nullptr;
    const uint8_t* value = nullptr;
    uint32_t key_size = 0;
    uint32_t value_size = 0;
  };
  void add(const BufferedRecord& record);
  // The number of the slot where the key stands, or has to.
  size_t slot_of(ByteView key) const;

  std::vector<Bytes> buffers_;
  size_t bytes_ = 0;
  size_t records_ = 0;
  // The buffer that is being read, and how far.
  size_t buffer_ = 0;
  size_t record_ = 0;
  std::optional<RecBuffer> parsed_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // open addressing, a power of two: place in entries_ and 1; 0: free
  size_t largest_ = 0;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_STAGED_RECORDS_H_
