// SPDX-License-Identifier: LGPL-3.0-or-later
// The protocol's hash (Bob Jenkins' lookup3 "hashlittle", initial value 0): database ids and tdb chains
// (wire-protocol §6.1). And the placement of keys on location masters.
#ifndef LIBCTDBIPC_BASE_HASH_H_
#define LIBCTDBIPC_BASE_HASH_H_

#include <cstdint>
#include <string_view>

#include "libctdbipc/base/bytes.h"

namespace ctdb {

uint32_t jenkins_hash(ByteView key);

// A 64-bit fingerprint of any bytes, ours alone: equal bytes have equal ones. It is no proof against forgery.
uint64_t fingerprint(ByteView bytes);

// db_id = hash of the name including its terminating NUL (wire-protocol §6.2). `name` is without the NUL.
uint32_t database_id(std::string_view name);

}  // namespace ctdb

#endif  // LIBCTDBIPC_BASE_HASH_H_
