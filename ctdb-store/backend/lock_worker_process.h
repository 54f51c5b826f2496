// SPDX-License-Identifier: GPL-3.0-or-later
// The other side of LockWorkers: what runs in the spawner and in the worker processes, and the messages
// between them (SOCK_SEQPACKET, one message a packet). Included by lock_workers.cc only.
#ifndef CTDB_STORE_BACKEND_LOCK_WORKER_PROCESS_H_
#define CTDB_STORE_BACKEND_LOCK_WORKER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>

namespace ctdb {

enum class LockOrder : uint32_t { kLock = 1, kUnlock = 2 };
// Store -> worker; kLock is followed by path and key.
struct LockOrderHead {
  LockOrder order = LockOrder::kLock;
  int32_t open_flags = 0;
  uint64_t ticket = 0;
  uint32_t path_size = 0;
  uint32_t key_size = 0;
};

enum class LockNews : uint32_t { kHello = 1, kLocked = 2, kFailed = 3 };
// Worker -> store. kFailed: text says why.
struct LockNewsMessage {
  LockNews news = LockNews::kHello;
  int32_t pid = 0;
  uint64_t ticket = 0;
  char text[256] = {};
};

// Runs in the forked child, never returns. `socket`: where descriptors of new workers' sockets arrive. Every
// other descriptor but standard error is closed.
[[noreturn]] void run_lock_spawner(int socket, pid_t parent);

}  // namespace ctdb

#endif  // CTDB_STORE_BACKEND_LOCK_WORKER_PROCESS_H_
