// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/database_statistics.h"

#include <bit>
#include <cstring>
#include <iterator>

namespace ctdb {
namespace {

// Upper ends of the buckets of waiting times; what is longer falls into the next one.
constexpr TimeNs kBucketEnds[] = {kMillisecond, 10 * kMillisecond, 100 * kMillisecond, kSecond,
                                  2 * kSecond,  4 * kSecond,       8 * kSecond,        16 * kSecond,
                                  32 * kSecond, 64 * kSecond};

void put_seconds(uint8_t* at, TimeNs time) {
  const double seconds = static_cast<double>(time) / static_cast<double>(kSecond);
  std::memcpy(at, &seconds, sizeof seconds);
}

void put_latency(uint8_t* at, const Latency& latency) {
  store(at, latency.count);
  put_seconds(at + 8, latency.min);
  put_seconds(at + 16, latency.max);
  put_seconds(at + 24, latency.total);
}

}  // namespace

void HotKeys::note(ByteView key, uint32_t count) {
  if (count <= keys_.front().count) return;
  const auto same = std::ranges::find_if(
      keys_, [&](const Key& known) { return known.count > 0 && std::ranges::equal(known.key, key); });
  auto place = same == keys_.end() ? keys_.begin() : same;
  if (count <= place->count) return;
  place->count = count;
  if (same == keys_.end()) place->key.assign(key.begin(), key.end());
  for (; place + 1 != keys_.end() && place->count > (place + 1)->count; ++place)
    std::iter_swap(place, place + 1);
}

void DatabaseStatistics::lock_waited(TimeNs time) {
  lock_latency.add(time);
  const auto end = std::ranges::upper_bound(kBucketEnds, time);
  ++lock_buckets[static_cast<size_t>(end - std::begin(kBucketEnds))];
}

void DatabaseStatistics::hops(uint32_t count) {
  ++hop_buckets[std::min<size_t>(static_cast<size_t>(std::bit_width(count)), hop_buckets.size() - 1)];
}

Bytes DatabaseStatistics::encode(uint32_t waiting) const {
  Bytes image(464, 0);
  uint8_t* at = image.data();
  store(at, lock_latency.count);
  store(at + 4, waiting);
  store(at + 12, lock_failed);
  put_latency(at + 16, lock_latency);
  for (size_t i = 0; i < lock_buckets.size(); ++i) store(at + 48 + 4 * i, lock_buckets[i]);
  for (size_t i = 0; i < hop_buckets.size(); ++i) store(at + 152 + 4 * i, hop_buckets[i]);
  store(at + 216, static_cast<uint32_t>(HotKeys::kKeys));
  for (size_t i = 0; i < HotKeys::kKeys; ++i) {
    const HotKeys::Key& hot = hot_keys.all()[i];
    store(at + 224 + 24 * i, hot.count);
    store(at + 240 + 24 * i, static_cast<uint64_t>(hot.key.size()));
  }
  for (const HotKeys::Key& hot : hot_keys.all()) image.insert(image.end(), hot.key.begin(), hot.key.end());
  return image;
}

}  // namespace ctdb
