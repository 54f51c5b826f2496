// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/backend/record_room.h"

#include <algorithm>

namespace ctdb {

size_t RecordRoom::for_new() const {
  const size_t most = *std::ranges::max_element(sizes_);
  return most > kMax ? 0 : most;
}

bool RecordRoom::learn(const TdbImage& image, size_t header_size) {
  if (count_ < kLookBack) return true;
  const uint32_t hash = made_[count_ % kLookBack];
  size_t bytes = 0;
  const auto look = [&](uint32_t, TdbBlock& block) {
    if (block.kind != kTdbLive || block.hash != hash || !TdbImage::has_record(block)) return true;
    bytes = block.data_size - std::min<size_t>(block.data_size, header_size);
    return false;
  };
  if (!image.walk(image.chain_of(hash), look)) return false;
  if (bytes > 0) sizes_[seen_++ % kSizes] = bytes;
  return true;
}

}  // namespace ctdb
