// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/staged_records.h"

#include <algorithm>
#include <bit>

#include "libctdbipc/base/hash.h"

namespace ctdb {

void StagedRecords::take(ByteView buffer, size_t records) {
  buffers_.push_back(to_bytes(buffer));
  bytes_ += buffer.size();
  records_ += records;
}

// The table has its size from the beginning: one that grows would have to be made anew, with all that is in it, at once.
bool StagedRecords::read(size_t records_max) {
  if (slots_.empty()) {
    entries_.reserve(records_);
    slots_.resize(std::bit_ceil(records_ + records_ / 2 + 1));
  }
  for (; records_max > 0 && buffer_ < buffers_.size(); --records_max) {
    if (!parsed_) parsed_ = parse_rec_buffer(buffers_[buffer_]);
    if (parsed_ && record_ < parsed_->records.size()) {
      add(parsed_->records[record_++]);
    } else {
      parsed_.reset();
      record_ = 0;
      ++buffer_;
    }
  }
  return buffer_ == buffers_.size();
}

void StagedRecords::add(const BufferedRecord& record) {
  uint32_t& place = slots_[slot_of(record.key)];
  if (place == 0) {
    entries_.push_back({record.key.data(), nullptr, static_cast<uint32_t>(record.key.size()), 0});
    place = static_cast<uint32_t>(entries_.size());
  }
  // Header and data stand behind each other.
  Entry& entry = entries_[place - 1];
  entry.value = record.header.data();
  entry.value_size = static_cast<uint32_t>(record.header.size() + record.data.size());
  largest_ = std::max(largest_, record.key.size() + entry.value_size);
}

size_t StagedRecords::slot_of(ByteView key_wanted) const {
  const size_t mask = slots_.size() - 1;
  size_t at = (jenkins_hash(key_wanted) * 0x9E3779B97F4A7C15u >> 32) & mask;
  while (slots_[at] != 0 && !std::ranges::equal(key(slots_[at] - 1), key_wanted)) at = (at + 1) & mask;
  return at;
}

size_t StagedRecords::find(ByteView key_wanted) const {
  if (slots_.empty()) return size();
  const uint32_t place = slots_[slot_of(key_wanted)];
  return place == 0 ? size() : place - 1;
}

bool StagedRecords::give_back() {
  if (!slots_.empty()) {
    std::vector<uint32_t>().swap(slots_);
    std::vector<Entry>().swap(entries_);
    parsed_.reset();
  } else if (!buffers_.empty()) {
    buffers_.pop_back();
  }
  return buffers_.empty();
}

}  // namespace ctdb
