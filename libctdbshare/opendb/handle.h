// SPDX-License-Identifier: LGPL-3.0-or-later
// What a ctdb_opendb is, and the ways of all its functions to a record: look(), change() under the record's lock, and drop_if_dead(), which
// holds nothing meanwhile.
#ifndef LIBCTDBSHARE_OPENDB_HANDLE_H_
#define LIBCTDBSHARE_OPENDB_HANDLE_H_

#include <functional>
#include <set>

#include "ctdb_opendb.h"
#include "libctdbshare/common/owner.h"
#include "libctdbshare/opendb/record.h"
#include "libctdbshare/opendb/seen_breaks.h"

struct ctdb_opendb : ctdb_share::Owner {
  std::string name, token;  // lent to the program until the next call
  ctdb_opendb_break_fn on_break = nullptr;
  void* on_break_data = nullptr;
  ctdb_opendb_rename_fn on_rename = nullptr;
  void* on_rename_data = nullptr;
  ctdb_share::open_files::SeenBreaks seen;
  std::set<std::string> leased;  // on a local directory: files on which it may have leases
};

namespace ctdb_share::open_files {

// Reads the record without locking it.
int look(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, Record* record);

// What an edit has done: kGivenBack wakes all who wait, and takes them out of the queue; those that still cannot go on come again.
enum class Edit { kNothing, kStore, kGivenBack };

// Locks the record, lets `edit` change it, and stores it if that says so. `edit` is run again when nothing came of the last time.
int change(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline,
           const std::function<Edit(Record&)>& edit);

struct Holder {
  Entry entry;
  std::string name;
  bool closes_with_token = false, pending = false;
  Lease lease;
};
Holder holder_of(const Record& record, const Entry& entry);

// One who is in the way, and how much of his was there.
struct Blocker : Holder {
  uint64_t last_handle = 0;
};
Blocker blocker_of(const Record& record, const Entry& entry);

// Asks whether the blocker's owner lives. If not, drops what it had there: *dropped.
int drop_if_dead(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, const Blocker& blocker,
                 bool* dropped);

inline std::string_view text_of(ctdb_blob blob) {
  return {static_cast<const char*>(blob.data), blob.size};
}
inline ctdb_blob blob_of(std::string_view text) {
  return {text.data(), text.size()};
}
inline bool readable(ctdb_blob blob) {
  return blob.data != nullptr || blob.size == 0;
}

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_HANDLE_H_
