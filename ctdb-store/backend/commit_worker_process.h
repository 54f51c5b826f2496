// SPDX-License-Identifier: GPL-3.0-or-later
// The processes behind CommitWorkers: one writes the log, one the databases. Each reads orders from its socket and carries
// them out one after another; it ends with the store.
#ifndef CTDB_STORE_BACKEND_COMMIT_WORKER_PROCESS_H_
#define CTDB_STORE_BACKEND_COMMIT_WORKER_PROCESS_H_

#include <sys/types.h>

#include <string>

namespace ctdb {

// In a forked child.
[[noreturn]] void run_log_worker(int socket, pid_t parent, const std::string& log_path);
[[noreturn]] void run_database_worker(int socket, pid_t parent);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_COMMIT_WORKER_PROCESS_H_
