// SPDX-License-Identifier: LGPL-3.0-or-later
// To open a file, and to close it, under the record's lock.
#ifndef LIBCTDBSHARE_OPENDB_OPENING_H_
#define LIBCTDBSHARE_OPENDB_OPENING_H_

#include <optional>
#include <string_view>
#include <vector>

#include "libctdbshare/opendb/breaking.h"
#include "libctdbshare/opendb/leases.h"

namespace ctdb_share::open_files {

struct Wanted {
  Entry entry;
  std::string_view name;
  LeaseRequest lease;
  std::optional<std::string_view> token;  // to be deleted when this handle is closed
};

// *granted is what the handle's lease caches now.
Verdict try_to_open(Record& record, const Wanted& wanted, Lease* granted);

// Leases of others come down to what is allowed.
Verdict try_to_have_leases(const Record& record, const std::optional<LeaseKey>& own, uint8_t allowed);

struct Closing {
  std::optional<Entry> own;
  bool last = false;
  std::string name;
  std::optional<std::string> token;  // the file has to be deleted now; then the handle stays
  std::optional<Blocker> unknown;    // who may be dead; then nothing is closed
};

// `alive`: owners that were asked for, and live.
Edit try_to_close(Record& record, const ServerId& self, uint64_t handle, const std::vector<ServerId>& alive,
                  Closing* closing);

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_OPENING_H_
