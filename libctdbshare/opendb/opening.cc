// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/opening.h"

#include <algorithm>
#include <utility>

#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

bool anybody(const Entry& /*entry*/) {
  return true;
}

Verdict refused(const Record& record, int result, const Entry& by) {
  return {result, false, blocker_of(record, by), {}, 0};
}

Verdict breaking(const Record& record, std::vector<size_t> leases, uint8_t allowed) {
  Verdict verdict = refused(record, CTDB_OPENDB_BREAKING, first_holder_of(record, leases[0]));
  verdict.leases = std::move(leases);
  verdict.allowed = allowed;
  return verdict;
}

}  // namespace

Verdict try_to_open(Record& record, const Wanted& wanted, Lease* granted) {
  const std::optional<uint32_t> name = find_name(record, wanted.name);
  if (name && pending_token(record, *name) != nullptr)
    return refused(record, CTDB_OPENDB_DELETE_PENDING, *first_of_name(record, *name, anybody));
  Entry entry = wanted.entry;
  Exclusion excluded = excluded_by(record, entry.access, entry.share, wanted.lease.key);
  if (excluded.for_good) return refused(record, CTDB_OPENDB_CONFLICT, *excluded.for_good);
  if (!excluded.leases.empty()) return breaking(record, std::move(excluded.leases), kCacheRead | kCacheWrite);
  if (!wanted.lease.stat) {
    const uint8_t allowed = wanted.lease.overwrite ? 0 : kCacheRead | kCacheHandle;
    Verdict verdict = try_to_have_leases(record, wanted.lease.key, allowed);
    if (verdict.result != 0) return verdict;
  }
  entry.lease = grant(record, wanted.lease);
  entry = add(record, entry, wanted.name);
  if (wanted.token) add_token(record, entry, false, *wanted.token);
  *granted = lease_of(record, entry);
  return {0, true, {}, {}, 0};
}

Verdict try_to_have_leases(const Record& record, const std::optional<LeaseKey>& own, uint8_t allowed) {
  std::vector<size_t> leases = leases_beyond(record, own, allowed);
  return leases.empty() ? Verdict{} : breaking(record, std::move(leases), allowed);
}

Edit try_to_close(Record& record, const ServerId& self, uint64_t handle, const std::vector<ServerId>& alive,
                  Closing* closing) {
  *closing = {};
  const std::optional<Entry> own = closing->own = find(record, self, handle);
  if (!own) return Edit::kNothing;
  const auto is_other = [&](const Entry& entry) { return entry != *own; };
  const auto lives = [&](const Entry& entry) {
    return is_other(entry) && std::ranges::find(alive, entry.server) != alive.end();
  };
  const std::optional<Entry> other = first_of_name(record, own->name, is_other);
  const bool deletes = closes_with_token(record, *own) || pending_token(record, own->name) != nullptr;
  if (deletes && other && !first_of_name(record, own->name, lives)) {
    closing->unknown = blocker_of(record, *other);
    return Edit::kNothing;
  }
  const bool changed = let_pend(record, *own);
  closing->name = record.names[own->name];
  closing->last = !other;
  if (deletes && !other) {
    closing->token = pending_token(record, own->name)->bytes;
    return changed ? Edit::kStore : Edit::kNothing;
  }
  remove(record, *own);
  return Edit::kGivenBack;
}

}  // namespace ctdb_share::open_files
