// SPDX-License-Identifier: LGPL-3.0-or-later
// The functions of ctdb_opendb.h.
#include "ctdb_opendb.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "libctdbshare/opendb/messages.h"
#include "libctdbshare/opendb/opening.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

constexpr uint32_t kFlags =
    CTDB_OPENDB_DELETE_ON_CLOSE | CTDB_OPENDB_OVERWRITE | CTDB_OPENDB_HAS_LOCKS | CTDB_OPENDB_DIRECTORY;

bool valid(const ctdb_opendb_request& request) {
  const bool deletes = (request.flags & CTDB_OPENDB_DELETE_ON_CLOSE) != 0;
  return possible(request.access, request.share) && (request.flags & ~kFlags) == 0 &&
         readable(request.name) && readable(request.token) && (deletes || request.token.size == 0) &&
         possible_level(request.lease) && (request.lease == 0 || request.lease_key != nullptr);
}

std::optional<LeaseKey> key_of(const uint8_t* bytes) {
  if (bytes == nullptr) return std::nullopt;
  LeaseKey key;
  std::copy_n(bytes, key.size(), key.begin());
  return key;
}

Wanted wanted_by(ctdb_opendb& opendb, const ctdb_opendb_request& request) {
  const auto has = [&](uint32_t flag) { return (request.flags & flag) != 0; };
  Wanted wanted;
  wanted.entry = {opendb.self, ++opendb.numbers, request.access, request.share, 0, 0};
  wanted.name = text_of(request.name);
  wanted.lease.key = key_of(request.lease_key);
  wanted.lease.level = static_cast<uint8_t>(request.lease);
  wanted.lease.stat = is_stat(request.access);
  wanted.lease.overwrite = has(CTDB_OPENDB_OVERWRITE);
  wanted.lease.has_locks = has(CTDB_OPENDB_HAS_LOCKS);
  wanted.lease.directory = has(CTDB_OPENDB_DIRECTORY);
  wanted.lease.number =
      static_cast<uint32_t>(opendb.self.unique ^ wanted.entry.handle * 0x9E3779B97F4A7C15u >> 32);
  if (has(CTDB_OPENDB_DELETE_ON_CLOSE)) wanted.token = text_of(request.token);
  return wanted;
}

// As long as *holder is there.
ctdb_opendb_holder lend(const Holder& holder) {
  const Entry& entry = holder.entry;
  return {blob_of(holder.name),   entry.access,        entry.share,          entry.server.pnn,
          entry.server.pid,       entry.server.unique, entry.handle,         holder.closes_with_token ? 1 : 0,
          holder.pending ? 1 : 0, holder.lease.level,  holder.lease.breaking};
}

// Result and blocker of a function that others may keep from what it wants.
int tell_blocker(ctdb_opendb& opendb, int result, const Blocker& found, ctdb_opendb_holder* blocker) {
  if (result <= 0 || blocker == nullptr) return result;
  *blocker = lend(found);
  opendb.name = found.name;
  blocker->name = blob_of(opendb.name);
  return result;
}

int open_file(ctdb_opendb& opendb, ctdb_blob file, const ctdb_opendb_request& request,
              const Deadline& deadline, ctdb_opendb_opened* opened, ctdb_opendb_holder* blocker) {
  const Wanted wanted = wanted_by(opendb, request);
  *opened = {wanted.entry.handle, 0, 0};
  Lease granted;
  Blocker found;
  const auto attempt = [&](Record& record) { return try_to_open(record, wanted, &granted); };
  const int result = attempt_until(opendb, file, deadline, attempt, &found);
  if (result != 0) return tell_blocker(opendb, result, found, blocker);
  opened->lease = granted.level;
  opened->breaking = granted.breaking;
  if (opendb.local && wanted.lease.key) opendb.leased.emplace(text_of(file));
  return 0;
}

int close_file(ctdb_opendb& opendb, ctdb_blob file, uint64_t handle, const Deadline& deadline,
               ctdb_opendb_closed* closed) {
  std::vector<ServerId> alive = {opendb.self};
  Closing closing;
  for (;;) {
    int error = change(opendb, file, deadline, [&](Record& record) {
      return try_to_close(record, opendb.self, handle, alive, &closing);
    });
    if (error == 0 && !closing.own) return CTDB_ERR_NOT_FOUND;
    if (error == 0 && !closing.unknown) break;
    bool dropped = false;
    if (error == 0) error = drop_if_dead(opendb, file, deadline, *closing.unknown, &dropped);
    if (error != 0) return error;
    if (!dropped) alive.push_back(closing.unknown->entry.server);
  }
  opendb.name = closing.name;
  opendb.token = closing.token.value_or("");
  *closed = {closing.last ? 1 : 0, closing.token ? 1 : 0, blob_of(opendb.name), blob_of(opendb.token)};
  return 0;
}

