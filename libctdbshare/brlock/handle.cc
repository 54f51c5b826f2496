// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/brlock/handle.h"

#include <optional>

namespace ctdb_share {
namespace {

int read(ctdb_brlock& brlock, std::span<const uint8_t> bytes, Record* record) {
  return decode(bytes, record, &brlock.text) ? 0 : CTDB_ERR_DATABASE;
}

// A waiter that could go on before has been woken then, or looks by itself.
std::optional<Waiter> to_wake(const Record& before, const Record& after) {
  const Waiter* const next = first_that_can_go(after);
  if (next == nullptr) return std::nullopt;
  const Waiter* const earlier = first_that_can_go(before);
  if (earlier != nullptr && *earlier == *next) return std::nullopt;
  return *next;
}

}  // namespace

int look(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, Record* record) {
  ctdb_blob value{};
  const int error = ctdb_read(brlock.db, file, deadline.left_ms(), &value);
  return error != 0 ? error : read(brlock, bytes_of(value), record);
}

int change(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline,
           const std::function<bool(Record&)>& edit) {
  Record before, record;
  const auto edit_bytes = [&](std::span<const uint8_t> bytes) -> Edited {
    if (const int error = read(brlock, bytes, &record); error != 0) return {error, false, {}};
    before = record;
    if (!edit(record) || record == before) return {};
    return {0, true, record.empty() ? std::vector<uint8_t>{} : encode(record)};
  };
  const Changed changed = change_value(brlock, file, deadline, edit_bytes);
  if (changed.written) {
    if (const std::optional<Waiter> next = to_wake(before, record)) wake(brlock, next->wanted.server);
  }
  return changed.error;
}

int drop_if_dead(ctdb_brlock& brlock, ctdb_blob file, const Deadline& deadline, const Lock& blocker,
                 const Record& looked_at, bool* dropped) {
  const ServerId server = blocker.server;
  if (const int error = find_out_if_dead(brlock, server, deadline, dropped); error != 0) return error;
  if (!*dropped) return 0;
  // Others may have been first; what he has locked since he was asked for, as one who has come back, stays.
  return change(brlock, file, deadline,
                [&](Record& record) { return remove_dead(record, server, looked_at); });
}

}  // namespace ctdb_share
