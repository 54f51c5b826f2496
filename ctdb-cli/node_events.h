// SPDX-License-Identifier: GPL-3.0-or-later
// What has happened between two looks at a node. Pure.
#ifndef CTDB_CLI_NODE_EVENTS_H_
#define CTDB_CLI_NODE_EVENTS_H_

#include <vector>

#include "ctdb-cli/node_view.h"
#include "ctdb-cli/report.h"

namespace ctdb::cli {

// One report each, whose first field is "event". Without a look before: how it is, as if all of that had just become so.
std::vector<Report> events_between(const NodeView* before, const NodeView& now);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_NODE_EVENTS_H_