// Every function on an open handle: edit(record, entry).
template <typename F>
int on_handle(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms, F&& edit) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    bool found = false;
    const int error = change(*opendb, file, Deadline(timeout_ms), [&](Record& record) {
      const std::optional<Entry> entry = find(record, opendb->self, handle);
      found = entry.has_value();
      return found ? edit(record, *entry) : Edit::kNothing;
    });
    return error == 0 && !found ? CTDB_ERR_NOT_FOUND : error;
  });
}

int rename_file(ctdb_opendb& opendb, ctdb_blob file, uint64_t handle, std::string_view new_name,
                const Deadline& deadline) {
  int result = 0;
  std::string name;
  std::vector<ServerId> openers;
  const int error = change(opendb, file, deadline, [&](Record& record) {
    result = CTDB_ERR_NOT_FOUND;
    const std::optional<Entry> own = find(record, opendb.self, handle);
    if (!own) return Edit::kNothing;
    const std::optional<uint32_t> there = find_name(record, new_name);
    const bool pending =
        pending_token(record, own->name) != nullptr || (there && pending_token(record, *there) != nullptr);
    result = pending ? CTDB_OPENDB_DELETE_PENDING : 0;
    name = record.names[own->name];
    openers = openers_of(record, own->name);
    if (pending || name == new_name) return Edit::kNothing;
    rename(record, own->name, new_name);
    return Edit::kStore;
  });
  if (error != 0 || result != 0) return error != 0 ? error : result;
  const auto bytes =
      encode(RenameMessage{bytes_of(file), bytes_of(blob_of(name)), bytes_of(blob_of(new_name))});
  for (const ServerId& server : openers) {
    if (server != opendb.self) send(opendb, server, bytes);
  }
  return 0;
}

int give_lease_back(ctdb_opendb& opendb, ctdb_blob file, const LeaseKey& key, uint8_t level,
                    const Deadline& deadline) {
  int result = 0;
  const int error = change(opendb, file, deadline, [&](Record& record) {
    result = CTDB_ERR_NOT_FOUND;
    const std::optional<size_t> lease = find_lease(record, key);
    if (!lease) return Edit::kNothing;
    const std::vector<ServerId> holders = holders_of(record, *lease);
    if (std::ranges::find(holders, opendb.self) == holders.end()) return Edit::kNothing;
    result = give_back(record, *lease, level) ? 0 : CTDB_ERR_INVALID;
    return result == 0 ? Edit::kGivenBack : Edit::kNothing;
  });
  return error != 0 ? error : result;
}

int break_leases(ctdb_opendb& opendb, ctdb_blob file, const std::optional<LeaseKey>& own, uint8_t allowed,
                 const Deadline& deadline, ctdb_opendb_holder* blocker) {
  Record record;
  if (const int error = look(opendb, file, deadline, &record); error != 0) return error;
  if (leases_beyond(record, own, allowed).empty()) return 0;
  Blocker found;
  const auto attempt = [&](Record& now) { return try_to_have_leases(now, own, allowed); };
  return tell_blocker(opendb, attempt_until(opendb, file, deadline, attempt, &found), found, blocker);
}

void close(ctdb_opendb* opendb) {
  leave(*opendb);
  delete opendb;
}

struct Closer {
  void operator()(ctdb_opendb* opendb) const { close(opendb); }
};

}  // namespace
}  // namespace ctdb_share::open_files

namespace open_files = ctdb_share::open_files;
using ctdb_share::begin;
using ctdb_share::Deadline;
using ctdb_share::guarded;
using open_files::Edit;
using open_files::Entry;
using open_files::Record;
using open_files::text_of;

int ctdb_opendb_open(ctdb_client* client, const char* name, uint32_t flags, int timeout_ms,
                     ctdb_opendb** opendb) {
  return guarded([&]() -> int {
    if (client == nullptr || opendb == nullptr || timeout_ms < -1) return CTDB_ERR_INVALID;
    std::unique_ptr<ctdb_opendb, open_files::Closer> made(new ctdb_opendb);
    const int error =
        become(*made, client, name, flags, Deadline(timeout_ms), open_files::on_message, made.get());
    if (error == 0) *opendb = made.release();
    return error;
  });
}

void ctdb_opendb_close(ctdb_opendb* opendb) {
  if (opendb != nullptr) open_files::close(opendb);
}

