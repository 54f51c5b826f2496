// SPDX-License-Identifier: GPL-3.0-or-later
// All records of a database in the cluster, as a client gets them (client-semantics §9).
#ifndef CTDB_CLI_TRAVERSE_H_
#define CTDB_CLI_TRAVERSE_H_

#include <functional>

#include "ctdb-cli/answers.h"
#include "ctdb-cli/connection.h"

namespace ctdb::cli {

// Calls `take` for each record that is not empty (`with_empty`: also for deleted ones that are still there), in any order; views are
// loans for the call. An error, kInvalid among others, when they were not all.
Result<void> traverse_database(Connection& connection, uint32_t db_id,
                               const std::function<void(const TraverseRecord&)>& take,
                               bool with_empty = false);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_TRAVERSE_H_
