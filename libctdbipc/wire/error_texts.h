// SPDX-License-Identifier: LGPL-3.0-or-later
// Error texts that programs of this suite recognise in each other's answers. All others are for people.
#ifndef LIBCTDBIPC_WIRE_ERROR_TEXTS_H_
#define LIBCTDBIPC_WIRE_ERROR_TEXTS_H_

#include <string_view>

namespace ctdb {

// A router, of a control that its store would have to serve: it may be tried again when there is a store.
inline constexpr std::string_view kStoreNotRunning = "ctdb-store is not running";

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_ERROR_TEXTS_H_
