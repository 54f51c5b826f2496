// SPDX-License-Identifier: GPL-3.0-or-later
// A recovery as a picture (SVG): one bar a node with its steps, below it one thin bar a database. Pure.
#ifndef CTDB_CLI_RECOVERY_PICTURE_H_
#define CTDB_CLI_RECOVERY_PICTURE_H_

#include <map>
#include <string>

#include "libctdbipc/wire/own_messages.h"

namespace ctdb::cli {

// `names` of databases by id; an unknown one is shown by its id.
std::string recovery_picture(const RecoveryRecord& record, const std::map<uint32_t, std::string>& names);

// When the store of a member began, on the leader's clock: its report left when the store was prepared.
uint64_t began_ns(const RecoveryMember& member);

}  // namespace ctdb::cli

#endif  // CTDB_CLI_RECOVERY_PICTURE_H_