const char* ctdb_opendb_error_text(const ctdb_opendb* opendb) {
  return ctdb_share::error_text(opendb);
}

int ctdb_opendb_open_file(ctdb_opendb* opendb, ctdb_blob file, const ctdb_opendb_request* request,
                          int timeout_ms, ctdb_opendb_opened* opened, ctdb_opendb_holder* blocker) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    if (request == nullptr || opened == nullptr || !open_files::valid(*request)) return CTDB_ERR_INVALID;
    return open_files::open_file(*opendb, file, *request, Deadline(timeout_ms), opened, blocker);
  });
}

int ctdb_opendb_close_file(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms,
                           ctdb_opendb_closed* closed) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    if (closed == nullptr) return CTDB_ERR_INVALID;
    return open_files::close_file(*opendb, file, handle, Deadline(timeout_ms), closed);
  });
}

int ctdb_opendb_deleted(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms) {
  return open_files::on_handle(opendb, file, handle, timeout_ms, [](Record& record, const Entry& own) {
    remove(record, own);
    return Edit::kGivenBack;
  });
}

int ctdb_opendb_set_delete(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int deleted, ctdb_blob token,
                           int timeout_ms) {
  if (deleted < 0 || deleted > 1 || !open_files::readable(token) || (deleted == 0 && token.size != 0))
    return CTDB_ERR_INVALID;
  return open_files::on_handle(opendb, file, handle, timeout_ms, [&](Record& record, const Entry& own) {
    if (deleted == 0) return remove_pending(record, own.name) ? Edit::kStore : Edit::kNothing;
    add_token(record, own, true, text_of(token));
    return Edit::kStore;
  });
}

int ctdb_opendb_rename(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, ctdb_blob new_name,
                       int timeout_ms) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    if (!open_files::readable(new_name)) return CTDB_ERR_INVALID;
    return open_files::rename_file(*opendb, file, handle, text_of(new_name), Deadline(timeout_ms));
  });
}

void ctdb_opendb_on_rename(ctdb_opendb* opendb, ctdb_opendb_rename_fn handler, void* private_data) {
  if (opendb == nullptr) return;
  opendb->on_rename = handler;
  opendb->on_rename_data = private_data;
}

int ctdb_opendb_list(ctdb_opendb* opendb, ctdb_blob file, int timeout_ms, ctdb_opendb_each_fn each,
                     void* private_data) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    Record record;
    if (const int error = open_files::look(*opendb, file, Deadline(timeout_ms), &record); error != 0)
      return error;
    for (size_t at = 0; each != nullptr && at < record.entries.size(); ++at) {
      const open_files::Holder holder = holder_of(record, record.entries[at]);
      const ctdb_opendb_holder lent = open_files::lend(holder);
      each(&lent, private_data);
    }
    return static_cast<int>(record.entries.size());
  });
}

void ctdb_opendb_on_break(ctdb_opendb* opendb, ctdb_opendb_break_fn handler, void* private_data) {
  if (opendb == nullptr) return;
  opendb->on_break = handler;
  opendb->on_break_data = private_data;
}

int ctdb_opendb_set_break_timeout(ctdb_opendb* opendb, int timeout_ms) {
  if (opendb == nullptr || timeout_ms < 0) return CTDB_ERR_INVALID;
  opendb->seen.set_timeout(std::chrono::milliseconds(timeout_ms));
  return 0;
}

int ctdb_opendb_look_for_breaks(ctdb_opendb* opendb, int timeout_ms) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    return open_files::look_for_breaks(*opendb, Deadline(timeout_ms));
  });
}

int ctdb_opendb_give_back(ctdb_opendb* opendb, ctdb_blob file, const uint8_t* lease_key, uint32_t lease,
                          int timeout_ms) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    if (lease_key == nullptr || !open_files::possible_level(lease)) return CTDB_ERR_INVALID;
    return open_files::give_lease_back(*opendb, file, *open_files::key_of(lease_key),
                                       static_cast<uint8_t>(lease), Deadline(timeout_ms));
  });
}

int ctdb_opendb_break_leases(ctdb_opendb* opendb, ctdb_blob file, const uint8_t* lease_key, uint32_t allowed,
                             int timeout_ms, ctdb_opendb_holder* blocker) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    if (!open_files::possible_level(allowed)) return CTDB_ERR_INVALID;
    return open_files::break_leases(*opendb, file, open_files::key_of(lease_key),
                                    static_cast<uint8_t>(allowed), Deadline(timeout_ms), blocker);
  });
}
