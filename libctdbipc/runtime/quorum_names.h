// SPDX-License-Identifier: LGPL-3.0-or-later
// What ctdb.conf calls the quorum rules.
#ifndef LIBCTDBIPC_RUNTIME_QUORUM_NAMES_H_
#define LIBCTDBIPC_RUNTIME_QUORUM_NAMES_H_

#include <array>
#include <string_view>

#include "libctdbipc/runtime/config.h"

namespace ctdb {

// By Quorum.
inline constexpr std::array<std::string_view, 3> kQuorumNames = {"majority", "lock", "none"};
static_assert(static_cast<size_t>(Quorum::kNone) + 1 == kQuorumNames.size());

}  // namespace ctdb

#endif  // LIBCTDBIPC_RUNTIME_QUORUM_NAMES_H_
