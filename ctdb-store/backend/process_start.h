// SPDX-License-Identifier: GPL-3.0-or-later
// What every process that the store forks does first. Used by the lock workers, the keeper and its children.
#ifndef CTDB_STORE_BACKEND_PROCESS_START_H_
#define CTDB_STORE_BACKEND_PROCESS_START_H_

#include <sys/types.h>

namespace ctdb {

// Signals for the whole process group (Ctrl-C) are the store's affair.
void ignore_signals();
// Dies with `parent`, is called `name`, ignores signals.
void settle_in(pid_t parent, const char* name);
// Keeps nothing of the store but `socket`, which becomes descriptor `number`, and standard error.
void become_helper(const char* log_name, int socket, int number);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_PROCESS_START_H_
