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
  put_seconds(at + db_statistics::kLatencyMin, latency.min);
  put_seconds(at + db_statistics::kLatencyMax, latency.max);
  put_seconds(at + db_statistics::kLatencyTotal, latency.total);
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
  namespace layout = db_statistics;
  Bytes image(layout::kImageBytes, 0);
  uint8_t* at = image.data();
  store(at + layout::kLockCount, lock_latency.count);
  store(at + layout::kLocksWaiting, waiting);
  store(at + layout::kLockFailed, lock_failed);
  put_latency(at + layout::kLatency, lock_latency);
  put_latency(at + layout::kVacuumLatency, vacuum_latency);
  store(at + layout::kDelegations, delegations);
  store(at + layout::kDelegationsRevoked, delegations_revoked);
  for (size_t i = 0; i < layout::kBuckets; ++i) {
    store(at + layout::kLockBuckets + 4 * i, lock_buckets[i]);
    store(at + layout::kHopBuckets + 4 * i, hop_buckets[i]);
  }
  store(at + layout::kKeyCount, static_cast<uint32_t>(layout::kKeysMax));
  uint8_t* key = at + layout::kKeys;
  for (const HotKeys::Key& hot : hot_keys.all()) {
    store(key, hot.count);
    store(key + layout::kKeyNameSize, static_cast<uint64_t>(hot.key.size()));
    key += layout::kKeyBytes;
  }
  for (const HotKeys::Key& hot : hot_keys.all()) image.insert(image.end(), hot.key.begin(), hot.key.end());
  return image;
}

}  // namespace ctdb
