// SPDX-License-Identifier: LGPL-3.0-or-later
// The functions of ctdb_opendb.h.
#include "ctdb_opendb.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "libctdbshare/opendb/handle.h"
#include "libctdbshare/opendb/rules.h"

namespace ctdb_share::open_files {
namespace {

std::string_view text_of(ctdb_blob blob) {
  return {static_cast<const char*>(blob.data), blob.size};
}
ctdb_blob blob_of(const std::string& text) {
  return {text.data(), text.size()};
}
bool readable(ctdb_blob blob) {
  return blob.data != nullptr || blob.size == 0;
}

bool valid(const ctdb_opendb_request& request) {
  const bool deletes = (request.flags & CTDB_OPENDB_DELETE_ON_CLOSE) != 0;
  return possible(request.access, request.share) && (request.flags & ~CTDB_OPENDB_DELETE_ON_CLOSE) == 0 &&
         readable(request.name) && readable(request.token) && (deletes || request.token.size == 0);
}

// As long as *holder is there.
ctdb_opendb_holder lend(const Holder& holder) {
  const Entry& entry = holder.entry;
  return {blob_of(holder.name),  entry.access,        entry.share,  entry.server.pnn,
          entry.server.pid,      entry.server.unique, entry.handle, holder.closes_with_token ? 1 : 0,
          holder.pending ? 1 : 0};
}

bool anybody(const Entry& /*entry*/) {
  return true;
}

// 0: the file is open. CTDB_OPENDB_CONFLICT, CTDB_OPENDB_DELETE_PENDING: *blocker is in the way.
int open_in(Record& record, const ctdb_opendb_request& request, const Entry& wanted, Blocker* blocker) {
  const std::optional<uint32_t> name = find_name(record, text_of(request.name));
  if (name && pending_token(record, *name) != nullptr) {
    *blocker = blocker_of(record, *first_of_name(record, *name, anybody));
    return CTDB_OPENDB_DELETE_PENDING;
  }
  if (const auto found = first_that_excludes(record, wanted.access, wanted.share)) {
    *blocker = blocker_of(record, *found);
    return CTDB_OPENDB_CONFLICT;
  }
  const Entry made = add(record, wanted, text_of(request.name));
  if ((request.flags & CTDB_OPENDB_DELETE_ON_CLOSE) != 0)
    add_token(record, made, false, text_of(request.token));
  return 0;
}

int open_file(ctdb_opendb& opendb, ctdb_blob file, const ctdb_opendb_request& request, const Entry& wanted,
              const Deadline& deadline, Blocker* blocker) {
  for (;;) {
    int result = 0;
    int error = change(opendb, file, deadline, [&](Record& record) {
      result = open_in(record, request, wanted, blocker);
      return result == 0;
    });
    if (error != 0 || result == 0) return error;
    bool dropped = false;
    error = drop_if_dead(opendb, file, deadline, *blocker, &dropped);
    if (error != 0) return error;
    if (!dropped) return result;
  }
}

// The owners that were asked for while a file is closed, and live.
using Alive = std::vector<ServerId>;

struct Closing {
  bool found = false;
  ctdb_opendb_closed closed{};
  std::optional<Blocker> unknown;  // who may be dead; then nothing is closed
};

// Says whether the record has changed.
bool close_in(ctdb_opendb& opendb, Record& record, uint64_t handle, const Alive& alive, Closing* closing) {
  const std::optional<Entry> own = find(record, opendb.self, handle);
  closing->found = own.has_value();
  if (!own) return false;
  const auto is_other = [&](const Entry& entry) { return entry != *own; };
  const auto lives = [&](const Entry& entry) {
    return is_other(entry) && std::ranges::find(alive, entry.server) != alive.end();
  };
  const std::optional<Entry> other = first_of_name(record, own->name, is_other);
  const bool deletes = closes_with_token(record, *own) || pending_token(record, own->name) != nullptr;
  if (deletes && other && !first_of_name(record, own->name, lives)) {
    closing->unknown = blocker_of(record, *other);
    return false;
  }
  const bool changed = let_pend(record, *own);
  opendb.name = record.names[own->name];
  closing->closed.last = other ? 0 : 1;
  if (deletes && !other) {
    closing->closed.to_delete = 1;
    opendb.token = pending_token(record, own->name)->bytes;
    return changed;
  }
  remove(record, *own);
  return true;
}

int close_file(ctdb_opendb& opendb, ctdb_blob file, uint64_t handle, const Deadline& deadline,
               ctdb_opendb_closed* closed) {
  Alive alive = {opendb.self};
  for (;;) {
    Closing closing;
    int error = change(opendb, file, deadline, [&](Record& record) {
      closing = {};
      return close_in(opendb, record, handle, alive, &closing);
    });
    if (error == 0 && !closing.found) return CTDB_ERR_NOT_FOUND;
    if (error == 0 && closing.unknown) {
      bool dropped = false;
      error = drop_if_dead(opendb, file, deadline, *closing.unknown, &dropped);
      if (error == 0 && !dropped) alive.push_back(closing.unknown->entry.server);
      if (error == 0) continue;
    }
    if (error != 0) return error;
    *closed = closing.closed;
    closed->name = blob_of(opendb.name);
    if (closed->to_delete == 1) closed->token = blob_of(opendb.token);
    return 0;
  }
}

// Every function on an open handle: edit(record, entry) says whether it has changed the record.
template <typename F>
int on_handle(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms, F&& edit) {
  return guarded([&]() -> int {
    if (const int error = begin(opendb, timeout_ms); error != 0) return error;
    bool found = false;
    const int error = change(*opendb, file, Deadline(timeout_ms), [&](Record& record) {
      const std::optional<Entry> entry = find(record, opendb->self, handle);
      found = entry.has_value();
      return found && edit(record, *entry);
    });
    return error == 0 && !found ? CTDB_ERR_NOT_FOUND : error;
  });
}

void on_message(ctdb_client* /*client*/, uint64_t /*srvid*/, ctdb_blob /*data*/, void* /*private_data*/) {}

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
using ctdb_share::Deadline;
using ctdb_share::guarded;
using open_files::Entry;
using open_files::Record;

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
                          int timeout_ms, uint64_t* handle, ctdb_opendb_holder* blocker) {
  return guarded([&]() -> int {
    if (const int error = ctdb_share::begin(opendb, timeout_ms); error != 0) return error;
    if (request == nullptr || handle == nullptr || !open_files::valid(*request)) return CTDB_ERR_INVALID;
    const Entry wanted = {opendb->self, ++opendb->numbers, request->access, request->share, 0};
    *handle = wanted.handle;
    open_files::Blocker found;
    const int result = open_files::open_file(*opendb, file, *request, wanted, Deadline(timeout_ms), &found);
    if (result > 0 && blocker != nullptr) {
      *blocker = open_files::lend(found);
      opendb->name = found.name;
      blocker->name = open_files::blob_of(opendb->name);
    }
    return result;
  });
}

int ctdb_opendb_close_file(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms,
                           ctdb_opendb_closed* closed) {
  return guarded([&]() -> int {
    if (const int error = ctdb_share::begin(opendb, timeout_ms); error != 0) return error;
    if (closed == nullptr) return CTDB_ERR_INVALID;
    return open_files::close_file(*opendb, file, handle, Deadline(timeout_ms), closed);
  });
}

int ctdb_opendb_deleted(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int timeout_ms) {
  return open_files::on_handle(opendb, file, handle, timeout_ms, [](Record& record, const Entry& own) {
    remove(record, own);
    return true;
  });
}

int ctdb_opendb_set_delete(ctdb_opendb* opendb, ctdb_blob file, uint64_t handle, int deleted, ctdb_blob token,
                           int timeout_ms) {
  if (deleted < 0 || deleted > 1 || !open_files::readable(token) || (deleted == 0 && token.size != 0))
    return CTDB_ERR_INVALID;
  return open_files::on_handle(opendb, file, handle, timeout_ms, [&](Record& record, const Entry& own) {
    if (deleted == 0) return remove_pending(record, own.name);
    add_token(record, own, true, open_files::text_of(token));
    return true;
  });
}

int ctdb_opendb_list(ctdb_opendb* opendb, ctdb_blob file, int timeout_ms, ctdb_opendb_each_fn each,
                     void* private_data) {
  return guarded([&]() -> int {
    if (const int error = ctdb_share::begin(opendb, timeout_ms); error != 0) return error;
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
