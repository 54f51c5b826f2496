// SPDX-License-Identifier: GPL-3.0-or-later
// That one store at a time works in a directory of persistent databases: their files have the node's number in their names, the log
// of commits has not, and a store that starts cuts off what another one is just writing to it.
#ifndef CTDB_STORE_STORE_LOCK_H_
#define CTDB_STORE_STORE_LOCK_H_

#include <string>

#include "libctdbipc/base/result.h"
#include "libctdbipc/base/unique_fd.h"

namespace ctdb {

// The lock lasts as long as the descriptor and this process, whatever children have of it. Without a valid descriptor nobody is kept
// out: the disk is full, or the file system has no locks. Errors: kSystem (who has it).
Result<UniqueFd> lock_for_store(const std::string& directory);

}  // namespace ctdb

#endif  // CTDB_STORE_STORE_LOCK_H_
