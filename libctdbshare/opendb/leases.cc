// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/leases.h"

#include <algorithm>

#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint8_t kLevelAll = kCacheRead | kCacheHandle | kCacheWrite;

bool within(uint8_t level, uint8_t most) {
  return (level & ~most) == 0;
}

uint8_t normal(uint8_t level) {
  return (level & kCacheRead) == 0 ? 0 : level;
}

bool others_have_it_open(const Record& record, std::optional<size_t> lease) {
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (!is_stat(entry.access) && (!lease || entry.lease != *lease + 1)) return true;
  }
  return false;
}

uint8_t most_for(const Record& record, const LeaseRequest& request, std::optional<size_t> lease) {
  uint8_t level = normal(request.level);
  if (request.has_locks && !request.overwrite) level = 0;
  if (request.directory) level &= ~kCacheWrite;
  if ((level & kCacheWrite) != 0 && others_have_it_open(record, lease)) level &= ~kCacheWrite;
  return level;
}

void put(Record& record, size_t at, const Lease& lease) {
  record.leases.put(at, lease);
  summarise_leases(record);
}

void end_break(Lease& lease) {
  lease.breaking = 0;
  lease.requested = lease.required = 0;
}

}  // namespace

bool possible_level(uint32_t level) {
  return level == 0 || (level <= kLevelAll && (level & kCacheRead) != 0);
}

bool possible(const Lease& lease) {
  if (lease.breaking > 1 || !possible_level(lease.level) || !possible_level(lease.requested) ||
      !possible_level(lease.required))
    return false;
  if (lease.breaking == 0) return lease.requested == 0 && lease.required == 0;
  return within(lease.required, lease.requested) && within(lease.requested, lease.level) &&
         lease.requested != lease.level;
}

Lease lease_of(const Record& record, const Entry& entry) {
  return entry.lease == 0 ? Lease{} : record.leases[entry.lease - 1];
}

std::optional<size_t> find_lease(const Record& record, const LeaseKey& key) {
  for (size_t at = 0; at < record.leases.size(); ++at) {
    if (record.leases[at].key == key) return at;
  }
  return std::nullopt;
}

uint32_t grant(Record& record, const LeaseRequest& request) {
  if (!request.key) return 0;
  std::optional<size_t> at = find_lease(record, *request.key);
  if (request.stat) return at ? static_cast<uint32_t>(*at + 1) : 0;
  const uint8_t most = most_for(record, request, at);
  if (!at) {
    at = record.leases.size();
    record.leases.push_back({*request.key, 0, 0, 0, 0, request.number});
  }
  Lease lease = record.leases[*at];
  if (lease.breaking == 0 && within(lease.level, most)) {
    lease.level = most;
    put(record, *at, lease);
  }
  return static_cast<uint32_t>(*at + 1);
}

std::vector<size_t> leases_beyond(const Record& record, const std::optional<LeaseKey>& own, uint8_t allowed) {
  std::vector<size_t> found;
  if (within(cached(record.summary), allowed)) return found;
  for (size_t at = 0; at < record.leases.size(); ++at) {
    const Lease lease = record.leases[at];
    if (!within(lease.level, allowed) && lease.key != own) found.push_back(at);
  }
  return found;
}

Exclusion excluded_by(const Record& record, uint32_t access, uint32_t share,
                      const std::optional<LeaseKey>& own) {
  Exclusion found;
  if (!may_exclude(record.summary, access, share)) return found;
  std::vector<bool> leased(record.leases.size());
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (!exclude_each_other(entry.access, entry.share, access, share)) continue;
    const Lease lease = lease_of(record, entry);
    if ((lease.level & kCacheHandle) == 0 || lease.key == own) {
      found.for_good = entry;
      return found;
    }
    if (!leased[entry.lease - 1]) found.leases.push_back(entry.lease - 1);
    leased[entry.lease - 1] = true;
  }
  return found;
}

bool require(Record& record, size_t at, uint8_t allowed) {
  Lease lease = record.leases[at];
  const bool begins = lease.breaking == 0;
  lease.required = normal((begins ? lease.level : lease.required) & allowed);
  if (begins) {
    lease.breaking = 1;
    lease.requested = lease.required;
    ++lease.number;
  }
  record.leases.put(at, lease);
  return begins;
}

bool give_back(Record& record, size_t at, uint8_t level) {
  Lease lease = record.leases[at];
  if (!possible_level(level) || !within(level, lease.breaking == 1 ? lease.requested : lease.level))
    return false;
  lease.level = level;
  if (within(level, lease.required)) {
    end_break(lease);
  } else if (lease.breaking == 1) {
    lease.requested = lease.required;
    ++lease.number;
  }
  put(record, at, lease);
  return true;
}

void force(Record& record, size_t at) {
  Lease lease = record.leases[at];
  lease.level = lease.required;
  end_break(lease);
  put(record, at, lease);
}

std::vector<ServerId> holders_of(const Record& record, size_t lease) {
  std::vector<ServerId> holders;
  for (size_t at = 0; at < record.entries.size(); ++at) {
    const Entry entry = record.entries[at];
    if (entry.lease == lease + 1 && std::ranges::find(holders, entry.server) == holders.end())
      holders.push_back(entry.server);
  }
  return holders;
}

Entry first_holder_of(const Record& record, size_t lease) {
  size_t at = 0;
  while (record.entries[at].lease != lease + 1) ++at;  // every lease is that of an entry
  return record.entries[at];
}

}  // namespace ctdb_share::open_files
