// SPDX-License-Identifier: LGPL-3.0-or-later
// The tunables by name: a Tunable is the place of its value in every list of them (wire-protocol §7.6).
#ifndef LIBCTDBIPC_WIRE_TUNABLES_H_
#define LIBCTDBIPC_WIRE_TUNABLES_H_

#include <cstddef>
#include <cstdint>

namespace ctdb {

enum class Tunable : uint32_t {
#define CTDB_TUNABLE(name, default_value, state) name,
#include "libctdbipc/wire/tunables.def"
  count
};
inline constexpr size_t kTunables = static_cast<size_t>(Tunable::count);
static_assert(kTunables == 62, "GET_ALL_TUNABLES is 62 numbers");

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_TUNABLES_H_
