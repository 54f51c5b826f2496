// SPDX-License-Identifier: GPL-3.0-or-later
// What tests and the simulator's checkers see of a store's records.
#ifndef CTDB_STORE_CORE_SIGHTS_H_
#define CTDB_STORE_CORE_SIGHTS_H_

#include <functional>
#include <vector>

#include "ctdb-store/core/database.h"
#include "ctdb-store/core/store.h"

namespace ctdb {

// Of volatile databases.
void visit_records(const Databases& databases, const std::function<void(const RecordSight&)>& visit);
// Of full copies.
std::vector<DatabaseDigest> digests_of(const Databases& databases);

}  // namespace ctdb

#endif  // CTDB_STORE_CORE_SIGHTS_H_
