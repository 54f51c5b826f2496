// SPDX-License-Identifier: LGPL-3.0-or-later
// How long this owner has been waiting for which breaks, also over several calls. By its own clock: those of nodes differ.
#ifndef LIBCTDBSHARE_OPENDB_SEEN_BREAKS_H_
#define LIBCTDBSHARE_OPENDB_SEEN_BREAKS_H_

#include <chrono>
#include <map>
#include <string>

#include "libctdbshare/opendb/record.h"

namespace ctdb_share::open_files {

class SeenBreaks {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
  // The lease was being broken, and stood in the way.
  void saw(const std::string& file, const Lease& lease, Time now);
  // Whether it has been for too long: the same break.
  bool too_long(const std::string& file, const Lease& lease, Time now) const;
  size_t files() const { return files_.size(); }

 private:
  struct Seen {
    uint32_t number = 0;
    Time first, last;
  };
  using Leases = std::map<LeaseKey, Seen>;
  void forget_what_nobody_looks_for(Time now);

  std::chrono::milliseconds timeout_{35000};
  std::map<std::string, Leases> files_;
};

}  // namespace ctdb_share::open_files

#endif  // LIBCTDBSHARE_OPENDB_SEEN_BREAKS_H_
