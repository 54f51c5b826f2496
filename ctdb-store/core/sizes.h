// SPDX-License-Identifier: GPL-3.0-or-later
// Records that are larger than "[database] record limit" allows: classic clients write values into the file by themselves, so
// nobody can refuse them. They are told of when the store reads them, which is before they are pushed or leave at the latest.
//
// Nothing else happens to them: they stay, are read, and move. What no packet has room for stays where it is, and other nodes'
// calls for it are refused until it is smaller.
#ifndef CTDB_STORE_CORE_SIZES_H_
#define CTDB_STORE_CORE_SIZES_H_

#include <cstddef>

namespace ctdb {

struct Database;
struct RecordEntry;
struct StoreContext;

// The record has `bytes` of data, more than its database allows: counted and logged, once for this entry.
void tell_over_limit(StoreContext& context, const Database& db, RecordEntry& entry, size_t bytes);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_SIZES_H_
