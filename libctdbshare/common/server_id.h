// SPDX-License-Identifier: LGPL-3.0-or-later
#ifndef LIBCTDBSHARE_COMMON_SERVER_ID_H_
#define LIBCTDBSHARE_COMMON_SERVER_ID_H_

#include <cstdint>

namespace ctdb_share {

// A process of the cluster, or a part of one.
struct ServerId {
  uint32_t pnn = 0;
  int32_t pid = 0;
  uint64_t unique = 0;
  bool operator==(const ServerId&) const = default;
};

}  // namespace ctdb_share

#endif  // LIBCTDBSHARE_COMMON_SERVER_ID_H_
