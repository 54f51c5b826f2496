// SPDX-License-Identifier: LGPL-3.0-or-later
// Which database a packet is about, for filters. Expanded from messages.def: a payload of an operation, or a request of a control, that
// databases_named.cc says nothing of does not compile.
#ifndef LIBCTDBIPC_WIRE_DATABASES_NAMED_H_
#define LIBCTDBIPC_WIRE_DATABASES_NAMED_H_

#include <cstdint>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

// The packet says the database's number, or its name. Replies of controls and calls do not say which it is. `packet` may be broken or cut
// off: what is there is looked at.
bool names_database(ByteView packet, uint32_t db_id);

}  // namespace ctdb

#endif  // LIBCTDBIPC_WIRE_DATABASES_NAMED_H_
