// SPDX-License-Identifier: LGPL-3.0-or-later
// What a ctdb_opendb is, and the ways of all its functions to a record: look(), change() under the record's lock, and drop_if_dead(), which
// holds nothing meanwhile.
#ifndef LIBCTDBSHARE_OPENDB_HANDLE_H_
#define LIBCTDBSHARE_OPENDB_HANDLE_H_

#include <functional>

#include "ctdb_opendb.h"
#include "libctdbshare/common/owner.h"
#include "libctdbshare/opendb/record.h"

struct ctdb_opendb : ctdb_share::Owner {
  std::string name, token;  // lent to the program until the next call
};

namespace ctdb_share::open_files {

// Reads the record without locking it.
int look(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, Record* record);

// Locks the record, lets `edit` change it, and stores it if that says true. `edit` is run again when nothing came of the last time.
int change(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline,
           const std::function<bool(Record&)>& edit);

struct Holder {
  Entry entry;
  std::string name;
  bool closes_with_token = false, pending = false;
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

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_HANDLE_H_
