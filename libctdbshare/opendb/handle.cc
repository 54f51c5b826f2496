// SPDX-License-Identifier: LGPL-3.0-or-later
#include "libctdbshare/opendb/handle.h"

#include "libctdbshare/opendb/leases.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

int read(ctdb_opendb& opendb, std::span<const uint8_t> bytes, Record* record) {
  return decode(bytes, record, &opendb.text) ? 0 : CTDB_ERR_DATABASE;
}

}  // namespace

int look(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, Record* record) {
  ctdb_blob value{};
  const int error = ctdb_read(opendb.db, file, deadline.left_ms(), &value);
  return error != 0 ? error : read(opendb, bytes_of(value), record);
}

int change(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline,
           const std::function<Edit(Record&)>& edit) {
  std::vector<ServerId> waiters;
  const auto edit_bytes = [&](std::span<const uint8_t> bytes) -> Edited {
    Record record;
    if (const int error = read(opendb, bytes, &record); error != 0) return {error, false, {}};
    waiters.clear();
    const Edit done = edit(record);
    if (done == Edit::kNothing) return {};
    if (done == Edit::kGivenBack) waiters.swap(record.waiters);
    return {0, true, encode(record)};
  };
  const Changed changed = change_value(opendb, file, deadline, edit_bytes);
  if (changed.written) {
    for (const ServerId& waiter : waiters) wake(opendb, waiter);
  }
  return changed.error;
}

Holder holder_of(const Record& record, const Entry& entry) {
  return {entry, record.names[entry.name], closes_with_token(record, entry),
          pending_token(record, entry.name) != nullptr, lease_of(record, entry)};
}

Blocker blocker_of(const Record& record, const Entry& entry) {
  return {holder_of(record, entry), last_handle(record, entry.server)};
}

int drop_if_dead(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, const Blocker& blocker,
                 bool* dropped) {
  const ServerId server = blocker.entry.server;
  if (const int error = find_out_if_dead(opendb, server, deadline, dropped); error != 0) return error;
  if (!*dropped) return 0;
  return change(opendb, file, deadline, [&](Record& record) {
    return remove_dead(record, server, blocker.last_handle) ? Edit::kGivenBack : Edit::kNothing;
  });
}

}  // namespace ctdb_share::open_files
