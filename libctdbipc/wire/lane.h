// SPDX-License-Identifier: LGPL-3.0-or-later
// The two lanes of a link and of the router-recoveryd pair (ARCHITECTURE.md §2): the control lane is written first.
#ifndef LIBCTDBIPC_WIRE_LANE_H_
#define LIBCTDBIPC_WIRE_LANE_H_

#include <cstdint>

namespace ctdb {

enum class Lane : uint8_t { kControl = 0, kData = 1 };

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_LANE_H_
