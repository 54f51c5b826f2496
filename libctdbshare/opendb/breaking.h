// SPDX-License-Identifier: LGPL-3.0-or-later
// How leases are broken: who needs that asks for it in the record, tells the holders, and waits in the record's queue until they have given
// it back, have died, or the time is over that they have for it.
#ifndef LIBCTDBSHARE_OPENDB_BREAKING_H_
#define LIBCTDBSHARE_OPENDB_BREAKING_H_

#include <functional>
#include <vector>

#include "libctdbshare/opendb/handle.h"

namespace ctdb_share::open_files {

// What comes of an attempt under the record's lock.
struct Verdict {
  int result = 0;        // 0: all is as was wanted. Else the record is not changed, and:
  bool changed = false;  // with result 0: the record is
  Blocker blocker;
  std::vector<size_t> leases;  // CTDB_OPENDB_BREAKING: they have to come down to what is allowed
  uint8_t allowed = 0;
};
using Attempt = std::function<Verdict(Record&)>;

// Attempts it until the result is another one than CTDB_OPENDB_BREAKING, or the deadline is over. *blocker, if the result is positive, is one
// who was asked for and lives.
int attempt_until(ctdb_opendb& opendb, ctdb_blob file, const Deadline& deadline, const Attempt& attempt,
                  Blocker* blocker);

// Looks whether leases of this owner have to be given back, and tells the program: on a local directory, where nobody tells us.
int look_for_breaks(ctdb_opendb& opendb, const Deadline& deadline);

// A message for a ctdb_opendb, which is the private data.
void on_message(ctdb_client* client, uint64_t srvid, ctdb_blob data, void* private_data);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_BREAKING_H_
