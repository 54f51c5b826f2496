// SPDX-License-Identifier: GPL-3.0-or-later
#include "ctdb-store/core/rules.h"

namespace ctdb {
namespace {

constexpr uint32_t kTransientFlags = CTDB_RECORD_AUTOMATIC | CTDB_RECORD_VACUUM_MIGRATED;

bool keeps(const RecordHeader& header, bool has_data, bool self_is_lmaster, uint32_t self) {
  const bool owner = header.dmaster == self;
  if (has_data || (header.flags & kReadOnlyFlags) != 0) return true;
  if ((header.flags & (CTDB_RECORD_AUTOMATIC | CTDB_RECORD_MIGRATED_WITH_DATA)) != 0) return true;
  const bool vacuumed = (header.flags & CTDB_RECORD_VACUUM_MIGRATED) != 0 && owner;
  if (self_is_lmaster && !vacuumed) return true;
  return owner;
}

}  // namespace

Kept server_store_rule(const RecordHeader& header, bool has_data, bool self_is_lmaster, uint32_t self) {
  Kept kept;
  kept.keep = keeps(header, has_data, self_is_lmaster, self);
  kept.header = header;
  kept.header.flags &= ~kTransientFlags;
  if (kept.keep && header.dmaster == self && (header.flags & kReadOnlyFlags) == 0) ++kept.header.rsn;
  return kept;
}

bool call_stores(uint32_t callid) {
  return callid == CTDB_FUNC_NULL || callid == CTDB_FUNC_FETCH || callid == CTDB_FUNC_FETCH_WITH_HEADER;
}

uint32_t whom_to_ask(uint32_t self, uint32_t lmaster, uint32_t hint, bool hint_is_member) {
  if (hint_is_member && hint != self) return hint;
  return lmaster == self ? CTDB_UNKNOWN_PNN : lmaster;
}

uint32_t whom_to_redirect_to(uint32_t self, uint32_t lmaster, uint32_t pointer) {
  if (lmaster != self) return lmaster;
  return pointer == self ? CTDB_UNKNOWN_PNN : pointer;
}

Answer whom_to_answer(uint32_t self, uint32_t lmaster, uint32_t requester) {
  if (lmaster == self) return {true, requester};
  return {false, lmaster};
}

bool wins_over(const Claim& a, const Claim& b) {
  if (a.owns() != b.owns()) return a.owns();
  if (a.rsn != b.rsn) return a.rsn > b.rsn;
  if (a.has_data != b.has_data) return a.has_data;
  return a.holder < b.holder;
}

}  // namespace ctdb
