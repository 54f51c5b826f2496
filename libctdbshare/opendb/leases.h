// SPDX-License-Identifier: LGPL-3.0-or-later
// What the holders of a lease may cache, and when they have to give it back: the rules in ctdb_opendb.h. Pure.
#ifndef LIBCTDBSHARE_OPENDB_LEASES_H_
#define LIBCTDBSHARE_OPENDB_LEASES_H_

#include <optional>
#include <vector>

#include "libctdbshare/opendb/record.h"

namespace ctdb_share::open_files {

// Bits of a level. Those without reading are none.
inline constexpr uint8_t kCacheRead = 1, kCacheHandle = 2, kCacheWrite = 4;

bool possible_level(uint32_t level);
bool possible(const Lease& lease);

struct LeaseRequest {
  std::optional<LeaseKey> key;
  uint8_t level = 0;
  bool stat = false, overwrite = false, has_locks = false, directory = false;
  uint32_t number =
      0;  // with which a new lease begins: another one than that of an earlier lease of this key
};

Lease lease_of(const Record& record, const Entry& entry);  // of one without: caches nothing
std::optional<size_t> find_lease(const Record& record, const LeaseKey& key);
// Makes or finds the lease for an open that is being added, and raises it if it may. Returns what goes into its entry.
uint32_t grant(Record& record, const LeaseRequest& request);

// Leases of other keys that cache more than is `allowed`.
std::vector<size_t> leases_beyond(const Record& record, const std::optional<LeaseKey>& own, uint8_t allowed);
// What keeps an open out by share modes: the first entry that does so for good, and leases of entries that may be open for nobody any
// more, because their programs cache handles. Without both: nothing does.
struct Exclusion {
  std::optional<Entry> for_good;
  std::vector<size_t> leases;
};
Exclusion excluded_by(const Record& record, uint32_t access, uint32_t share,
                      const std::optional<LeaseKey>& own = {});

// The lease has to come down to what is `allowed`. true: its holders have to be told, because it was not breaking before.
bool require(Record& record, size_t lease, uint8_t allowed);
// Its holders give back what exceeds `level`. false: that is more than they have, or than they were told.
bool give_back(Record& record, size_t lease, uint8_t level);
// They have not: it comes down to what is required.
void force(Record& record, size_t lease);

// Whose entries have it; each once.
std::vector<ServerId> holders_of(const Record& record, size_t lease);
Entry first_holder_of(const Record& record, size_t lease);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_LEASES_H_
