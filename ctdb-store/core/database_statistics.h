// SPDX-License-Identifier: GPL-3.0-or-later
// What a database counts for GET_DB_STATISTICS (wire-protocol §7.7): waits for chain locks, hops of calls, and the keys
// that moved here most often within one second.
//
// Memory is bounded: a count per record lives where it is forgotten after a while (recent.h), names are kept of ten keys only.
#ifndef CTDB_STORE_CORE_DATABASE_STATISTICS_H_
#define CTDB_STORE_CORE_DATABASE_STATISTICS_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "libctdbipc/base/bytes.h"
#include "libctdbipc/base/time.h"
#include "libctdbipc/wire/db_statistics_layout.h"

namespace ctdb {

struct Latency {
  uint32_t count = 0;
  TimeNs min = 0, max = 0, total = 0;
  void add(TimeNs time) {
    min = count == 0 ? time : std::min(min, time);
    max = std::max(max, time);
    total += time;
    ++count;
  }
};

// The ten highest numbers of migrations of one key into this node within one second, ever.
class HotKeys {
 public:
  static constexpr size_t kKeys = db_statistics::kKeysMax;
  struct Key {
    uint32_t count = 0;  // 0: free
    Bytes key;
  };

  // The key has moved here for the `count`th time in this second.
  void note(ByteView key, uint32_t count);
  // Ascending.
  const std::array<Key, kKeys>& all() const { return keys_; }

 private:
  std::array<Key, kKeys> keys_;
};

struct DatabaseStatistics {
  // A chain that was not free was waited for so long, and is ours now.
  void lock_waited(TimeNs time);
  // A call that came over so many nodes.
  void hops(uint32_t count);
  // The image of GET_DB_STATISTICS. `waiting`: chains waited for now.
  Bytes encode(uint32_t waiting) const;

  uint32_t lock_failed = 0;          // waits that a lock worker could not end
  uint32_t delegations = 0;          // read-only copies given to other nodes
  uint32_t delegations_revoked = 0;  // how often all of a record's came to their end
  Latency lock_latency;
  Latency vacuum_latency;  // from the look at deleted records until a batch of them is removed
  std::array<uint32_t, db_statistics::kBuckets> lock_buckets{};
  std::array<uint32_t, db_statistics::kBuckets> hop_buckets{};
  HotKeys hot_keys;
};

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_DATABASE_STATISTICS_H_
